using System.Collections;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The game: what each command does. A command takes as many frames as it needs; it is a coroutine
    /// that <see cref="Tick"/> moves on. Knows the bridge and the view, no engine.
    /// </summary>
    public sealed class TavernGame
    {
        /// <summary>How often one walks after somebody who walks on.</summary>
        private const int MaxApproaches = 4;

        private readonly Village _village;
        private readonly TavernBridge _bridge;
        private readonly ITavernView _view;
        private readonly CommandReader _reader;
        private readonly Queue<string> _lines = new Queue<string>();
        private IEnumerator _command;
        private double _secondsToWait;
        private bool _isBeside;

        /// <summary>A game in a village.</summary>
        public TavernGame(Village village, TavernBridge bridge, ITavernView view)
        {
            _village = village;
            _bridge = bridge;
            _view = view;
            _reader = new CommandReader(village.File);
        }

        /// <summary>Whether the player wants to leave.</summary>
        public bool HasQuit { get; private set; }

        /// <summary>How many commands could not be done as meant.</summary>
        public int NumFailed { get; private set; }

        /// <summary>Whether a command is under way.</summary>
        public bool IsBusy
        {
            get { return _command != null || _lines.Count > 0; }
        }

        /// <summary>Tells where the player is and what there is to do.</summary>
        public void Begin()
        {
            _view.Note(_village.File.Intro);
            TellQuests();
        }

        /// <summary>Has a line carried out, after those before it.</summary>
        public void Run(string line)
        {
            _lines.Enqueue(line);
        }

        /// <summary>Lets time pass, in a frame.</summary>
        public void Tick(double seconds)
        {
            _secondsToWait -= seconds;
            if (_command == null && _lines.Count > 0)
            {
                _command = Start(_lines.Dequeue());
            }
            if (_command != null && !_command.MoveNext())
            {
                _command = null;
                _bridge.Stir();
            }
        }

        private IEnumerator Start(string line)
        {
            Command command = _reader.Read(line);
            if (command.Verb != Verb.Nothing)
            {
                _view.Echo(line.Trim());
            }
            switch (command.Verb)
            {
                case Verb.Mistake: Fail(command.Text); return null;
                case Verb.Look: Look(); return null;
                case Verb.Go: return Go(command.TargetId);
                case Verb.Talk: return Talk(command.TargetId, command.Text);
                case Verb.Give: return Give(command.TargetId, command.ItemId, (int)command.Amount);
                case Verb.Attack: return Attack(command.TargetId);
                case Verb.Wait: return Wait(command.Amount);
                case Verb.Help: _view.Note(CommandReader.Help); return null;
                case Verb.Quit: HasQuit = true; return null;
                default: return null;
            }
        }

        private IEnumerator Go(string targetId)
        {
            PlayerWalk walk = _bridge.WalkPlayer(targetId);
            while (!walk.HasEnded)
            {
                yield return null;
            }
            if (walk.Ended.Status == "done")
            {
                _view.Note(Arrival(targetId));
            }
            else
            {
                TellObstacle(walk.Ended);
            }
        }

        private IEnumerator Talk(string npcId, string text)
        {
            for (IEnumerator approach = Approach(npcId); approach.MoveNext();)
            {
                yield return null;
            }
            if (_isBeside)
            {
                Conversation conversation = _bridge.Hear(npcId, text);
                while (!conversation.IsOver)
                {
                    yield return null;
                }
            }
        }

        private IEnumerator Give(string npcId, string itemId, int count)
        {
            string itemName = _village.NameOf(itemId);
            int held = _village.Count(_village.PlayerId, itemId);
            if (held < count)
            {
                Fail("You have " + Words.Counted(held, itemName) + ".");
                yield break;
            }
            for (IEnumerator approach = Approach(npcId); approach.MoveNext();)
            {
                yield return null;
            }
            if (!_isBeside)
            {
                yield break;
            }
            if (_village.GiveFromPlayer(npcId, itemId, count) != null)
            {
                Fail("You no longer have " + Words.Counted(count, itemName) + ".");
                yield break;
            }
            _view.Note("You give " + _village.NameOf(npcId) + " " + Words.Counted(count, itemName) + ".");
            _bridge.Publish(new List<Outcome>());
        }

        private IEnumerator Attack(string npcId)
        {
            for (IEnumerator approach = Approach(npcId); approach.MoveNext();)
            {
                yield return null;
            }
            if (_isBeside)
            {
                _view.Note("You hit " + _village.NameOf(npcId) + ". It does not make you taller.");
                _village.Attack(npcId);
                _bridge.Publish(new List<Outcome>());
            }
        }

        private IEnumerator Wait(double seconds)
        {
            _secondsToWait = seconds;
            while (_secondsToWait > 0)
            {
                yield return null;
            }
        }

        /// <summary>Walks to someone unless they are in reach; they may be walking themselves.</summary>
        private IEnumerator Approach(string npcId)
        {
            string name = _village.NameOf(npcId);
            for (int attempt = 0; attempt < MaxApproaches; attempt++)
            {
                _isBeside = _village.Ground.IsNear(_village.PlayerId, npcId);
                if (_isBeside)
                {
                    yield break;
                }
                _view.Note((attempt == 0 ? "You walk over to " : "You hurry after ") + name + ".");
                PlayerWalk walk = _bridge.WalkPlayer(npcId);
                while (!walk.HasEnded)
                {
                    yield return null;
                }
                if (walk.Ended.Status != "done")
                {
                    TellObstacle(walk.Ended);
                    yield break;
                }
            }
            Fail(name + " is always a few steps ahead.");
        }

        private void TellObstacle(Outcome ended)
        {
            object doorName;
            ended.Result.TryGetValue("door_name", out doorName);
            DoorRow door = _village.File.Doors.Find(row => row.Name.Equals(doorName));
            if (ended.Reason == "locked" && door != null)
            {
                _view.Error(door.Locked.Length > 0 ? door.Locked : door.Name + " is locked.");
                return;
            }
            object target;
            ended.Result.TryGetValue("target_name", out target);
            Fail("You cannot get to " + (target ?? "there") + " (" + ended.Reason.Replace('_', ' ') + ").");
        }

        private void Look()
        {
            ThingRow place = _village.Ground.PlaceNear(_village.Ground.PositionOf(_village.PlayerId), 3);
            string where = place == null
                ? "You are out of doors."
                : "You are near " + place.Name + ". " + place.Description;
            _view.Note(where + Company());
            List<string> bag = new List<string>();
            foreach (ItemRow item in _village.File.Items)
            {
                int count = _village.Count(_village.PlayerId, item.Id);
                if (count > 0)
                {
                    bag.Add(Words.Counted(count, item.Name));
                }
            }
            _view.Note("You carry " + Words.Listed(bag) + ".");
            _view.Note("Places: "
                + string.Join(", ", _village.File.Places.ConvertAll(row => row.Name).ToArray()) + ".");
            TellQuests();
        }

        private void TellQuests()
        {
            foreach (QuestRow quest in _village.Quests.Quests)
            {
                _view.Note(_bridge.QuestLine(quest));
            }
        }

        private string Arrival(string targetId)
        {
            ThingRow place = _village.File.Places.Find(row => row.Id == targetId);
            return place == null
                ? "You walk over to " + _village.NameOf(targetId) + "."
                : Words.Sentence(place.Name) + " " + place.Description + Company();
        }

        /// <summary>Who can be seen from here, as a sentence.</summary>
        private string Company()
        {
            List<string> near = new List<string>();
            foreach (PersonRow npc in _village.File.Npcs)
            {
                if (_village.Ground.IsNear(_village.PlayerId, npc.Id, TavernBridge.EarshotCells / 2))
                {
                    near.Add(npc.Name);
                }
            }
            return near.Count == 0
                ? ""
                : " " + Words.Listed(near) + (near.Count == 1 ? " is here." : " are here.");
        }

        private void Fail(string why)
        {
            NumFailed++;
            _view.Error(why);
        }
    }
}
