using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The village: its own authority, which carries out what NPCs ask for or refuses. It knows
    /// neither the wire nor an engine: actions go in, outcomes and events come out. Time passes only
    /// in <see cref="Tick"/>.
    /// </summary>
    public sealed class Village : ISituation
    {
        /// <summary>A player who comes this near raises <c>player_near</c>…</summary>
        public const int NearCells = 4;

        /// <summary>…and does so again only after having been at least this far away.</summary>
        public const int FarCells = 7;

        /// <summary>How far a fight is heard.</summary>
        private const int HearingCells = 30;

        /// <summary>Longer ticks are cut into steps, so that nobody jumps past anybody.</summary>
        private const double MaxStepSeconds = 0.1;

        private readonly Dictionary<string, ItemRow> _items = new Dictionary<string, ItemRow>();
        private readonly Dictionary<string, string> _names = new Dictionary<string, string>();
        private readonly Dictionary<string, PersonRow> _npcs = new Dictionary<string, PersonRow>();
        private readonly Dictionary<string, string> _states = new Dictionary<string, string>();
        private readonly Dictionary<string, object> _facts;
        private readonly SortedSet<string> _changedFacts = new SortedSet<string>(StringComparer.Ordinal);
        private readonly HashSet<string> _nearPlayer = new HashSet<string>();
        private readonly Walkers _walkers;
        private readonly InstantActions _instant;
        private List<VillageEvent> _events = new List<VillageEvent>();
        private List<string> _notices = new List<string>();

        /// <summary>A village as its file describes it.</summary>
        /// <param name="file">The world file.</param>
        /// <param name="inventories">
        /// What NPCs hold for whom the world file states nothing (the <c>inventory</c> of their NPC
        /// files), by NPC id.
        /// </param>
        public Village(WorldFile file, IDictionary<string, IDictionary<string, int>> inventories)
        {
            File = file;
            Ledger = new Ledger();
            file.Items.ForEach(item => _items[item.Id] = item);
            file.Npcs.ForEach(npc => _npcs[npc.Id] = npc);
            AddOwners(inventories);
            Ground = new Ground(file, Ledger);
            Quests = new QuestLog(file.Quests);
            _walkers = new Walkers(Ground, file.People());
            _instant = new InstantActions(this);
            foreach (ThingRow thing in file.Things())
            {
                _names[thing.Id] = thing.Name;
            }
            file.Places.ForEach(place => _names[place.Id] = place.Name);
            _facts = new Dictionary<string, object>(file.Facts);
            file.Doors.ForEach(door => _facts["door." + door.Id] = false);
        }

        /// <summary>What the world file says.</summary>
        public WorldFile File { get; private set; }

        /// <summary>Who holds what.</summary>
        public Ledger Ledger { get; private set; }

        /// <summary>Who stands where.</summary>
        public Ground Ground { get; private set; }

        /// <summary>How far the player is.</summary>
        public QuestLog Quests { get; private set; }

        /// <summary>The player's id.</summary>
        public string PlayerId
        {
            get { return File.Player.Id; }
        }

        /// <summary>Facts by id: bool, long, double or text.</summary>
        public IEnumerable<KeyValuePair<string, object>> Facts
        {
            get { return _facts; }
        }

        /// <summary>The NPC of an id, null when there is none.</summary>
        public PersonRow NpcOf(string npcId)
        {
            PersonRow npc;
            return _npcs.TryGetValue(npcId, out npc) ? npc : null;
        }

        /// <summary>The kind of item of an id, null when there is none.</summary>
        public ItemRow ItemOf(string itemId)
        {
            ItemRow item;
            return itemId != null && _items.TryGetValue(itemId, out item) ? item : null;
        }

        /// <summary>The name of anything; the id itself if unknown.</summary>
        public string NameOf(string anyId)
        {
            ItemRow item = ItemOf(anyId);
            string name;
            return item != null ? item.Name : _names.TryGetValue(anyId, out name) ? name : anyId;
        }

        /// <inheritdoc/>
        public int Count(string ownerId, string itemId)
        {
            return Ledger.Count(ownerId, itemId);
        }

        /// <inheritdoc/>
        public object Fact(string factId)
        {
            object value;
            return _facts.TryGetValue(factId, out value) ? value : null;
        }

        /// <inheritdoc/>
        public bool IsAt(string entityId, string placeId)
        {
            return Ground.IsNear(entityId, placeId, 1);
        }

        /// <inheritdoc/>
        public bool IsInState(string npcId, string state)
        {
            return Array.IndexOf(StateOf(npcId).Replace('/', '.').Split('.'), state) >= 0;
        }

        /// <summary>The state that an NPC was last said to be in; empty while unknown.</summary>
        public string StateOf(string npcId)
        {
            string state;
            return _states.TryGetValue(npcId, out state) ? state : "";
        }

        /// <summary>Whether a character has a walk under way.</summary>
        public bool IsWalking(string actorId)
        {
            return _walkers.WalkOf(actorId) != null;
        }

        /// <summary>Ids of the facts that changed since the last call, sorted.</summary>
        public List<string> TakeChangedFacts()
        {
            List<string> changed = new List<string>(_changedFacts);
            _changedFacts.Clear();
            return changed;
        }

        /// <summary>What happened to NPCs since the last call.</summary>
        public List<VillageEvent> TakeEvents()
        {
            List<VillageEvent> events = _events;
            _events = new List<VillageEvent>();
            return events;
        }

        /// <summary>What the player should read since the last call: doors, quest steps.</summary>
        public List<string> TakeNotices()
        {
            List<string> notices = _notices;
            _notices = new List<string>();
            return notices;
        }

        /// <summary>Takes note of an NPC's state, which may be a path: <c>working/forging</c>.</summary>
        public void NoteState(string npcId, string state)
        {
            _states[npcId] = state;
            CheckQuests();
        }

        /// <summary>
        /// Begins an action of a character; the outcomes so far, which may include its end. Bad
        /// arguments and unknown tools are refused, never thrown: they come from outside.
        /// </summary>
        public List<Outcome> Begin(
            string actorId, long actionId, string tool, IDictionary<string, object> args)
        {
            List<Outcome> outcomes = new List<Outcome>();
            if (!Ground.IsStanding(actorId))
            {
                outcomes.Add(new Outcome(actorId, actionId, "refused", "unknown_actor"));
                return outcomes;
            }
            switch (tool)
            {
                case "go_to":
                    BeginWalk(actorId, actionId, tool, Argument(args, "target"), outcomes);
                    break;
                case "follow":
                    BeginWalk(actorId, actionId, tool, Argument(args, "person"), outcomes);
                    break;
                case "stop":
                    _walkers.End(actorId, "cancelled", "stopped", outcomes);
                    outcomes.Add(new Outcome(actorId, actionId, "accepted"));
                    outcomes.Add(new Outcome(actorId, actionId, "done"));
                    break;
                default:
                    _instant.CarryOut(actorId, actionId, tool, args, outcomes);
                    break;
            }
            CheckQuests();
            return outcomes;
        }

        /// <summary>Ends an action that is no longer wanted; nothing when it has ended already.</summary>
        public List<Outcome> Cancel(string actorId, long actionId)
        {
            List<Outcome> outcomes = new List<Outcome>();
            Walk walk = _walkers.WalkOf(actorId);
            if (walk != null && walk.ActionId == actionId)
            {
                _walkers.End(actorId, "cancelled", "cancelled", outcomes);
            }
            return outcomes;
        }

        /// <summary>Lets time pass; what came of the walks under way.</summary>
        public List<Outcome> Tick(double seconds)
        {
            List<Outcome> outcomes = new List<Outcome>();
            int numSteps = Math.Max(1, (int)Math.Ceiling(seconds / MaxStepSeconds - 1e-9));
            for (int step = 0; step < numSteps; step++)
            {
                List<KeyValuePair<string, DoorRow>> opened = new List<KeyValuePair<string, DoorRow>>();
                _walkers.Tick(seconds / numSteps, outcomes, opened);
                opened.ForEach(entry => NoteOpened(entry.Key, entry.Value));
                NoticePlayer();
                CheckQuests();
            }
            return outcomes;
        }

        /// <summary>The player hands something over; null: done.</summary>
        public Shortage GiveFromPlayer(string npcId, string itemId, int count)
        {
            Stack stack = new Stack(itemId, count);
            Shortage shortage = Ledger.Transfer(PlayerId, npcId, stack);
            if (shortage == null)
            {
                Received(npcId, stack, PlayerId);
                CheckQuests();
            }
            return shortage;
        }

        /// <summary>The player attacks an NPC; those within hearing notice.</summary>
        public void Attack(string npcId)
        {
            _events.Add(new VillageEvent(npcId, "attacked", ByPlayer()));
            foreach (PersonRow other in File.Npcs)
            {
                if (other.Id != npcId && Ground.IsNear(npcId, other.Id, HearingCells))
                {
                    Dictionary<string, object> data = ByPlayer();
                    data["victim"] = npcId;
                    _events.Add(new VillageEvent(other.Id, "saw_attack", data));
                }
            }
        }

        /// <summary>Tells an NPC that it was handed something.</summary>
        internal void Received(string ownerId, Stack stack, string giverId)
        {
            if (_npcs.ContainsKey(ownerId))
            {
                Dictionary<string, object> data = new Dictionary<string, object>();
                data["item"] = stack.Item;
                data["count"] = stack.Count;
                data["by"] = giverId;
                _events.Add(new VillageEvent(ownerId, "received", data));
            }
        }

        /// <summary>The reason of the first rule that refuses an action; null: it may be done.</summary>
        internal string Refusal(string npcId, string tool, Stack? gives, Stack? gets)
        {
            RuleRow refusing = File.Rules.Find(rule => Applies(rule, npcId, tool, gives, gets));
            return refusing != null ? refusing.Reason : null;
        }

        private void AddOwners(IDictionary<string, IDictionary<string, int>> inventories)
        {
            foreach (PersonRow person in File.People())
            {
                IDictionary<string, int> stacks = person.Inventory;
                if (stacks == null && !inventories.TryGetValue(person.Id, out stacks))
                {
                    stacks = new Dictionary<string, int>();
                }
                AddOwner(person.Id, stacks);
            }
            foreach (KeyValuePair<string, Dictionary<string, int>> owner in File.Inventories)
            {
                AddOwner(owner.Key, owner.Value);
            }
        }

        private void AddOwner(string ownerId, IDictionary<string, int> stacks)
        {
            foreach (string itemId in stacks.Keys)
            {
                if (ItemOf(itemId) == null)
                {
                    throw new FormatException(ownerId + " holds the unknown item " + itemId);
                }
            }
            Ledger.AddOwner(ownerId, stacks);
        }

        private void BeginWalk(
            string actorId, long actionId, string tool, string target, List<Outcome> outcomes)
        {
            Cell cell;
            bool isKnown = target != null && Ground.TryFind(target, out cell);
            bool canWalk = actorId == PlayerId || _npcs.ContainsKey(actorId);
            if (!isKnown || !canWalk || target == actorId)
            {
                outcomes.Add(new Outcome(actorId, actionId, "refused", "unknown_target"));
                return;
            }
            string reason = Refusal(actorId, tool, null, null);
            if (reason != null)
            {
                outcomes.Add(new Outcome(actorId, actionId, "refused", reason));
                return;
            }
            Walk walk = new Walk(actorId, actionId, target, NameOf(target), tool == "follow");
            _walkers.Begin(walk, outcomes);
        }

        private static string Argument(IDictionary<string, object> args, string name)
        {
            object value;
            return args.TryGetValue(name, out value) ? value as string : null;
        }

        private bool Applies(RuleRow rule, string npcId, string tool, Stack? gives, Stack? gets)
        {
            if (rule.Tool != tool || (rule.Npc != null && rule.Npc != npcId))
            {
                return false;
            }
            if (rule.Item != null && (gives == null || gives.Value.Item != rule.Item))
            {
                return false;
            }
            if (rule.UnlessFor != null && gets != null && gets.Value.Item == rule.UnlessFor)
            {
                return false;
            }
            if (rule.BelowPrice && !IsBelowPrice(gives, gets))
            {
                return false;
            }
            return rule.When == null || rule.When.IsTrue(this);
        }

        private bool IsBelowPrice(Stack? gives, Stack? gets)
        {
            if (gives != null && PriceOf(gives.Value.Item) == null)
            {
                return true;
            }
            return Worth(gets) < Worth(gives);
        }

        private long Worth(Stack? stack)
        {
            return stack == null ? 0 : (long)(PriceOf(stack.Value.Item) ?? 0) * stack.Value.Count;
        }

        private int? PriceOf(string itemId)
        {
            return itemId == File.Currency ? 1 : _items[itemId].Price;
        }

        private void NoteOpened(string actorId, DoorRow door)
        {
            string fact = "door." + door.Id;
            _facts[fact] = true;
            _changedFacts.Add(fact);
            if (door.Opened.Length > 0 && actorId == PlayerId)
            {
                _notices.Add(door.Opened);
            }
        }

        private void NoticePlayer()
        {
            Cell here = Ground.PositionOf(PlayerId);
            foreach (PersonRow npc in File.Npcs)
            {
                int apart = Cell.Apart(here, Ground.PositionOf(npc.Id));
                if (apart <= NearCells && _nearPlayer.Add(npc.Id))
                {
                    _events.Add(new VillageEvent(npc.Id, "player_near", ByPlayer()));
                }
                else if (apart >= FarCells)
                {
                    _nearPlayer.Remove(npc.Id);
                }
            }
        }

        private void CheckQuests()
        {
            foreach (QuestStepRow step in Quests.Advance(this))
            {
                if (step.Done.Length > 0)
                {
                    _notices.Add(step.Done);
                }
                foreach (KeyValuePair<string, string> raised in step.Raises)
                {
                    _events.Add(new VillageEvent(raised.Key, raised.Value));
                }
            }
        }

        private Dictionary<string, object> ByPlayer()
        {
            Dictionary<string, object> data = new Dictionary<string, object>();
            data["by"] = PlayerId;
            return data;
        }
    }
}
