using System;
using System.Collections.Generic;
using System.IO;

namespace NpcBrain
{
    /// <summary>
    /// Where the sidecar's program is: in a folder that is named, in virtual environments in and above
    /// the project, or on PATH.
    /// </summary>
    public static class SidecarFinder
    {
        /// <summary>The folder of a packed sidecar, beside a built game.</summary>
        public const string PackedFolder = "npc_brain_sidecar";

        private static readonly bool _isWindows = Path.DirectorySeparatorChar == '\\';

        /// <summary>The program's file name on this system.</summary>
        public static string ProgramName
        {
            get { return _isWindows ? "npc-brain.exe" : "npc-brain"; }
        }

        /// <summary>
        /// The program's path, or null and the reason in <paramref name="problem"/>.
        /// </summary>
        /// <param name="configured">A program or its folder; empty looks for one.</param>
        /// <param name="gameFolder">The folder of a built game, or of the project.</param>
        /// <param name="problem">Why there is none; null when there is.</param>
        public static string Find(string configured, string gameFolder, out string problem)
        {
            problem = null;
            if (!string.IsNullOrEmpty(configured))
            {
                string path = Directory.Exists(configured)
                    ? Path.Combine(configured, ProgramName)
                    : configured;
                if (File.Exists(path))
                {
                    return path;
                }
                problem = "The sidecar's path names " + path + ", which is not there.";
                return null;
            }
            foreach (string folder in Folders(gameFolder))
            {
                string path = Path.Combine(folder, ProgramName);
                if (File.Exists(path))
                {
                    return path;
                }
            }
            problem = "There is no sidecar: no " + ProgramName + " was found. Name its path in the"
                + " settings, or install npc_brain into .venv beside the project.";
            return null;
        }

        private static IEnumerable<string> Folders(string gameFolder)
        {
            string scripts = _isWindows ? "Scripts" : "bin";
            if (!string.IsNullOrEmpty(gameFolder))
            {
                yield return Path.Combine(gameFolder, PackedFolder);
            }
            string folder = gameFolder;
            while (!string.IsNullOrEmpty(folder))
            {
                yield return Path.Combine(Path.Combine(folder, ".venv"), scripts);
                folder = Path.GetDirectoryName(folder);
            }
            string environment = Environment.GetEnvironmentVariable("VIRTUAL_ENV");
            if (!string.IsNullOrEmpty(environment))
            {
                yield return Path.Combine(environment, scripts);
            }
            string path = Environment.GetEnvironmentVariable("PATH") ?? "";
            foreach (string entry in path.Split(Path.PathSeparator))
            {
                if (entry.Length > 0)
                {
                    yield return entry;
                }
            }
        }
    }
}
