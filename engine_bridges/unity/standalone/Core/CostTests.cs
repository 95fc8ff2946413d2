using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;

namespace NpcBrain.Standalone
{
    /// <summary>What the game's thread pays.</summary>
    internal static class CostTests
    {
        private const int NumNpcs = 32;

        public static void AddTo(List<KeyValuePair<string, Action>> tests)
        {
            tests.Add(new KeyValuePair<string, Action>("cost/idle_frames", IdleFrames));
            tests.Add(new KeyValuePair<string, Action>("cost/token", Token));
            tests.Add(new KeyValuePair<string, Action>("cost/frames_of_32_npcs", FramesOf32Npcs));
        }

        private static void IdleFrames()
        {
            using (Game game = new Game("none"))
            {
                game.Until(() => game.Client.Phase == "ready", "its understanding");
                // Messages that come meanwhile are none of it: one quiet while is enough.
                game.Until(() => BytesOfFrames(game.Client) < 1000, "idle frames without allocations");
            }
        }

        private static long BytesOfFrames(SidecarClient client)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int frame = 0; frame < 100000; frame++)
            {
                client.Pump(1);
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        /// <summary>What the I/O thread allocates to read a turn.token.</summary>
        private static void Token()
        {
            byte[] frame = File.ReadAllBytes(
                Path.Combine(Runner.Setting("GOLDEN"), "turn.token.msgpack"));
            MsgpackReader reader = new MsgpackReader();
            reader.Read(frame, 0, frame.Length);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int number = 0; number < 1000; number++)
            {
                reader.Read(frame, 0, frame.Length);
            }
            long numBytes = (GC.GetAllocatedBytesForCurrentThread() - before) / 1000;
            Console.WriteLine("    " + numBytes + " bytes to read a token of " + frame.Length);
            Runner.Check(numBytes > 0 && numBytes < 2048, numBytes + " bytes for a token");
        }

        /// <summary>Each of 32 NPCs is spoken to again and again; calls are timed one by one.</summary>
        private static void FramesOf32Npcs()
        {
            List<double> callsMs = new List<double>(100000);
            long numMessages = 0;
            long numBytes = 0;
            using (Game game = new Game("none"))
            {
                game.Until(() => game.Client.Phase == "ready", "its understanding");
                for (int npc = 0; npc < NumNpcs; npc++)
                {
                    game.Ask("npc.spawn", Game.Map("definition", "mira"), "mira_" + npc);
                }
                game.Client.MessageReceived += message => numMessages++;
                int numFrames = Runner.IsFull ? 3600 : 200;
                Stopwatch clock = Stopwatch.StartNew();
                for (int frame = 0; frame < numFrames || numMessages <= 300; frame++)
                {
                    IDictionary<string, object> heard = Game.Map("speaker_id", "player");
                    heard["text"] = "Good evening!";
                    Time(callsMs, () => game.Client.Send("npc.hear", heard, "mira_" + frame % NumNpcs));
                    long before = GC.GetAllocatedBytesForCurrentThread();
                    Time(callsMs, () => game.Client.Pump(0.5));
                    numBytes += GC.GetAllocatedBytesForCurrentThread() - before;
                    Thread.Sleep(16);
                    Runner.Check(clock.Elapsed.TotalSeconds < 10 * Runner.WaitSeconds, "messages come");
                }
            }
            callsMs.Sort();
            double p50 = callsMs[callsMs.Count / 2];
            double p99 = callsMs[callsMs.Count * 99 / 100];
            Console.WriteLine("    calls p50 " + p50.ToString("0.000") + " ms, p99 "
                + p99.ToString("0.000") + " ms, worst " + callsMs[callsMs.Count - 1].ToString("0.000")
                + " ms; " + numMessages + " messages, " + numBytes / Math.Max(1, numMessages)
                + " bytes each on the game's thread");
            // Other programs make some calls long on a shared machine: half of them tell what waits.
            Runner.Check((Runner.IsFull ? p99 : p50) < 1, "calls take " + p50 + " ms");
            Runner.Check(numBytes / numMessages < 4096, "bytes allocated per message");
        }

        private static void Time(List<double> callsMs, Action call)
        {
            long start = Stopwatch.GetTimestamp();
            call();
            callsMs.Add((Stopwatch.GetTimestamp() - start) * 1000.0 / Stopwatch.Frequency);
        }
    }
}
