using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>What a map character stands for.</summary>
    public sealed class Terrain
    {
        /// <summary>What people call it.</summary>
        public readonly string Name;

        /// <summary>Cost of entering a cell of it; 0 cannot be entered.</summary>
        public readonly byte Cost;

        /// <summary>How a view may draw it: <c>#rrggbb</c>.</summary>
        public readonly string Colour;

        internal Terrain(JsonMap row)
        {
            Name = row.Text("name");
            Cost = (byte)row.Int("cost", 1);
            Colour = row.Text("colour", "#888888");
        }
    }

    /// <summary>A kind of item.</summary>
    public sealed class ItemRow
    {
        /// <summary>Its id.</summary>
        public readonly string Id;

        /// <summary>What it is called.</summary>
        public readonly string Name;

        /// <summary>What one sees who looks at it.</summary>
        public readonly string Description;

        /// <summary>What it is called as well.</summary>
        public readonly string[] Aliases;

        /// <summary>What it is good for.</summary>
        public readonly string[] Tags;

        /// <summary>List price in coins; null: not for sale.</summary>
        public readonly int? Price;

        /// <summary>Where it is worn; null: nowhere.</summary>
        public readonly string Slot;

        /// <summary>Whether one can use it.</summary>
        public readonly bool IsUsable;

        internal ItemRow(JsonMap row)
        {
            Id = row.Text("id");
            Name = row.Text("name");
            Description = row.Text("description", "");
            Aliases = row.Texts("aliases");
            Tags = row.Texts("tags");
            Price = row.Has("price") ? row.Int("price") : (int?)null;
            Slot = row.Text("slot", null);
            IsUsable = row.Flag("usable");
        }

        /// <summary>Whether it is gone once used.</summary>
        public bool IsUsedUp
        {
            get { return System.Array.IndexOf(Tags, "food") >= 0 || System.Array.IndexOf(Tags, "drink") >= 0; }
        }
    }

    /// <summary>A place, or a thing that stands in the world.</summary>
    public class ThingRow
    {
        /// <summary>Its id.</summary>
        public readonly string Id;

        /// <summary>What it is called.</summary>
        public readonly string Name;

        /// <summary>Where it is at the start.</summary>
        public readonly Cell Position;

        /// <summary>What one sees who looks at it.</summary>
        public readonly string Description;

        /// <summary>What it is called as well.</summary>
        public readonly string[] Aliases;

        /// <summary>What it is good for.</summary>
        public readonly string[] Tags;

        internal ThingRow(JsonMap row)
        {
            Id = row.Text("id");
            Name = row.Text("name");
            Position = row.Cell("position");
            Description = row.Text("description", "");
            Aliases = row.Texts("aliases");
            Tags = row.Texts("tags");
        }
    }

    /// <summary>The player or an NPC.</summary>
    public sealed class PersonRow : ThingRow
    {
        /// <summary>Name of the NPC file.</summary>
        public readonly string Definition;

        /// <summary>How a view may draw them: <c>#rrggbb</c>.</summary>
        public readonly string Colour;

        /// <summary>How fast they walk.</summary>
        public readonly double SpeedCellsPerSecond;

        /// <summary>What they hold at the start; null: what the NPC file says.</summary>
        public readonly Dictionary<string, int> Inventory;

        internal PersonRow(JsonMap row) : base(row)
        {
            string definition = row.Text("definition", "");
            Definition = definition.Length > 0 ? definition : Id;
            Colour = row.Text("colour", "#ffffff");
            SpeedCellsPerSecond = row.Has("speed_cells_per_s") ? row.Number("speed_cells_per_s") : 4.0;
            Inventory = row.Has("inventory") ? row.Counts("inventory") : null;
        }
    }

    /// <summary>A locked door: closed to all but those who hold its key, until one of them comes.</summary>
    public sealed class DoorRow
    {
        /// <summary>Its id; the fact <c>door.ID</c> is true once it is open.</summary>
        public readonly string Id;

        /// <summary>What it is called.</summary>
        public readonly string Name;

        /// <summary>Where it is.</summary>
        public readonly Cell Cell;

        /// <summary>The item that opens it.</summary>
        public readonly string Key;

        /// <summary>What the player reads in front of it.</summary>
        public readonly string Locked;

        /// <summary>What the player reads who opens it.</summary>
        public readonly string Opened;

        internal DoorRow(JsonMap row)
        {
            Id = row.Text("id");
            Name = row.Text("name");
            Cell = row.Cell("cell");
            Key = row.Text("key");
            Locked = row.Text("locked", "");
            Opened = row.Text("opened", "");
        }
    }

    /// <summary>
    /// A reason for which the game refuses an action: it applies when everything that it names fits.
    /// </summary>
    public sealed class RuleRow
    {
        /// <summary>The tool that it refuses.</summary>
        public readonly string Tool;

        /// <summary>Only for this NPC; null: for all.</summary>
        public readonly string Npc;

        /// <summary>Only when the NPC would part with this item; null: whatever it is.</summary>
        public readonly string Item;

        /// <summary>Not when the NPC would get this item; null: always.</summary>
        public readonly string UnlessFor;

        /// <summary>Only when the NPC would get less than it gives, by list price.</summary>
        public readonly bool BelowPrice;

        /// <summary>Only when this is true; null: always.</summary>
        public readonly Condition When;

        /// <summary>The reason, a stable word.</summary>
        public readonly string Reason;

        internal RuleRow(JsonMap row)
        {
            Tool = row.Text("refuse");
            Npc = row.Text("npc", null);
            Item = row.Text("item", null);
            UnlessFor = row.Text("unless_for", null);
            BelowPrice = row.Flag("below_price");
            When = row.Has("when") ? Condition.Read(row.Map("when")) : null;
            Reason = row.Text("reason");
        }
    }

    /// <summary>One step of a quest.</summary>
    public sealed class QuestStepRow
    {
        /// <summary>What to do.</summary>
        public readonly string Text;

        /// <summary>When it is done.</summary>
        public readonly Condition When;

        /// <summary>What the player reads then.</summary>
        public readonly string Done;

        /// <summary>Events raised then, by NPC id.</summary>
        public readonly Dictionary<string, string> Raises = new Dictionary<string, string>();

        internal QuestStepRow(JsonMap row)
        {
            Text = row.Text("text");
            When = Condition.Read(row.Map("when"));
            Done = row.Text("done", "");
            JsonMap raises = row.Map("raises");
            foreach (string npcId in raises.Keys)
            {
                Raises[npcId] = raises.Text(npcId);
            }
        }
    }

    /// <summary>A quest: steps in order.</summary>
    public sealed class QuestRow
    {
        /// <summary>Its id.</summary>
        public readonly string Id;

        /// <summary>Its title.</summary>
        public readonly string Title;

        /// <summary>Its steps, in order.</summary>
        public readonly List<QuestStepRow> Steps = new List<QuestStepRow>();

        internal QuestRow(JsonMap row)
        {
            Id = row.Text("id");
            Title = row.Text("title");
            foreach (JsonMap step in row.Maps("steps"))
            {
                Steps.Add(new QuestStepRow(step));
            }
        }
    }
}
