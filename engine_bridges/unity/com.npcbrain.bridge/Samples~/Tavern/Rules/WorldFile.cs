using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The world file: the village as data, the same that the terminal game reads. That it fits
    /// together is for <c>npc-brain validate</c> to check; here only what could not be played.
    /// </summary>
    public sealed class WorldFile
    {
        private readonly Dictionary<char, Terrain> _legend = new Dictionary<char, Terrain>();
        private readonly string[] _map;

        /// <summary>The village's name.</summary>
        public string Name { get; private set; }

        /// <summary>What the player reads first.</summary>
        public string Intro { get; private set; }

        /// <summary>The item that prices are in; null: there is no money.</summary>
        public string Currency { get; private set; }

        /// <summary>All kinds of items.</summary>
        public readonly List<ItemRow> Items = new List<ItemRow>();

        /// <summary>All places.</summary>
        public readonly List<ThingRow> Places = new List<ThingRow>();

        /// <summary>The player.</summary>
        public PersonRow Player { get; private set; }

        /// <summary>All NPCs.</summary>
        public readonly List<PersonRow> Npcs = new List<PersonRow>();

        /// <summary>Things that stand about.</summary>
        public readonly List<ThingRow> Objects = new List<ThingRow>();

        /// <summary>What others than people hold at the start, by owner.</summary>
        public readonly Dictionary<string, Dictionary<string, int>> Inventories =
            new Dictionary<string, Dictionary<string, int>>();

        /// <summary>What is the case at the start: bool, long, double or text by id.</summary>
        public readonly Dictionary<string, object> Facts = new Dictionary<string, object>();

        /// <summary>The locked doors.</summary>
        public readonly List<DoorRow> Doors = new List<DoorRow>();

        /// <summary>What the game refuses.</summary>
        public readonly List<RuleRow> Rules = new List<RuleRow>();

        /// <summary>The quests.</summary>
        public readonly List<QuestRow> Quests = new List<QuestRow>();

        private WorldFile(JsonMap file)
        {
            Name = file.Text("name");
            Intro = file.Text("intro", "");
            Currency = file.Text("currency", null);
            Player = new PersonRow(file.Map("player"));
            JsonMap legend = file.Map("legend");
            foreach (string key in legend.Keys)
            {
                _legend[key[0]] = new Terrain(legend.Map(key));
            }
            _map = file.Texts("map");
            file.Maps("items").ForEach(row => Items.Add(new ItemRow(row)));
            file.Maps("places").ForEach(row => Places.Add(new ThingRow(row)));
            file.Maps("npcs").ForEach(row => Npcs.Add(new PersonRow(row)));
            file.Maps("objects").ForEach(row => Objects.Add(new ThingRow(row)));
            file.Maps("doors").ForEach(row => Doors.Add(new DoorRow(row)));
            file.Maps("rules").ForEach(row => Rules.Add(new RuleRow(row)));
            file.Maps("quests").ForEach(row => Quests.Add(new QuestRow(row)));
            JsonMap inventories = file.Map("inventories");
            foreach (string owner in inventories.Keys)
            {
                Inventories[owner] = inventories.Counts(owner);
            }
            JsonMap facts = file.Map("facts");
            foreach (string id in facts.Keys)
            {
                Facts[id] = facts.Value(id);
            }
            CheckMap();
        }

        /// <summary>The world that the text of a world file describes.</summary>
        /// <exception cref="FormatException">It is not JSON or has mistakes; says where.</exception>
        public static WorldFile Read(string json)
        {
            JsonMap file = JsonMap.Read(json);
            if (file.Int("version") != 1)
            {
                throw new FormatException("$.version is " + file.Int("version") + ", this reads 1");
            }
            return new WorldFile(file);
        }

        /// <summary>Cells in a row.</summary>
        public int Width
        {
            get { return _map[0].Length; }
        }

        /// <summary>Rows.</summary>
        public int Height
        {
            get { return _map.Length; }
        }

        /// <summary>What is on the map at a cell.</summary>
        public Terrain TerrainAt(Cell cell)
        {
            return _legend[_map[cell.Y][cell.X]];
        }

        /// <summary>Whether a cell is on the map.</summary>
        public bool Contains(Cell cell)
        {
            return cell.X >= 0 && cell.X < Width && cell.Y >= 0 && cell.Y < Height;
        }

        /// <summary>Everyone and everything that stands in the world; the player first.</summary>
        public IEnumerable<ThingRow> Things()
        {
            yield return Player;
            foreach (PersonRow npc in Npcs)
            {
                yield return npc;
            }
            foreach (ThingRow thing in Objects)
            {
                yield return thing;
            }
        }

        /// <summary>The player and the NPCs.</summary>
        public IEnumerable<PersonRow> People()
        {
            yield return Player;
            foreach (PersonRow npc in Npcs)
            {
                yield return npc;
            }
        }

        private void CheckMap()
        {
            if (_map.Length == 0 || _map[0].Length == 0)
            {
                throw new FormatException("$.map is empty");
            }
            for (int y = 0; y < _map.Length; y++)
            {
                if (_map[y].Length != Width)
                {
                    throw new FormatException("$.map[" + y + "] is not as long as the first row");
                }
                foreach (char sign in _map[y])
                {
                    if (!_legend.ContainsKey(sign))
                    {
                        throw new FormatException("$.map[" + y + "]: '" + sign + "' is not in $.legend");
                    }
                }
            }
            List<ThingRow> standing = new List<ThingRow>(Things());
            standing.AddRange(Places);
            foreach (ThingRow thing in standing)
            {
                if (!Contains(thing.Position))
                {
                    throw new FormatException(thing.Id + ": " + thing.Position + " is outside the map");
                }
            }
        }
    }
}
