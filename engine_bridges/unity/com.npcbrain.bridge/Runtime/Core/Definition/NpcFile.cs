using System.Collections.Generic;
using System.Globalization;

namespace NpcBrain.Definition
{
    /// <summary>
    /// What the bridge reads of an NPC file itself, so that an NPC has something to say without a
    /// sidecar: who it is, its greeting and fallback lines, and how its states nest. It is lenient:
    /// mistakes in a file are the sidecar's to tell (<c>npc-brain validate</c>).
    /// </summary>
    public sealed class NpcFile
    {
        /// <summary>The key of the fallback lines for all states that have none of their own.</summary>
        public const string DefaultFallback = "default";

        private readonly Dictionary<string, string[]> _fallback = new Dictionary<string, string[]>();
        private readonly Dictionary<string, string> _parents = new Dictionary<string, string>();

        private NpcFile(string stem)
        {
            Id = stem;
            Name = "";
            Initial = "";
            Problem = "";
            Greeting = new string[0];
            Source = new Dictionary<string, object>();
            Blackboard = new Dictionary<string, object>();
            Inventory = new Dictionary<string, int>();
        }

        /// <summary>Everything that the file says, as <c>npc.spawn</c> takes it; empty for none.</summary>
        public IDictionary<string, object> Source { get; private set; }

        /// <summary>The NPC's default id: the file's stem when the file does not say.</summary>
        public string Id { get; private set; }

        /// <summary>The NPC's name.</summary>
        public string Name { get; private set; }

        /// <summary>Lines said to someone's first words.</summary>
        public IList<string> Greeting { get; private set; }

        /// <summary>The innermost state that the NPC begins in.</summary>
        public string Initial { get; private set; }

        /// <summary>First values of the blackboard.</summary>
        public IDictionary<string, object> Blackboard { get; private set; }

        /// <summary>What the NPC holds at the start where the game says nothing: counts by item.</summary>
        public IDictionary<string, int> Inventory { get; private set; }

        /// <summary>Why the file could not be read; empty when all is well.</summary>
        public string Problem { get; private set; }

        /// <summary>Reads the text of an NPC file; <paramref name="stem"/> is its name without suffix.</summary>
        public static NpcFile Parse(string text, string stem)
        {
            NpcFile file = new NpcFile(stem ?? "");
            object value = null;
            try
            {
                value = YamlReader.Parse(text ?? "");
                if (!(value is Dictionary<string, object>))
                {
                    file.Problem = "it is not an NPC file: it has no keys";
                }
            }
            catch (YamlException mistake)
            {
                file.Problem = mistake.Message;
            }
            file.Take(MapOf(value));
            return file;
        }

        /// <summary>The fallback lines in a state: its own, else those around it, else the default.</summary>
        public IList<string> FallbackLines(string state)
        {
            string[] lines;
            while (!string.IsNullOrEmpty(state))
            {
                if (_fallback.TryGetValue(state, out lines))
                {
                    return lines;
                }
                _parents.TryGetValue(state, out state);
            }
            return _fallback.TryGetValue(DefaultFallback, out lines) ? lines : new string[0];
        }

        private void Take(Dictionary<string, object> file)
        {
            Dictionary<string, object> lines = MapAt(file, "lines");
            Source = file;
            Id = TextAt(file, "id", Id);
            Name = TextAt(MapAt(file, "persona"), "name", Titled(Id));
            Greeting = Alternatives(ValueAt(lines, "greeting"));
            foreach (KeyValuePair<string, object> entry in MapAt(lines, "fallback"))
            {
                _fallback[entry.Key] = Alternatives(entry.Value);
            }
            Blackboard = MapAt(file, "blackboard");
            Initial = TextAt(file, "initial", "");
            foreach (KeyValuePair<string, object> entry in MapAt(file, "inventory"))
            {
                if (entry.Value is long && (long)entry.Value > 0 && (long)entry.Value <= int.MaxValue)
                {
                    Inventory[entry.Key] = (int)(long)entry.Value;
                }
            }
            TakeStates(MapAt(file, "states"), null);
        }

        private void TakeStates(Dictionary<string, object> states, string parent)
        {
            foreach (KeyValuePair<string, object> entry in states)
            {
                Dictionary<string, object> state = MapOf(entry.Value);
                if (parent != null)
                {
                    _parents[entry.Key] = parent;
                }
                if (entry.Key == Initial)
                {
                    Initial = TextAt(state, "initial", Initial);
                }
                TakeStates(MapAt(state, "states"), entry.Key);
            }
        }

        private static object ValueAt(Dictionary<string, object> map, string key)
        {
            object value;
            map.TryGetValue(key, out value);
            return value;
        }

        private static Dictionary<string, object> MapAt(Dictionary<string, object> map, string key)
        {
            return MapOf(ValueAt(map, key));
        }

        private static Dictionary<string, object> MapOf(object value)
        {
            return value as Dictionary<string, object> ?? new Dictionary<string, object>();
        }

        private static string TextAt(Dictionary<string, object> map, string key, string otherwise)
        {
            return ValueAt(map, key) as string ?? otherwise;
        }

        private static string[] Alternatives(object value)
        {
            List<string> lines = new List<string>();
            foreach (object line in value as List<object> ?? new List<object> { value })
            {
                if (line is string)
                {
                    lines.Add((string)line);
                }
            }
            return lines.ToArray();
        }

        private static string Titled(string id)
        {
            return CultureInfo.InvariantCulture.TextInfo.ToTitleCase(id.Replace('_', ' '));
        }
    }
}
