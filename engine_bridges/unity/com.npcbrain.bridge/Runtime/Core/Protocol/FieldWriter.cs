using System.Collections.Generic;

namespace NpcBrain.Protocol
{
    /// <summary>Makes the map of a message; what is null is absent.</summary>
    internal sealed class FieldWriter
    {
        public readonly Dictionary<string, object> Map = new Dictionary<string, object>();

        public void Add(string name, object value)
        {
            IMessagePart part = value as IMessagePart;
            if (part != null)
            {
                Map[name] = part.ToMap();
            }
            else if (value != null)
            {
                Map[name] = value;
            }
        }

        public void Add<T>(string name, List<T> parts) where T : IMessagePart
        {
            List<object> maps = new List<object>(parts.Count);
            foreach (T part in parts)
            {
                maps.Add(part.ToMap());
            }
            Map[name] = maps;
        }

        public void Add(string name, List<object> items)
        {
            if (items != null)
            {
                Map[name] = items;
            }
        }
    }
}
