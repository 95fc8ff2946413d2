using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>How the village reaches the sidecar: what the game needs of the protocol.</summary>
    public interface ITavernLink
    {
        /// <summary>Who is told what the sidecar says, always on the game's thread.</summary>
        ITavernLinkListener Listener { get; set; }

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

        /// <summary>There is a link; a session that is not resumed is a new one.</summary>
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

        /// <summary>An NPC begins to speak of its own accord; its words go to what is returned.</summary>
        Conversation TakeTurn(string npcId);

        /// <summary>A conversation is over; the source of its last line is model, scripted or fallback.</summary>
        void TakeTurnEnd(Conversation conversation, string source);
    }
}
