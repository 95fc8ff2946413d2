using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Reflection;
using System.Threading;
using UnityEngine;

namespace NpcBrain.Standalone
{
    /// <summary>A fake game for one test: settings, a scene, frames until something is so.</summary>
    internal static class Stage
    {
        private const double FrameSeconds = 1.0 / 120;

        /// <summary>How long a test waits for what must happen: only a hang takes as long.</summary>
        private const double WaitSeconds = 120;

        public static readonly Assembly Package = typeof(NpcBrainHost).Assembly;

        /// <summary>The NPC file of the sample game of that name.</summary>
        public static TextAsset File(string npc)
        {
            string path = Path.Combine(Environment.GetEnvironmentVariable("NPC_BRAIN_NPCS"), npc + ".yaml");
            return new TextAsset(System.IO.File.ReadAllText(path)) { name = npc };
        }

        public static void Play(string model, Action buildScene)
        {
            NpcBrainSettings settings = ScriptableObject.CreateInstance<NpcBrainSettings>();
            settings.Model = model;
            settings.SidecarPath = Environment.GetEnvironmentVariable("NPC_BRAIN_PROGRAM");
            settings.Autostart = model.Length > 0;
            FakePlayer.SetAsset(NpcBrainSettings.AssetName, settings);
            FakePlayer.DataPath = Path.Combine(Directory.GetCurrentDirectory(), "Assets");
            FakePlayer.Play(buildScene, Package);
        }

        public static NpcCharacter AddCharacter(string npc, float x = 0f)
        {
            GameObject holder = new GameObject(npc);
            holder.transform.position = new Vector3(x, 0f, 0f);
            NpcCharacter character = holder.AddComponent<NpcCharacter>();
            character.DefinitionFile = File(npc);
            character.DeadlineSeconds = (float)WaitSeconds;
            return character;
        }

        public static void Frames(int count)
        {
            for (int index = 0; index < count; index++)
            {
                FakePlayer.Frame(FrameSeconds);
            }
        }

        /// <summary>Frames until something is so; fails after a while.</summary>
        public static void Until(string what, Func<bool> isSo)
        {
            Await(what, isSo, WaitSeconds, () => FakePlayer.Frame(FrameSeconds));
        }

        /// <summary>Frames until the character is spawned and the sidecar understands what is said.</summary>
        public static void UntilReady(NpcCharacter character)
        {
            Until("a spawned NPC", () => character.IsSpawned);
            Until("understanding", () => NpcBrainHost.Instance.Sidecar.Phase == "ready");
        }

        /// <summary>Waits without frames until something is so; fails after a while.</summary>
        public static void Await(
            string what, Func<bool> isSo, double seconds = WaitSeconds, Action step = null)
        {
            Stopwatch watch = Stopwatch.StartNew();
            while (!isSo())
            {
                if (watch.Elapsed.TotalSeconds > seconds)
                {
                    throw new Exception(
                        "waited in vain for: " + what + "\n" + string.Join("\n", FakePlayer.LogLines.ToArray()));
                }
                if (step != null)
                {
                    step();
                }
                Thread.Sleep(2);
            }
        }

        public static void Check(bool isSo, string what)
        {
            if (!isSo)
            {
                throw new Exception("not so: " + what);
            }
        }

        public static void CheckEqual(string got, string wanted, string what)
        {
            Check(got == wanted, what + ": got " + got + ", wanted " + wanted);
        }

        /// <summary>Whether a process runs still.</summary>
        public static bool IsRunning(int pid)
        {
            try
            {
                return !Process.GetProcessById(pid).HasExited;
            }
            catch (ArgumentException)
            {
                return false;
            }
        }

        public static Dictionary<string, object> Map(string key, object value)
        {
            Dictionary<string, object> map = new Dictionary<string, object>();
            map[key] = value;
            return map;
        }
    }
}
