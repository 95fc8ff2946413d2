using System.IO;
using UnityEditor;
using UnityEditor.Build;
using UnityEditor.Build.Reporting;
using UnityEngine;

namespace NpcBrain.Editor
{
    /// <summary>
    /// Puts the packed sidecar beside a built game. Before the build it looks whether it can, and
    /// fails the build with the reason when it cannot.
    /// </summary>
    internal sealed class SidecarBuildStep : IPreprocessBuildWithReport, IPostprocessBuildWithReport
    {
        /// <summary>After other steps, which may make the folder.</summary>
        public int callbackOrder
        {
            get { return 100; }
        }

        public void OnPreprocessBuild(BuildReport report)
        {
            NpcBrainSettings settings = NpcBrainSettings.Load();
            if (!IsWanted(settings, report))
            {
                return;
            }
            string problem = PackedSidecar.ProblemOf(
                FolderOf(settings), settings.Model, PackedSidecar.SystemOf(report.summary.platform));
            if (problem == null && IsIl2Cpp())
            {
                problem = "IL2CPP cannot start programs (System.Diagnostics.Process). Use the scripting "
                    + "backend Mono, or turn off Include Sidecar in the NPC Brain settings and start the "
                    + "sidecar yourself.";
            }
            if (problem != null)
            {
                throw new BuildFailedException("NPC Brain: " + problem);
            }
        }

        public void OnPostprocessBuild(BuildReport report)
        {
            NpcBrainSettings settings = NpcBrainSettings.Load();
            if (!IsWanted(settings, report))
            {
                return;
            }
            string target = Path.Combine(GameFolder(report.summary), SidecarFinder.PackedFolder);
            try
            {
                FolderCopy.Copy(FolderOf(settings), target);
            }
            catch (IOException exception)
            {
                throw new BuildFailedException("NPC Brain: the sidecar was not copied: " + exception.Message);
            }
        }

        private static bool IsWanted(NpcBrainSettings settings, BuildReport report)
        {
            if (!settings.IncludeSidecar)
            {
                return false;
            }
            if (PackedSidecar.SystemOf(report.summary.platform) == null)
            {
                Debug.Log("NPC Brain: no sidecar can run there; NPCs speak their authored lines.");
                return false;
            }
            return true;
        }

        private static bool IsIl2Cpp()
        {
            return PlayerSettings.GetScriptingBackend(NamedBuildTarget.Standalone)
                == ScriptingImplementation.IL2CPP;
        }

        private static string FolderOf(NpcBrainSettings settings)
        {
            return Path.Combine(Path.GetDirectoryName(Application.dataPath) ?? "", settings.PackedFolder);
        }

        /// <summary>The folder that contains the game's data folder, where the game looks.</summary>
        private static string GameFolder(BuildSummary summary)
        {
            return summary.platform == BuildTarget.StandaloneOSX
                ? summary.outputPath
                : Path.GetDirectoryName(summary.outputPath);
        }
    }
}
