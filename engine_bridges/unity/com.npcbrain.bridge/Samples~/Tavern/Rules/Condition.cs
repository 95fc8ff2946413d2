using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>What conditions look at.</summary>
    public interface ISituation
    {
        /// <summary>How many of an item someone holds.</summary>
        int Count(string ownerId, string itemId);

        /// <summary>A fact's value, null when there is no such fact.</summary>
        object Fact(string factId);

        /// <summary>Whether an entity stands at a place or next to it.</summary>
        bool IsAt(string entityId, string placeId);

        /// <summary>Whether an NPC's state machine is in a state, or inside it.</summary>
        bool IsInState(string npcId, string state);
    }

    /// <summary>A condition of the world file: declared, never evaluated as code.</summary>
    public abstract class Condition
    {
        /// <summary>Whether it holds in the situation <paramref name="now"/>.</summary>
        public abstract bool IsTrue(ISituation now);

        /// <summary>The condition that a map of one key states.</summary>
        /// <exception cref="FormatException">It has no key, several, or an unknown one.</exception>
        internal static Condition Read(JsonMap row)
        {
            List<string> keys = new List<string>(row.Keys);
            if (keys.Count != 1)
            {
                throw new FormatException("a condition has one key, got " + keys.Count);
            }
            switch (keys[0])
            {
                case "holds": return new Holds(row.Map("holds"));
                case "fact": return new FactIs(row.Map("fact"));
                case "at": return new At(row.Map("at"));
                case "state": return new InState(row.Map("state"));
                case "not": return new Not(Read(row.Map("not")));
                case "all": return new Several(row.Maps("all"), true);
                case "any": return new Several(row.Maps("any"), false);
                default: throw new FormatException("no condition is called " + keys[0]);
            }
        }

        private sealed class Holds : Condition
        {
            private readonly string _who;
            private readonly string _item;
            private readonly int _count;

            public Holds(JsonMap row)
            {
                _who = row.Text("who");
                _item = row.Text("item");
                _count = row.Int("count", 1);
            }

            public override bool IsTrue(ISituation now)
            {
                return now.Count(_who, _item) >= _count;
            }
        }

        private sealed class FactIs : Condition
        {
            private readonly string _id;
            private readonly object _value;

            public FactIs(JsonMap row)
            {
                _id = row.Text("id");
                _value = row.Has("value") ? row.Value("value") : true;
            }

            public override bool IsTrue(ISituation now)
            {
                return _value.Equals(now.Fact(_id));
            }
        }

        private sealed class At : Condition
        {
            private readonly string _who;
            private readonly string _place;

            public At(JsonMap row)
            {
                _who = row.Text("who");
                _place = row.Text("place");
            }

            public override bool IsTrue(ISituation now)
            {
                return now.IsAt(_who, _place);
            }
        }

        private sealed class InState : Condition
        {
            private readonly string _npc;
            private readonly string[] _states;

            public InState(JsonMap row)
            {
                _npc = row.Text("npc");
                _states = row.Texts("states");
            }

            public override bool IsTrue(ISituation now)
            {
                return Array.Exists(_states, state => now.IsInState(_npc, state));
            }
        }

        private sealed class Not : Condition
        {
            private readonly Condition _inner;

            public Not(Condition inner)
            {
                _inner = inner;
            }

            public override bool IsTrue(ISituation now)
            {
                return !_inner.IsTrue(now);
            }
        }

        private sealed class Several : Condition
        {
            private readonly List<Condition> _parts = new List<Condition>();
            private readonly bool _all;

            public Several(List<JsonMap> rows, bool all)
            {
                foreach (JsonMap row in rows)
                {
                    _parts.Add(Read(row));
                }
                _all = all;
            }

            public override bool IsTrue(ISituation now)
            {
                return _all
                    ? _parts.TrueForAll(part => part.IsTrue(now))
                    : _parts.Exists(part => part.IsTrue(now));
            }
        }
    }
}
