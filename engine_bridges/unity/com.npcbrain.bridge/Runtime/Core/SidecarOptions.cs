namespace NpcBrain
{
    /// <summary>How the sidecar is found and run.</summary>
    public sealed class SidecarOptions
    {
        /// <summary>The program npc-brain or a packed folder; empty looks for one.</summary>
        public string ProgramPath = "";

        /// <summary>The folder of the built game, or of the project: where to look.</summary>
        public string GameFolder = "";

        /// <summary>A sidecar that was started by hand: tcp://127.0.0.1:PORT; empty starts one.</summary>
        public string Endpoint = "";

        /// <summary>What that sidecar wants to be shown.</summary>
        public string Token = "";

        /// <summary>A catalogue name, a directory, a server, or none.</summary>
        public string Model = "smollm2-135m";

        /// <summary>The folder of NPC files; empty for none.</summary>
        public string NpcsFolder = "";

        /// <summary>Why there can be no sidecar, known in advance; empty if there can be.</summary>
        public string Problem = "";

        /// <summary>What hello tells of the engine.</summary>
        public string Engine = "C#";
    }
}
