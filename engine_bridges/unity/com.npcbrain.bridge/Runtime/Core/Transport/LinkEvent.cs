namespace NpcBrain
{
    internal enum LinkEventKind
    {
        Message,
        Connected,
        Lost,
        Refused,
        Offline,
        Log,
    }

    /// <summary>What the I/O thread tells the game's thread.</summary>
    internal struct LinkEvent
    {
        public LinkEventKind Kind;
        public NpcMessage Message;
        public string Text;
        public int Epoch;
    }
}
