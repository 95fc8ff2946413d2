namespace NpcBrain
{
    /// <summary>A two-way edge between two waypoints.</summary>
    public struct NpcNavEdge
    {
        /// <summary>An edge.</summary>
        public NpcNavEdge(string a, string b, float cost) : this()
        {
            A = a;
            B = b;
            Cost = cost;
        }

        /// <summary>The waypoint at one end.</summary>
        public string A { get; private set; }

        /// <summary>The waypoint at the other end.</summary>
        public string B { get; private set; }

        /// <summary>In metres, or whatever the game counts in; above 0.</summary>
        public float Cost { get; private set; }
    }
}
