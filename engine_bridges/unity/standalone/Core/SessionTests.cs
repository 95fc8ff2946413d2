using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;

namespace NpcBrain.Standalone
{
    /// <summary>The client against a real sidecar.</summary>
    internal static class SessionTests
    {
        private const string Model = "smollm2-135m";
        private const string LongStory = "Tell me a very long story about the winter.";

        public static void AddTo(List<KeyValuePair<string, Action>> tests)
        {
            tests.Add(new KeyValuePair<string, Action>("session/turns_of_the_model", TurnsOfTheModel));
            tests.Add(new KeyValuePair<string, Action>("session/life_of_an_action", LifeOfAnAction));
            tests.Add(new KeyValuePair<string, Action>("session/save_and_load", SaveAndLoad));
            tests.Add(new KeyValuePair<string, Action>("session/resumed", Resumed));
            tests.Add(new KeyValuePair<string, Action>("session/refusals", Refusals));
            tests.Add(new KeyValuePair<string, Action>("session/no_program", NoProgram));
            tests.Add(new KeyValuePair<string, Action>("session/cycles", Cycles));
        }

        /// <summary>One sidecar for all that needs a model: loading it is the longest part.</summary>
        private static void TurnsOfTheModel()
        {
            using (Game game = new Game(Model))
            {
                game.SpawnReady("mira");
                CheckThatItIsStreamed(game);
                CheckThatCancelEndsIt(game);
                CheckThatKilledMidLineItIsBack(game);
            }
        }

        private static void CheckThatItIsStreamed(Game game)
        {
            SpokenTurn turn = game.Say("mira", "Tell me about the winter here.");
            game.Until(() => turn.HasEnded, "the turn's end");
            Runner.Check(turn.NumTokens > 1, "it came in pieces");
            Runner.CheckEqual(turn.Lines, turn.Said, "tokens add up to the line");
            Runner.CheckEqual(turn.Source, "model", "source");
        }

        private static void CheckThatCancelEndsIt(Game game)
        {
            for (int number = 1; ; number++)
            {
                SpokenTurn turn = game.SayMidLine("mira", LongStory);
                game.Ask("turn.cancel", Game.Map("turn_id", turn.TurnId), "mira");
                int numTokens = turn.NumTokens;
                game.Until(() => turn.HasEnded, "its end");
                // The line may have ended before the sidecar heard of it.
                if (turn.Outcome == "said" && number < Game.Tries)
                {
                    continue;
                }
                Runner.CheckEqual(turn.Outcome, "cancelled", "outcome");
                Runner.CheckEqual(turn.NumTokens, numTokens, "tokens after the answer");
                return;
            }
        }

        private static void CheckThatKilledMidLineItIsBack(Game game)
        {
            game.SayMidLine("mira", LongStory);
            bool isLost = false;
            game.Client.Disconnected += why => isLost = true;
            Stopwatch clock = Stopwatch.StartNew();
            Process.GetProcessById(game.Client.ProcessId).Kill();
            game.Until(() => isLost, "the loss");
            game.Until(() => game.Client.IsConnected, "a new link");
            game.Spawn("mira");
            double seconds = clock.Elapsed.TotalSeconds;
            Runner.Check(seconds < Runner.Stretched(2), "back within 2 s, took " + seconds + " s");
            SpokenTurn next = game.Say("mira", "Hello again!");
            game.Until(() => next.HasEnded, "a turn after it");
        }

        private static void LifeOfAnAction()
        {
            using (Game game = new Game("none"))
            {
                game.Until(() => game.Client.Phase == "ready", "its understanding");
                IDictionary<string, object> spawn = Game.Map("definition", "pip");
                spawn["position"] = new[] { 0, 0 };
                game.Ask("npc.spawn", spawn, "pip");
                IDictionary<string, object> request = null;
                game.Client.RegisterCharacter("pip", message =>
                {
                    if (message.Type == "action.request")
                    {
                        request = message.Body;
                    }
                });
                SpokenTurn turn = game.Say("pip", "Can you take me to the mill?");
                game.Until(() => request != null, "the request");
                Runner.CheckEqual(request["tool"], "go_to", "tool");
                foreach (string status in new[] { "accepted", "started", "progress", "done" })
                {
                    Runner.CheckEqual(Update(game, request, status).Type, "ok", status);
                }
                Runner.CheckEqual(
                    Update(game, request, "done").ErrorCode, "action_ended", "a second end");
                game.Until(() => turn.HasEnded, "the turn's end");
            }
        }

