using System;
using System.Collections.Generic;

namespace NpcBrain.Protocol
{
    /// <summary>Reads values of a message; null for what is absent or of another type.</summary>
    internal static class FieldReader
    {
        public static object At(IDictionary<string, object> map, string name)
        {
            object value;
            return map != null && map.TryGetValue(name, out value) ? value : null;
        }

        public static string Text(object value)
        {
            return value as string;
        }

        public static long? Integer(object value)
        {
            return value as long?;
        }

        /// <summary>A receiver takes an integer where a float is wanted.</summary>
        public static double? Number(object value)
        {
            long? whole = value as long?;
            return whole.HasValue ? whole.Value : value as double?;
        }

        public static bool? Flag(object value)
        {
            return value as bool?;
        }

        public static byte[] Bytes(object value)
        {
            return value as byte[];
        }

        public static IDictionary<string, object> Map(object value)
        {
            return value as IDictionary<string, object>;
        }

        public static List<object> List(object value)
        {
            return value as List<object>;
        }

        public static List<T> Parts<T>(
            object value, Func<IDictionary<string, object>, T> read, List<T> otherwise)
        {
            List<object> items = value as List<object>;
            if (items == null)
            {
                return otherwise;
            }
            List<T> parts = new List<T>(items.Count);
            foreach (object item in items)
            {
                if (item is IDictionary<string, object>)
                {
                    parts.Add(read((IDictionary<string, object>)item));
                }
            }
            return parts;
        }
    }
}
