using System.IO;
using System.Text.RegularExpressions;
using UnityEditor;

namespace NpcBrain.Editor
{
    /// <summary>A folder that <c>pack_sidecar.py</c> has made: whether it can go along with a build.</summary>
    internal static class PackedSidecar
    {
        private const string ServerPrefix = "openai:";

        private static readonly Regex _system = new Regex("\"system\"\\s*:\\s*\"([A-Za-z]+)");

        /// <summary>The name of a target's system in <c>sidecar.json</c>; null where none can run.</summary>
        public static string SystemOf(BuildTarget target)
        {
            switch (target)
            {
                case BuildTarget.StandaloneWindows64:
                    return "Windows";
                case BuildTarget.StandaloneLinux64:
                    return "Linux";
                case BuildTarget.StandaloneOSX:
                    return "Darwin";
                default:
                    return null;
            }
        }

        /// <summary>Why a folder cannot go along with a game; null when it can.</summary>
        public static string ProblemOf(string folder, string model, string system)
        {
            string manifest = Path.Combine(folder, "sidecar.json");
            if (!Directory.Exists(folder))
            {
                return "there is no sidecar folder " + folder + ". Make it with "
                    + "engine_bridges/pack_sidecar.py, name it in the NPC Brain settings, or turn off "
                    + "Include Sidecar there.";
            }
            Match packedFor = _system.Match(File.Exists(manifest) ? File.ReadAllText(manifest) : "");
            if (!packedFor.Success)
            {
                return folder + " is no packed sidecar: it has no readable sidecar.json.";
            }
            if (packedFor.Groups[1].Value != system)
            {
                return folder + " was packed for " + packedFor.Groups[1].Value + ", and the game is built "
                    + "for " + system + ". Pack it there.";
            }
            string program = system == "Windows" ? "npc-brain.exe" : "npc-brain";
            if (!File.Exists(Path.Combine(folder, program)))
            {
                return folder + " lacks the sidecar's program, " + program + ". Pack it again.";
            }
            if (string.IsNullOrEmpty(model) || model == "none" || model.StartsWith(ServerPrefix))
            {
                return null;
            }
            string name = Path.GetFileName(model.TrimEnd('/', '\\'));
            string config = Path.Combine(Path.Combine(Path.Combine(folder, "models"), name), "model.json");
            return File.Exists(config)
                ? null
                : folder + " lacks the model " + name + ". Pack it with --model " + model + ".";
        }
    }
}
