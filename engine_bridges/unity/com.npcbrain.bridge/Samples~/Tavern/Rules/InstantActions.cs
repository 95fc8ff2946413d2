using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The actions that end at once: handing over, trading, using, equipping, gestures. Each is
    /// refused when it is malformed, out of reach, against a rule of the world file, or when somebody
    /// does not hold what it takes; otherwise it is done and both sides' inventories change.
    /// </summary>
    internal sealed class InstantActions
    {
        private const int MaxCount = 1000000;
        private static readonly string[] PartnerKeys = { "to", "source", "partner" };

        private readonly Village _village;

        public InstantActions(Village village)
        {
            _village = village;
        }

        /// <summary>Carries out one action; always ends it.</summary>
        public void CarryOut(
            string actor, long actionId, string tool, IDictionary<string, object> args,
            List<Outcome> outcomes)
        {
            Dictionary<string, object> result = new Dictionary<string, object>();
            string reason = Try(actor, tool, args, result);
            if (reason.Length > 0)
            {
                outcomes.Add(new Outcome(actor, actionId, "refused", reason, result));
                return;
            }
            outcomes.Add(new Outcome(actor, actionId, "accepted"));
            outcomes.Add(new Outcome(actor, actionId, "done", "", result));
        }

        private string Try(
            string actor, string tool, IDictionary<string, object> args,
            Dictionary<string, object> result)
        {
            switch (tool)
            {
                case "inventory_give": return HandOver(actor, tool, args, result, true);
                case "inventory_take": return HandOver(actor, tool, args, result, false);
                case "inventory_trade": return Trade(actor, tool, args, result);
                case "inventory_use": return Use(actor, args, result);
                case "inventory_equip": return Equip(actor, args, result);
                case "emote": return Emote(args, result);
                default: return "unknown_action";
            }
        }

        private string HandOver(
            string actor, string tool, IDictionary<string, object> args,
            Dictionary<string, object> result, bool actorGives)
        {
            string other = Partner(actor, args);
            Stack? stack = StackOf(args, "item", "count");
            if (other == null || stack == null)
            {
                return "bad_arguments";
            }
            TellStack(result, "", stack.Value);
            TellTarget(result, other);
            string reason = ReasonAgainst(
                tool, actor, other, actorGives ? stack : null, actorGives ? null : stack);
            if (reason != null)
            {
                return reason;
            }
            string giver = actorGives ? actor : other;
            string taker = actorGives ? other : actor;
            Shortage shortage = _village.Ledger.Transfer(giver, taker, stack.Value);
            if (shortage != null)
            {
                return Short(shortage, actor, result);
            }
            _village.Received(taker, stack.Value, giver);
            return "";
        }

        private string Trade(
            string actor, string tool, IDictionary<string, object> args,
            Dictionary<string, object> result)
        {
            string other = Partner(actor, args);
            Stack? gives = StackOf(args, "give_item", "give_count");
            Stack? gets = StackOf(args, "take_item", "take_count");
            if (other == null || gives == null || gets == null)
            {
                return "bad_arguments";
            }
            TellStack(result, "give_", gives.Value);
            TellStack(result, "take_", gets.Value);
            TellTarget(result, other);
            string reason = ReasonAgainst(tool, actor, other, gives, gets);
            if (reason != null)
            {
                return reason;
            }
            Shortage shortage = _village.Ledger.Exchange(actor, gives.Value, other, gets.Value);
            if (shortage != null)
            {
                return Short(shortage, actor, result);
            }
            _village.Received(other, gives.Value, actor);
            return "";
        }

        private string Use(
            string actor, IDictionary<string, object> args, Dictionary<string, object> result)
        {
            ItemRow item = ItemOf(args, "item");
            if (item == null)
            {
                return "bad_arguments";
            }
            result["item"] = item.Id;
            result["item_name"] = item.Name;
            if (_village.Ledger.Count(actor, item.Id) == 0)
            {
                return "not_held";
            }
            if (!item.IsUsable)
            {
                return "not_usable";
            }
            if (item.IsUsedUp)
            {
                _village.Ledger.UseUp(actor, item.Id);
            }
            result["used_up"] = item.IsUsedUp;
            return "";
        }

        private string Equip(
            string actor, IDictionary<string, object> args, Dictionary<string, object> result)
        {
            ItemRow item = ItemOf(args, "item");
            if (item == null)
            {
                return "bad_arguments";
            }
            result["item"] = item.Id;
            result["item_name"] = item.Name;
            if (item.Slot == null)
            {
                return "not_wearable";
            }
            if (_village.Ledger.Equip(actor, item.Slot, item.Id) != null)
            {
                return "not_held";
            }
            result["slot"] = item.Slot;
            return "";
        }

        private static string Emote(IDictionary<string, object> args, Dictionary<string, object> result)
        {
            foreach (KeyValuePair<string, object> arg in args)
            {
                result[arg.Key] = arg.Value;
            }
            return "";
        }

        private string ReasonAgainst(string tool, string actor, string other, Stack? gives, Stack? gets)
        {
            if (!_village.Ground.IsNear(actor, other))
            {
                return "too_far";
            }
            return _village.Refusal(actor, tool, gives, gets);
        }

        private static string Short(Shortage shortage, string actor, Dictionary<string, object> result)
        {
            result["held"] = shortage.Held;
            return shortage.Owner == actor ? "not_held" : "speaker_lacks";
        }

        private void TellStack(Dictionary<string, object> result, string prefix, Stack stack)
        {
            result[prefix + "item"] = stack.Item;
            result[prefix + "item_name"] = _village.NameOf(stack.Item);
            result[prefix + "count"] = stack.Count;
        }

        private void TellTarget(Dictionary<string, object> result, string other)
        {
            result["target"] = other;
            result["target_name"] = _village.NameOf(other);
        }

        /// <summary>
        /// The other side of a deal: named in the arguments, else the player; null when there is none.
        /// </summary>
        private string Partner(string actor, IDictionary<string, object> args)
        {
            object named = _village.PlayerId;
            foreach (string key in PartnerKeys)
            {
                if (args.ContainsKey(key))
                {
                    named = args[key];
                    break;
                }
            }
            string other = named as string;
            return other != null && other != actor && _village.Ledger.HasOwner(other) ? other : null;
        }

        private ItemRow ItemOf(IDictionary<string, object> args, string key)
        {
            object named;
            args.TryGetValue(key, out named);
            return _village.ItemOf(named as string);
        }

        /// <summary>The one stack that two arguments name; null when they make no sense.</summary>
        private Stack? StackOf(IDictionary<string, object> args, string itemKey, string countKey)
        {
            ItemRow item = ItemOf(args, itemKey);
            object number;
            if (!args.TryGetValue(countKey, out number))
            {
                number = 1L;
            }
            long count = number is long ? (long)number : number is int ? (int)number : 0;
            if (item == null || count < 1 || count > MaxCount)
            {
                return null;
            }
            return new Stack(item.Id, (int)count);
        }
    }
}
