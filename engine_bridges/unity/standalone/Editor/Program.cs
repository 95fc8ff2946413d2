using System;
using System.Reflection;
using System.Runtime.CompilerServices;
using UnityEditor;
using UnityEditor.Build;
using UnityEditor.Build.Reporting;
using UnityEngine;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Plays the editor's part: <c>build TARGET OUTPUT PROJECT PACKED MODEL BACKEND</c> runs the
    /// package's build steps, <c>lifetime leave|reload|quit</c> looks what is left of a game,
    /// <c>inspect FILE</c> shows a character's inspector.
    /// </summary>
    internal static class EditorTests
    {
        private static readonly Assembly _editor = Assembly.Load("NpcBrain.Editor");

        private static int Main(string[] args)
        {
            switch (args[0])
            {
                case "build":
                    return Build(args);
                case "lifetime":
                    return EndGame(args[1]);
                default:
                    return Inspect(args[1]);
            }
        }

        private static int Build(string[] args)
        {
            BuildTarget target = (BuildTarget)Enum.Parse(typeof(BuildTarget), args[1]);
            NpcBrainSettings settings = ScriptableObject.CreateInstance<NpcBrainSettings>();
            settings.PackedFolder = args[4];
            settings.Model = args[5];
            settings.IncludeSidecar = args[4].Length > 0;
            FakePlayer.SetAsset(NpcBrainSettings.AssetName, settings);
            FakePlayer.DataPath = System.IO.Path.Combine(args[3], "Assets");
            PlayerSettings.FakeBackend =
                (ScriptingImplementation)Enum.Parse(typeof(ScriptingImplementation), args[6]);
            BuildReport report = BuildReport.Fake(target, args[2]);
            try
            {
                Run<IPreprocessBuildWithReport>(step => step.OnPreprocessBuild(report));
                Run<IPostprocessBuildWithReport>(step => step.OnPostprocessBuild(report));
                Console.WriteLine("BUILT");
                return 0;
            }
            catch (BuildFailedException exception)
            {
                Console.WriteLine("FAILED " + exception.Message);
                return 0;
            }
        }

        private static int EndGame(string how)
        {
            foreach (Type type in _editor.GetTypes())
            {
                if (type.GetCustomAttributes(typeof(InitializeOnLoadAttribute), false).Length > 0)
                {
                    RuntimeHelpers.RunClassConstructor(type.TypeHandle);
                }
            }
            NpcCharacter mira = null;
            Stage.Play("none", () => mira = Stage.AddCharacter("mira"));
            Stage.Until("a spawned NPC", () => mira.IsSpawned);
            int pid = NpcBrainHost.Instance.Sidecar.ProcessId;
            switch (how)
            {
                case "leave":
                    FakeEditor.LeavePlayMode();
                    break;
                case "reload":
                    FakeEditor.ReloadDomain();
                    break;
                default:
                    FakeEditor.Quit();
                    break;
            }
            Console.WriteLine(pid != 0 && !Stage.IsRunning(pid) ? "ENDED" : "LEFT BEHIND");
            FakePlayer.Stop();
            return 0;
        }

        private static int Inspect(string file)
        {
            NpcCharacter character = new GameObject("npc").AddComponent<NpcCharacter>();
            if (file.Length > 0)
            {
                character.DefinitionFile = new TextAsset(System.IO.File.ReadAllText(file)) { name = "npc" };
            }
            UnityEditor.Editor editor = (UnityEditor.Editor)Activator.CreateInstance(
                _editor.GetType("NpcBrain.Editor.NpcCharacterEditor"), true);
            editor.target = character;
            editor.OnInspectorGUI();
            Console.WriteLine(string.Join("\n", EditorGUILayout.Shown.ToArray()));
            return 0;
        }

        private static void Run<T>(Action<T> step) where T : class
        {
            foreach (Type type in _editor.GetTypes())
            {
                if (typeof(T).IsAssignableFrom(type))
                {
                    step((T)Activator.CreateInstance(type, true));
                }
            }
        }
    }
}