        private static NpcMessage Update(
            Game game, IDictionary<string, object> request, string status)
        {
            IDictionary<string, object> update = Game.Map("action_id", request["action_id"]);
            update["status"] = status;
            return game.Ask("action.update", update, "pip");
        }

        private static void SaveAndLoad()
        {
            using (Game game = new Game("none"))
            {
                game.Spawn("mira");
                IDictionary<string, object> state = null;
                game.Client.RegisterCharacter("mira", message =>
                {
                    if (message.Type == "npc.state")
                    {
                        state = message.Body;
                    }
                });
                game.Ask("npc.event", Game.Map("event", "attacked"), "mira");
                game.Until(() => state != null, "a transition");
                byte[] blob = Fields.Bytes(game.Ask("state.save", Game.Map()).Body, "blob");
                string before = (string)state["to"];
                Runner.CheckEqual(
                    game.Ask("npc.despawn", Game.Map(), "mira").Type, "ok", "despawned");
                state = null;
                Runner.CheckEqual(
                    game.Ask("state.load", Game.Map("blob", blob)).Type, "ok", "loaded");
                game.Until(() => state != null, "its state");
                Runner.CheckEqual(state["to"], before, "the state that was saved");
                Runner.CheckEqual(
                    game.Ask("state.load", Game.Map("blob", new byte[1])).ErrorCode,
                    "bad_blob",
                    "a damaged blob");
            }
        }

        private static void Resumed()
        {
            using (Game game = new Game("none"))
            using (Relay relay = new Relay(game.Client.Endpoint))
            {
                SidecarOptions options = new SidecarOptions();
                options.Endpoint = relay.Endpoint;
                options.Token = game.Client.Token;
                using (SidecarClient client = new SidecarClient())
                {
                    Action step = () =>
                    {
                        relay.Step();
                        client.Pump(1);
                    };
                    client.Start(options);
                    Runner.Until(() => client.IsConnected, step, "a link");
                    bool isAlive = false;
                    client.Send(
                        "npc.spawn", Game.Map("definition", "mira"), "mira",
                        answer => isAlive = answer.Type == "npc.state");
                    Runner.Until(() => isAlive, step, "the NPC");
                    bool? isResumed = null;
                    client.Connected += resumed => isResumed = resumed;
                    relay.Cut();
                    Runner.Until(() => isResumed != null, step, "a new link", Runner.Stretched(2));
                    Runner.CheckEqual(isResumed, true, "resumed");
                    SpokenTurn turn = new SpokenTurn(client, "mira", "Are you there?");
                    Runner.Until(() => turn.HasEnded, step, "the same NPC's answer");
                    Runner.Check(turn.Lines.Length > 0, "a line");
                }
            }
        }

        private static void Refusals()
        {
            using (Game game = new Game("none"))
            {
                Runner.CheckEqual(
                    game.Ask("no.such", Game.Map()).ErrorCode, "unknown_type", "unknown type");
                Runner.CheckEqual(
                    game.Ask("npc.spawn", Game.Map("definition", 7), "mira").ErrorCode,
                    "bad_body", "a wrong type");
                Runner.CheckEqual(
                    game.Ask("npc.event", Game.Map("event", double.NaN), "mira").ErrorCode,
                    "bad_body", "what cannot be written");
                Runner.CheckEqual(game.Ask("ping", Game.Map()).Type, "pong", "ping after it");
                SidecarOptions options = new SidecarOptions();
                options.Endpoint = game.Client.Endpoint;
                options.Token = "wrong";
                using (SidecarClient stranger = new SidecarClient())
                {
                    string code = null;
                    stranger.ErrorReceived += (got, text, hint) => code = got;
                    stranger.Start(options);
                    Runner.Until(() => code != null, () => stranger.Pump(1), "the refusal");
                    Runner.CheckEqual(code, "bad_token", "code");
                    Runner.CheckEqual(stranger.Phase, SidecarClient.Offline, "phase");
                }
                Runner.CheckEqual(OtherVersion(game.Client), "bad_protocol", "another version");
            }
        }

