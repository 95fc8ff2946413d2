using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace NpcBrain.Standalone
{
    /// <summary>Writes plain values (maps, lists, text, numbers, bool, null) as JSON on a line.</summary>
    internal static class JsonWriter
    {
        private static readonly char[] _fractional = { '.', 'E' };

        /// <summary>The JSON of a value.</summary>
        public static string Write(object value)
        {
            StringBuilder json = new StringBuilder();
            Append(json, value);
            return json.ToString();
        }

        private static void Append(StringBuilder json, object value)
        {
            if (value == null)
            {
                json.Append("null");
            }
            else if (value is string)
            {
                AppendText(json, (string)value);
            }
            else if (value is bool)
            {
                json.Append((bool)value ? "true" : "false");
            }
            else if (value is double)
            {
                string number = ((double)value).ToString("R", CultureInfo.InvariantCulture);
                json.Append(number).Append(number.IndexOfAny(_fractional) < 0 ? ".0" : "");
            }
            else if (value is IDictionary)
            {
                AppendMap(json, (IDictionary)value);
            }
            else if (value is IEnumerable)
            {
                AppendList(json, (IEnumerable)value);
            }
            else
            {
                json.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
            }
        }

        private static void AppendMap(StringBuilder json, IDictionary map)
        {
            string separator = "{";
            foreach (DictionaryEntry entry in map)
            {
                json.Append(separator);
                AppendText(json, (string)entry.Key);
                json.Append(':');
                Append(json, entry.Value);
                separator = ",";
            }
            json.Append(map.Count == 0 ? "{}" : "}");
        }

        private static void AppendList(StringBuilder json, IEnumerable list)
        {
            string separator = "";
            json.Append('[');
            foreach (object value in list)
            {
                json.Append(separator);
                Append(json, value);
                separator = ",";
            }
            json.Append(']');
        }

        private static void AppendText(StringBuilder json, string text)
        {
            json.Append('"');
            foreach (char sign in text)
            {
                if (sign == '"' || sign == '\\')
                {
                    json.Append('\\').Append(sign);
                }
                else if (sign < ' ')
                {
                    json.Append("\\u").Append(((int)sign).ToString("x4", CultureInfo.InvariantCulture));
                }
                else
                {
                    json.Append(sign);
                }
            }
            json.Append('"');
        }
    }
}
