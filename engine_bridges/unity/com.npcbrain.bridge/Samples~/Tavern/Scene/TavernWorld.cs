using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>Tells the package's world component what there is in the village, and what changes.</summary>
    internal sealed class TavernWorld
    {
        private readonly Village _village;
        private readonly NpcWorld _world;

        /// <summary>Tells the whole village.</summary>
        public TavernWorld(Village village, NpcWorld world)
        {
            _village = village;
            _world = world;
            _world.Currency = village.File.Currency ?? "";
            _world.TellsScene = false;
            _world.SetNavGrid(village.File.Width, village.File.Height, village.Ground.Costs());
            village.File.Items.ForEach(item => _world.SetItem(item.Id, item.Name, More(item)));
            foreach (ThingRow place in village.File.Places)
            {
                _world.SetPlace(place.Id, place.Name, CellOf(place.Position), More(place));
            }
            foreach (ThingRow thing in village.File.Things())
            {
                Vector2Int cell = CellOf(village.Ground.PositionOf(thing.Id));
                _world.SetEntity(thing.Id, thing.Name, KindOf(thing), cell, More(thing));
            }
            foreach (string owner in village.Ledger.Owners)
            {
                TellInventory(owner);
            }
            foreach (KeyValuePair<string, object> fact in village.Facts)
            {
                _world.SetFact(fact.Key, fact.Value);
            }
        }

        /// <summary>Tells what changed, at once; whether a door has opened.</summary>
        public bool TellChanges()
        {
            List<Cell> cells = _village.Ground.TakeChangedCells();
            foreach (Cell cell in cells)
            {
                _world.SetCellCost(CellOf(cell), _village.Ground.CostAt(cell));
            }
            foreach (string id in _village.Ground.TakeMoved())
            {
                _world.MoveEntity(id, CellOf(_village.Ground.PositionOf(id)));
            }
            _village.Ledger.TakeChanged().ForEach(TellInventory);
            foreach (string fact in _village.TakeChangedFacts())
            {
                _world.SetFact(fact, _village.Fact(fact));
            }
            _world.Patch();
            return cells.Count > 0;
        }

        private void TellInventory(string owner)
        {
            _world.SetInventory(owner, _village.Ledger.HeldBy(owner), _village.Ledger.WornBy(owner));
        }

        private string KindOf(ThingRow thing)
        {
            bool isNpc = _village.NpcOf(thing.Id) != null;
            return thing.Id == _village.PlayerId ? "player" : isNpc ? "npc" : "object";
        }

        private static Vector2Int CellOf(Cell cell)
        {
            return new Vector2Int(cell.X, cell.Y);
        }

        private static Dictionary<string, object> More(ThingRow row)
        {
            return More(row.Description, row.Aliases, row.Tags);
        }

        private static Dictionary<string, object> More(ItemRow row)
        {
            Dictionary<string, object> more = More(row.Description, row.Aliases, row.Tags);
            if (row.Price != null)
            {
                more["price"] = row.Price.Value;
            }
            if (row.Slot != null)
            {
                more["slot"] = row.Slot;
            }
            more["usable"] = row.IsUsable;
            return more;
        }

        private static Dictionary<string, object> More(string description, string[] aliases, string[] tags)
        {
            Dictionary<string, object> more = new Dictionary<string, object>();
            more["description"] = description;
            more["aliases"] = new List<object>(aliases);
            more["tags"] = new List<object>(tags);
            return more;
        }
    }
}
