using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>The world as it was last told, and what has changed: makes snapshots and patches.</summary>
    internal sealed class WorldChanges
    {
        public const string Items = "items";
        public const string Places = "places";
        public const string Entities = "entities";
        public const string Inventories = "inventories";
        public const string Facts = "facts";

        /// <summary>Kinds that travel as lists of rows; the others as maps by id.</summary>
        private static readonly string[] _lists = { Items, Places, Entities };
        private static readonly string[] _maps = { Inventories, Facts };

        private readonly Dictionary<string, Rows> _kinds = new Dictionary<string, Rows>();
        private readonly Dictionary<long, object> _cells = new Dictionary<long, object>();
        private Dictionary<string, object> _nav;
        private bool _hasNewNav;

        public WorldChanges()
        {
            foreach (string kind in new[] { Items, Places, Entities, Inventories, Facts })
            {
                _kinds[kind] = new Rows();
            }
        }

        /// <summary>Whether anything has changed since the last snapshot or patch.</summary>
        public bool HasChanged { get; private set; }

        public void Put(string kind, string id, object row)
        {
            Rows rows = _kinds[kind];
            rows.All[id] = row;
            rows.Changed.Add(id);
            rows.Removed.Remove(id);
            HasChanged = true;
        }

        public void Remove(string kind, string id)
        {
            Rows rows = _kinds[kind];
            if (rows.All.Remove(id))
            {
                rows.Changed.Remove(id);
                rows.Removed.Add(id);
                HasChanged = true;
            }
        }

        /// <summary>A row; null when there is none.</summary>
        public Dictionary<string, object> Row(string kind, string id)
        {
            object row;
            _kinds[kind].All.TryGetValue(id, out row);
            return row as Dictionary<string, object>;
        }

        /// <summary>The ids of one kind.</summary>
        public ICollection<string> Ids(string kind)
        {
            return _kinds[kind].All.Keys;
        }

        public void SetNav(Dictionary<string, object> nav)
        {
            _nav = nav;
            _hasNewNav = true;
            _cells.Clear();
            HasChanged = true;
        }

        /// <summary>One cell of the nav grid has changed; <paramref name="cells"/> are all of it now.</summary>
        public void SetCell(byte[] cells, int column, int row, int cost)
        {
            _nav = new Dictionary<string, object>(_nav);
            _nav["cells"] = cells;
            if (!_hasNewNav)
            {
                Dictionary<string, object> change = new Dictionary<string, object>();
                change["cell"] = new List<object> { column, row };
                change["cost"] = cost;
                _cells[((long)row << 32) | (uint)column] = change;
            }
            HasChanged = true;
        }

        /// <summary>The body of <c>world.sync</c>; what comes after builds on it.</summary>
        public Dictionary<string, object> TakeSnapshot(int revision, string currency)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["revision"] = revision;
            if (_nav != null)
            {
                body["nav"] = _nav;
            }
            foreach (string kind in _lists)
            {
                body[kind] = new List<object>(_kinds[kind].All.Values);
            }
            foreach (string kind in _maps)
            {
                body[kind] = new Dictionary<string, object>(_kinds[kind].All);
            }
            if (!string.IsNullOrEmpty(currency))
            {
                body["currency"] = currency;
            }
            ForgetChanges();
            return body;
        }

        /// <summary>The body of <c>world.patch</c>.</summary>
        public Dictionary<string, object> TakePatch(int revision)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["base_revision"] = revision - 1;
            body["revision"] = revision;
            if (_hasNewNav)
            {
                body["nav"] = _nav;
            }
            else if (_cells.Count > 0)
            {
                body["nav_cells"] = new List<object>(_cells.Values);
            }
            foreach (string kind in _lists)
            {
                if (_kinds[kind].Changed.Count > 0)
                {
                    body[kind] = new List<object>(_kinds[kind].ChangedRows().Values);
                }
            }
            foreach (string kind in _maps)
            {
                if (_kinds[kind].Changed.Count > 0)
                {
                    body[kind] = _kinds[kind].ChangedRows();
                }
            }
            Dictionary<string, object> removed = new Dictionary<string, object>();
            foreach (KeyValuePair<string, Rows> kind in _kinds)
            {
                if (kind.Value.Removed.Count > 0)
                {
                    removed[kind.Key] = new List<object>(kind.Value.Removed);
                }
            }
            if (removed.Count > 0)
            {
                body["removed"] = removed;
            }
            ForgetChanges();
            return body;
        }

        /// <summary>Moves what there is.</summary>
        public void Move(string kind, string id, List<object> position)
        {
            // A new row: the one that was sent may be still on its way.
            Dictionary<string, object> row = new Dictionary<string, object>(Row(kind, id));
            row["position"] = position;
            Put(kind, id, row);
        }

        /// <summary>A row to put: what the game tells of it, with its id and name.</summary>
        public static Dictionary<string, object> NewRow(
            string id, string displayName, IDictionary<string, object> more)
        {
            Dictionary<string, object> row = more != null
                ? new Dictionary<string, object>(more) : new Dictionary<string, object>();
            row["id"] = id;
            row["name"] = displayName;
            return row;
        }

        private void ForgetChanges()
        {
            foreach (Rows rows in _kinds.Values)
            {
                rows.Changed.Clear();
                rows.Removed.Clear();
            }
            _cells.Clear();
            _hasNewNav = false;
            HasChanged = false;
        }

        private sealed class Rows
        {
            public readonly Dictionary<string, object> All = new Dictionary<string, object>();
            public readonly HashSet<string> Changed = new HashSet<string>();
            public readonly HashSet<string> Removed = new HashSet<string>();

            public Dictionary<string, object> ChangedRows()
            {
                Dictionary<string, object> rows = new Dictionary<string, object>();
                foreach (string id in Changed)
                {
                    rows[id] = All[id];
                }
                return rows;
            }
        }
    }
}
