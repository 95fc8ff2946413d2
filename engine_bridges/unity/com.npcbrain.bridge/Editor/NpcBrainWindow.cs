using System;
using System.Collections.Generic;
using UnityEditor;
using UnityEngine;

namespace NpcBrain.Editor
{
    /// <summary>The window <i>Window &gt; NPC Brain</i>: status, characters and a live log.</summary>
    internal sealed class NpcBrainWindow : EditorWindow
    {
        private const int MaxEntries = 500;

        private readonly List<string> _entries = new List<string>();
        private NpcBrainHost _host;
        private Vector2 _scroll;
        private string _filter = "";
        private bool _showsTokens;

        [MenuItem("Window/NPC Brain")]
        private static void Open()
        {
            GetWindow<NpcBrainWindow>("NPC Brain");
        }

        private void OnDisable()
        {
            Follow(null);
        }

        private void Update()
        {
            if (_host != NpcBrainHost.Existing)
            {
                Follow(NpcBrainHost.Existing);
            }
            if (Application.isPlaying)
            {
                Repaint();
            }
        }

        private void OnGUI()
        {
            if (_host == null)
            {
                EditorGUILayout.HelpBox("Press Play to see what NPCs do.", MessageType.Info);
            }
            else
            {
                SidecarClient sidecar = _host.Sidecar;
                string detail = sidecar.Detail.Length == 0 ? "" : ": " + sidecar.Detail;
                EditorGUILayout.LabelField("Sidecar", sidecar.Phase + detail);
                foreach (NpcCharacter character in _host.Characters)
                {
                    string speaking = character.IsSpeaking ? " (speaking)" : "";
                    EditorGUILayout.LabelField(character.DisplayName, character.State + speaking);
                }
            }
            _filter = EditorGUILayout.TextField("Show lines with", _filter);
            _showsTokens = EditorGUILayout.Toggle("Tokens", _showsTokens);
            _scroll = EditorGUILayout.BeginScrollView(_scroll);
            foreach (string entry in _entries)
            {
                if (_filter.Length == 0 || entry.IndexOf(_filter, StringComparison.OrdinalIgnoreCase) >= 0)
                {
                    EditorGUILayout.LabelField(entry);
                }
            }
            EditorGUILayout.EndScrollView();
        }

        private void Follow(NpcBrainHost host)
        {
            if (!ReferenceEquals(_host, null))
            {
                _host.Sidecar.MessageReceived -= TakeReceived;
                _host.Sidecar.MessageSent -= TakeSent;
                _host.Sidecar.LogReceived -= Add;
            }
            _host = host;
            if (host != null)
            {
                host.Sidecar.MessageReceived += TakeReceived;
                host.Sidecar.MessageSent += TakeSent;
                host.Sidecar.LogReceived += Add;
            }
        }

        private void TakeReceived(NpcMessage message)
        {
            if (_showsTokens || message.Type != "turn.token")
            {
                Add("\u2190 " + Told(message));
            }
        }

        private void TakeSent(NpcMessage message)
        {
            Add("\u2192 " + Told(message));
        }

        private void Add(string entry)
        {
            _entries.Add(entry);
            if (_entries.Count > MaxEntries)
            {
                _entries.RemoveAt(0);
            }
        }

        private static string Told(NpcMessage message)
        {
            List<string> parts = new List<string> { message.Type, message.NpcId };
            foreach (KeyValuePair<string, object> field in message.Body)
            {
                if (field.Value is string || field.Value is long || field.Value is bool)
                {
                    parts.Add(field.Key + "=" + field.Value);
                }
            }
            return string.Join("  ", parts.ToArray());
        }
    }
}
