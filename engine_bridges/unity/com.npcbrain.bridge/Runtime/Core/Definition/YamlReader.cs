using System.Collections.Generic;
using System.Text;

namespace NpcBrain.Definition
{
    /// <summary>
    /// Reads the YAML of NPC files: the same subset as the sidecar's own reader. Maps, lists, text,
    /// numbers, booleans and null, in block and flow style; every key is text, and <c>on</c>,
    /// <c>off</c>, <c>yes</c>, <c>no</c> are text. Tags, anchors and aliases are refused. Knows nothing
    /// of NPCs. Source: YAML 1.2.2, sections 7, 8 and 10.3.2.
    /// </summary>
    internal sealed class YamlReader
    {
        private const int MaxDepth = 48;
        private const string NoTags = "anchors, aliases and tags are not allowed";

        private readonly string[] _lines;
        private int _at;
        private int _depth;

        private YamlReader(string text)
        {
            _lines = text.TrimStart('\ufeff').Replace("\r\n", "\n").Split('\n');
        }

        /// <summary>The value of a document; raises <see cref="YamlException"/> with the line.</summary>
        public static object Parse(string text)
        {
            YamlReader reader = new YamlReader(text);
            try
            {
                return reader.ReadDocument();
            }
            catch (YamlException mistake)
            {
                int line = System.Math.Min(reader._at + 1, reader._lines.Length);
                throw new YamlException("line " + line + ": " + mistake.Message);
            }
        }

        private bool IsAtEnd
        {
            get { return _at >= _lines.Length; }
        }

        private object ReadDocument()
        {
            SkipBlank();
            if (!IsAtEnd && _lines[_at] == "---")
            {
                _at++;
            }
            object value = ReadNode(0);
            SkipBlank();
            if (!IsAtEnd)
            {
                throw new YamlException("does not belong to what stands above it");
            }
            return value;
        }

        private object ReadNode(int minIndent)
        {
            SkipBlank();
            if (IsAtEnd || IndentOf(_lines[_at]) < minIndent)
            {
                return null;
            }
            int indent = IndentOf(_lines[_at]);
            string line = _lines[_at].Substring(indent);
            if (_depth >= MaxDepth)
            {
                throw new YamlException("nested deeper than " + MaxDepth);
            }
            if (line[0] == '\t')
            {
                throw new YamlException("indented with a tab; use spaces");
            }
            _depth++;
            object value;
            if (IsItem(line))
            {
                value = ReadSequence(indent);
            }
            else if (KeyLength(line) >= 0)
            {
                value = ReadMapping(indent);
            }
            else
            {
                value = ReadValue(line, minIndent - 1);
            }
            _depth--;
            return value;
        }

        private List<object> ReadSequence(int indent)
        {
            List<object> items = new List<object>();
            SkipBlank();
            while (!IsAtEnd && IndentOf(_lines[_at]) == indent && IsItem(_lines[_at].Substring(indent)))
            {
                string rest = _lines[_at].Substring(indent + 1);
                if (WithoutComment(rest).Length == 0)
                {
                    _at++;
                }
                else
                {
                    // What follows the dash is a node of its own, which begins in its column.
                    _lines[_at] = new string(' ', indent + 1) + rest;
                }
                items.Add(ReadNode(indent + 1));
                SkipBlank();
            }
            return items;
        }

        private Dictionary<string, object> ReadMapping(int indent)
        {
            Dictionary<string, object> map = new Dictionary<string, object>();
            SkipBlank();
            while (!IsAtEnd && IndentOf(_lines[_at]) == indent)
            {
                string line = _lines[_at].Substring(indent);
                int length = KeyLength(line);
                if (length < 0 || IsItem(line))
                {
                    break;
                }
                string key = KeyOf(line.Substring(0, length));
                if (map.ContainsKey(key))
                {
                    throw new YamlException("the key `" + key + "` is there already");
                }
                string rest = line.Substring(length + 1).TrimStart();
                if (WithoutComment(rest).Length == 0)
                {
                    _at++;
                    map[key] = ReadBlockValue(indent);
                }
                else
                {
                    map[key] = ReadValue(rest, indent);
                }
                SkipBlank();
            }
            return map;
        }

        /// <summary>The value below a key: indented deeper, or a list as deep as the key.</summary>
        private object ReadBlockValue(int indent)
        {
            SkipBlank();
            bool isItem = !IsAtEnd && IndentOf(_lines[_at]) == indent
                && IsItem(_lines[_at].Substring(indent));
            return isItem ? ReadSequence(indent) : ReadNode(indent + 1);
        }

        /// <summary>
        /// The value that begins with <paramref name="rest"/> on this line; its further lines are
        /// deeper than <paramref name="indent"/>.
        /// </summary>
        private object ReadValue(string rest, int indent)
        {
            switch (rest[0])
            {
                case '|': case '>':
                    return ReadBlockScalar(rest, indent);
                case '{': case '[': case '"': case '\'':
                    return ReadFlow(rest);
                case '&': case '*': case '!':
                    throw new YamlException(NoTags);
                case '@': case '`': case '%': case ',': case ']': case '}':
                    throw new YamlException("text that begins with " + rest[0] + " must be in quotes");
                default:
                    return ReadPlain(rest, indent);
            }
        }

