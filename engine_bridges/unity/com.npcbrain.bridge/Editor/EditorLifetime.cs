using UnityEditor;

namespace NpcBrain.Editor
{
    /// <summary>
    /// Ends thread, socket and process when the editor leaves play mode, reloads code or quits: all
    /// three by <see cref="NpcBrainHost.ShutDown"/>.
    /// </summary>
    [InitializeOnLoad]
    internal static class EditorLifetime
    {
        static EditorLifetime()
        {
            EditorApplication.playModeStateChanged += TakePlayMode;
            AssemblyReloadEvents.beforeAssemblyReload += NpcBrainHost.ShutDown;
            EditorApplication.quitting += NpcBrainHost.ShutDown;
        }

        private static void TakePlayMode(PlayModeStateChange change)
        {
            if (change == PlayModeStateChange.ExitingPlayMode)
            {
                NpcBrainHost.ShutDown();
            }
        }
    }
}
