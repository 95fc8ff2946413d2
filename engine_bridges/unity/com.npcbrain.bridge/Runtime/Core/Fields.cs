using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>
    /// Reads the fields of a message or of its body, as <see cref="MsgpackReader"/> made it. What is
    /// absent or of another type gives a default.
    /// </summary>
    public static class Fields
    {
        private static readonly IDictionary<string, object> _none =
            new Dictionary<string, object>();

        /// <summary>Text; empty by default.</summary>
        public static string Text(IDictionary<string, object> map, string name)
        {
            return Value(map, name) as string ?? "";
        }

        /// <summary>An integer; 0 by default.</summary>
        public static long Integer(IDictionary<string, object> map, string name)
        {
            return Value(map, name) as long? ?? 0;
        }

        /// <summary>A number, be it whole or not; 0 by default.</summary>
        public static double Number(IDictionary<string, object> map, string name)
        {
            object value = Value(map, name);
            return value is long ? (long)value : value as double? ?? 0;
        }

        /// <summary>A boolean; false by default.</summary>
        public static bool Flag(IDictionary<string, object> map, string name)
        {
            return Value(map, name) as bool? ?? false;
        }

        /// <summary>Bytes; null by default.</summary>
        public static byte[] Bytes(IDictionary<string, object> map, string name)
        {
            return Value(map, name) as byte[];
        }

        /// <summary>A map; an empty one by default.</summary>
        public static IDictionary<string, object> Map(IDictionary<string, object> map, string name)
        {
            return Value(map, name) as IDictionary<string, object> ?? _none;
        }

        /// <summary>The texts of a list; none by default.</summary>
        public static List<string> Texts(IDictionary<string, object> map, string name)
        {
            return Items<string>(map, name);
        }

        /// <summary>The maps of a list; none by default.</summary>
        public static List<IDictionary<string, object>> Maps(
            IDictionary<string, object> map, string name)
        {
            return Items<IDictionary<string, object>>(map, name);
        }

        private static List<T> Items<T>(IDictionary<string, object> map, string name) where T : class
        {
            List<T> items = new List<T>();
            foreach (object value in Value(map, name) as IEnumerable<object> ?? new object[0])
            {
                T item = value as T;
                if (item != null)
                {
                    items.Add(item);
                }
            }
            return items;
        }

        private static object Value(IDictionary<string, object> map, string name)
        {
            object value;
            return map != null && map.TryGetValue(name, out value) ? value : null;
        }
    }
}
