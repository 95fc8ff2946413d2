using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace NpcBrain.Standalone
{
    /// <summary>The village on a console, without Unity.</summary>
    internal static class Program
    {
        private const int Failed = 1;
        private const int BadUsage = 2;

        private const string Usage =
            "usage: tavern.exe play --data FOLDER --script FILE --sidecar PROGRAM --model NAME\n"
            + "       tavern.exe rules --world FILE   (operations as lines of JSON on its input)";

        private static int Main(string[] args)
        {
            try
            {
                Dictionary<string, string> options = OptionsOf(args);
                switch (args.Length > 0 ? args[0] : "")
                {
                    case "play":
                        Console.OutputEncoding = new UTF8Encoding(false);
                        TavernPlayer player = new TavernPlayer(
                            options["data"], options["sidecar"], options["model"]);
                        string[] script = File.ReadAllLines(options["script"]);
                        return player.Play(script, Console.Out) ? 0 : Failed;
                    case "rules":
                        RulesDriver.Run(options["world"], Console.In, Console.Out);
                        return 0;
                    default:
                        Console.Error.WriteLine(Usage);
                        return BadUsage;
                }
            }
            catch (FormatException error)
            {
                Console.Error.WriteLine(error.Message);
                return BadUsage;
            }
            catch (KeyNotFoundException)
            {
                Console.Error.WriteLine(Usage);
                return BadUsage;
            }
            catch (IOException error)
            {
                Console.Error.WriteLine(error.Message);
                return BadUsage;
            }
        }

        private static Dictionary<string, string> OptionsOf(string[] args)
        {
            Dictionary<string, string> options = new Dictionary<string, string>();
            for (int index = 1; index + 1 < args.Length; index += 2)
            {
                options[args[index].Substring(2)] = args[index + 1];
            }
            return options;
        }
    }
}
