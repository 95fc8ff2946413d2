using System;
using System.Collections.Generic;
using System.IO;
using NpcBrain.Samples.Gatehouse;
using UnityEngine;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Plays the sample as a person does, by its text field and buttons, on the fake player loop:
    /// <c>gatehouse.exe FILE FOLDER MODEL</c>, with a real sidecar, or without one when MODEL is "alone".
    /// FILE is Wenna's, and FOLDER is for save games.
    /// </summary>
    internal static class GatehouseTests
    {
        private const string Player = "player";
        private static readonly List<string> _said = new List<string>();
        private static Gatehouse _game;

        private static void Main(string[] args)
        {
            FakePlayer.PersistentDataPath = args[1];
            string model = args[2] == "alone" ? "" : args[2];
            FakePlayer.SetAsset(Gatehouse.FilePath, new TextAsset(File.ReadAllText(args[0])) { name = "wenna" });
            Stage.Play(model, () =>
                _game = new GameObject("Gatehouse").AddComponent<Gatehouse>());
            Stage.Frames(1);
            _game.Wenna.DeadlineSeconds = 120f;
            _game.Wenna.LineSaid += (turn, line) => _said.Add(line.Text);
            switch (model)
            {
                case "":
                    SpeaksSavesAndLoadsAlone();
                    break;
                case "none":
                    Stage.UntilReady(_game.Wenna);
                    TradesAndOpensTheGate();
                    LoadsWhatItSaved();
                    LoadsWhileTheGateOpens();
                    break;
                default:
                    Stage.UntilReady(_game.Wenna);
                    CheckStreamed(() => Say("What do you think of the fog?"), 4);
                    break;
            }
            Stage.Check(FakePlayer.LogLines.Count == 0, string.Join("\n", FakePlayer.LogLines.ToArray()));
            FakePlayer.Stop();
            Console.WriteLine("PLAYED");
        }

        private static void TradesAndOpensTheGate()
        {
            Say("Open the gate, please.");
            Stage.Until("a refusal", () => _said.Contains("Not without a light. I sell lanterns, as it happens."));
            CheckStreamed(() => Say("I'd like to buy a lantern."), 1);
            Stage.Check(Held(Player, "lantern") == 1 && Held(Player, "coin") == 2, "a lantern for 3 coins");
            Stage.Check(Held("wenna", "lantern") == 1 && Held("wenna", "coin") == 3, "her side of it");
            Say("I'd like to buy another lantern.");
            Stage.Check(Held(Player, "lantern") == 1 && Held(Player, "coin") == 2, "no coins, no lantern");
            Press("Save");
            Stage.Until("a save game", () => File.Exists(SavePath));
            OpenGate();
        }

        private static void LoadsWhatItSaved()
        {
            _game.Store.Add(Player, "coin", 100);
            Press("Load");
            Stage.Check(!_game.IsOpen && Held(Player, "coin") == 2, "the game as it was saved");
            Stage.Until("her state of then", () => _game.Wenna.State == "gate_shut");
            OpenGate();
            Press("Load");
            Stage.Until("her state of then", () => _game.Wenna.State == "gate_shut");
        }

        private static void LoadsWhileTheGateOpens()
        {
            Type("Open the gate, please.");
            Stage.Until("the gate on its way", () => GateHeight > 0.5f);
            Press("Load");
            Stage.Frames(10);
            Stage.Check(GateHeight == 0f, "the gate stays as it was saved");
            OpenGate();
        }

        private static void SpeaksSavesAndLoadsAlone()
        {
            Say("Good evening!");
            Stage.Check(_said[0].StartsWith("Evening. The gate is shut"), _said[0]);
            Stage.Check(GUI.Drawn.Contains(_said[0]), "her words in a bubble");
            Press("Save");
            _game.Store.Add(Player, "coin", 100);
            Press("Load");
            Stage.Check(Held(Player, "coin") == 5, "the game as it was saved");
        }

        private static void OpenGate()
        {
            Type("Open the gate, please.");
            Stage.Until("an open gate", () => _game.IsOpen);
            Stage.Until("her next state", () => _game.Wenna.State == "gate_open");
            Stage.Until("a word on it", () => _said.Contains("There. Mind the third hole, it is deeper than it looks."));
            Stage.Until("silence", () => !_game.Wenna.IsSpeaking);
            _said.Clear();
        }

        /// <summary>The bubble grows piece by piece to the whole line, and is drawn.</summary>
        private static void CheckStreamed(Action speak, int minPieces)
        {
            List<string> shown = new List<string>();
            _game.Wenna.TokenReceived += (turn, piece) => shown.Add(_game.Bubble.Text);
            speak();
            string line = _said[_said.Count - 1];
            Stage.Check(shown.Count >= minPieces, "a line in pieces: " + shown.Count);
            Stage.Check(shown[shown.Count - 1] == line && _game.Bubble.Text == line, "all of: " + line);
            for (int index = 1; index < shown.Count; index++)
            {
                Stage.Check(shown[index].StartsWith(shown[index - 1]), "it grows: " + shown[index]);
            }
            Stage.Check(GUI.Drawn.Contains(line), "it is drawn");
        }

        /// <summary>Says it, and waits until she has answered.</summary>
        private static void Say(string text)
        {
            int numSaid = _said.Count;
            Type(text);
            Stage.Until("an answer to " + text, () => _said.Count > numSaid && !_game.Wenna.IsSpeaking);
            Stage.Frames(1);
        }

        private static void Type(string text)
        {
            GUILayout.Typed = text;
            Press("Say");
            GUILayout.Typed = "";
        }

        private static void Press(string button)
        {
            GUILayout.Pressed = button;
            Stage.Frames(1);
            GUILayout.Pressed = "";
        }

        private static int Held(string owner, string item)
        {
            return _game.Store.Count(owner, item);
        }

        private static float GateHeight
        {
            get { return _game.Gate.position.y; }
        }

        private static string SavePath
        {
            get { return Path.Combine(Application.persistentDataPath, "gatehouse.save"); }
        }
    }
}
