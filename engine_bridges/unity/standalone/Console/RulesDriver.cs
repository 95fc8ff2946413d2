using System;
using System.Collections.Generic;
using System.IO;
using NpcBrain.Samples.Tavern;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Runs the village's rules without a sidecar: a line of JSON in for each operation, a line of
    /// JSON out with what came of it, so that a test can hold them against the terminal game's.
    /// </summary>
    internal sealed class RulesDriver
    {
        private readonly Village _village;
        private readonly CommandReader _reader;

        private RulesDriver(Village village)
        {
            _village = village;
            _reader = new CommandReader(village.File);
        }

        /// <summary>Carries out every line of <paramref name="input"/>; the first has inventories.</summary>
        public static void Run(string worldPath, TextReader input, TextWriter output)
        {
            WorldFile file = WorldFile.Read(File.ReadAllText(worldPath));
            JsonMap inventories = JsonMap.Read(input.ReadLine());
            Dictionary<string, IDictionary<string, int>> held =
                new Dictionary<string, IDictionary<string, int>>();
            foreach (string npcId in inventories.Keys)
            {
                held[npcId] = inventories.Counts(npcId);
            }
            RulesDriver driver = new RulesDriver(new Village(file, held));
            for (string line = input.ReadLine(); line != null; line = input.ReadLine())
            {
                output.WriteLine(JsonWriter.Write(driver.CarryOut(JsonMap.Read(line))));
            }
        }

        private Dictionary<string, object> CarryOut(JsonMap row)
        {
            List<Outcome> outcomes = new List<Outcome>();
            Dictionary<string, object> told = new Dictionary<string, object>();
            switch (row.Text("op"))
            {
                case "begin":
                    outcomes = _village.Begin(
                        row.Text("actor"), row.Int("id"), row.Text("tool"),
                        (Dictionary<string, object>)row.Value("args"));
                    break;
                case "cancel":
                    outcomes = _village.Cancel(row.Text("actor"), row.Int("id"));
                    break;
                case "tick":
                    outcomes = _village.Tick(row.Number("seconds"));
                    break;
                case "give":
                    told["shortage"] = _village.GiveFromPlayer(
                        row.Text("npc"), row.Text("item"), row.Int("count")) != null;
                    break;
                case "attack":
                    _village.Attack(row.Text("npc"));
                    break;
                case "state":
                    _village.NoteState(row.Text("npc"), row.Text("state"));
                    break;
                case "place":
                    _village.Ground.Move(row.Text("actor"), row.Cell("cell"));
                    break;
                case "path":
                    told["cost"] = CostOfPath(row.Text("actor"), row.Cell("cell"));
                    break;
                case "read":
                    TellCommand(told, _reader.Read(row.Text("line")));
                    break;
                case "all":
                    TellAll(told);
                    break;
                default:
                    throw new FormatException("unknown operation " + row.Text("op"));
            }
            TellOutcomes(told, outcomes);
            return told;
        }

        private static void TellCommand(Dictionary<string, object> told, Command command)
        {
            told["command"] = new object[]
            {
                command.Verb.ToString(), command.TargetId, command.ItemId, command.Amount, command.Text
            };
        }

        private object CostOfPath(string actor, Cell goal)
        {
            double cost;
            return _village.Ground.Path(actor, goal, out cost) == null ? null : (object)cost;
        }

        private void TellOutcomes(Dictionary<string, object> told, List<Outcome> outcomes)
        {
            told["outcomes"] = outcomes.ConvertAll(outcome => new object[]
            {
                outcome.ActorId, outcome.ActionId, outcome.Status, outcome.Reason, outcome.Result
            });
            told["events"] = _village.TakeEvents().ConvertAll(
                happened => new object[] { happened.NpcId, happened.Name, happened.Data });
            told["notices"] = _village.TakeNotices();
        }

        private void TellAll(Dictionary<string, object> told)
        {
            Dictionary<string, object> held = new Dictionary<string, object>();
            Dictionary<string, object> worn = new Dictionary<string, object>();
            foreach (string owner in _village.Ledger.Owners)
            {
                held[owner] = _village.Ledger.HeldBy(owner);
                worn[owner] = _village.Ledger.WornBy(owner);
            }
            Dictionary<string, object> totals = new Dictionary<string, object>();
            _village.File.Items.ForEach(item => totals[item.Id] = _village.Ledger.Total(item.Id));
            Dictionary<string, object> positions = new Dictionary<string, object>();
            foreach (ThingRow thing in _village.File.Things())
            {
                Cell cell = _village.Ground.PositionOf(thing.Id);
                positions[thing.Id] = new[] { cell.X, cell.Y };
            }
            Dictionary<string, object> facts = new Dictionary<string, object>();
            foreach (KeyValuePair<string, object> fact in _village.Facts)
            {
                facts[fact.Key] = fact.Value;
            }
            Dictionary<string, object> quests = new Dictionary<string, object>();
            foreach (QuestRow quest in _village.Quests.Quests)
            {
                quests[quest.Id] = _village.Quests.NumDone(quest);
            }
            told["held"] = held;
            told["worn"] = worn;
            told["totals"] = totals;
            told["positions"] = positions;
            told["facts"] = facts;
            told["quests"] = quests;
            told["costs"] = Array.ConvertAll(_village.Ground.Costs(), cost => (int)cost);
        }
    }
}
