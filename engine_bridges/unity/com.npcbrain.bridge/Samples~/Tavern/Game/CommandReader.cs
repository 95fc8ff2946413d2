using System;
using System.Globalization;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>Understands what a player types. Lines go in, commands come out.</summary>
    public sealed class CommandReader
    {
        /// <summary>The commands, for the player to read.</summary>
        public const string Help =
            "look                   what is around you, what you carry, what there is to do\n"
            + "go PLACE               walk there; people count as places\n"
            + "talk NAME TEXT…        say something to someone (you walk over first)\n"
            + "give [N] ITEM NAME     hand something over\n"
            + "attack NAME            not recommended\n"
            + "wait [SECONDS]         let time pass\n"
            + "quit                   leave";

        private const double MaxWaitSeconds = 600;
        private static readonly string[] Verbs =
            { "look", "go", "talk", "give", "attack", "wait", "help", "quit" };

        private readonly Names _npcs = new Names();
        private readonly Names _targets = new Names();
        private readonly Names _items = new Names();

        /// <summary>A reader that knows the names of a world.</summary>
        public CommandReader(WorldFile file)
        {
            foreach (PersonRow npc in file.Npcs)
            {
                _npcs.Add(npc.Id, npc.Name, npc.Aliases);
            }
            file.Places.ForEach(place => _targets.Add(place.Id, place.Name, place.Aliases));
            foreach (PersonRow npc in file.Npcs)
            {
                _targets.Add(npc.Id, npc.Name, npc.Aliases);
            }
            file.Items.ForEach(item => _items.Add(item.Id, item.Name, item.Aliases));
        }

        /// <summary>The command that a line means.</summary>
        public Command Read(string line)
        {
            line = line.Trim();
            if (line.Length == 0 || line[0] == '#')
            {
                return new Command(Verb.Nothing);
            }
            int space = line.IndexOf(' ');
            string verb = (space < 0 ? line : line.Substring(0, space)).ToLowerInvariant();
            string rest = space < 0 ? "" : line.Substring(space + 1).Trim();
            switch (verb)
            {
                case "look": case "l": return new Command(Verb.Look);
                case "go": case "walk": return ReadGo(rest);
                case "talk": case "say": case "ask": case "tell": return ReadTalk(rest);
                case "give": return ReadGive(rest);
                case "attack": case "hit": return ReadAttack(rest);
                case "wait": return ReadWait(rest);
                case "help": case "?": return new Command(Verb.Help);
                case "quit": case "exit": case "q": return new Command(Verb.Quit);
                default:
                    return Mistake("There is no command \"" + verb + "\"."
                        + Names.DidYouMean(verb, Verbs) + " Try: help");
            }
        }

        private Command ReadGo(string rest)
        {
            if (rest.Length == 0)
            {
                return Mistake("Go where? For example: go tavern");
            }
            string wanted = WithoutTo(rest);
            string id = _targets.IdOf(wanted);
            return id != null
                ? new Command(Verb.Go, id)
                : Mistake("You know no place \"" + rest + "\"." + _targets.DidYouMean(wanted));
        }

        private Command ReadTalk(string rest)
        {
            if (rest.Length == 0)
            {
                return Mistake("Talk to whom? For example: talk mira Good evening!");
            }
            string text;
            string npcId = _npcs.LeadingId(WithoutTo(rest), out text);
            if (npcId == null)
            {
                return Nobody(rest.Split(' ')[0]);
            }
            text = text.Trim().Trim('"', '“', '”').Trim();
            return text.Length > 0
                ? new Command(Verb.Talk, npcId, text)
                : Mistake("And say what? For example: talk mira Hello!");
        }

        private Command ReadGive(string rest)
        {
            string[] words = rest.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries);
            int first = words.Length > 0 && Array.IndexOf(new[] { "a", "an", "the", "my" }, words[0]) >= 0 ? 1 : 0;
            int count = 1;
            if (words.Length > first && words[first].Length <= 6
                && int.TryParse(words[first], NumberStyles.None, CultureInfo.InvariantCulture, out count))
            {
                first++;
            }
            else
            {
                count = 1;
            }
            for (int split = first + 1; split < words.Length; split++)
            {
                string npcId = _npcs.IdOf(string.Join(" ", words, split, words.Length - split));
                if (npcId != null)
                {
                    int end = words[split - 1] == "to" && split - 1 > first ? split - 1 : split;
                    return ReadGift(string.Join(" ", words, first, end - first), count, npcId);
                }
            }
            return words.Length - first < 2
                ? Mistake("Give what to whom? For example: give honey cake osric")
                : Nobody(words[words.Length - 1]);
        }

        private Command ReadGift(string what, int count, string npcId)
        {
            string itemId = _items.IdOf(what) ?? _items.IdOf(what.TrimEnd('s'));
            if (itemId == null)
            {
                return Mistake("There is no \"" + what + "\"." + _items.DidYouMean(what));
            }
            return count > 0
                ? new Command(Verb.Give, npcId, "", itemId, count)
                : Mistake("Give at least one.");
        }

        private Command ReadAttack(string rest)
        {
            if (rest.Length == 0)
            {
                return Mistake("Whom? For example: attack nobody, be kind");
            }
            string npcId = _npcs.IdOf(rest);
            return npcId != null ? new Command(Verb.Attack, npcId) : Nobody(rest);
        }

        private static Command ReadWait(string rest)
        {
            double seconds = 5;
            if (rest.Length > 0 && !double.TryParse(
                rest, NumberStyles.Float, CultureInfo.InvariantCulture, out seconds))
            {
                return Mistake("\"" + rest + "\" is no number of seconds. For example: wait 10");
            }
            return seconds > 0 && seconds <= MaxWaitSeconds
                ? new Command(Verb.Wait, null, "", null, seconds)
                : Mistake("Wait for more than 0 and at most " + MaxWaitSeconds + " seconds.");
        }

        private Command Nobody(string name)
        {
            return Mistake("There is nobody called \"" + name + "\"." + _npcs.DidYouMean(name));
        }

        private static Command Mistake(string text)
        {
            return new Command(Verb.Mistake, null, text);
        }

        private static string WithoutTo(string text)
        {
            return text.StartsWith("to ", StringComparison.OrdinalIgnoreCase) ? text.Substring(3) : text;
        }
    }
}
