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

        /// <summary>Steps until it is so; fails after some seconds.</summary>
        public static void Until(Func<bool> isSo, Action step, string what, double seconds = 20)
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
                Thread.Sleep(60000);
            }
        }
    }
}
