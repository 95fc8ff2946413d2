using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// Reads JSON into plain values: <see cref="Dictionary{TKey,TValue}"/> by text, lists of
    /// objects, text, <c>long</c>, <c>double</c>, <c>bool</c> and null.
    /// </summary>
    public sealed class JsonReader
    {
        private const int MaxDepth = 64;

        private readonly string _text;
        private int _at;

        private JsonReader(string text)
        {
            _text = text;
        }

        /// <summary>The value that <paramref name="text"/> holds.</summary>
        /// <exception cref="FormatException">It is not JSON; says where.</exception>
        public static object Read(string text)
        {
            JsonReader reader = new JsonReader(text);
            object value = reader.ReadValue(0);
            reader.SkipSpace();
            if (reader._at < text.Length)
            {
                throw reader.Mistake("something after the end");
            }
            return value;
        }

        private object ReadValue(int depth)
        {
            if (depth > MaxDepth)
            {
                throw Mistake("nested too deep");
            }
            SkipSpace();
            switch (Peek())
            {
                case '{': return ReadMap(depth);
                case '[': return ReadList(depth);
                case '"': return ReadText();
                case 't': return ReadWord("true", true);
                case 'f': return ReadWord("false", false);
                case 'n': return ReadWord("null", null);
                default: return ReadNumber();
            }
        }

        private Dictionary<string, object> ReadMap(int depth)
        {
            Dictionary<string, object> map = new Dictionary<string, object>();
            _at++;
            if (TryTake('}'))
            {
                return map;
            }
            do
            {
                SkipSpace();
                if (Peek() != '"')
                {
                    throw Mistake("a key must be text");
                }
                string key = ReadText();
                Take(':');
                map[key] = ReadValue(depth + 1);
            }
            while (TryTake(','));
            Take('}');
            return map;
        }

        private List<object> ReadList(int depth)
        {
            List<object> list = new List<object>();
            _at++;
            if (TryTake(']'))
            {
                return list;
            }
            do
            {
                list.Add(ReadValue(depth + 1));
            }
            while (TryTake(','));
            Take(']');
            return list;
        }

        private string ReadText()
        {
            StringBuilder text = new StringBuilder();
            _at++;
            while (Peek() != '"')
            {
                char next = _text[_at++];
                if (next < ' ')
                {
                    throw Mistake("a control character in text");
                }
                text.Append(next == '\\' ? ReadEscape() : next);
            }
            _at++;
            return text.ToString();
        }

        private char ReadEscape()
        {
            char kind = Peek();
            _at++;
            switch (kind)
            {
                case '"': case '\\': case '/': return kind;
                case 'b': return '\b';
                case 'f': return '\f';
                case 'n': return '\n';
                case 'r': return '\r';
                case 't': return '\t';
                case 'u': return ReadCodeUnit();
                default: throw Mistake("an unknown escape");
            }
        }

        private char ReadCodeUnit()
        {
            int code;
            if (_at + 4 > _text.Length || !int.TryParse(_text.Substring(_at, 4),
                NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out code))
            {
                throw Mistake("four hex digits must follow \\u");
            }
            _at += 4;
            return (char)code;
        }

        private object ReadNumber()
        {
            int start = _at;
            while (_at < _text.Length && "+-.eE0123456789".IndexOf(_text[_at]) >= 0)
            {
                _at++;
            }
            string number = _text.Substring(start, _at - start);
            long whole;
            if (long.TryParse(number, NumberStyles.AllowLeadingSign,
                CultureInfo.InvariantCulture, out whole))
            {
                return whole;
            }
            double real;
            if (double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out real))
            {
                return real;
            }
            throw Mistake("no value");
        }

        private object ReadWord(string word, object value)
        {
            if (string.CompareOrdinal(_text, _at, word, 0, word.Length) != 0)
            {
                throw Mistake("no value");
            }
            _at += word.Length;
            return value;
        }

        private void Take(char wanted)
        {
            if (!TryTake(wanted))
            {
                throw Mistake("wanted " + wanted);
            }
        }

        private bool TryTake(char wanted)
        {
            SkipSpace();
            if (Peek() != wanted)
            {
                return false;
            }
            _at++;
            return true;
        }

        private void SkipSpace()
        {
            while (_at < _text.Length && " \t\r\n".IndexOf(_text[_at]) >= 0)
            {
                _at++;
            }
        }

        private char Peek()
        {
            if (_at >= _text.Length)
            {
                throw Mistake("the text ends too soon");
            }
            return _text[_at];
        }

        private FormatException Mistake(string what)
        {
            int line = 1;
            for (int index = 0; index < _at && index < _text.Length; index++)
            {
                line += _text[index] == '\n' ? 1 : 0;
            }
            return new FormatException("not JSON: line " + line + ": " + what);
        }
    }
}
