using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The game on the screen, by IMGUI (which needs no package): the conversation, the quest, who is
    /// who, and the line that the player types.
    /// </summary>
    internal sealed class TavernScreen : ITavernView
    {
        private const int MaxEntries = 200;
        private const float SideWidth = 260f;
        private const float InputHeight = 26f;
        private const string InputName = "tavern_input";

        private readonly Village _village;
        private readonly List<Entry> _entries = new List<Entry>();
        private GUIStyle _style;
        private Vector2 _scroll;
        private string _typed = "";

        /// <summary>A screen for a village.</summary>
        public TavernScreen(Village village)
        {
            _village = village;
        }

        /// <inheritdoc/>
        public void Echo(string command)
        {
            Add("<color=#66ccff>> " + Escaped(command) + "</color>");
        }

        /// <inheritdoc/>
        public void Note(string text)
        {
            Add("<i>" + Escaped(text) + "</i>");
        }

        /// <inheritdoc/>
        public void Aside(string text)
        {
            Add("<color=#888888>  · " + Escaped(text) + "</color>");
        }

        /// <inheritdoc/>
        public void Error(string text)
        {
            Add("<color=#ff7766>" + Escaped(text) + "</color>");
        }

        /// <inheritdoc/>
        public ISpeech Speech(string npcId, string name, string colour)
        {
            return new ScreenSpeech(Add("<color=" + colour + "><b>" + name + ":</b></color> "), this);
        }

        /// <summary>Draws everything; the line that the player entered, or null.</summary>
        public string Draw(Camera camera, TavernMap map)
        {
            if (_style == null)
            {
                _style = new GUIStyle(GUI.skin.label) { richText = true, wordWrap = true };
            }
            DrawNames(camera, map);
            DrawSide(new Rect(Screen.width - SideWidth, 0f, SideWidth, Screen.height * 0.6f));
            DrawLog(new Rect(0f, Screen.height * 0.6f, Screen.width, Screen.height * 0.4f - InputHeight));
            return DrawInput(new Rect(0f, Screen.height - InputHeight, Screen.width, InputHeight));
        }

        private void DrawNames(Camera camera, TavernMap map)
        {
            foreach (PersonRow person in _village.File.People())
            {
                Vector3 point = camera.WorldToScreenPoint(map.PositionOf(person.Id));
                GUI.Label(new Rect(point.x - 30f, Screen.height - point.y - 28f, 90f, 20f), person.Name, _style);
            }
        }

        private void DrawSide(Rect area)
        {
            GUILayout.BeginArea(area, GUI.skin.box);
            foreach (PersonRow npc in _village.File.Npcs)
            {
                string state = _village.StateOf(npc.Id).Replace('_', ' ');
                GUILayout.Label("<color=" + npc.Colour + ">" + npc.Name + "</color> " + state, _style);
            }
            foreach (QuestRow quest in _village.Quests.Quests)
            {
                QuestStepRow step = _village.Quests.CurrentStep(quest);
                GUILayout.Label("<b>" + quest.Title + "</b>\n" + (step != null ? step.Text : "Done."), _style);
            }
            GUILayout.EndArea();
        }

        private void DrawLog(Rect area)
        {
            GUILayout.BeginArea(area, GUI.skin.box);
            _scroll = GUILayout.BeginScrollView(_scroll);
            foreach (Entry entry in _entries)
            {
                GUILayout.Label(entry.Text, _style);
            }
            GUILayout.EndScrollView();
            GUILayout.EndArea();
        }

        private string DrawInput(Rect area)
        {
            Event now = Event.current;
            bool isEntered = now.type == EventType.KeyDown
                && (now.keyCode == KeyCode.Return || now.keyCode == KeyCode.KeypadEnter);
            if (isEntered)
            {
                now.Use();
            }
            GUI.SetNextControlName(InputName);
            _typed = GUI.TextField(area, _typed);
            GUI.FocusControl(InputName);
            if (!isEntered || _typed.Length == 0)
            {
                return null;
            }
            string line = _typed;
            _typed = "";
            return line;
        }

        private Entry Add(string text)
        {
            Entry entry = new Entry { Text = text };
            _entries.Add(entry);
            if (_entries.Count > MaxEntries)
            {
                _entries.RemoveAt(0);
            }
            ScrollDown();
            return entry;
        }

        private void ScrollDown()
        {
            _scroll = new Vector2(0f, float.MaxValue);
        }

        /// <summary>Text that cannot begin a tag of IMGUI's rich text.</summary>
        private static string Escaped(string text)
        {
            return text.Replace("<", "<\u200b");
        }

        private sealed class Entry
        {
            public string Text;
        }

        private sealed class ScreenSpeech : ISpeech
        {
            private readonly Entry _entry;
            private readonly TavernScreen _screen;
            private readonly string _head;

            public ScreenSpeech(Entry entry, TavernScreen screen)
            {
                _entry = entry;
                _screen = screen;
                _head = entry.Text;
            }

            public void Add(string piece)
            {
                _entry.Text += Escaped(piece);
                _screen.ScrollDown();
            }

            public void Close(string line)
            {
                _entry.Text = _head + Escaped(line);
            }
        }
    }
}
