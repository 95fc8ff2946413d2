using UnityEditor;

namespace NpcBrain.Editor
{
    /// <summary>
    /// Ends thread, socket and process when the editor leaves play mode, reloads code or quits: all
    /// three by <see cref="NpcBrainClient.ShutDown"/>.
    /// </summary>
    [InitializeOnLoad]
    internal static class EditorLifetime
    {
        static EditorLifetime()
        {
            EditorApplication.playModeStateChanged += TakePlayMode;
            AssemblyReloadEvents.beforeAssemblyReload += NpcBrainClient.ShutDown;
            EditorApplication.quitting += NpcBrainClient.ShutDown;
        }

        private static void TakePlayMode(PlayModeStateChange change)
        {
            if (change == PlayModeStateChange.ExitingPlayMode)
            {
                NpcBrainClient.ShutDown();
            }
        }
    }
}
