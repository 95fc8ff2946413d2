using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;

namespace NpcBrain.Standalone
{
    /// <summary>A test that failed, and why.</summary>
    internal sealed class FailedTest : Exception
    {
        public FailedTest(string message)
            : base(message)
        {
        }
    }

    /// <summary>
    /// Runs the tests whose name begins with the first argument; uses public API only. With "idle" it is
    /// a game to be killed instead, and tells the process of its sidecar.
    /// </summary>
    internal static class Runner
    {
        /// <summary>How long a test waits for what must happen: only a hang takes as long.</summary>
        public const double WaitSeconds = 120;

        /// <summary>
        /// What is promised within a time may take so many starts of a sidecar longer, as the machine
        /// may be slow or busy. What hangs takes longer still.
        /// </summary>
        private const double Starts = 5;

        private static double _startSeconds;

        public static bool IsFull
        {
            get { return Setting("FULL") == "1"; }
        }

        public static string Setting(string name)
        {
            return Environment.GetEnvironmentVariable("NPC_BRAIN_" + name) ?? "";
        }

        public static void Check(bool isSo, string what)
        {
            if (!isSo)
            {
                throw new FailedTest(what);
            }
        }

        public static void CheckEqual(object got, object wanted, string what)
        {
            Check(Equals(got, wanted), what + ": got " + got + ", wanted " + wanted);
        }

        /// <summary>What a promise is on this machine, after a sidecar was started.</summary>
        public static double Stretched(double seconds)
        {
            return seconds + Starts * _startSeconds;
        }

        /// <summary>Tells what a start of a sidecar took, up to its link.</summary>
        public static void NoteStart(Stopwatch clock)
        {
            _startSeconds = Math.Max(_startSeconds, clock.Elapsed.TotalSeconds);
        }

        /// <summary>Steps until it is so; fails after some time.</summary>
        public static void Until(Func<bool> isSo, Action step, string what, double seconds = WaitSeconds)
        {
            Stopwatch clock = Stopwatch.StartNew();
            while (!isSo())
            {
                Check(clock.Elapsed.TotalSeconds < seconds, "waited " + seconds + " s for " + what);
                step();
                Thread.Sleep(1);
            }
        }

        private static int Main(string[] args)
        {
            if (args.Length > 0 && args[0] == "idle")
            {
                BeIdle();
            }
            List<KeyValuePair<string, Action>> tests = new List<KeyValuePair<string, Action>>();
            CodecTests.AddTo(tests);
            DealerTests.AddTo(tests);
            SessionTests.AddTo(tests);
            CostTests.AddTo(tests);
            int numPassed = 0;
            int numFailed = 0;
            foreach (KeyValuePair<string, Action> test in tests)
            {
                if (args.Length > 0 && !test.Key.StartsWith(args[0], StringComparison.Ordinal))
                {
                    continue;
                }
                try
                {
                    test.Value();
                    numPassed++;
                    Console.WriteLine("ok " + test.Key);
                }
                catch (Exception error)
                {
                    numFailed++;
                    Console.WriteLine("FAILED " + test.Key + ": " + error);
                }
            }
            Console.WriteLine(numPassed + " passed, " + numFailed + " failed");
            return numFailed == 0 && numPassed > 0 ? 0 : 1;
        }

        private static void BeIdle()
        {
            using (Game game = new Game("none"))
            {
                Console.WriteLine(game.Client.ProcessId);
                Thread.Sleep(Timeout.Infinite);
            }
        }
    }
}