        private object ReadPlain(string rest, int indent)
        {
            string text = WithoutComment(rest);
            bool hasComment = text.Length < rest.Trim().Length;
            _at++;
            while (!IsAtEnd && !hasComment)
            {
                string line = _lines[_at].Trim();
                if (line.Length == 0)
                {
                    if (!ContinuesAfterBlank(indent))
                    {
                        break;
                    }
                    text += "\n";
                }
                else if (IndentOf(_lines[_at]) <= indent || line[0] == '#')
                {
                    break;
                }
                else
                {
                    string more = WithoutComment(line);
                    hasComment = more.Length < line.Length;
                    text += text.EndsWith("\n") ? more : " " + more;
                }
                _at++;
            }
            if (text.Contains(": ") || text.EndsWith(":"))
            {
                throw new YamlException("`: ` in text; put it in quotes");
            }
            return YamlScalar.Resolved(text);
        }

        private bool ContinuesAfterBlank(int indent)
        {
            for (int index = _at; index < _lines.Length; index++)
            {
                string line = _lines[index].Trim();
                if (line.Length > 0)
                {
                    return IndentOf(_lines[index]) > indent && line[0] != '#';
                }
            }
            return false;
        }

        private object ReadFlow(string rest)
        {
            YamlFlowReader reader = new YamlFlowReader(rest, NextLine);
            object value = reader.Read();
            if (WithoutComment(reader.Remainder).Length > 0)
            {
                throw new YamlException("`" + reader.Remainder.Trim() + "` after the end of a value");
            }
            _at++;
            return value;
        }

        private string NextLine()
        {
            _at++;
            return IsAtEnd ? null : _lines[_at];
        }

        private string ReadBlockScalar(string header, int indent)
        {
            int wanted = 0;
            foreach (char character in WithoutComment(header))
            {
                wanted = char.IsDigit(character) ? indent + (character - '0') : wanted;
            }
            _at++;
            List<string> rows = new List<string>();
            while (!IsAtEnd)
            {
                string line = _lines[_at];
                if (line.Trim().Length > 0)
                {
                    wanted = wanted == 0 ? IndentOf(line) : wanted;
                    if (IndentOf(line) < wanted || wanted <= indent)
                    {
                        break;
                    }
                }
                rows.Add(wanted > 0 && line.Length > wanted ? line.Substring(wanted) : "");
                _at++;
            }
            int numBlank = 0;
            while (rows.Count > 0 && rows[rows.Count - 1].Length == 0)
            {
                rows.RemoveAt(rows.Count - 1);
                numBlank++;
            }
            string text = header[0] == '>' ? Folded(rows) : string.Join("\n", rows.ToArray());
            bool keeps = header.IndexOf('+') >= 0;
            bool isCutShort = IsAtEnd && numBlank == 0;
            if (header.IndexOf('-') >= 0 || isCutShort || (rows.Count == 0 && !keeps))
            {
                return text;
            }
            return text + "\n" + (keeps ? new string('\n', numBlank) : "");
        }

        /// <summary>Lines joined by spaces, but for blank lines and those indented further.</summary>
        private static string Folded(List<string> rows)
        {
            StringBuilder text = new StringBuilder();
            int numBreaks = 0;
            bool wasDeeper = false;
            for (int index = 0; index < rows.Count; index++)
            {
                string row = rows[index];
                if (row.Length == 0)
                {
                    numBreaks++;
                    continue;
                }
                bool isDeeper = row[0] == ' ' || row[0] == '\t';
                if (index == numBreaks)
                {
                    text.Append('\n', numBreaks);
                }
                else if (isDeeper || wasDeeper)
                {
                    text.Append('\n', numBreaks + 1);
                }
                else
                {
                    text.Append(numBreaks == 0 ? " " : new string('\n', numBreaks));
                }
                text.Append(row);
                wasDeeper = isDeeper;
                numBreaks = 0;
            }
            return text.ToString();
        }

        /// <summary>How long the key is that a line begins with, quotes included; -1 for none.</summary>
        private static int KeyLength(string line)
        {
            if (line[0] == '"' || line[0] == '\'')
            {
                int end = YamlScalar.QuoteEnd(line);
                if (end < 0)
                {
                    return -1;
                }
                while (end < line.Length && (line[end] == ' ' || line[end] == '\t'))
                {
                    end++;
                }
                return end < line.Length && line[end] == ':' ? end : -1;
            }
            if (line[0] == '{' || line[0] == '[' || line[0] == '#')
            {
                return -1;
            }
            int comment = line.IndexOf(" #", System.StringComparison.Ordinal);
            for (int colon = line.IndexOf(':'); colon >= 0; colon = line.IndexOf(':', colon + 1))
            {
                if (colon + 1 == line.Length || line[colon + 1] == ' ' || line[colon + 1] == '\t')
                {
                    return comment >= 0 && comment < colon ? -1 : colon;
                }
            }
            return -1;
        }

        private static string KeyOf(string written)
        {
            string key = written.Trim();
            if (key.Length == 0)
            {
                return key;
            }
            if (key[0] == '"' || key[0] == '\'')
            {
                return YamlScalar.Unquoted(key);
            }
            if ("&*!".IndexOf(key[0]) >= 0)
            {
                throw new YamlException(NoTags);
            }
            return key;
        }

        private void SkipBlank()
        {
            while (!IsAtEnd)
            {
                string line = _lines[_at].Trim();
                if (line.Length > 0 && line[0] != '#')
                {
                    return;
                }
                _at++;
            }
        }

        private static bool IsItem(string line)
        {
            return line[0] == '-' && (line.Length == 1 || line[1] == ' ' || line[1] == '\t');
        }

        private static int IndentOf(string line)
        {
            return line.Length - line.TrimStart(' ').Length;
        }

        private static string WithoutComment(string text)
        {
            if (text.TrimStart().StartsWith("#"))
            {
                return "";
            }
            int comment = text.IndexOf(" #", System.StringComparison.Ordinal);
            return (comment < 0 ? text : text.Substring(0, comment)).Trim();
        }
    }
}
