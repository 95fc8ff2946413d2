using NpcBrain.Definition;
using UnityEditor;
using UnityEngine;

namespace NpcBrain.Editor
{
    /// <summary>Shows mistakes of the NPC file, and in play mode what the character is up to.</summary>
    [CustomEditor(typeof(NpcCharacter))]
    internal sealed class NpcCharacterEditor : UnityEditor.Editor
    {
        private TextAsset _readFile;
        private NpcFile _file;
        private string _typed = "";

        public override bool RequiresConstantRepaint()
        {
            return Application.isPlaying;
        }

        public override void OnInspectorGUI()
        {
            NpcCharacter character = (NpcCharacter)target;
            ShowFile(character.DefinitionFile);
            DrawDefaultInspector();
            if (Application.isPlaying)
            {
                ShowPlay(character);
            }
        }

        private void ShowFile(TextAsset asset)
        {
            if (asset == null)
            {
                EditorGUILayout.HelpBox(
                    "Choose an NPC file (.yaml): who this is, and what it says.", MessageType.Warning);
                return;
            }
            if (_readFile != asset)
            {
                _readFile = asset;
                _file = NpcFile.Parse(asset.text, asset.name);
            }
            if (_file.Problem.Length > 0)
            {
                EditorGUILayout.HelpBox(asset.name + ": " + _file.Problem, MessageType.Error);
            }
            else if (_file.FallbackLines(NpcFile.DefaultFallback).Count == 0)
            {
                EditorGUILayout.HelpBox(
                    _file.Name + " has nothing to say without a sidecar: add lines.fallback.default.",
                    MessageType.Info);
            }
        }

        private void ShowPlay(NpcCharacter character)
        {
            EditorGUILayout.Space();
            EditorGUILayout.LabelField("Sidecar", character.IsSpawned ? "has it" : "does not have it");
            EditorGUILayout.LabelField("State", character.State);
            foreach (System.Collections.Generic.KeyValuePair<string, object> entry in character.Blackboard)
            {
                EditorGUILayout.LabelField("  " + entry.Key, System.Convert.ToString(entry.Value));
            }
            _typed = EditorGUILayout.TextField("Say", _typed);
            if (GUILayout.Button("Say it as the player") && _typed.Length > 0)
            {
                character.Hear(_typed);
                _typed = "";
            }
        }
    }
}
