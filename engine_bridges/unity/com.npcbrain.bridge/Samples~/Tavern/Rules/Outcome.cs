using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>One step in the life of an action, as <c>action.update</c> tells it.</summary>
    public sealed class Outcome
    {
        /// <summary>Who acts.</summary>
        public readonly string ActorId;

        /// <summary>Which action of theirs.</summary>
        public readonly long ActionId;

        /// <summary>accepted, started, progress, done, failed, refused or cancelled.</summary>
        public readonly string Status;

        /// <summary>Why, as a stable word; empty when there is nothing to explain.</summary>
        public readonly string Reason;

        /// <summary>What the NPC's lines may speak of: text, int and bool by name.</summary>
        public readonly Dictionary<string, object> Result;

        internal Outcome(
            string actorId, long actionId, string status, string reason = "",
            Dictionary<string, object> result = null)
        {
            ActorId = actorId;
            ActionId = actionId;
            Status = status;
            Reason = reason;
            Result = result ?? new Dictionary<string, object>();
        }

        /// <summary>Whether the action is over with this.</summary>
        public bool IsEnd
        {
            get
            {
                return Status == "done" || Status == "failed" || Status == "refused"
                    || Status == "cancelled";
            }
        }
    }

    /// <summary>A stimulus for an NPC's state machine, as <c>npc.event</c> tells it.</summary>
    public sealed class VillageEvent
    {
        /// <summary>Whom it concerns.</summary>
        public readonly string NpcId;

        /// <summary>The event.</summary>
        public readonly string Name;

        /// <summary>Text and int by name.</summary>
        public readonly Dictionary<string, object> Data;

        internal VillageEvent(string npcId, string name, Dictionary<string, object> data = null)
        {
            NpcId = npcId;
            Name = name;
            Data = data ?? new Dictionary<string, object>();
        }
    }
}
