using System;
using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>How far an action is.</summary>
    public enum NpcActionStatus
    {
        /// <summary>The NPC wants it; nothing has been decided.</summary>
        Requested,

        /// <summary>The game will do it.</summary>
        Accepted,

        /// <summary>It has begun.</summary>
        Started,

        /// <summary>It goes on.</summary>
        Progress,

        /// <summary>It is done.</summary>
        Done,

        /// <summary>It was tried and failed.</summary>
        Failed,

        /// <summary>It will not be done.</summary>
        Refused,

        /// <summary>It was broken off.</summary>
        Cancelled,
    }

    /// <summary>
    /// Something that an NPC wants to do; only the game can do it, and says what became of it. Its
    /// life: requested, <see cref="Accept"/> or <see cref="Refuse"/>, <see cref="Start"/>, any number
    /// of <see cref="Progress"/>, and exactly one of <see cref="Done"/>, <see cref="Fail"/>,
    /// <see cref="Cancel"/>. Steps may be skipped: a bare <see cref="Done"/> is enough. The NPC speaks
    /// to the outcome.
    /// </summary>
    public sealed class NpcActionRequest
    {
        internal NpcActionRequest(NpcCharacter character, IDictionary<string, object> body)
        {
            Character = character;
            ActionId = Fields.Integer(body, "action_id");
            Tool = Fields.Text(body, "tool");
            Args = Fields.Map(body, "args");
            TimeoutMs = Fields.Integer(body, "timeout_ms");
            IsOfTurn = body.ContainsKey("turn_id");
            Reason = "";
        }

        /// <summary>The NPC no longer wants it: cancel it, or tell how it ended.</summary>
        public event Action<NpcActionRequest> CancelRequested;

        /// <summary>Who wants it.</summary>
        public NpcCharacter Character { get; private set; }

        /// <summary>Unique in its session.</summary>
        public long ActionId { get; private set; }

        /// <summary>What to do, for example <c>go_to</c>.</summary>
        public string Tool { get; private set; }

        /// <summary>Arguments by name; ids are ids of the world.</summary>
        public IDictionary<string, object> Args { get; private set; }

        /// <summary>How long the game may be silent about it, in milliseconds.</summary>
        public long TimeoutMs { get; private set; }

        /// <summary>Whether it was asked for in a turn; otherwise a state asked for it.</summary>
        public bool IsOfTurn { get; private set; }

        /// <summary>How far it is.</summary>
        public NpcActionStatus Status { get; private set; }

        /// <summary>The last word on it: why it was refused or failed.</summary>
        public string Reason { get; private set; }

        /// <summary>What the game reported last.</summary>
        public IDictionary<string, object> Result { get; private set; }

        /// <summary>Whether the NPC no longer wants it.</summary>
        public bool IsCancelRequested { get; private set; }

        /// <summary>Whether it has come to its end.</summary>
        public bool HasEnded
        {
            get { return Status >= NpcActionStatus.Done; }
        }

        /// <summary>A text argument; empty when there is none.</summary>
        public string TextOf(string name)
        {
            return Fields.Text(Args, name);
        }

        /// <summary>The game will do it.</summary>
        public void Accept()
        {
            Character.UpdateAction(this, NpcActionStatus.Accepted);
        }

        /// <summary>It has begun: the NPC may speak of being under way.</summary>
        public void Start()
        {
            Character.UpdateAction(this, NpcActionStatus.Started);
        }

        /// <summary>It goes on; keeps it from timing out.</summary>
        public void Progress(IDictionary<string, object> soFar = null)
        {
            Character.UpdateAction(this, NpcActionStatus.Progress, "", soFar);
        }

        /// <summary>It is done; the outcome is free-form data for the NPC's words.</summary>
        public void Done(IDictionary<string, object> outcome = null)
        {
            Character.UpdateAction(this, NpcActionStatus.Done, "", outcome);
        }

        /// <summary>It was tried and failed; the reason is a stable word, as "blocked".</summary>
        public void Fail(string reason)
        {
            Character.UpdateAction(this, NpcActionStatus.Failed, reason);
        }

        /// <summary>It will not be done; the reason is a stable word, as "too_far".</summary>
        public void Refuse(string reason)
        {
            Character.UpdateAction(this, NpcActionStatus.Refused, reason);
        }

        /// <summary>It was broken off.</summary>
        public void Cancel(string reason = "cancelled")
        {
            Character.UpdateAction(this, NpcActionStatus.Cancelled, reason);
        }

        /// <summary>Takes the next status; false when it cannot follow the present one.</summary>
        internal bool Advance(
            NpcActionStatus next, string reason, IDictionary<string, object> result)
        {
            if (HasEnded || next < Status || next == NpcActionStatus.Requested)
            {
                return false;
            }
            Status = next;
            Reason = reason ?? "";
            Result = result;
            return true;
        }

        internal void RequestCancel()
        {
            if (!HasEnded && !IsCancelRequested)
            {
                IsCancelRequested = true;
                if (CancelRequested != null)
                {
                    CancelRequested(this);
                }
            }
        }
    }
}
