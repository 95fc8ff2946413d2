using System;
using System.Diagnostics;
using System.IO;
using System.Threading;
using NpcBrain.Samples.Tavern;
using UnityEngine;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Plays the Unity sample on a console: the same scene and components, in a fake player loop,
    /// against a real sidecar.
    /// </summary>
    internal sealed class TavernPlayer
    {
        private const int FrameMs = 10;

        /// <summary>For a command, or until the sidecar is ready: only a hang takes as long.</summary>
        private const double WaitSeconds = 300;

        private readonly Stopwatch _watch = Stopwatch.StartNew();
        private double _lastFrameSeconds;
        private TavernScene _scene;

        /// <summary>Sets the project up as a developer would: the data and the settings.</summary>
        /// <param name="dataFolder">Where <c>world.json</c> and <c>npcs</c> are.</param>
        /// <param name="sidecarPath">The program <c>npc-brain</c>.</param>
        /// <param name="model">What it speaks with.</param>
        public TavernPlayer(string dataFolder, string sidecarPath, string model)
        {
            AddText(TavernScene.DataFolder + "world", Path.Combine(dataFolder, "world.json"));
            foreach (string path in Directory.GetFiles(Path.Combine(dataFolder, "npcs"), "*.yaml"))
            {
                string name = Path.GetFileNameWithoutExtension(path);
                AddText(TavernScene.DataFolder + "npcs/" + name, path);
            }
            NpcBrainSettings settings = ScriptableObject.CreateInstance<NpcBrainSettings>();
            settings.SidecarPath = Path.GetFullPath(sidecarPath);
            settings.Model = model;
            FakePlayer.DataPath = Path.Combine(Path.GetFullPath(dataFolder), "Assets");
            FakePlayer.SetAsset(NpcBrainSettings.AssetName, settings);
        }

        /// <summary>Plays a script; whether it ended the quest, with every command done as meant.</summary>
        public bool Play(string[] script, TextWriter output)
        {
            FakePlayer.Play(() => BuildScene(output), typeof(NpcBrainClient).Assembly);
            bool isGood = RunUntil(() => _scene.Bridge != null && _scene.Bridge.IsReady);
            foreach (NpcCharacter character in FakePlayer.All<NpcCharacter>())
            {
                character.DeadlineSeconds = (float)WaitSeconds;
            }
            foreach (string line in script)
            {
                if (!isGood || _scene.Game.HasQuit)
                {
                    break;
                }
                _scene.Game.Run(line);
                Frame();
                isGood = Settle();
            }
            isGood = isGood && _scene.Game.NumFailed == 0 && _scene.Bridge.NumLosses == 0;
            FakePlayer.Stop();
            FakePlayer.LogLines.ForEach(output.WriteLine);
            return isGood && FakePlayer.LogLines.Count == 0 && _scene.Village.Quests.IsAllDone;
        }

        private void BuildScene(TextWriter output)
        {
            _scene = new GameObject("Tavern").AddComponent<TavernScene>();
            _scene.ShowOn(new PlainView(output));
        }

        /// <summary>Until nothing is said or done, nor will be for what the sidecar was told.</summary>
        private bool Settle()
        {
            bool isGood = true;
            do
            {
                bool isAnswered = false;
                isGood = RunUntil(() => !IsBusy);
                NpcBrainClient.Instance.Ping(answer => isAnswered = true);
                isGood = isGood && RunUntil(() => isAnswered);
            }
            while (isGood && IsBusy);
            return isGood;
        }

        private bool IsBusy
        {
            get { return _scene.Game.IsBusy || _scene.Bridge.IsBusy; }
        }

        private bool RunUntil(Func<bool> isDone)
        {
            double until = _watch.Elapsed.TotalSeconds + WaitSeconds;
            while (!isDone())
            {
                if (_watch.Elapsed.TotalSeconds > until)
                {
                    Console.Error.WriteLine("This took longer than " + WaitSeconds + " s.");
                    return false;
                }
                Frame();
            }
            return true;
        }

        private void Frame()
        {
            double now = _watch.Elapsed.TotalSeconds;
            FakePlayer.Frame(now - _lastFrameSeconds);
            _lastFrameSeconds = now;
            Thread.Sleep(FrameMs);
        }

        private static void AddText(string assetPath, string path)
        {
            TextAsset asset = new TextAsset(File.ReadAllText(path));
            asset.name = Path.GetFileNameWithoutExtension(path);
            FakePlayer.SetAsset(assetPath, asset);
        }
    }
}
