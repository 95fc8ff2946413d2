using System;
using System.Collections.Generic;

namespace NpcBrain.Definition
{
    /// <summary>
    /// Reads one value of YAML's flow style, as in <c>{to: away, do: [{bark: "Hey!"}]}</c>. Source:
    /// YAML 1.2.2, sections 7.3 and 7.4.
    /// </summary>
    internal sealed class YamlFlowReader
    {
        private const int MaxDepth = 48;
        private static readonly char[] _spaces = { ' ', '\t' };

        private readonly Func<string> _more;
        private string _text;
        private int _at;
        private int _depth;

        /// <summary>A reader of a text; <paramref name="more"/> gives the next line, or null.</summary>
        public YamlFlowReader(string text, Func<string> more)
        {
            _text = text;
            _more = more;
        }

        /// <summary>What stands after the value on its last line.</summary>
        public string Remainder
        {
            get { return _text.Substring(_at); }
        }

        /// <summary>The value that the text begins with.</summary>
        public object Read()
        {
            SkipSpace();
            if (_at >= _text.Length)
            {
                throw new YamlException("a value is missing");
            }
            switch (_text[_at])
            {
                case '{':
                    return ReadMap();
                case '[':
                    return ReadList();
                case '"':
                case '\'':
                    return ReadQuoted();
                default:
                    return YamlScalar.Resolved(ReadPlain(false));
            }
        }

        private Dictionary<string, object> ReadMap()
        {
            Dictionary<string, object> map = new Dictionary<string, object>();
            Open();
            while (!Closes('}'))
            {
                bool isQuoted = _text[_at] == '"' || _text[_at] == '\'';
                string key = isQuoted ? ReadQuoted() : ReadPlain(true);
                if (map.ContainsKey(key))
                {
                    throw new YamlException("the key `" + key + "` is there already");
                }
                map[key] = null;
                SkipSpace();
                if (_at < _text.Length && _text[_at] == ':')
                {
                    _at++;
                    SkipSpace();
                    if (_at < _text.Length && _text[_at] != ',' && _text[_at] != '}')
                    {
                        map[key] = Read();
                    }
                }
                Separate('}');
            }
            _depth--;
            return map;
        }

        private List<object> ReadList()
        {
            List<object> items = new List<object>();
            Open();
            while (!Closes(']'))
            {
                object item = Read();
                SkipSpace();
                if (_at < _text.Length && _text[_at] == ':')
                {
                    // A lone pair in a list is a map of one.
                    _at++;
                    Dictionary<string, object> pair = new Dictionary<string, object>();
                    pair[Convert.ToString(item)] = Read();
                    item = pair;
                }
                items.Add(item);
                Separate(']');
            }
            _depth--;
            return items;
        }

        private void Open()
        {
            _at++;
            _depth++;
            if (_depth > MaxDepth)
            {
                throw new YamlException("nested deeper than " + MaxDepth);
            }
        }

        private bool Closes(char bracket)
        {
            SkipSpace();
            if (_at >= _text.Length)
            {
                throw new YamlException("`" + bracket + "` is missing");
            }
            if (_text[_at] != bracket)
            {
                return false;
            }
            _at++;
            return true;
        }

        private void Separate(char bracket)
        {
            SkipSpace();
            if (_at < _text.Length && _text[_at] == ',')
            {
                _at++;
            }
            else if (_at >= _text.Length || _text[_at] != bracket)
            {
                throw new YamlException("`,` or `" + bracket + "` is missing");
            }
        }

        private string ReadPlain(bool isKey)
        {
            if ("&*!".IndexOf(_text[_at]) >= 0)
            {
                throw new YamlException("anchors, aliases and tags are not allowed");
            }
            string text = "";
            while (true)
            {
                int start = _at;
                while (_at < _text.Length && !EndsPlain(isKey))
                {
                    _at++;
                }
                text += _text.Substring(start, _at - start).Trim();
                if ((_at < _text.Length && !IsComment()) || !NextLine())
                {
                    break;
                }
                SkipSpace();
                if (_at >= _text.Length || EndsPlain(isKey))
                {
                    break;
                }
                text += " ";
            }
            if (text.Length == 0)
            {
                throw new YamlException("a value is missing");
            }
            return text;
        }

        private bool EndsPlain(bool isKey)
        {
            char character = _text[_at];
            if (",[]{}".IndexOf(character) >= 0 || IsComment())
            {
                return true;
            }
            if (character != ':')
            {
                return false;
            }
            return _at + 1 == _text.Length || " ,[]{}".IndexOf(_text[_at + 1]) >= 0
                || (isKey && _text[_at + 1] == '\t');
        }

        private string ReadQuoted()
        {
            char quote = _text[_at];
            string written = _text.Substring(_at);
            int end = YamlScalar.QuoteEnd(written);
            while (end < 0)
            {
                string line = _more();
                if (line == null)
                {
                    throw new YamlException("the closing " + quote + " is missing");
                }
                written = Joined(written, line.Trim(), quote);
                end = YamlScalar.QuoteEnd(written);
            }
            _text = written;
            _at = end;
            return YamlScalar.Unquoted(written.Substring(0, end));
        }

        private static string Joined(string written, string more, char quote)
        {
            if (more.Length == 0)
            {
                return written.TrimEnd(_spaces) + "\n";
            }
            int numBackslashes = written.Length - written.TrimEnd('\\').Length;
            if (quote == '"' && numBackslashes % 2 == 1)
            {
                return written.Substring(0, written.Length - 1) + more;
            }
            return written.EndsWith("\n") ? written + more : written.TrimEnd(_spaces) + " " + more;
        }

        /// <summary>Passes over space, comments and ends of lines.</summary>
        private void SkipSpace()
        {
            while (true)
            {
                while (_at < _text.Length && (_text[_at] == ' ' || _text[_at] == '\t'))
                {
                    _at++;
                }
                if ((_at < _text.Length && !IsComment()) || !NextLine())
                {
                    return;
                }
            }
        }

        private bool IsComment()
        {
            return _text[_at] == '#' && (_at == 0 || _text[_at - 1] == ' ' || _text[_at - 1] == '\t');
        }

        private bool NextLine()
        {
            if (_depth == 0)
            {
                return false;
            }
            string line = _more();
            _text = line ?? "";
            _at = 0;
            return line != null;
        }
    }
}
