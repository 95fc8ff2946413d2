using System;
using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Drives the components by the fake player loop, as a game does, against a real sidecar:
    /// <c>components.exe TEST...</c>. Sees the package's public part only.
    /// </summary>
    internal static class ComponentTests
    {
        private static readonly Dictionary<string, Action> _tests = new Dictionary<string, Action>
        {
            { "alone", SpeaksWithoutASidecar },
            { "talk", TalksWithTheSidecar },
            { "model", StreamsFromTheModel },
            { "action", LivesAnActionsWholeLife },
            { "state", ActsFromAState },
            { "tools", AnswersAndRefusesTools },
            { "save", SavesAndLoads },
            { "unload", LeavesWithItsScene },
            { "restart", OutlivesItsSidecar },
            { "cancel", CancelsATurn },
            { "called_off", CallsAnActionOff },
            { "navmesh", AsksTheNavMesh },
            { "grid", KnowsTheGround },
            { "cycles", PlaysAndStops },
            { "idle", AllocatesNothingWhenIdle },
            { "crowd", KeepsFramesShort },
        };

        private static int Main(string[] args)
        {
            int numFailed = 0;
            foreach (string name in args)
            {
                try
                {
                    FakePlayer.LogLines.Clear();
                    _tests[name.Split('=')[0]]();
                    Console.WriteLine("passed " + name);
                }
                catch (Exception exception)
                {
                    numFailed++;
                    Console.WriteLine("FAILED " + name + ": " + exception);
                }
                FakePlayer.Stop();
            }
            return numFailed;
        }

        private static void SpeaksWithoutASidecar()
        {
            NpcCharacter mira = null;
            Stage.Play("", () => mira = Stage.AddCharacter("mira"));
            Stage.Frames(2);
            List<string> heard = new List<string>();
            mira.LineSaid += (turn, line) => heard.Add(line.Source + " " + line.Text);
            mira.TurnEnded += turn => heard.Add(turn.Outcome);
            NpcTurn first = mira.Hear("Good evening!");
            Stage.Check(!first.HasEnded, "an answer comes with a later frame");
            Stage.Frames(1);
            mira.Hear("And?");
            Stage.Frames(1);
            Stage.Check(heard.Count == 4, "two lines and two ends: " + string.Join("|", heard.ToArray()));
            Stage.Check(heard[0].StartsWith("fallback Welcome to the Drowsy Heron"), heard[0]);
            Stage.Check(heard[1] == "fallback" && heard[2].Contains("I heard you"), heard[2]);
            Stage.Check(mira.DisplayName == "Mira" && mira.NpcId == "mira", mira.DisplayName);
        }

        private static void TalksWithTheSidecar()
        {
            NpcCharacter mira = null;
            List<string> phases = new List<string>();
            List<string> states = new List<string>();
            List<string> types = new List<string>();
            Stage.Play("none", () =>
            {
                mira = Stage.AddCharacter("mira");
                mira.StateChanged += (from, to, cause) => states.Add(to + " " + cause);
                NpcBrainHost.Instance.Sidecar.StatusChanged += (phase, detail, progress) => phases.Add(phase);
                NpcBrainHost.Instance.Sidecar.MessageReceived += message => types.Add(message.Type);
                AddWorld();
            });
            Stage.Until("a spawned NPC", () => mira.IsSpawned);
            Stage.Check(states.Count > 0 && states[0].EndsWith(" spawn"), "the first state");
            Stage.Check(mira.Blackboard.Count > 0, "a blackboard");
            string tokens = "";
            NpcLine said = null;
            mira.TokenReceived += (turn, text) => tokens += text;
            mira.LineSaid += (turn, line) => said = line;
            NpcTurn asked = mira.Hear("Where is the smithy?");
            Stage.Until("the end of a turn", () => asked.HasEnded);
            Stage.Check(asked.TurnId >= 0 && asked.Cause == "hear", "a turn of the sidecar");
            Stage.Check(said != null && said.Text == tokens, "tokens add up to the line: " + tokens);
            Stage.Check(asked.Timings.ContainsKey("total_ms"), "timings");
            string before = mira.State;
            mira.SendEvent("attacked");
            Stage.Until("another state", () => mira.State != before);
            NpcMessage pong = null;
            NpcMessage stats = null;
            NpcBrainHost.Instance.Sidecar.Ping(answer => pong = answer);
            NpcBrainHost.Instance.Sidecar.RequestStats(answer => stats = answer);
            Stage.Until("pong and stats", () => pong != null && stats != null);
            Stage.Check(pong.Type == "pong" && stats.Type == "stats", "their types");
            Stage.Check((long)stats.Body["num_npcs"] == 1, "one NPC");
            Stage.Check(types.Contains("welcome") && types.Contains("turn.ended"), "messages for tools");
            Stage.Check(phases.Count > 0, "phases");
            NoComplaints();
        }

        private static void StreamsFromTheModel()
        {
            NpcCharacter mira = null;
            Stage.Play("smollm2-135m", () =>
            {
                mira = Stage.AddCharacter("mira");
                AddWorld();
            });
            Stage.UntilReady(mira);
            int numTokens = 0;
            NpcLine said = null;
            mira.TokenReceived += (turn, text) => numTokens++;
            mira.LineSaid += (turn, line) => said = said ?? line;
            NpcTurn asked = mira.Hear("What do you think of the fog?");
            Stage.Until("the end of a turn", () => asked.HasEnded);
            Stage.Check(said != null && said.Source == "model", "a line of the model");
            Stage.Check(numTokens > 3, "tokens one by one: " + numTokens);
            NoComplaints();
        }

        private static void LivesAnActionsWholeLife()
        {
            NpcCharacter mira = null;
            NpcActionRequest walk = null;
            List<string> updates = new List<string>();
            Stage.Play("none", () =>
            {
                mira = Stage.AddCharacter("mira");
                AddWorld();
                mira.RegisterTool(NpcTool.Action(
                    "go_to", "", NpcParameter.Text("target"), (action, target) =>
                    {
                        Stage.Check(target == "smithy", target);
                        walk = action;
                        action.Accept();
                        action.Start();
                    }));
                NpcBrainHost.Instance.Sidecar.MessageSent += message =>
                {
                    if (message.Type == "action.update")
                    {
                        updates.Add((string)message.Body["status"]);
                    }
                };
            });
            Stage.UntilReady(mira);
            mira.Hear("Please go to the smithy.");
            Stage.Until("an action", () => walk != null);
            walk.Progress(Stage.Map("left", 3));
            Stage.Frames(1);
            bool hasSpoken = false;
            mira.LineSaid += (turn, line) => hasSpoken |= turn.Cause == "action";
            walk.Done();
            Stage.Until("a word on it", () => hasSpoken);
            string told = string.Join(" ", updates.ToArray());
            Stage.Check(told == "accepted started progress done", told);
            NoComplaints();
            walk.Done();
            Stage.Check(FakePlayer.LogLines.Count == 1, "a second end is told to the developer");
            FakePlayer.LogLines.Clear();
        }

        private static void ActsFromAState()
        {
            const string Ringer = "persona: {name: Tim, role: bell ringer, voice: loud}\n"
                + "lines: {fallback: {default: Eh?}}\ninitial: idle\n"
                + "states: {idle: {mind: scripted, on: {noon: {do: [{ring_bell: {}}]}}}}\n";
            NpcCharacter ringer = null;
            NpcActionRequest ringing = null;
            Stage.Play("none", () =>
            {
                ringer = new GameObject("tim").AddComponent<NpcCharacter>();
                ringer.DefinitionFile = new TextAsset(Ringer) { name = "tim" };
                ringer.RegisterTool(NpcTool.Action(
                    "ring_bell", "Rings the bell.", action =>
                    {
                        ringing = action;
                        action.Done();
                    }));
            });
            Stage.Until("a spawned NPC", () => ringer.IsSpawned);
            ringer.SendEvent("noon");
            Stage.Until("an action", () => ringing != null);
            Stage.Check(!ringing.IsOfTurn && ringing.HasEnded, "an action of a state");
            Stage.Frames(20);
            NoComplaints();
        }

        private static void AnswersAndRefusesTools()
        {
            NpcCharacter pip = null;
            string registered = null;
            NpcMessage answer = null;
            Stage.Play("none", () =>
            {
                pip = Stage.AddCharacter("pip");
                pip.RegisterTool(NpcTool.Action(
                    "ring_bell", "Rings the village bell.", NpcParameter.Integer("times").Or(1),
                    NpcParameter.Choice("how", "softly", "loudly").Or("loudly"),
                    (action, times, how) => action.Done()).WithExamples("Ring the bell!"));
                NpcBrainHost.Instance.Sidecar.MessageSent += message =>
                    registered = message.Type == "tool.register" ? (string)message.Body["name"] : registered;
                NpcBrainHost.Instance.Sidecar.MessageReceived += message =>
                    answer = message.IsError ? message : answer;
            });
            Stage.Until("a spawned NPC", () => pip.IsSpawned);
            Stage.Frames(10);
            Stage.Check(registered == "ring_bell" && answer == null, "a registered tool");

            string refused = null;
            pip.ErrorReceived += (code, text, hint) => refused = code;
            pip.RegisterTool(NpcTool.Query("Not A Name", "x", call => call.Answer("y")));
            Stage.Until("a refusal", () => refused != null);
            Stage.Check(refused == "bad_body" || refused == "bad_tool", refused);
        }

        private static void SavesAndLoads()
        {
            NpcCharacter mira = null;
            Stage.Play("none", () => mira = Stage.AddCharacter("mira"));
            Stage.Until("a spawned NPC", () => mira.IsSpawned);
            string first = mira.State;
            byte[] saved = null;
            mira.SaveState(blob => saved = blob);
            Stage.Until("a saved state", () => saved != null);
            mira.SendEvent("attacked");
            Stage.Until("another state", () => mira.State != first);
            bool? isLoaded = null;
            mira.LoadState(saved, ok => isLoaded = ok);
            Stage.Until("an answer", () => isLoaded != null);
            Stage.Check(isLoaded.Value, "it was loaded");
            Stage.Until("the state of then", () => mira.State == first);
            isLoaded = null;
            mira.LoadState(new byte[] { 1, 2, 3 }, ok => isLoaded = ok);
            Stage.Until("an answer", () => isLoaded != null);
            Stage.Check(!isLoaded.Value, "a damaged state is refused");
        }

        private static void LeavesWithItsScene()
        {
            NpcCharacter mira = null;
            Stage.Play("none", () => mira = Stage.AddCharacter("mira"));
            Stage.UntilReady(mira);
            NpcActionRequest walk = null;
            bool isCancelled = false;
            AddWorld();
            mira.ActionRequested += action =>
            {
                walk = action;
                action.CancelRequested += sender => isCancelled = true;
            };
            Stage.Frames(2);
            mira.Hear("Please go to the smithy.");
            Stage.Until("an action", () => walk != null);
            NpcTurn asked = mira.Hear("Who are you?");
            FakePlayer.UnloadScene();
            Stage.Check(isCancelled, "its action is no longer wanted");
            walk.Cancel();
            Stage.Check(asked.HasEnded && asked.Outcome == "cancelled", "its turn ends with it");
            NpcMessage stats = null;
            NpcBrainHost.Instance.Sidecar.RequestStats(answer => stats = answer);
            Stage.Until("stats", () => stats != null);
            Stage.Check((long)stats.Body["num_npcs"] == 0, "the sidecar let it go");
            NpcCharacter again = Stage.AddCharacter("mira");
            Stage.Until("it in the next scene", () => again.IsSpawned);
            NoComplaints();
        }

        private static void OutlivesItsSidecar()
        {
            NpcCharacter mira = null;
            Stage.Play("none", () => mira = Stage.AddCharacter("mira"));
            Stage.Until("a spawned NPC", () => mira.IsSpawned);
            string first = mira.State;
            string askedIn = null;
            string keptIn = null;
            NpcBrainHost.Instance.Sidecar.MessageSent += message =>
                askedIn = message.Type == "state.save" ? mira.State : askedIn;
            NpcBrainHost.Instance.Sidecar.MessageReceived += message =>
                keptIn = message.Type == "state.saved" ? askedIn : keptIn;
            mira.SendEvent("attacked");
            Stage.Until(
                "another state, and a copy of it", () => mira.State != first && keptIn == mira.State);
            string changed = mira.State;
            int pid = NpcBrainHost.Instance.Sidecar.ProcessId;
            bool isLost = false;
            bool isLoaded = false;
            mira.StateChanged += (from, to, cause) => isLoaded |= cause == "load";
            NpcBrainHost.Instance.Sidecar.Disconnected += reason => isLost = true;
            NpcTurn asked = mira.Hear("Are you well?");
            System.Diagnostics.Process.GetProcessById(pid).Kill();
            Stage.Until("the loss", () => isLost);
            Stage.Check(asked.HasEnded && asked.Lines.Count > 0, "something was said all the same");
            NpcTurn alone = mira.Hear("And now?");
            Stage.Frames(2);
            Stage.Check(alone.HasEnded && alone.Outcome == "fallback", alone.Outcome);
            Stage.Until("it in the next sidecar", () => isLoaded);
            Stage.Check(NpcBrainHost.Instance.Sidecar.ProcessId != pid, "another process");
            Stage.Check(mira.IsSpawned && mira.State == changed, mira.State);
        }

        private static void CancelsATurn()
        {
            NpcCharacter mira = null;
            Stage.Play("none", () => mira = Stage.AddCharacter("mira"));
            Stage.Until("a spawned NPC", () => mira.IsSpawned);
            NpcTurn asked = mira.Hear("Tell me of the village.");
            int numHeard = 0;
            mira.TokenReceived += (turn, text) => numHeard += turn == asked ? 1 : 0;
            int numEnds = 0;
            mira.TurnEnded += turn => numEnds++;
            mira.CancelTurn(asked);
            Stage.Check(asked.Outcome == "cancelled" && numEnds == 1 && !mira.IsSpeaking, "its end");
            Stage.Frames(60);
            NpcMessage pong = null;
            NpcBrainHost.Instance.Sidecar.Ping(answer => pong = answer);
            Stage.Until("what came before a pong", () => pong != null);
            Stage.Check(numHeard == 0 && numEnds == 1, "silence after it");
        }

        private static void CallsAnActionOff()
        {
            NpcCharacter mira = null;
            NpcActionRequest walk = null;
            List<string> calledOff = new List<string>();
            Stage.Play("none", () =>
            {
                mira = Stage.AddCharacter("mira");
                AddWorld();
                mira.ActionCancelled += action => calledOff.Add("character " + action.Tool);
                mira.RegisterTool(NpcTool.Action(
                    "go_to", "", NpcParameter.Text("target"), (action, target) =>
                    {
                        walk = action;
                        action.CancelRequested += sender =>
                        {
                            calledOff.Add("action " + sender.Tool);
                            sender.Cancel();
                        };
                    }));
            });
            Stage.UntilReady(mira);
            NpcTurn asked = mira.Hear("Please go to the smithy.");
            Stage.Until("an action", () => walk != null);
            mira.CancelTurn(asked);
            Stage.Until("a word to the game", () => calledOff.Count == 2);
            Stage.CheckEqual(string.Join(", ", calledOff.ToArray()), "action go_to, character go_to", "who is told");
            Stage.Check(walk.Status == NpcActionStatus.Cancelled, "the game broke it off: " + walk.Status);
            Stage.Frames(20);
            NoComplaints();
        }

        private static void AsksTheNavMesh()
        {
            NpcCharacter mira = null;
            Stage.Play("none", () =>
            {
                mira = Stage.AddCharacter("mira");
                NpcWorld world = AddWorld();
                world.SetPlace("moon", "the moon", new Vector3(900f, 0f, 0f));
                FakePlayer.SetNavMeshEdge(100f);
            });
            Stage.UntilReady(mira);
            List<NpcToolCall> calls = new List<NpcToolCall>();
            string result = null;
            mira.ToolCalled += calls.Add;
            NpcBrainHost.Instance.Sidecar.MessageSent += message =>
            {
                if (message.Type == "tool.result")
                {
                    object text;
                    ((IDictionary<string, object>)message.Body["result"]).TryGetValue("text", out text);
                    result = text as string ?? (string)message.Body["error"];
                }
            };
            mira.Hear("Which way is it to the well?");
            Stage.Until("a question to the game", () => result != null);
            Stage.Check(result == "the village well is 7 metres north-east.", result);
            result = null;
            mira.Hear("Which way is it to the moon?");
            Stage.Until("another", () => result != null);
            Stage.Check(result == "unreachable", result);
            NoComplaints();
        }

        private static void KnowsTheGround()
        {
            const string Guide = "persona: {name: Tim, role: guide, voice: brisk}\n"
                + "lines:\n  fallback: {default: Eh?}\n"
                + "  outcome: {find_path: '{steps} steps.', find_path_unreachable: No way.}\n"
                + "blackboard: {gift: none}\ninitial: idle\n"
                + "states:\n  idle:\n    tools: [find_path]\n"
                + "    on: {received: {do: [{set: {gift: event.item}}], to: glad}}\n"
                + "  glad: {tools: [find_path]}\n";
            NpcCharacter guide = null;
            NpcWorld world = null;
            Stage.Play("none", () =>
            {
                GameObject holder = new GameObject("guide");
                holder.SetActive(false);
                guide = holder.AddComponent<NpcCharacter>();
                guide.NpcId = "guide_2";
                guide.DefinitionFile = new TextAsset(Guide) { name = "guide" };
                guide.DeadlineSeconds = 120f;
                holder.SetActive(true);
                world = new GameObject("World").AddComponent<NpcWorld>();
                world.TellsScene = false;
                world.SetNavGrid(6, 1, new byte[] { 1, 1, 1, 1, 1, 1 });
                world.SetPlace("smithy", "the smithy", new Vector2Int(5, 0));
                world.SetEntity("guide_2", "Tim", "npc", new Vector2Int(0, 0));
                world.SetEntity("player", "traveller", "player", new Vector2Int(0, 0));
                world.SetItem("hat", "hat", Stage.Map("slot", "head"));
                world.SetInventory(
                    "guide_2", new Dictionary<string, int> { { "hat", 1 } },
                    new Dictionary<string, string> { { "head", "hat" } });
            });
            Stage.UntilReady(guide);
            string asked = "Which way is it to the smithy?";
            Stage.CheckEqual(Answer(guide, asked), "5 steps.", "the way on the grid");
            world.SetCellCost(new Vector2Int(3, 0), 0);
            Stage.Frames(1);
            Stage.CheckEqual(Answer(guide, asked), "No way.", "a wall");
            world.MoveEntity("guide_2", new Vector2Int(4, 0));
            world.MoveEntity("player", new Vector2Int(4, 0));
            Stage.Frames(1);
            Stage.CheckEqual(Answer(guide, asked), "1 steps.", "behind the wall");
            guide.SendEvent("received", Stage.Map("item", "apple"));
            Stage.Until("what came with an event", () => "apple".Equals(guide.Blackboard["gift"]));
            world.SetNavGraph(
                new Dictionary<string, Vector3>
                {
                    { "bridge", Vector3.zero },
                    { "bend", new Vector3(0f, 0f, 4f) },
                    { "forge", new Vector3(7f, 0f, 0f) },
                },
                new[] { new NpcNavEdge("bridge", "bend", 4f), new NpcNavEdge("bend", "forge", 8f) });
            world.SetPlace("smithy", "the smithy", new Vector3(7f, 0f, 0f));
            world.MoveEntity("guide_2", Vector3.zero);
            world.MoveEntity("player", Vector3.zero);
            Stage.Frames(1);
            Stage.CheckEqual(Answer(guide, asked), "2 steps.", "the way on the graph");
            world.RemoveItem("hat");
            world.RemoveInventory("guide_2");
            world.SetFact("weather", "fog");
            world.Patch();
            world.RemoveFact("weather");
            world.RemovePlace("smithy");
            world.RemoveEntity("player");
            world.Sync();
            NpcMessage pong = null;
            NpcBrainHost.Instance.Sidecar.Ping(answer => pong = answer);
            Stage.Until("what came before a pong", () => pong != null);
            NoComplaints();
        }

        private static string Answer(NpcCharacter character, string question)
        {
            NpcTurn turn = character.Hear(question);
            Stage.Until("an answer to " + question, () => turn.HasEnded);
            return turn.Lines[turn.Lines.Count - 1].Text;
        }

        private static void PlaysAndStops()
        {
            int numCycles = int.Parse(Environment.GetEnvironmentVariable("NPC_BRAIN_CYCLES") ?? "10");
            List<int> pids = new List<int>();
            int numThreads = 0;
            double startSeconds = 0;
            for (int cycle = 0; cycle < numCycles; cycle++)
            {
                NpcCharacter mira = null;
                System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
                Stage.Play("none", () => mira = Stage.AddCharacter("mira"));
                // Stopped before, while, and after it is up.
                int pid = 0;
                if (cycle % 4 == 0)
                {
                    Stage.Until("a spawned NPC", () => mira.IsSpawned);
                    startSeconds = Math.Max(startSeconds, watch.Elapsed.TotalSeconds);
                }
                else if (cycle % 4 > 1)
                {
                    Stage.Until("a process", () => (pid = NpcBrainHost.Instance.Sidecar.ProcessId) != 0);
                }
                pid = NpcBrainHost.Instance.Sidecar.ProcessId;
                watch = System.Diagnostics.Stopwatch.StartNew();
                FakePlayer.Stop();
                // A slow or busy machine is given more, by what starting a sidecar takes on it.
                double spare = 5 * startSeconds;
                Stage.Check(watch.Elapsed.TotalSeconds < 1.5 + spare, "Stop took " + watch.Elapsed);
                Stage.Check(NpcBrainHost.Existing == null, "no client after Stop");
                if (pid != 0)
                {
                    pids.Add(pid);
                    Stage.Await("the end of the process", () => !Stage.IsRunning(pid), 2 + spare);
                }
                Func<int> countThreads = () => System.Diagnostics.Process.GetCurrentProcess().Threads.Count;
                numThreads = cycle == numCycles / 2 ? countThreads() : numThreads;
                if (cycle > numCycles / 2)
                {
                    Stage.Await("the end of threads", () => countThreads() <= numThreads + 4);
                }
            }
            Stage.Check(pids.Count >= numCycles / 2, "processes were started: " + pids.Count);
        }

        private static void AllocatesNothingWhenIdle()
        {
            List<NpcCharacter> crowd = new List<NpcCharacter>();
            Stage.Play("none", () =>
            {
                AddWorld();
                for (int index = 0; index < 8; index++)
                {
                    NpcCharacter character = Stage.AddCharacter("mira", index);
                    character.NpcId = "mira_" + index;
                    crowd.Add(character);
                }
            });
            Stage.Until("spawned NPCs", () => crowd.TrueForAll(character => character.IsSpawned));
            // Messages that come meanwhile are none of it: one quiet while is enough.
            Stage.Until("2000 idle frames without allocations", () => Idle(2000) < 2000);
        }

        /// <summary>What frames allocate; as good as endless when there was a collection.</summary>
        private static long Idle(int numFrames)
        {
            Action update = UpdateOf(NpcBrainHost.Instance);
            long before = GC.GetTotalMemory(false);
            int numCollections = GC.CollectionCount(0);
            for (int index = 0; index < numFrames; index++)
            {
                update();
            }
            bool isCounted = GC.CollectionCount(0) == numCollections;
            return isCounted ? GC.GetTotalMemory(false) - before : long.MaxValue;
        }

        private static Action UpdateOf(NpcBrainHost client)
        {
            System.Reflection.MethodInfo update = typeof(NpcBrainHost).GetMethod(
                "Update", System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic);
            return (Action)Delegate.CreateDelegate(typeof(Action), client, update);
        }

        private static void KeepsFramesShort()
        {
            List<NpcCharacter> crowd = new List<NpcCharacter>();
            Stage.Play("none", () =>
            {
                AddWorld();
                for (int index = 0; index < 32; index++)
                {
                    NpcCharacter character = Stage.AddCharacter("mira", index);
                    character.NpcId = "mira_" + index;
                    crowd.Add(character);
                }
            });
            Stage.Until("spawned NPCs", () => crowd.TrueForAll(character => character.IsSpawned));
            int numRounds = Environment.GetEnvironmentVariable("NPC_BRAIN_FULL") == "1" ? 10 : 3;
            List<double> costs = new List<double>();
            List<NpcTurn> turns = new List<NpcTurn>();
            for (int round = 0; round < numRounds; round++)
            {
                foreach (NpcCharacter character in crowd)
                {
                    long start = System.Diagnostics.Stopwatch.GetTimestamp();
                    turns.Add(character.Hear("Where is the smithy?"));
                    costs.Add(MillisecondsSince(start));
                }
                while (turns.Exists(turn => !turn.HasEnded))
                {
                    long start = System.Diagnostics.Stopwatch.GetTimestamp();
                    FakePlayer.Frame(1.0 / 60);
                    costs.Add(MillisecondsSince(start));
                    System.Threading.Thread.Sleep(4);
                }
                turns.Clear();
            }
            costs.Sort();
            double p50 = costs[costs.Count / 2];
            double p99 = costs[costs.Count * 99 / 100];
            Console.WriteLine(string.Format(
                System.Globalization.CultureInfo.InvariantCulture,
                "COST {0:F3} {1:F3} {2}", p50, p99, costs.Count));
            NoComplaints();
        }

        private static double MillisecondsSince(long start)
        {
            return (System.Diagnostics.Stopwatch.GetTimestamp() - start) * 1000.0
                / System.Diagnostics.Stopwatch.Frequency;
        }

        private static NpcWorld AddWorld()
        {
            NpcWorld world = new GameObject("World").AddComponent<NpcWorld>();
            world.Currency = "coin";
            world.SetItem("coin", "copper");
            world.SetItem("ale", "mug of ale", Stage.Map("price", 2));
            world.SetPlace("smithy", "the smithy", new Vector3(5f, 0f, 0f));
            world.SetPlace("well", "the village well", new Vector3(3f, 0f, 4f));
            world.SetEntity("player", "traveller", "player", new Vector3(1f, 0f, 0f));
            Dictionary<string, int> held = new Dictionary<string, int>();
            held["coin"] = 10;
            world.SetInventory("player", held);
            world.SetFact("weather", "fog");
            return world;
        }

        private static void NoComplaints()
        {
            Stage.Check(
                FakePlayer.LogLines.Count == 0, string.Join("\n", FakePlayer.LogLines.ToArray()));
        }
    }
}
