using System;
using System.Collections.Generic;
using System.IO;
using NpcBrain.Definition;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Reads NPC files as the bridge does, and tells what it made of them, a line of JSON each:
    /// <c>definition.exe STATES FILE...</c>, states separated by commas.
    /// </summary>
    internal static class DefinitionDriver
    {
        private static void Main(string[] args)
        {
            Console.OutputEncoding = new System.Text.UTF8Encoding(false);
            string[] states = args[0].Split(',');
            for (int index = 1; index < args.Length; index++)
            {
                Console.WriteLine(JsonWriter.Write(Told(args[index], states)));
            }
        }

        private static Dictionary<string, object> Told(string path, string[] states)
        {
            NpcFile file = NpcFile.Parse(
                File.ReadAllText(path), Path.GetFileNameWithoutExtension(path));
            Dictionary<string, object> fallback = new Dictionary<string, object>();
            foreach (string state in states)
            {
                fallback[state] = file.FallbackLines(state);
            }
            Dictionary<string, object> told = new Dictionary<string, object>();
            told["id"] = file.Id;
            told["name"] = file.Name;
            told["greeting"] = file.Greeting;
            told["fallback"] = fallback;
            told["initial"] = file.Initial;
            told["blackboard"] = file.Blackboard;
            told["problem"] = file.Problem;
            told["voice"] = Said(file);
            told["value"] = file.Problem.Length == 0 ? YamlReader.Parse(File.ReadAllText(path)) : null;
            return told;
        }

        /// <summary>What it says to three questions of one, and one of another.</summary>
        private static List<string> Said(NpcFile file)
        {
            FallbackVoice voice = new FallbackVoice(file);
            List<string> said = new List<string>();
            foreach (string speaker in new[] { "player", "player", "player", "pip" })
            {
                said.Add(voice.NextLine(file.Initial, speaker, file.Blackboard));
            }
            return said;
        }
    }
}
