using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace NpcBrain.Standalone
{
    /// <summary>A client that has started a sidecar and told it a small world.</summary>
    internal sealed class Game : IDisposable
    {
        /// <summary>How often a turn is asked for that must not end before something else happens.</summary>
        public const int Tries = 10;

        public readonly SidecarClient Client;

        public Game(string model)
        {
            SidecarOptions options = new SidecarOptions();
            options.ProgramPath = Runner.Setting("PROGRAM");
            options.NpcsFolder = Runner.Setting("NPCS");
            options.Model = model;
            Client = new SidecarClient();
            Stopwatch clock = Stopwatch.StartNew();
            Client.Start(options);
            try
            {
                Until(() => Client.IsConnected, "a link");
                Runner.NoteStart(clock);
                Runner.CheckEqual(Ask("world.sync", World()).Type, "ok", "the world");
            }
            catch (FailedTest)
            {
                Client.Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            Client.Dispose();
        }

        public void Until(Func<bool> isSo, string what, double seconds = Runner.WaitSeconds)
        {
            Runner.Until(isSo, () => Client.Pump(1), what, seconds);
        }

        public NpcMessage Ask(
            string type, IDictionary<string, object> body, string npcId = null)
        {
            NpcMessage answer = null;
            Client.Send(type, body, npcId, got => answer = got);
            Until(() => answer != null, "the answer to " + type);
            return answer;
        }

        public void Spawn(string npcId)
        {
            NpcMessage answer = Ask("npc.spawn", Map("definition", npcId), npcId);
            Runner.CheckEqual(answer.Type, "npc.state", npcId + " is spawned");
        }

        public void SpawnReady(string npcId)
        {
            Until(() => Client.Phase == "ready", "the model");
            Spawn(npcId);
        }

        public SpokenTurn Say(string npcId, string text)
        {
            return new SpokenTurn(Client, npcId, text);
        }

        /// <summary>A turn that has said something and has not ended; a step may be too long for that.</summary>
        public SpokenTurn SayMidLine(string npcId, string text)
        {
            for (int number = 1; ; number++)
            {
                SpokenTurn turn = Say(npcId, text);
                Until(() => turn.NumTokens > 0 || turn.HasEnded, "a token");
                if (!turn.HasEnded)
                {
                    return turn;
                }
                Runner.Check(number < Tries, "a turn within its line");
            }
        }

        public static IDictionary<string, object> Map(string key = null, object value = null)
        {
            Dictionary<string, object> map = new Dictionary<string, object>();
            if (key != null)
            {
                map[key] = value;
            }
            return map;
        }

        private static IDictionary<string, object> World()
        {
            IDictionary<string, object> nav = Map("kind", "grid");
            nav["width"] = 8;
            nav["height"] = 1;
            nav["cells"] = new byte[] { 1, 1, 1, 1, 1, 1, 1, 1 };
            IDictionary<string, object> mill = Map("id", "mill");
            mill["name"] = "the mill";
            mill["position"] = new[] { 6, 0 };
            IDictionary<string, object> player = Map("id", "player");
            player["name"] = "the traveller";
            player["kind"] = "player";
            player["position"] = new[] { 0, 0 };
            IDictionary<string, object> world = Map("revision", 1);
            world["nav"] = nav;
            world["places"] = new[] { mill };
            world["entities"] = new[] { player };
            return world;
        }
    }

    /// <summary>A turn that was asked for, and what came of it.</summary>
    internal sealed class SpokenTurn
    {
        public SpokenTurn(SidecarClient client, string npcId, string text)
        {
            Said = "";
            Lines = "";
            Outcome = "";
            client.MessageReceived += Take;
            IDictionary<string, object> body = Game.Map("speaker_id", "player");
            body["text"] = text;
            body["deadline_ms"] = (long)(Runner.WaitSeconds * 1000);
            client.Send("npc.hear", body, npcId, TakeAnswer);
        }

        public long TurnId { get; private set; }

        public string Said { get; private set; }

        public string Lines { get; private set; }

        public string Source { get; private set; }

        public string Outcome { get; private set; }

        public int NumTokens { get; private set; }

        public bool HasEnded
        {
            get { return Outcome.Length > 0; }
        }

        private void TakeAnswer(NpcMessage message)
        {
            if (message.IsError)
            {
                Outcome = message.ErrorCode;
            }
            else
            {
                TurnId = Fields.Integer(message.Body, "turn_id");
            }
        }

        private void Take(NpcMessage message)
        {
            IDictionary<string, object> body = message.Body;
            object turnId;
            if (TurnId == 0 || HasEnded || !body.TryGetValue("turn_id", out turnId)
                || !TurnId.Equals(turnId))
            {
                return;
            }
            switch (message.Type)
            {
                case "turn.token":
                    NumTokens++;
                    Said += body["text"];
                    break;
                case "turn.line":
                    Lines += body["text"];
                    Source = (string)body["source"];
                    break;
                case "turn.ended":
                    Outcome = (string)body["outcome"];
                    break;
            }
        }
    }
}
