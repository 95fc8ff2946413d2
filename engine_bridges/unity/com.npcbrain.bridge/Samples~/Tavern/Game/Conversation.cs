namespace NpcBrain.Samples.Tavern
{
    /// <summary>A walk of the player, to its end.</summary>
    public sealed class PlayerWalk
    {
        /// <summary>How it ended; null while it has not.</summary>
        public Outcome Ended { get; internal set; }

        /// <summary>Whether it has ended.</summary>
        public bool HasEnded
        {
            get { return Ended != null; }
        }
    }

    /// <summary>A turn of an NPC as it is shown: its pieces become lines, line by line.</summary>
    public sealed class Conversation
    {
        private readonly PersonRow _npc;
        private readonly ITavernView _view;
        private ISpeech _speech;
        private string _said = "";

        internal Conversation(PersonRow npc, ITavernView view)
        {
            _npc = npc;
            _view = view;
        }

        /// <summary>Whether everything of it has been said.</summary>
        public bool IsOver { get; private set; }

        /// <summary>How many lines have been said.</summary>
        public int NumLines { get; private set; }

        internal void Add(string piece)
        {
            if (_speech == null)
            {
                _speech = Open();
                piece = piece.TrimStart();
            }
            _said += piece;
            _speech.Add(piece);
        }

        internal void Close(string line)
        {
            ISpeech speech = _speech ?? Open();
            speech.Close(line);
            _speech = null;
            _said = "";
            NumLines++;
        }

        internal void End()
        {
            if (_speech != null)
            {
                Close(_said);
            }
            IsOver = true;
        }

        private ISpeech Open()
        {
            return _view.Speech(_npc.Id, _npc.Name, _npc.Colour);
        }
    }
}
