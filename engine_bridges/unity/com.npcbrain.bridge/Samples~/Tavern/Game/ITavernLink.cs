using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>How the village reaches the sidecar: what the game needs of the protocol.</summary>
    public interface ITavernLink
    {
        /// <summary>Who is told what the sidecar says, always on the game's thread.</summary>
        ITavernLinkListener Listener { get; set; }

        /// <summary>Whether an event or the state of an action waits for its answer.</summary>
        bool HasUnanswered { get; }

        /// <summary>Tells the whole village, and brings its NPCs to life.</summary>
        void Populate();

        /// <summary>Tells what changed in the village, if anything did.</summary>
        void PatchWorld();

        /// <summary>Tells how an action stands.</summary>
        void Update(Outcome outcome);

        /// <summary>Tells what happened to an NPC.</summary>
        void Raise(VillageEvent happened);

        /// <summary>Says something to an NPC.</summary>
        void Hear(string npcId, string text, Conversation asked);
    }

    /// <summary>What the sidecar says, as far as the game cares.</summary>
    public interface ITavernLinkListener
    {
        /// <summary>How far the sidecar is.</summary>
        void TakePhase(string phase, string detail);

        /// <summary>There is a session; unless resumed, nobody is in it.</summary>
        void TakeConnected(bool isResumed);

        /// <summary>The link was lost.</summary>
        void TakeLost(string reason);

        /// <summary>A message was refused.</summary>
        void TakeRefusal(string code, string message);

        /// <summary>An NPC's state changed.</summary>
        void TakeState(string npcId, string from, string to, string cause);

        /// <summary>An NPC wants to do something.</summary>
        void TakeAction(
            string npcId, long actionId, string tool, IDictionary<string, object> args, bool isOfTurn);

        /// <summary>An NPC no longer wants it.</summary>
        void TakeActionCancel(string npcId, long actionId);

        /// <summary>An NPC begins to speak; <paramref name="asked"/> is null when nobody asked it.</summary>
        void TakeTurn(string npcId, long turnId, Conversation asked);

        /// <summary>What was said to an NPC was refused.</summary>
        void TakeNoTurn(Conversation asked, string message);

        /// <summary>The next piece of a line.</summary>
        void TakeToken(long turnId, string piece);

        /// <summary>A whole line.</summary>
        void TakeLine(long turnId, string line);

        /// <summary>A turn is over.</summary>
        void TakeTurnEnd(long turnId);
    }
}
