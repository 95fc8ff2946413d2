using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace NpcBrain.Definition
{
    /// <summary>
    /// Finds something to say without a sidecar: a greeting to whoever speaks first, then the authored
    /// fallback lines of the state in turn.
    /// </summary>
    public sealed class FallbackVoice
    {
        /// <summary>What is said when an author left nothing to say.</summary>
        public const string Wordless = "\u2026";

        private static readonly Regex _placeholder = new Regex(@"\{([a-z][a-z0-9_]*)\}");

        private readonly NpcFile _file;
        private readonly HashSet<string> _met = new HashSet<string>();
        private readonly Dictionary<string, int> _numSaid = new Dictionary<string, int>();

        /// <summary>The voice of an NPC.</summary>
        public FallbackVoice(NpcFile file)
        {
            if (file == null)
            {
                throw new ArgumentNullException("file");
            }
            _file = file;
        }

        /// <summary>
        /// The next line for a speaker in a state; never empty. <paramref name="values"/> fill in
        /// placeholders, beside the NPC's own name.
        /// </summary>
        public string NextLine(string state, string speakerId, IDictionary<string, object> values)
        {
            string greeting = _met.Add(speakerId) ? Next("", _file.Greeting, values) : null;
            return greeting ?? Next(state, _file.FallbackLines(state), values) ?? Wordless;
        }

        /// <summary>Notes that the NPC has met someone, who needs no greeting any more.</summary>
        public void NoteMet(string speakerId)
        {
            _met.Add(speakerId);
        }

        private string Next(string key, IList<string> lines, IDictionary<string, object> values)
        {
            for (int attempt = 0; attempt < lines.Count; attempt++)
            {
                int numSaid;
                _numSaid.TryGetValue(key, out numSaid);
                _numSaid[key] = numSaid + 1;
                string line = Filled(lines[numSaid % lines.Count], values);
                if (!string.IsNullOrEmpty(line))
                {
                    return line;
                }
            }
            return null;
        }

        /// <summary>The line with its placeholders filled in; null when a value is missing.</summary>
        private string Filled(string line, IDictionary<string, object> values)
        {
            StringBuilder filled = new StringBuilder();
            int end = 0;
            foreach (Match found in _placeholder.Matches(line))
            {
                string key = found.Groups[1].Value;
                object value = key == "name" ? _file.Name : null;
                if (value == null && (values == null || !values.TryGetValue(key, out value)))
                {
                    return null;
                }
                filled.Append(line, end, found.Index - end);
                filled.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
                end = found.Index + found.Length;
            }
            return filled.Append(line, end, line.Length - end).ToString();
        }
    }
}
