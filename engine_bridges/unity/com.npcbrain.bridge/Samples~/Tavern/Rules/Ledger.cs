using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>A number of items of one kind.</summary>
    public struct Stack
    {
        /// <summary>The kind of item.</summary>
        public readonly string Item;

        /// <summary>How many, at least 1.</summary>
        public readonly int Count;

        /// <summary><paramref name="count"/> of <paramref name="item"/>.</summary>
        public Stack(string item, int count)
        {
            Item = item;
            Count = count;
        }
    }

    /// <summary>Why nothing was moved: somebody holds too few.</summary>
    public sealed class Shortage
    {
        /// <summary>Who has too few.</summary>
        public readonly string Owner;

        /// <summary>Of what.</summary>
        public readonly string Item;

        /// <summary>How many they have.</summary>
        public readonly int Held;

        internal Shortage(string owner, string item, int held)
        {
            Owner = owner;
            Item = item;
            Held = held;
        }
    }

    /// <summary>
    /// Who holds what. Items move, are used up or are equipped here and nowhere else: the total of
    /// each stays what it was. What cannot be done changes nothing.
    /// </summary>
    public sealed class Ledger
    {
        private readonly Dictionary<string, Dictionary<string, int>> _held =
            new Dictionary<string, Dictionary<string, int>>();
        private readonly Dictionary<string, Dictionary<string, string>> _equipped =
            new Dictionary<string, Dictionary<string, string>>();
        private readonly Dictionary<string, int> _usedUp = new Dictionary<string, int>();
        private readonly SortedSet<string> _changed = new SortedSet<string>(StringComparer.Ordinal);

        internal void AddOwner(string owner, IDictionary<string, int> stacks)
        {
            _held[owner] = new Dictionary<string, int>();
            _equipped[owner] = new Dictionary<string, string>();
            foreach (KeyValuePair<string, int> stack in stacks)
            {
                if (stack.Value > 0)
                {
                    _held[owner][stack.Key] = stack.Value;
                }
            }
        }

        /// <summary>Everyone who can hold items.</summary>
        public ICollection<string> Owners
        {
            get { return _held.Keys; }
        }

        /// <summary>Whether someone can hold items.</summary>
        public bool HasOwner(string owner)
        {
            return _held.ContainsKey(owner);
        }

        /// <summary>How many of an item someone holds; 0 for those who hold nothing.</summary>
        public int Count(string owner, string item)
        {
            Dictionary<string, int> stacks;
            int count;
            return _held.TryGetValue(owner, out stacks) && stacks.TryGetValue(item, out count) ? count : 0;
        }

        /// <summary>A copy of what someone holds: counts by item.</summary>
        public Dictionary<string, int> HeldBy(string owner)
        {
            return new Dictionary<string, int>(_held[owner]);
        }

        /// <summary>A copy of what someone wears: items by slot.</summary>
        public Dictionary<string, string> WornBy(string owner)
        {
            return new Dictionary<string, string>(_equipped[owner]);
        }

        /// <summary>How many of an item there are and were: held by anyone, or used up.</summary>
        public int Total(string item)
        {
            int total;
            _usedUp.TryGetValue(item, out total);
            foreach (string owner in _held.Keys)
            {
                total += Count(owner, item);
            }
            return total;
        }

        /// <summary>Moves a stack from one owner to another. Null: done.</summary>
        public Shortage Transfer(string giver, string taker, Stack stack)
        {
            CheckPair(giver, taker);
            Shortage shortage = ShortageOf(giver, stack);
            if (shortage == null)
            {
                Move(giver, taker, stack);
            }
            return shortage;
        }

        /// <summary>Swaps two stacks, both or neither. Null: done.</summary>
        public Shortage Exchange(string first, Stack firstGives, string second, Stack secondGives)
        {
            CheckPair(first, second);
            Shortage shortage = ShortageOf(first, firstGives) ?? ShortageOf(second, secondGives);
            if (shortage == null)
            {
                Move(first, second, firstGives);
                Move(second, first, secondGives);
            }
            return shortage;
        }

        /// <summary>Takes one item out of play: eaten, drunk, burnt. Null: done.</summary>
        public Shortage UseUp(string owner, string item)
        {
            Shortage shortage = ShortageOf(owner, new Stack(item, 1));
            if (shortage == null)
            {
                Add(owner, item, -1);
                int count;
                _usedUp.TryGetValue(item, out count);
                _usedUp[item] = count + 1;
            }
            return shortage;
        }

        /// <summary>Wears an item in a slot, in place of what was there. Null: done.</summary>
        public Shortage Equip(string owner, string slot, string item)
        {
            Shortage shortage = ShortageOf(owner, new Stack(item, 1));
            if (shortage == null)
            {
                _equipped[owner][slot] = item;
                _changed.Add(owner);
            }
            return shortage;
        }

        /// <summary>The owners whose inventories changed since the last call, sorted.</summary>
        public List<string> TakeChanged()
        {
            List<string> changed = new List<string>(_changed);
            _changed.Clear();
            return changed;
        }

        private void CheckPair(string first, string second)
        {
            if (first == second)
            {
                throw new ArgumentException(first + " cannot trade with itself");
            }
            if (!HasOwner(first) || !HasOwner(second))
            {
                throw new ArgumentException("no inventory of " + (HasOwner(first) ? second : first));
            }
        }

        private Shortage ShortageOf(string owner, Stack stack)
        {
            if (stack.Count < 1)
            {
                throw new ArgumentException("cannot move " + stack.Count + " of " + stack.Item);
            }
            int held = Count(owner, stack.Item);
            return held < stack.Count ? new Shortage(owner, stack.Item, held) : null;
        }

        private void Move(string giver, string taker, Stack stack)
        {
            Add(giver, stack.Item, -stack.Count);
            Add(taker, stack.Item, stack.Count);
        }

        private void Add(string owner, string item, int count)
        {
            int left = Count(owner, item) + count;
            _changed.Add(owner);
            if (left > 0)
            {
                _held[owner][item] = left;
                return;
            }
            _held[owner].Remove(item);
            foreach (string slot in new List<string>(_equipped[owner].Keys))
            {
                if (_equipped[owner][slot] == item)
                {
                    _equipped[owner].Remove(slot);
                }
            }
        }
    }
}
