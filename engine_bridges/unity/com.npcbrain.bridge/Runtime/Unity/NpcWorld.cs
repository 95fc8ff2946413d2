using System;
using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>
    /// Tells the sidecar what exists in the game: places, entities, items, inventories, facts, and the
    /// ground to walk on. One per scene. The game owns its data and reports changes at any time; the
    /// changes of a frame are sent as one patch. The scene's characters and
    /// <see cref="NpcMarker"/>s are reported automatically. A position is a point in metres, or a
    /// cell if there is a nav grid. Without a nav grid or graph, the scene's NavMesh answers questions
    /// about paths.
    /// </summary>
    [AddComponentMenu("NPC Brain/NPC World")]
    [DefaultExecutionOrder(-500)]
    [DisallowMultipleComponent]
    public sealed class NpcWorld : MonoBehaviour
    {
        private const int MaxCost = 255;

        private static NpcWorld _current;

        [SerializeField]
        [Tooltip("The item that prices are counted in.")]
        private string _currency = "";

        [SerializeField]
        [Tooltip("Whether characters and markers of the scene are reported as entities and places.")]
        private bool _tellsScene = true;

        [SerializeField]
        [Range(0.02f, 5f)]
        [Tooltip("How often positions in the scene are looked at, in seconds.")]
        private float _lookIntervalSeconds = 0.2f;

        private readonly WorldChanges _changes = new WorldChanges();
        private NpcBrainHost _host;
        private SceneWatch _watch;
        private byte[] _cells;
        private int _width;
        private bool _hasGraph;
        private int _revision;
        private bool _isSynced;
        private float _lookInSeconds;

        /// <summary>The sidecar has received the whole world; the revision.</summary>
        public event Action<int> Synced;

        /// <summary>A patch was sent; the revision.</summary>
        public event Action<int> Patched;

        /// <summary>The world of the scene; null for none.</summary>
        public static NpcWorld Current
        {
            get { return _current; }
        }

        /// <summary>The item that prices are counted in; empty for none.</summary>
        public string Currency
        {
            get { return _currency; }
            set { _currency = value; }
        }

        /// <summary>Whether characters and markers of the scene are reported automatically.</summary>
        public bool TellsScene
        {
            get { return _tellsScene; }
            set { _tellsScene = value; }
        }

        /// <summary>A kind of item; <paramref name="more"/> holds description, aliases, tags, price, slot, usable.</summary>
        public void SetItem(string id, string displayName, IDictionary<string, object> more = null)
        {
            _changes.Put(WorldChanges.Items, id, WorldChanges.NewRow(id, displayName, more));
        }

        /// <summary>A named spot, in metres; <paramref name="more"/> holds description, aliases, tags.</summary>
        public void SetPlace(
            string id, string displayName, Vector3 position, IDictionary<string, object> more = null)
        {
            SetPlace(id, displayName, WirePosition(position), more);
        }

        /// <summary>A named cell of the nav grid.</summary>
        public void SetPlace(
            string id, string displayName, Vector2Int cell, IDictionary<string, object> more = null)
        {
            SetPlace(id, displayName, WirePosition(cell), more);
        }

        /// <summary>A character or thing, in metres; the kind is "npc", "player" or "object".</summary>
        public void SetEntity(
            string id, string displayName, string kind, Vector3 position,
            IDictionary<string, object> more = null)
        {
            SetEntity(id, displayName, kind, WirePosition(position), more);
        }

        /// <summary>A character or thing, on a cell of the nav grid.</summary>
        public void SetEntity(
            string id, string displayName, string kind, Vector2Int cell,
            IDictionary<string, object> more = null)
        {
            SetEntity(id, displayName, kind, WirePosition(cell), more);
        }

        /// <summary>An entity has moved, in metres.</summary>
        public void MoveEntity(string id, Vector3 position)
        {
            MoveEntity(id, WirePosition(position));
        }

        /// <summary>An entity has moved, to a cell.</summary>
        public void MoveEntity(string id, Vector2Int cell)
        {
            MoveEntity(id, WirePosition(cell));
        }

        /// <summary>What one owner holds: counts by item, and what is equipped by slot.</summary>
        public void SetInventory(
            string ownerId, IDictionary<string, int> items, IDictionary<string, string> equipped = null)
        {
            Dictionary<string, object> row = new Dictionary<string, object>();
            row["items"] = Plain(items);
            row["equipped"] = Plain(equipped);
            _changes.Put(WorldChanges.Inventories, ownerId, row);
        }

        /// <summary>Something that is so: text, a number or a boolean.</summary>
        public void SetFact(string id, object value)
        {
            _changes.Put(WorldChanges.Facts, id, value);
        }

        /// <summary>Takes an item away.</summary>
        public void RemoveItem(string id)
        {
            _changes.Remove(WorldChanges.Items, id);
        }

        /// <summary>Takes a place away.</summary>
        public void RemovePlace(string id)
        {
            _changes.Remove(WorldChanges.Places, id);
        }

        /// <summary>Takes an entity away.</summary>
        public void RemoveEntity(string id)
        {
            _changes.Remove(WorldChanges.Entities, id);
        }

        /// <summary>Takes an inventory away.</summary>
        public void RemoveInventory(string ownerId)
        {
            _changes.Remove(WorldChanges.Inventories, ownerId);
        }

        /// <summary>Takes a fact away.</summary>
        public void RemoveFact(string id)
        {
            _changes.Remove(WorldChanges.Facts, id);
        }

        /// <summary>The ground: one byte a cell, row by row; 0 is blocked, else the cost of entering.</summary>
        public void SetNavGrid(int width, int height, byte[] cells)
        {
            if (width < 1 || height < 1 || cells == null || cells.Length != width * height)
            {
                throw new ArgumentException("the cells do not make a " + width + " x " + height + " grid");
            }
            _width = width;
            _cells = (byte[])cells.Clone();
            _hasGraph = false;
            Dictionary<string, object> nav = new Dictionary<string, object>();
            nav["kind"] = "grid";
            nav["width"] = width;
            nav["height"] = height;
            nav["cells"] = _cells;
            _changes.SetNav(nav);
        }

        /// <summary>Changes what it costs to enter a cell, 0 to 255; 0 blocks it.</summary>
        public void SetCellCost(Vector2Int cell, int cost)
        {
            bool isInside = _cells != null && cell.x >= 0 && cell.x < _width && cell.y >= 0
                && cell.y < _cells.Length / _width;
            if (!isInside || cost < 0 || cost > MaxCost)
            {
                throw new ArgumentOutOfRangeException("cell", "no such cell of the nav grid, or cost");
            }
            // A copy: the cells that were sent may be still on their way.
            _cells = (byte[])_cells.Clone();
            _cells[cell.y * _width + cell.x] = (byte)cost;
            _changes.SetCell(_cells, cell.x, cell.y, cost);
        }

        /// <summary>The ground as waypoints; edges are ids joined by a cost in metres.</summary>
        public void SetNavGraph(IDictionary<string, Vector3> nodes, IEnumerable<NpcNavEdge> edges)
        {
            Dictionary<string, object> wired = new Dictionary<string, object>();
            foreach (KeyValuePair<string, Vector3> node in nodes)
            {
                wired[node.Key] = WirePosition(node.Value);
            }
            List<object> rows = new List<object>();
            foreach (NpcNavEdge edge in edges)
            {
                Dictionary<string, object> row = new Dictionary<string, object>();
                row["a"] = edge.A;
                row["b"] = edge.B;
                row["cost"] = (double)edge.Cost;
                rows.Add(row);
            }
            Dictionary<string, object> nav = new Dictionary<string, object>();
            nav["kind"] = "graph";
            nav["nodes"] = wired;
            nav["edges"] = rows;
            _cells = null;
            _hasGraph = true;
            _changes.SetNav(nav);
        }

        /// <summary>Tells the whole world; done by itself after connecting.</summary>
        public void Sync()
        {
            if (_host == null || !_host.Sidecar.IsConnected)
            {
                return;
            }
            _revision++;
            _isSynced = true;
            _host.Sidecar.Send("world.sync", _changes.TakeSnapshot(_revision, _currency), "", TakeAnswer);
            if (Synced != null)
            {
                Synced(_revision);
            }
        }

        /// <summary>Tells what changed, at once instead of at the end of the frame.</summary>
        public void Patch()
        {
            if (!_isSynced || !_changes.HasChanged)
            {
                return;
            }
            _revision++;
            _host.Sidecar.Send("world.patch", _changes.TakePatch(_revision), "", TakeAnswer);
            if (Patched != null)
            {
                Patched(_revision);
            }
        }

        /// <summary>How a place or entity is called; its id when the world does not know it.</summary>
        public static string NameOf(string id)
        {
            Dictionary<string, object> row = _current != null ? _current.Find(id) : null;
            return row != null ? Fields.Text(row, "name") : id;
        }

        /// <summary>A point as it travels; metres are floats.</summary>
        internal static List<object> WirePosition(Vector3 point)
        {
            return new List<object> { (double)point.x, (double)point.y, (double)point.z };
        }

        /// <summary>A cell as it travels; cells are integers.</summary>
        internal static List<object> WirePosition(Vector2Int cell)
        {
            return new List<object> { cell.x, cell.y };
        }

        /// <summary>Where a row of the world is, in metres; false for none, or for a cell.</summary>
        internal static bool TryReadPoint(IDictionary<string, object> row, out Vector3 point)
        {
            List<object> position = row != null ? row["position"] as List<object> : null;
            bool isPoint = position != null && position.Count == 3;
            point = isPoint
                ? new Vector3(
                    (float)(double)position[0], (float)(double)position[1], (float)(double)position[2])
                : Vector3.zero;
            return isPoint;
        }

        /// <summary>Answers a question about the way by the NavMesh; whether it could.</summary>
        internal static bool TryAnswer(NpcToolCall call)
        {
            bool hasNav = _current == null || _current._cells != null || _current._hasGraph;
            return !hasNav && NavMeshAnswers.TryAnswer(call, _current);
        }

        /// <summary>Where a place or entity is, in metres; whether it is known.</summary>
        internal bool TryFindPoint(string id, out Vector3 point)
        {
            return TryReadPoint(Find(id), out point);
        }

        /// <summary>The ids of the places and entities that have a tag.</summary>
        internal List<string> IdsTagged(string tag)
        {
            List<string> found = new List<string>();
            foreach (string kind in new[] { WorldChanges.Places, WorldChanges.Entities })
            {
                foreach (string id in _changes.Ids(kind))
                {
                    if (Fields.Texts(_changes.Row(kind, id), "tags").Contains(tag))
                    {
                        found.Add(id);
                    }
                }
            }
            return found;
        }

        /// <summary>A connection was made: even a resumed session may have missed a patch.</summary>
        internal void TakeConnected()
        {
            LookAtScene();
            Sync();
        }

        internal void TakeDisconnected()
        {
            _isSynced = false;
        }

        private void OnEnable()
        {
            _current = this;
            _watch = new SceneWatch(_changes);
            _host = NpcBrainHost.Instance;
            if (_host != null)
            {
                _host.World = this;
            }
        }

        private void OnDisable()
        {
            if (_current == this)
            {
                _current = null;
            }
            if (_host != null && _host.World == this)
            {
                _host.World = null;
            }
            _isSynced = false;
        }

        private void Start()
        {
            if (!_isSynced)
            {
                TakeConnected();
            }
        }

        private void Update()
        {
            _lookInSeconds -= Time.unscaledDeltaTime;
            if (_lookInSeconds <= 0f)
            {
                _lookInSeconds = _lookIntervalSeconds;
                LookAtScene();
            }
        }

        private void LateUpdate()
        {
            Patch();
        }

        private void TakeAnswer(NpcMessage answer)
        {
            switch (answer.ErrorCode)
            {
                case "":
                    break;
                case "resync":
                    Sync();
                    break;
                case NpcMessage.ConnectionLostCode:
                    _isSynced = false;
                    break;
                default:
                    Debug.LogWarning("NpcWorld: " + answer.ErrorText, this);
                    break;
            }
        }

        private void LookAtScene()
        {
            if (_tellsScene && _host != null)
            {
                _watch.Look(_host.Characters);
            }
        }

        private void SetPlace(
            string id, string displayName, List<object> position, IDictionary<string, object> more)
        {
            Dictionary<string, object> row = WorldChanges.NewRow(id, displayName, more);
            row["position"] = position;
            _changes.Put(WorldChanges.Places, id, row);
        }

        private void SetEntity(
            string id, string displayName, string kind, List<object> position,
            IDictionary<string, object> more)
        {
            Dictionary<string, object> row = WorldChanges.NewRow(id, displayName, more);
            row["kind"] = kind;
            row["position"] = position;
            _changes.Put(WorldChanges.Entities, id, row);
        }

        private void MoveEntity(string id, List<object> position)
        {
            if (_changes.Row(WorldChanges.Entities, id) == null)
            {
                throw new ArgumentException("there is no entity " + id, "id");
            }
            _changes.Move(WorldChanges.Entities, id, position);
        }

        private Dictionary<string, object> Find(string id)
        {
            return _changes.Row(WorldChanges.Entities, id) ?? _changes.Row(WorldChanges.Places, id);
        }

        private static Dictionary<string, object> Plain<T>(IDictionary<string, T> map)
        {
            Dictionary<string, object> plain = new Dictionary<string, object>();
            if (map != null)
            {
                foreach (KeyValuePair<string, T> entry in map)
                {
                    plain[entry.Key] = entry.Value;
                }
            }
            return plain;
        }
    }
}
