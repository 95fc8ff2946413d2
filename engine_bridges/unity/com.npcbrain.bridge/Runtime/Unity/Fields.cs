using System;
using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>Reads the fields of a message's body; what is absent or of a wrong type has a default.</summary>
    internal static class Fields
    {
        private static readonly IDictionary<string, object> _none =
            new Dictionary<string, object>();

        public static string Text(IDictionary<string, object> body, string name)
        {
            return Value(body, name) as string ?? "";
        }

        public static long Integer(IDictionary<string, object> body, string name)
        {
            object value = Value(body, name);
            return IsInteger(value) ? Convert.ToInt64(value) : 0;
        }

        public static double Number(IDictionary<string, object> body, string name)
        {
            object value = Value(body, name);
            return value is double || value is float || IsInteger(value) ? Convert.ToDouble(value) : 0;
        }

        public static bool Flag(IDictionary<string, object> body, string name)
        {
            return Value(body, name) as bool? ?? false;
        }

        public static byte[] Bytes(IDictionary<string, object> body, string name)
        {
            return Value(body, name) as byte[];
        }

        public static IDictionary<string, object> Map(IDictionary<string, object> body, string name)
        {
            return Value(body, name) as IDictionary<string, object> ?? _none;
        }

        public static List<string> Texts(IDictionary<string, object> body, string name)
        {
            List<string> texts = new List<string>();
            foreach (object value in Value(body, name) as IEnumerable<object> ?? new object[0])
            {
                if (value is string)
                {
                    texts.Add((string)value);
                }
            }
            return texts;
        }

        public static List<IDictionary<string, object>> Maps(
            IDictionary<string, object> body, string name)
        {
            List<IDictionary<string, object>> maps = new List<IDictionary<string, object>>();
            foreach (object value in Value(body, name) as IEnumerable<object> ?? new object[0])
            {
                if (value is IDictionary<string, object>)
                {
                    maps.Add((IDictionary<string, object>)value);
                }
            }
            return maps;
        }

        public static bool IsInteger(object value)
        {
            return value is long || value is int || value is ulong || value is uint || value is short
                || value is ushort || value is byte || value is sbyte;
        }

        private static object Value(IDictionary<string, object> body, string name)
        {
            object value;
            return body != null && body.TryGetValue(name, out value) ? value : null;
        }
    }
}
