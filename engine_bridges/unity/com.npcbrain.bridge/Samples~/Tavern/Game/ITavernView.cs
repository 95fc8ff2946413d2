namespace NpcBrain.Samples.Tavern
{
    /// <summary>Where the game shows what happens. Nothing here blocks.</summary>
    public interface ITavernView
    {
        /// <summary>A command that was given.</summary>
        void Echo(string command);

        /// <summary>Something that happens, told to the player.</summary>
        void Note(string text);

        /// <summary>Something from behind the scenes: an action, a state.</summary>
        void Aside(string text);

        /// <summary>Something that went wrong.</summary>
        void Error(string text);

        /// <summary>Someone begins to speak.</summary>
        /// <param name="npcId">Who.</param>
        /// <param name="name">What to call them.</param>
        /// <param name="colour">Their colour, <c>#rrggbb</c>.</param>
        ISpeech Speech(string npcId, string name, string colour);
    }

    /// <summary>A line while it is being said.</summary>
    public interface ISpeech
    {
        /// <summary>Shows the next piece.</summary>
        void Add(string piece);

        /// <summary>The line is over; <paramref name="line"/> is the whole of it.</summary>
        void Close(string line);
    }
}
