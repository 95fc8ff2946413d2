using System;
using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>
    /// What one character does and asks: its actions under way, its questions, and the tools of the
    /// game that it brings along.
    /// </summary>
    internal sealed class NpcHands
    {
        private static readonly string[] _statusNames =
        {
            "requested", "accepted", "started", "progress", "done", "failed", "refused", "cancelled",
        };

        private readonly NpcCharacter _character;
        private readonly Dictionary<string, NpcTool> _tools = new Dictionary<string, NpcTool>();
        private readonly Dictionary<long, NpcActionRequest> _open =
            new Dictionary<long, NpcActionRequest>();

        /// <summary>Actions whose last update the sidecar has not heard.</summary>
        private readonly List<NpcActionRequest> _untold = new List<NpcActionRequest>();

        public NpcHands(NpcCharacter character)
        {
            _character = character;
        }

        public void Add(NpcTool tool)
        {
            _tools[tool.Name] = tool;
            if (_character.IsLinked)
            {
                Register(tool);
            }
        }

        public void RegisterAll()
        {
            foreach (NpcTool tool in _tools.Values)
            {
                Register(tool);
            }
        }

        /// <summary>Tells what a lost link has kept from the sidecar.</summary>
        public void TellUntold()
        {
            NpcActionRequest[] untold = _untold.ToArray();
            _untold.Clear();
            foreach (NpcActionRequest action in untold)
            {
                Tell(action);
            }
        }

        /// <summary>
        /// Forgets the actions of a session that is over: their ids mean others now, and nobody wants
        /// them any more.
        /// </summary>
        public void Forget()
        {
            NpcActionRequest[] open = new NpcActionRequest[_open.Count];
            _open.Values.CopyTo(open, 0);
            _open.Clear();
            _untold.Clear();
            foreach (NpcActionRequest action in open)
            {
                action.RequestCancel();
            }
        }

        public void TakeAction(IDictionary<string, object> body)
        {
            NpcActionRequest action = new NpcActionRequest(_character, body);
            _open[action.ActionId] = action;
            NpcTool tool;
            bool isHeard = _character.RaiseActionRequested(action);
            if (_tools.TryGetValue(action.Tool, out tool) && tool.Handler != null)
            {
                tool.Handler(action);
            }
            else if (!isHeard)
            {
                action.Refuse("not_supported");
            }
        }

        public void TakeCancel(IDictionary<string, object> body)
        {
            NpcActionRequest action;
            if (_open.TryGetValue(Fields.Integer(body, "action_id"), out action))
            {
                action.RequestCancel();
                _character.RaiseActionCancelled(action);
            }
        }

        public void TakeCall(IDictionary<string, object> body)
        {
            NpcToolCall call = new NpcToolCall(_character, body);
            bool isHeard = _character.RaiseToolCalled(call);
            NpcTool tool;
            if (call.IsAnswered)
            {
                return;
            }
            if (_tools.TryGetValue(call.Tool, out tool) && tool.QueryHandler != null)
            {
                tool.QueryHandler(call);
            }
            else if (!NpcWorld.TryAnswer(call) && !isHeard)
            {
                call.Refuse("unknown_tool");
            }
        }

        public bool Update(
            NpcActionRequest action, NpcActionStatus status, string reason,
            IDictionary<string, object> result)
        {
            if (!action.Advance(status, reason, result))
            {
                return false;
            }
            NpcActionRequest known;
            bool isOfSession = _open.TryGetValue(action.ActionId, out known) && known == action;
            if (action.HasEnded && isOfSession)
            {
                _open.Remove(action.ActionId);
            }
            if (isOfSession)
            {
                Tell(action);
            }
            return true;
        }

        public void Answer(
            NpcToolCall call, bool isOk, IDictionary<string, object> result, string error)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["call_id"] = call.CallId;
            body["ok"] = isOk;
            body["result"] = result ?? new Dictionary<string, object>();
            body["error"] = error;
            _character.Tell("tool.result", body);
        }

        private void Register(NpcTool tool)
        {
            if (!tool.IsBuiltIn)
            {
                _character.Sidecar.Send("tool.register", tool.ToBody(), "", _character.Report);
            }
        }

        private void Tell(NpcActionRequest action)
        {
            if (!_character.IsLinked)
            {
                Keep(action);
                return;
            }
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["action_id"] = action.ActionId;
            body["status"] = _statusNames[(int)action.Status];
            body["reason"] = action.Reason;
            body["result"] = action.Result ?? new Dictionary<string, object>();
            _character.Sidecar.Send(
                "action.update", body, _character.NpcId, answer => TakeAnswer(answer, action));
        }

        private void TakeAnswer(NpcMessage answer, NpcActionRequest action)
        {
            if (answer.ErrorCode == NpcMessage.ConnectionLostCode)
            {
                Keep(action);
            }
            else if (answer.ErrorCode != "action_ended")
            {
                _character.Report(answer);
            }
        }

        private void Keep(NpcActionRequest action)
        {
            if (!_untold.Contains(action))
            {
                _untold.Add(action);
            }
        }
    }
}
