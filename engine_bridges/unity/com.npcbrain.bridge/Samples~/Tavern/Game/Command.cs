namespace NpcBrain.Samples.Tavern
{
    /// <summary>What a command does.</summary>
    public enum Verb
    {
        /// <summary>Nothing: an empty line or a comment.</summary>
        Nothing,

        /// <summary>A line that is no command; its text helps.</summary>
        Mistake,

        /// <summary>Look around.</summary>
        Look,

        /// <summary>Walk to a place or person.</summary>
        Go,

        /// <summary>Say something to an NPC.</summary>
        Talk,

        /// <summary>Hand over items.</summary>
        Give,

        /// <summary>Attack an NPC.</summary>
        Attack,

        /// <summary>Let time pass.</summary>
        Wait,

        /// <summary>List the commands.</summary>
        Help,

        /// <summary>Leave.</summary>
        Quit
    }

    /// <summary>What a player typed, understood.</summary>
    public sealed class Command
    {
        /// <summary>What to do.</summary>
        public readonly Verb Verb;

        /// <summary>Id of the NPC or place concerned; null: none.</summary>
        public readonly string TargetId;

        /// <summary>What to say, or what is wrong.</summary>
        public readonly string Text;

        /// <summary>Id of the item concerned; null: none.</summary>
        public readonly string ItemId;

        /// <summary>How many items, or seconds.</summary>
        public readonly double Amount;

        internal Command(
            Verb verb, string targetId = null, string text = "", string itemId = null, double amount = 1)
        {
            Verb = verb;
            TargetId = targetId;
            Text = text;
            ItemId = itemId;
            Amount = amount;
        }
    }
}
