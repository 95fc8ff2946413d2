using System.Collections.Generic;
using System.IO;

namespace NpcBrain.Samples.Gatehouse
{
    /// <summary>
    /// Who holds what: the game's own books. NPCs ask for changes, the game makes them here and tells
    /// <see cref="NpcWorld"/>.
    /// </summary>
    public sealed class Store
    {
        private readonly Dictionary<string, Dictionary<string, int>> _held =
            new Dictionary<string, Dictionary<string, int>>();

        /// <summary>Who holds anything.</summary>
        public ICollection<string> Owners
        {
            get { return _held.Keys; }
        }

        /// <summary>Counts by item.</summary>
        public IDictionary<string, int> Of(string owner)
        {
            Dictionary<string, int> items;
            if (!_held.TryGetValue(owner, out items))
            {
                items = new Dictionary<string, int>();
                _held[owner] = items;
            }
            return items;
        }

        /// <summary>How many of an item somebody holds.</summary>
        public int Count(string owner, string item)
        {
            int count;
            return Of(owner).TryGetValue(item, out count) ? count : 0;
        }

        /// <summary>Adds to what somebody holds, or takes away.</summary>
        public void Add(string owner, string item, int count)
        {
            Of(owner)[item] = Count(owner, item) + count;
        }

        /// <summary>Writes all of it into a save game.</summary>
        public void Write(BinaryWriter file)
        {
            file.Write(_held.Count);
            foreach (KeyValuePair<string, Dictionary<string, int>> owner in _held)
            {
                file.Write(owner.Key);
                file.Write(owner.Value.Count);
                foreach (KeyValuePair<string, int> item in owner.Value)
                {
                    file.Write(item.Key);
                    file.Write(item.Value);
                }
            }
        }

        /// <summary>Reads what <see cref="Write"/> wrote, in place of what there is.</summary>
        public void Read(BinaryReader file)
        {
            _held.Clear();
            for (int owners = file.ReadInt32(); owners > 0; owners--)
            {
                IDictionary<string, int> held = Of(file.ReadString());
                for (int items = file.ReadInt32(); items > 0; items--)
                {
                    string item = file.ReadString();
                    held[item] = file.ReadInt32();
                }
            }
        }
    }
}
