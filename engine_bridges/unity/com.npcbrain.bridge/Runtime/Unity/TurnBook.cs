using System;
using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>
    /// The turns of one character that are under way; each ends exactly once, with something said
    /// when the sidecar is late, refuses or is gone.
    /// </summary>
    internal sealed class TurnBook
    {
        /// <summary>How long after a turn's deadline the character says a line of its own.</summary>
        private const double GraceSeconds = 0.02;

        private readonly List<NpcTurn> _turns = new List<NpcTurn>();
        private readonly NpcCharacter _character;

        public TurnBook(NpcCharacter character)
        {
            _character = character;
        }

        public bool IsEmpty
        {
            get { return _turns.Count == 0; }
        }

        /// <summary>Begins a turn, which ends by its deadline whatever becomes of the sidecar.</summary>
        public void Hear(NpcTurn turn, Dictionary<string, object> body, double nowSeconds, double limit)
        {
            _turns.Add(turn);
            turn.DeadlineSeconds = nowSeconds + limit + GraceSeconds;
            _character.Sidecar.Send("npc.hear", body, _character.NpcId, answer => TakeAnswer(answer, turn));
        }

        /// <summary>Begins a turn that the sidecar is not asked for; its line comes with the next frame.</summary>
        public void HearAlone(NpcTurn turn)
        {
            turn.DeadlineSeconds = double.NegativeInfinity;
            _turns.Add(turn);
        }

        /// <summary>Lets turns whose time is up say a line of the character's own.</summary>
        public void Tick(double nowSeconds)
        {
            for (int index = _turns.Count - 1; index >= 0 && index < _turns.Count; index--)
            {
                NpcTurn turn = _turns[index];
                if (turn.NumLines == 0 && nowSeconds >= turn.DeadlineSeconds)
                {
                    bool isAlone = double.IsNegativeInfinity(turn.DeadlineSeconds);
                    GiveUp(turn, isAlone ? "there is no sidecar" : "no line came by the deadline");
                }
            }
        }

        /// <summary>Takes a message about a turn; what comes for one that has ended here is dropped.</summary>
        public void Take(string type, IDictionary<string, object> body)
        {
            long turnId = Fields.Integer(body, "turn_id");
            if (type == "turn.started")
            {
                NpcTurn begun = new NpcTurn(
                    _character, Fields.Text(body, "cause"), Fields.Text(body, "speaker_id"));
                begun.DeadlineSeconds = double.PositiveInfinity;
                begun.TurnId = turnId;
                _turns.Add(begun);
                Start(begun);
                return;
            }
            NpcTurn turn = Find(turnId);
            if (turn == null)
            {
                return;
            }
            switch (type)
            {
                case "turn.token":
                    AddToken(turn, Fields.Text(body, "text"));
                    break;
                case "turn.line":
                    AddLine(turn, new NpcLine(body));
                    break;
                case "turn.ended":
                    turn.End(body);
                    Close(turn);
                    break;
            }
        }

        /// <summary>Ends a turn now, or all of them (null): no more is heard.</summary>
        public void Cancel(NpcTurn turn)
        {
            foreach (NpcTurn open in _turns.ToArray())
            {
                if ((turn == null || turn == open) && !open.HasEnded)
                {
                    TellCancel(open);
                    open.End("cancelled", "cancelled by the game");
                    Close(open);
                }
            }
        }

        /// <summary>The link is lost, and with it what the sidecar was saying.</summary>
        public void LoseAll(string reason)
        {
            foreach (NpcTurn turn in _turns.ToArray())
            {
                GiveUp(turn, reason);
            }
        }

        private void TakeAnswer(NpcMessage answer, NpcTurn turn)
        {
            if (answer.IsError)
            {
                GiveUp(turn, answer.ErrorText);
                return;
            }
            turn.TurnId = Fields.Integer(answer.Body, "turn_id");
            if (turn.HasEnded)
            {
                TellCancel(turn);
            }
            else
            {
                Start(turn);
            }
        }

        private void GiveUp(NpcTurn turn, string reason)
        {
            if (turn.HasEnded)
            {
                return;
            }
            TellCancel(turn);
            if (turn.NumLines > 0)
            {
                turn.End("said", reason);
            }
            else if (turn.Cause == "hear")
            {
                FallBack(turn);
                turn.End("fallback", reason);
            }
            else
            {
                turn.End("cancelled", reason);
            }
            Close(turn);
        }

        private void FallBack(NpcTurn turn)
        {
            Start(turn);
            NpcLine line = new NpcLine(_character.FallbackLine(turn));
            if (!turn.HasText)
            {
                AddToken(turn, line.Text);
            }
            AddLine(turn, line);
        }

        private void Start(NpcTurn turn)
        {
            if (!turn.HasStarted)
            {
                turn.HasStarted = true;
                _character.TakeStarted(turn);
            }
        }

        private void AddToken(NpcTurn turn, string text)
        {
            turn.AddToken(text);
            _character.TakeToken(turn, text);
        }

        private void AddLine(NpcTurn turn, NpcLine line)
        {
            turn.AddLine(line);
            _character.TakeLine(turn, line);
        }

        private void Close(NpcTurn turn)
        {
            if (_turns.Remove(turn))
            {
                _character.TakeEnded(turn);
                turn.Announce();
            }
        }

        private void TellCancel(NpcTurn turn)
        {
            if (turn.TurnId >= 0 && _character.IsLinked)
            {
                Dictionary<string, object> body = new Dictionary<string, object>();
                body["turn_id"] = turn.TurnId;
                _character.Sidecar.Send("turn.cancel", body);
            }
        }

        private NpcTurn Find(long turnId)
        {
            foreach (NpcTurn turn in _turns)
            {
                if (turn.TurnId == turnId)
                {
                    return turn;
                }
            }
            return null;
        }
    }
}
