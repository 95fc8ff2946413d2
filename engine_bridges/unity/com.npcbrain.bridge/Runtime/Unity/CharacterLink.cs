using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>
    /// One character's stay at the sidecar: spawned there, and spawned again as it was when the sidecar
    /// had to be restarted.
    /// </summary>
    internal sealed class CharacterLink
    {
        /// <summary>How long after a change its mind is fetched, to survive a sidecar's restart.</summary>
        private const double KeepDelaySeconds = 0.25;

        private readonly NpcCharacter _character;
        private readonly NpcHands _hands;
        private NpcBrainHost _host;
        private byte[] _keptState;
        private double _keepAtSeconds = double.PositiveInfinity;

        public CharacterLink(NpcCharacter character, NpcHands hands)
        {
            _character = character;
            _hands = hands;
        }

        /// <summary>Null outside of <see cref="Open"/> and <see cref="Close"/>.</summary>
        public SidecarClient Sidecar
        {
            get { return _host != null ? _host.Sidecar : null; }
        }

        public bool IsSpawned { get; private set; }

        public bool HasSentSpawn { get; private set; }

        public void Open(NpcBrainHost host)
        {
            _host = host;
            if (host != null)
            {
                host.Add(_character);
            }
        }

        public void Close()
        {
            if (_host != null)
            {
                if (HasSentSpawn && Sidecar.IsConnected)
                {
                    Sidecar.Send("npc.despawn", new Dictionary<string, object>(), _character.NpcId);
                }
                Sidecar.UnregisterCharacter(_character.NpcId, _character.TakeMessage);
                _host.Remove(_character);
                _host = null;
            }
            IsSpawned = false;
            HasSentSpawn = false;
        }

        public void TakeConnected(bool isResumed)
        {
            if (isResumed && IsSpawned)
            {
                _hands.TellUntold();
                return;
            }
            IsSpawned = false;
            HasSentSpawn = false;
            if (_keptState == null)
            {
                _hands.Forget();
            }
            SpawnIfLinked();
        }

        public void SpawnIfLinked()
        {
            if (HasSentSpawn || !_character.IsLinked || !_character.isActiveAndEnabled)
            {
                return;
            }
            HasSentSpawn = true;
            Sidecar.RegisterCharacter(_character.NpcId, _character.TakeMessage);
            _hands.RegisterAll();
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["definition"] = _character.Definition;
            body["position"] = NpcWorld.WirePosition(_character.transform.position);
            if (_character.StartingBlackboard != null)
            {
                body["blackboard"] = _character.StartingBlackboard;
            }
            Sidecar.Send("npc.spawn", body, _character.NpcId, TakeSpawned);
            if (_keptState != null)
            {
                Sidecar.LoadState(_keptState);
            }
        }

        /// <summary>Fetches its mind in a moment, so that a restarted sidecar can be given it again.</summary>
        public void KeepStateSoon()
        {
            if (_character.SurvivesRestarts && double.IsPositiveInfinity(_keepAtSeconds))
            {
                _keepAtSeconds = Time.realtimeSinceStartup + KeepDelaySeconds;
            }
        }

        public void Tick(double nowSeconds)
        {
            if (nowSeconds < _keepAtSeconds)
            {
                return;
            }
            _keepAtSeconds = double.PositiveInfinity;
            if (IsSpawned && _character.IsLinked)
            {
                Sidecar.SaveState(
                    new[] { _character.NpcId }, blob => _keptState = blob ?? _keptState);
            }
        }

        private void TakeSpawned(NpcMessage answer)
        {
            if (answer.IsError && answer.ErrorCode != "duplicate_npc")
            {
                HasSentSpawn = false;
                _character.Report(answer);
                return;
            }
            IsSpawned = true;
            if (!answer.IsError)
            {
                _character.TakeState(answer.Body);
            }
        }
    }
}
