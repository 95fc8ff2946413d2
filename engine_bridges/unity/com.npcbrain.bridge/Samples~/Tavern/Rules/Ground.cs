using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>The ground: who stands where, which doors are open, and the ways between.</summary>
    public sealed class Ground
    {
        /// <summary>
        /// How far apart two may stand who talk or hand things over: a counter fits between them.
        /// </summary>
        public const int ReachCells = 2;

        private readonly WorldFile _world;
        private readonly Ledger _ledger;
        private readonly PathSearch _search;
        private readonly byte[] _terrainCosts;
        private readonly Dictionary<string, Cell> _places = new Dictionary<string, Cell>();
        private readonly Dictionary<string, Cell> _positions = new Dictionary<string, Cell>();
        private readonly Dictionary<Cell, DoorRow> _doors = new Dictionary<Cell, DoorRow>();
        private readonly HashSet<string> _openDoors = new HashSet<string>();
        private readonly SortedSet<string> _moved = new SortedSet<string>(StringComparer.Ordinal);
        private readonly List<Cell> _changedCells = new List<Cell>();

        internal Ground(WorldFile world, Ledger ledger)
        {
            _world = world;
            _ledger = ledger;
            _search = new PathSearch(world.Width, world.Height);
            _terrainCosts = new byte[world.Width * world.Height];
            for (int index = 0; index < _terrainCosts.Length; index++)
            {
                Cell cell = new Cell(index % world.Width, index / world.Width);
                _terrainCosts[index] = world.TerrainAt(cell).Cost;
            }
            world.Places.ForEach(place => _places[place.Id] = place.Position);
            world.Doors.ForEach(door => _doors[door.Cell] = door);
            foreach (ThingRow thing in world.Things())
            {
                _positions[thing.Id] = thing.Position;
            }
        }

        /// <summary>Where someone or something stands.</summary>
        /// <exception cref="KeyNotFoundException">There is nobody of that id.</exception>
        public Cell PositionOf(string id)
        {
            return _positions[id];
        }

        /// <summary>Whether this is the id of someone or something that stands in the world.</summary>
        public bool IsStanding(string id)
        {
            return _positions.ContainsKey(id);
        }

        /// <summary>Where a character, thing or place is; false for an unknown id.</summary>
        public bool TryFind(string targetId, out Cell cell)
        {
            return _positions.TryGetValue(targetId, out cell) || _places.TryGetValue(targetId, out cell);
        }

        /// <summary>Whether two targets are within reach of each other; false for an unknown one.</summary>
        public bool IsNear(string first, string second, int reachCells = ReachCells)
        {
            Cell here;
            Cell there;
            return TryFind(first, out here) && TryFind(second, out there)
                && Cell.Apart(here, there) <= reachCells;
        }

        /// <summary>The nearest place within reach of a cell; null when there is none.</summary>
        public ThingRow PlaceNear(Cell cell, int reachCells)
        {
            ThingRow nearest = null;
            foreach (ThingRow place in _world.Places)
            {
                int apart = Cell.Apart(cell, place.Position);
                if (apart <= reachCells && (nearest == null || apart < Cell.Apart(cell, nearest.Position)))
                {
                    nearest = place;
                }
            }
            return nearest;
        }

        /// <summary>Whether a door has been unlocked.</summary>
        public bool IsOpen(DoorRow door)
        {
            return _openDoors.Contains(door.Id);
        }

        /// <summary>The cost of each cell, row by row, for someone without keys; 0 is blocked.</summary>
        public byte[] Costs()
        {
            return Costs(door => !IsOpen(door));
        }

        /// <summary>The cost of one cell for someone without keys.</summary>
        public byte CostAt(Cell cell)
        {
            DoorRow door;
            bool isLocked = _doors.TryGetValue(cell, out door) && !IsOpen(door);
            return isLocked ? (byte)0 : _world.TerrainAt(cell).Cost;
        }

        /// <summary>The cells whose cost changed since the last call, in reading order.</summary>
        public List<Cell> TakeChangedCells()
        {
            List<Cell> changed = new List<Cell>(_changedCells);
            changed.Sort((one, other) => one.Y != other.Y ? one.Y - other.Y : one.X - other.X);
            _changedCells.Clear();
            return changed;
        }

        /// <summary>Ids of those who moved since the last call, sorted.</summary>
        public List<string> TakeMoved()
        {
            List<string> moved = new List<string>(_moved);
            _moved.Clear();
            return moved;
        }

        /// <summary>Whether someone may step on a cell now.</summary>
        public bool CanEnter(string walker, Cell cell)
        {
            DoorRow door;
            bool isClosed = _doors.TryGetValue(cell, out door) && IsClosedTo(walker, door);
            return !isClosed && _world.TerrainAt(cell).Cost > 0;
        }

        /// <summary>
        /// The cells from where someone stands to a goal, start excluded, and what they cost; null
        /// when there is no way. A goal that cannot be stood on is met beside it.
        /// </summary>
        public List<Cell> Path(string walker, Cell goal, out double cost)
        {
            List<Cell> path = _search.ToReach(
                Costs(door => IsClosedTo(walker, door)), _positions[walker], goal, out cost);
            if (path != null)
            {
                path.RemoveAt(0);
            }
            return path;
        }

        /// <summary>
        /// The first locked door on the way that someone would take if all doors were open; null:
        /// there is none.
        /// </summary>
        internal DoorRow DoorInTheWay(string walker, Cell goal)
        {
            double cost;
            List<Cell> path = _search.ToReach(Costs(door => false), _positions[walker], goal, out cost);
            for (int index = 1; path != null && index < path.Count; index++)
            {
                DoorRow door;
                if (_doors.TryGetValue(path[index], out door) && IsClosedTo(walker, door))
                {
                    return door;
                }
            }
            return null;
        }

        /// <summary>Whether someone other than the walker stands on a cell.</summary>
        internal bool IsTaken(Cell cell, string walker)
        {
            foreach (KeyValuePair<string, Cell> standing in _positions)
            {
                if (standing.Value.Equals(cell) && standing.Key != walker)
                {
                    return true;
                }
            }
            return false;
        }

        /// <summary>Puts someone on a cell; the door that this unlocked, or null.</summary>
        internal DoorRow Move(string walker, Cell cell)
        {
            _positions[walker] = cell;
            _moved.Add(walker);
            DoorRow door;
            if (!_doors.TryGetValue(cell, out door) || !_openDoors.Add(door.Id))
            {
                return null;
            }
            _changedCells.Add(cell);
            return door;
        }

        private bool IsClosedTo(string walker, DoorRow door)
        {
            return !IsOpen(door) && _ledger.Count(walker, door.Key) == 0;
        }

        private byte[] Costs(Predicate<DoorRow> isClosed)
        {
            byte[] costs = (byte[])_terrainCosts.Clone();
            foreach (DoorRow door in _world.Doors)
            {
                if (isClosed(door))
                {
                    costs[door.Cell.Y * _world.Width + door.Cell.X] = 0;
                }
            }
            return costs;
        }
    }
}
