using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>A map read from JSON, with typed access that names the place of a mistake.</summary>
    public sealed class JsonMap
    {
        private readonly Dictionary<string, object> _values;
        private readonly string _path;

        private JsonMap(Dictionary<string, object> values, string path)
        {
            _values = values;
            _path = path;
        }

        /// <summary>The map that <paramref name="json"/> is.</summary>
        /// <exception cref="FormatException">It is not JSON, or no map.</exception>
        public static JsonMap Read(string json)
        {
            return Of(JsonReader.Read(json), "$");
        }

        /// <summary>Its keys, in their order.</summary>
        public IEnumerable<string> Keys
        {
            get { return _values.Keys; }
        }

        /// <summary>Whether a key is there with a value.</summary>
        public bool Has(string key)
        {
            object value;
            return _values.TryGetValue(key, out value) && value != null;
        }

        /// <summary>The value as it was read.</summary>
        public object Value(string key)
        {
            object value;
            if (!_values.TryGetValue(key, out value))
            {
                throw new FormatException(_path + "." + key + " is missing");
            }
            return value;
        }

        /// <summary>A text.</summary>
        public string Text(string key)
        {
            string text = Value(key) as string;
            if (text == null)
            {
                throw Wrong(key, "text");
            }
            return text;
        }

        /// <summary>A text, or what stands for one that is missing.</summary>
        public string Text(string key, string missing)
        {
            return Has(key) ? Text(key) : missing;
        }

        /// <summary>A whole number.</summary>
        public int Int(string key)
        {
            object value = Value(key);
            if (!(value is long) || (long)value < int.MinValue || (long)value > int.MaxValue)
            {
                throw Wrong(key, "a whole number");
            }
            return (int)(long)value;
        }

        /// <summary>A whole number, or what stands for one that is missing.</summary>
        public int Int(string key, int missing)
        {
            return Has(key) ? Int(key) : missing;
        }

        /// <summary>A number.</summary>
        public double Number(string key)
        {
            object value = Value(key);
            if (value is long)
            {
                return (long)value;
            }
            if (!(value is double))
            {
                throw Wrong(key, "a number");
            }
            return (double)value;
        }

        /// <summary>True or false; false when missing.</summary>
        public bool Flag(string key)
        {
            if (!Has(key))
            {
                return false;
            }
            object value = Value(key);
            if (!(value is bool))
            {
                throw Wrong(key, "true or false");
            }
            return (bool)value;
        }

        /// <summary>A cell, written [x, y].</summary>
        public Cell Cell(string key)
        {
            List<object> pair = Value(key) as List<object>;
            if (pair == null || pair.Count != 2 || !(pair[0] is long) || !(pair[1] is long))
            {
                throw Wrong(key, "[x, y]");
            }
            return new Cell((int)(long)pair[0], (int)(long)pair[1]);
        }

        /// <summary>A list of texts; empty when missing.</summary>
        public string[] Texts(string key)
        {
            List<object> values = List(key);
            string[] texts = new string[values.Count];
            for (int index = 0; index < texts.Length; index++)
            {
                texts[index] = values[index] as string;
                if (texts[index] == null)
                {
                    throw Wrong(key, "a list of texts");
                }
            }
            return texts;
        }

        /// <summary>A list of maps; empty when missing.</summary>
        public List<JsonMap> Maps(string key)
        {
            List<JsonMap> maps = new List<JsonMap>();
            foreach (object value in List(key))
            {
                maps.Add(Of(value, _path + "." + key + "[" + maps.Count + "]"));
            }
            return maps;
        }

        /// <summary>A map; an empty one when missing.</summary>
        public JsonMap Map(string key)
        {
            object value = Has(key) ? Value(key) : new Dictionary<string, object>();
            return Of(value, _path + "." + key);
        }

        /// <summary>A map whose values are whole numbers; empty when missing.</summary>
        public Dictionary<string, int> Counts(string key)
        {
            JsonMap map = Map(key);
            Dictionary<string, int> counts = new Dictionary<string, int>();
            foreach (string name in map.Keys)
            {
                counts[name] = map.Int(name);
            }
            return counts;
        }

        private static JsonMap Of(object value, string path)
        {
            Dictionary<string, object> values = value as Dictionary<string, object>;
            if (values == null)
            {
                throw new FormatException(path + " must be a map");
            }
            return new JsonMap(values, path);
        }

        private List<object> List(string key)
        {
            List<object> values = Has(key) ? Value(key) as List<object> : new List<object>();
            if (values == null)
            {
                throw Wrong(key, "a list");
            }
            return values;
        }

        private FormatException Wrong(string key, string wanted)
        {
            return new FormatException(_path + "." + key + " must be " + wanted);
        }
    }
}
