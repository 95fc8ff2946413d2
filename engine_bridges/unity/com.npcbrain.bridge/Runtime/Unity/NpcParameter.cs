using System;
using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>Makes the parameters of a game's own tools.</summary>
    public static class NpcParameter
    {
        /// <summary>A text.</summary>
        public static NpcParameter<string> Text(string name, string description = "")
        {
            return new NpcParameter<string>(name, description, "string", ReadText);
        }

        /// <summary>One of some words.</summary>
        public static NpcParameter<string> Choice(string name, params string[] words)
        {
            return new NpcParameter<string>(name, "", "string", ReadText, words);
        }

        /// <summary>A whole number.</summary>
        public static NpcParameter<long> Integer(string name, string description = "")
        {
            return new NpcParameter<long>(name, description, "integer", ReadInteger);
        }

        /// <summary>A number.</summary>
        public static NpcParameter<double> Number(string name, string description = "")
        {
            return new NpcParameter<double>(name, description, "number", ReadNumber);
        }

        /// <summary>Yes or no.</summary>
        public static NpcParameter<bool> Flag(string name, string description = "")
        {
            return new NpcParameter<bool>(name, description, "boolean", ReadFlag);
        }

        private static string ReadText(object value)
        {
            return (string)value;
        }

        private static long ReadInteger(object value)
        {
            return (long)value;
        }

        private static double ReadNumber(object value)
        {
            return value is double ? (double)value : ReadInteger(value);
        }

        private static bool ReadFlag(object value)
        {
            return (bool)value;
        }
    }

    /// <summary>A parameter of a tool, with the type that the game's method takes.</summary>
    public sealed class NpcParameter<T>
    {
        private readonly string _type;
        private readonly string _description;
        private readonly string[] _words;
        private readonly Func<object, T> _read;
        private bool _isOptional;
        private T _default;

        internal NpcParameter(
            string name, string description, string type, Func<object, T> read, string[] words = null)
        {
            Name = name;
            _description = description;
            _type = type;
            _read = read;
            _words = words ?? new string[0];
        }

        /// <summary>The parameter's name: lower case, digits, underscores.</summary>
        public string Name { get; private set; }

        /// <summary>From now on it may be left out, and is <paramref name="value"/> then.</summary>
        public NpcParameter<T> Or(T value)
        {
            _isOptional = true;
            _default = value;
            return this;
        }

        /// <summary>Its value among a tool's arguments; false when it is missing or of another type.</summary>
        internal bool TryRead(IDictionary<string, object> args, out T value)
        {
            object given;
            value = _default;
            if (!args.TryGetValue(Name, out given))
            {
                return _isOptional;
            }
            try
            {
                value = _read(given);
                return true;
            }
            catch (InvalidCastException)
            {
                return false;
            }
            catch (NullReferenceException)
            {
                return false;
            }
        }

        internal void AddTo(NpcTool tool)
        {
            Dictionary<string, object> schema = new Dictionary<string, object>();
            schema["type"] = _type;
            if (_description.Length > 0)
            {
                schema["description"] = _description;
            }
            if (_words.Length > 0)
            {
                schema["enum"] = new List<object>(_words);
            }
            tool.AddParameter(Name, schema, !_isOptional);
        }
    }
}
