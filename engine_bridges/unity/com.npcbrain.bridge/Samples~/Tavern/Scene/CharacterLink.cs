using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>Joins the village to the package's components: a character for each of its NPCs.</summary>
    internal sealed class CharacterLink : ITavernLink
    {
        private readonly Village _village;
        private readonly NpcBrainClient _client;
        private readonly TavernWorld _world;
        private readonly Dictionary<string, NpcCharacter> _characters =
            new Dictionary<string, NpcCharacter>();
        private readonly Dictionary<string, NpcActionRequest> _actions =
            new Dictionary<string, NpcActionRequest>();
        private readonly Dictionary<NpcTurn, Conversation> _turns =
            new Dictionary<NpcTurn, Conversation>();

        /// <summary>A link over a client; <see cref="Add"/> the village's characters to it.</summary>
        public CharacterLink(Village village, NpcBrainClient client, TavernWorld world)
        {
            _village = village;
            _client = client;
            _world = world;
            client.Connected += TakeConnected;
            client.Disconnected += TakeDisconnected;
            client.StatusChanged += TakeStatus;
        }

        /// <inheritdoc/>
        public ITavernLinkListener Listener { get; set; }

        /// <summary>Takes in the character of an NPC.</summary>
        public void Add(NpcCharacter character)
        {
            _characters[character.NpcId] = character;
            character.TurnStarted += TakeTurn;
            character.TokenReceived += (turn, piece) => Of(turn).Add(piece);
            character.LineSaid += (turn, line) => Of(turn).Close(line.Text);
            character.TurnEnded += TakeTurnEnd;
            character.StateChanged += (from, to, cause) =>
                Listener.TakeState(character.NpcId, from, to, cause);
            character.ActionRequested += TakeAction;
            character.ActionCancelled += action =>
                Listener.TakeActionCancel(character.NpcId, action.ActionId);
            character.ErrorReceived += (code, text, hint) => Listener.TakeRefusal(code, text);
        }

        /// <summary>Leaves the client.</summary>
        public void Leave()
        {
            _client.Connected -= TakeConnected;
            _client.Disconnected -= TakeDisconnected;
            _client.StatusChanged -= TakeStatus;
        }

        /// <summary>A door has opened.</summary>
        public event Action DoorOpened;

        /// <inheritdoc/>
        public void PatchWorld()
        {
            if (_world.TellChanges() && DoorOpened != null)
            {
                DoorOpened();
            }
        }

        /// <inheritdoc/>
        public void Update(Outcome outcome)
        {
            NpcActionRequest action;
            if (_actions.TryGetValue(Key(outcome.ActorId, outcome.ActionId), out action))
            {
                NpcActionStatus status = (NpcActionStatus)Enum.Parse(
                    typeof(NpcActionStatus), outcome.Status, true);
                action.Character.UpdateAction(action, status, outcome.Reason, outcome.Result);
            }
            if (outcome.IsEnd)
            {
                _actions.Remove(Key(outcome.ActorId, outcome.ActionId));
            }
        }

        /// <inheritdoc/>
        public void Raise(VillageEvent happened)
        {
            _characters[happened.NpcId].SendEvent(happened.Name, happened.Data);
        }

        /// <inheritdoc/>
        public void Hear(string npcId, string text, Conversation asked)
        {
            NpcTurn turn = _characters[npcId].Hear(text, _village.PlayerId);
            if (turn.HasEnded)
            {
                asked.End();
                return;
            }
            _turns[turn] = asked;
        }

        private void TakeConnected(bool isResumed)
        {
            Listener.TakeConnected(isResumed);
        }

        private void TakeDisconnected(string reason)
        {
            Listener.TakeLost(reason);
        }

        private void TakeStatus(string phase, string detail, double progress)
        {
            Listener.TakePhase(phase, detail);
        }

        private void TakeAction(NpcActionRequest action)
        {
            string npcId = action.Character.NpcId;
            _actions[Key(npcId, action.ActionId)] = action;
            Listener.TakeAction(npcId, action.ActionId, action.Tool, action.Args, action.IsOfTurn);
        }

        private void TakeTurn(NpcTurn turn)
        {
            if (!_turns.ContainsKey(turn))
            {
                _turns[turn] = Listener.TakeTurn(turn.Character.NpcId);
            }
        }

        private void TakeTurnEnd(NpcTurn turn)
        {
            Conversation conversation = Of(turn);
            _turns.Remove(turn);
            string source = turn.Lines.Count > 0 ? turn.Lines[turn.Lines.Count - 1].Source : "";
            Listener.TakeTurnEnd(conversation, source);
        }

        private Conversation Of(NpcTurn turn)
        {
            TakeTurn(turn);
            return _turns[turn];
        }

        private static string Key(string npcId, long actionId)
        {
            return npcId + " " + actionId;
        }
    }
}