        private static string OtherVersion(SidecarClient client)
        {
            List<byte[]> frames = new List<byte[]>();
            using (ZmtpDealer dealer = new ZmtpDealer(client.Endpoint))
            {
                Runner.Until(() => dealer.IsOpen, () => dealer.Step(500, frames), "the handshake");
                IDictionary<string, object> info = Game.Map("name", "x");
                info["version"] = "1";
                info["engine"] = "x";
                IDictionary<string, object> body = Game.Map("protocol", new[] { 2, 0 });
                body["token"] = client.Token;
                body["client"] = info;
                IDictionary<string, object> hello = Game.Map("type", "hello");
                hello["id"] = 1;
                hello["body"] = body;
                dealer.Send(new MsgpackWriter().Write(hello));
                Runner.Until(
                    () => frames.Count > 0, () => dealer.Step(500, frames), "the refusal");
            }
            object refusal = new MsgpackReader().Read(frames[0], 0, frames[0].Length);
            return Fields.Text(Fields.Map((IDictionary<string, object>)refusal, "body"), "code");
        }

        private static void NoProgram()
        {
            SidecarOptions options = new SidecarOptions();
            options.ProgramPath = "/no/such/program";
            using (SidecarClient client = new SidecarClient())
            {
                client.Start(options);
                Runner.CheckEqual(client.Phase, SidecarClient.Offline, "phase");
                Runner.Check(client.Detail.Contains("/no/such/program"), "it says why");
                string code = null;
                client.Send("ping", Game.Map(), null, answer => code = answer.ErrorCode);
                Runner.CheckEqual(code, "connection_lost", "what is sent is answered");
            }
        }

        /// <summary>Play and Stop, with nothing kept from one to the next, leave nothing behind.</summary>
        private static void Cycles()
        {
            int numCycles = Runner.IsFull ? 200 : 6;
            List<int> pids = new List<int>();
            int[] before = null;
            double stopSeconds = double.MaxValue;
            double endSeconds = double.MaxValue;
            for (int cycle = 0; cycle < numCycles + 3; cycle++)
            {
                if (cycle == 3)
                {
                    before = Resources();
                }
                Game game = new Game("none");
                pids.Add(game.Client.ProcessId);
                Stopwatch clock = Stopwatch.StartNew();
                game.Client.Stop();
                stopSeconds = Math.Min(stopSeconds, clock.Elapsed.TotalSeconds);
                clock = Stopwatch.StartNew();
                game.Dispose();
                endSeconds = Math.Min(endSeconds, clock.Elapsed.TotalSeconds);
                Runner.Check(!game.Client.HasThreads, "no thread is left");
            }
            foreach (int pid in pids)
            {
                Runner.Until(
                    () => !Directory.Exists("/proc/" + pid), () => { }, "the end of process " + pid);
            }
            // The runtime's pool of threads may have grown by a few; a leak is one each time.
            int spare = Math.Min(numCycles, 8) - 1;
            Runner.Until(() => Resources()[0] <= before[0] + spare, () => { }, "no more open files");
            Runner.Until(() => Resources()[1] <= before[1] + spare, () => { }, "no more threads");
            // What waits does so each time, what other programs take hits some: the quickest tells.
            Runner.Check(stopSeconds < 0.02, "Stop does not wait: " + stopSeconds + " s");
            Runner.Check(
                endSeconds < Runner.Stretched(0.5), "Dispose waits for the process's end only");
        }

        /// <summary>How many open files and threads this program has; Linux tells.</summary>
        private static int[] Resources()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return new[]
            {
                Directory.GetFileSystemEntries("/proc/self/fd").Length,
                Directory.GetFileSystemEntries("/proc/self/task").Length,
            };
        }
    }
}
