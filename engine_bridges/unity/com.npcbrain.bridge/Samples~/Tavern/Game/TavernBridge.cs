using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// Keeps the village and the sidecar in step. The village decides and the sidecar is told, in
    /// order: first what changed, then how actions stand, then what happened to NPCs, so that a state
    /// machine that reacts to a gift sees it.
    /// </summary>
    public sealed class TavernBridge : ITavernLinkListener
    {
        /// <summary>What goes on further off is not shown.</summary>
        public const int EarshotCells = 12;

        /// <summary>When nothing has been said or done for so long, a command has run its course.</summary>
        private const double QuietSeconds = 0.4;

        private readonly Village _village;
        private readonly ITavernView _view;
        private readonly ITavernLink _link;
        private readonly Dictionary<long, PlayerWalk> _walks = new Dictionary<long, PlayerWalk>();
        private readonly HashSet<Conversation> _conversations = new HashSet<Conversation>();
        private readonly Dictionary<string, string> _questLines = new Dictionary<string, string>();
        private readonly Dictionary<string, string> _tools = new Dictionary<string, string>();
        private readonly HashSet<string> _turnActions = new HashSet<string>();
        private long _lastWalkId;
        private double _secondsToQuiet;

        /// <summary>A bridge between a village and a sidecar.</summary>
        public TavernBridge(Village village, ITavernView view, ITavernLink link)
        {
            _village = village;
            _view = view;
            _link = link;
            _link.Listener = this;
            foreach (QuestRow quest in village.Quests.Quests)
            {
                _questLines[quest.Id] = QuestLine(quest);
            }
        }

        /// <summary>Whether the sidecar has its model, or does without; NPCs answer before, too.</summary>
        public bool IsReady { get; private set; }

        /// <summary>How often the link to the sidecar was lost.</summary>
        public int NumLosses { get; private set; }

        /// <summary>Whether something is being said or done, or was a moment ago.</summary>
        public bool IsBusy
        {
            get
            {
                return _conversations.Count > 0 || _turnActions.Count > 0 || _secondsToQuiet > 0;
            }
        }

        /// <summary>Lets time pass in the village, and tells the sidecar.</summary>
        public void Tick(double seconds)
        {
            _secondsToQuiet -= seconds;
            Publish(_village.Tick(seconds));
        }

        /// <summary>Walks the player to a place or person.</summary>
        public PlayerWalk WalkPlayer(string targetId)
        {
            PlayerWalk walk = new PlayerWalk();
            _lastWalkId++;
            _walks[_lastWalkId] = walk;
            Dictionary<string, object> args = new Dictionary<string, object>();
            args["target"] = targetId;
            Publish(_village.Begin(_village.PlayerId, _lastWalkId, "go_to", args));
            return walk;
        }

        /// <summary>Speaks to an NPC; the answer is shown as it comes.</summary>
        public Conversation Hear(string npcId, string text)
        {
            Conversation conversation = Converse(npcId);
            _link.Hear(npcId, text, conversation);
            if (conversation.IsOver)
            {
                _conversations.Remove(conversation);
            }
            return conversation;
        }

        /// <summary>Tells the sidecar what changed in the village, and the player what to read.</summary>
        public void Publish(List<Outcome> outcomes)
        {
            _link.PatchWorld();
            outcomes.ForEach(PublishOutcome);
            foreach (VillageEvent happened in _village.TakeEvents())
            {
                _link.Raise(happened);
                Stir();
            }
            _village.TakeNotices().ForEach(_view.Note);
            foreach (QuestRow quest in _village.Quests.Quests)
            {
                string line = QuestLine(quest);
                if (line != _questLines[quest.Id])
                {
                    _questLines[quest.Id] = line;
                    _view.Note(line);
                }
            }
        }

        /// <summary>What there is to do for a quest, as a line.</summary>
        public string QuestLine(QuestRow quest)
        {
            QuestStepRow step = _village.Quests.CurrentStep(quest);
            return "★ " + quest.Title + ": " + (step != null ? step.Text : "done.");
        }

        void ITavernLinkListener.TakePhase(string phase, string detail)
        {
            if (phase == "degraded" && !IsReady)
            {
                _view.Note("Playing without a language model: " + detail);
            }
            IsReady |= phase == "ready" || phase == "degraded";
        }

        void ITavernLinkListener.TakeConnected(bool isResumed)
        {
            if (NumLosses > 0)
            {
                _view.Note("The sidecar is back.");
            }
        }

        void ITavernLinkListener.TakeLost(string reason)
        {
            NumLosses++;
            _turnActions.Clear();
            _view.Error("The sidecar does not answer (" + reason + "); looking for it again.");
        }

        void ITavernLinkListener.TakeRefusal(string code, string message)
        {
            _view.Aside("the sidecar refused a message (" + code + "): " + message);
        }

        void ITavernLinkListener.TakeState(string npcId, string from, string to, string cause)
        {
            if (!string.IsNullOrEmpty(from) && IsInEarshot(npcId))
            {
                _view.Aside(npcId + ": " + from + " → " + to + " (" + cause + ")");
            }
            _village.NoteState(npcId, to);
            Publish(new List<Outcome>());
        }

        void ITavernLinkListener.TakeAction(
            string npcId, long actionId, string tool, IDictionary<string, object> args, bool isOfTurn)
        {
            _tools[Key(npcId, actionId)] = tool;
            if (isOfTurn && tool != "follow")
            {
                _turnActions.Add(Key(npcId, actionId));
            }
            if (isOfTurn || IsInEarshot(npcId))
            {
                _view.Aside(npcId + ": " + tool + "(" + Spelt(args) + ")");
            }
            Publish(_village.Begin(npcId, actionId, tool, args));
        }

        void ITavernLinkListener.TakeActionCancel(string npcId, long actionId)
        {
            Publish(_village.Cancel(npcId, actionId));
        }

        Conversation ITavernLinkListener.TakeTurn(string npcId)
        {
            return Converse(npcId);
        }

        void ITavernLinkListener.TakeTurnEnd(Conversation conversation, string source)
        {
            conversation.End();
            if (source == "model" || source == "fallback")
            {
                _view.Aside(source == "model" ? "said by the model" : "a fallback line");
            }
            _conversations.Remove(conversation);
            Stir();
        }

        private Conversation Converse(string npcId)
        {
            Conversation conversation = new Conversation(_village.NpcOf(npcId), _view);
            _conversations.Add(conversation);
            return conversation;
        }

        private void PublishOutcome(Outcome outcome)
        {
            if (outcome.ActorId == _village.PlayerId)
            {
                PlayerWalk walk;
                if (outcome.IsEnd && _walks.TryGetValue(outcome.ActionId, out walk))
                {
                    _walks.Remove(outcome.ActionId);
                    walk.Ended = outcome;
                }
                return;
            }
            if (outcome.IsEnd)
            {
                ShowEnd(outcome);
            }
            _link.Update(outcome);
        }

        private void ShowEnd(Outcome outcome)
        {
            string key = Key(outcome.ActorId, outcome.ActionId);
            string tool;
            if (_turnActions.Remove(key) | IsInEarshot(outcome.ActorId) && _tools.TryGetValue(key, out tool))
            {
                string why = outcome.Reason.Length > 0 ? " (" + outcome.Reason + ")" : "";
                _view.Aside(outcome.ActorId + ": " + tool + " " + outcome.Status + why);
            }
            _tools.Remove(key);
            Stir();
        }

        /// <summary>Something has happened: what follows from it is waited for.</summary>
        internal void Stir()
        {
            _secondsToQuiet = QuietSeconds;
        }

        private bool IsInEarshot(string npcId)
        {
            return _village.Ground.IsNear(npcId, _village.PlayerId, EarshotCells);
        }

        private static string Key(string npcId, long actionId)
        {
            return npcId + " " + actionId;
        }

        private static string Spelt(IDictionary<string, object> args)
        {
            List<string> parts = new List<string>();
            foreach (KeyValuePair<string, object> arg in args)
            {
                parts.Add(arg.Key + "=" + arg.Value);
            }
            return string.Join(", ", parts.ToArray());
        }
    }
}
