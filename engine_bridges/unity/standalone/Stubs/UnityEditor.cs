using System;
using UnityEngine;

namespace UnityEditor
{
    public enum MessageType
    {
        None, Info, Warning, Error,
    }

    public enum PlayModeStateChange
    {
        EnteredEditMode, ExitingEditMode, EnteredPlayMode, ExitingPlayMode,
    }

    public enum BuildTarget
    {
        StandaloneOSX = 2, StandaloneWindows = 5, iOS = 9, Android = 13, StandaloneWindows64 = 19,
        WebGL = 20, StandaloneLinux64 = 24,
    }

    public enum ScriptingImplementation
    {
        Mono2x = 0, IL2CPP = 1,
    }

    [AttributeUsage(AttributeTargets.Class)]
    public class InitializeOnLoadAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class CustomEditor : Attribute
    {
        public CustomEditor(Type inspectedType)
        {
        }
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class MenuItem : Attribute
    {
        public MenuItem(string itemName)
        {
        }
    }

    public class Editor : ScriptableObject
    {
        public UnityEngine.Object target { get; set; }

        public virtual bool RequiresConstantRepaint()
        {
            return false;
        }

        public virtual void OnInspectorGUI()
        {
        }

        public bool DrawDefaultInspector()
        {
            return false;
        }
    }

    public class EditorWindow : ScriptableObject
    {
        public static T GetWindow<T>(string title) where T : EditorWindow
        {
            return CreateInstance<T>();
        }

        public void Repaint()
        {
        }
    }

    /// <summary>Keeps what was shown last, for tests to read.</summary>
    public sealed class EditorGUILayout
    {
        public static readonly System.Collections.Generic.List<string> Shown =
            new System.Collections.Generic.List<string>();

        public static void LabelField(string label)
        {
            Shown.Add(label);
        }

        public static void LabelField(string label, string label2)
        {
            Shown.Add(label + ": " + label2);
        }

        public static void HelpBox(string message, MessageType type)
        {
            Shown.Add(type + ": " + message);
        }

        public static string TextField(string label, string text)
        {
            return text;
        }

        public static bool Toggle(string label, bool value)
        {
            return value;
        }

        public static Vector2 BeginScrollView(Vector2 scrollPosition)
        {
            return scrollPosition;
        }

        public static void EndScrollView()
        {
        }

        public static void Space()
        {
        }
    }

    public static class EditorApplication
    {
        public static event Action<PlayModeStateChange> playModeStateChanged;

        public static event Action quitting;

        internal static void RaisePlayMode(PlayModeStateChange change)
        {
            if (playModeStateChanged != null)
            {
                playModeStateChanged(change);
            }
        }

        internal static void RaiseQuitting()
        {
            if (quitting != null)
            {
                quitting();
            }
        }
    }

    public static class AssemblyReloadEvents
    {
        public delegate void AssemblyReloadCallback();

        public static event AssemblyReloadCallback beforeAssemblyReload;

        internal static void RaiseBefore()
        {
            if (beforeAssemblyReload != null)
            {
                beforeAssemblyReload();
            }
        }
    }

    public static class PlayerSettings
    {
        public static ScriptingImplementation FakeBackend;

        public static ScriptingImplementation GetScriptingBackend(Build.NamedBuildTarget buildTarget)
        {
            return FakeBackend;
        }
    }

    /// <summary>What the fake editor does besides playing.</summary>
    public static class FakeEditor
    {
        public static void LeavePlayMode()
        {
            EditorApplication.RaisePlayMode(PlayModeStateChange.ExitingPlayMode);
        }

        public static void ReloadDomain()
        {
            AssemblyReloadEvents.RaiseBefore();
        }

        public static void Quit()
        {
            EditorApplication.RaiseQuitting();
        }
    }
}

namespace UnityEditor.Build
{
    public struct NamedBuildTarget
    {
        public static readonly NamedBuildTarget Standalone;
    }

    public class BuildFailedException : Exception
    {
        public BuildFailedException(string message)
            : base(message)
        {
        }
    }

    public interface IOrderedCallback
    {
        int callbackOrder { get; }
    }

    public interface IPreprocessBuildWithReport : IOrderedCallback
    {
        void OnPreprocessBuild(Reporting.BuildReport report);
    }

    public interface IPostprocessBuildWithReport : IOrderedCallback
    {
        void OnPostprocessBuild(Reporting.BuildReport report);
    }
}

namespace UnityEditor.Build.Reporting
{
    public struct BuildSummary
    {
        public BuildTarget platform { get; internal set; }

        public string outputPath { get; internal set; }
    }

    public class BuildReport : UnityEngine.Object
    {
        public BuildSummary summary { get; private set; }

        public static BuildReport Fake(BuildTarget platform, string outputPath)
        {
            BuildReport report = new BuildReport();
            report.summary = new BuildSummary { platform = platform, outputPath = outputPath };
            return report;
        }
    }
}
