using System;
using System.Collections.Generic;
using System.IO;

namespace NpcBrain.Standalone
{
    /// <summary>Golden messages byte for byte, and bytes that are none.</summary>
    internal static class CodecTests
    {
        public static void AddTo(List<KeyValuePair<string, Action>> tests)
        {
            tests.Add(new KeyValuePair<string, Action>("codec/golden", Golden));
            tests.Add(new KeyValuePair<string, Action>("codec/fuzzed_frames", FuzzedFrames));
            tests.Add(new KeyValuePair<string, Action>("codec/refused_values", RefusedValues));
            tests.Add(new KeyValuePair<string, Action>("codec/lying_lengths", LyingLengths));
        }

        private static void Golden()
        {
            string[] files = GoldenFiles();
            Runner.Check(files.Length >= 40, "golden messages");
            MsgpackReader reader = new MsgpackReader();
            MsgpackWriter writer = new MsgpackWriter();
            foreach (string file in files)
            {
                byte[] bytes = File.ReadAllBytes(file);
                byte[] again = writer.Write(reader.Read(bytes, 0, bytes.Length));
                Runner.CheckEqual(
                    BitConverter.ToString(again), BitConverter.ToString(bytes), file);
            }
        }

        /// <summary>Whatever comes is read or refused; what was read can be written and read again.</summary>
        private static void FuzzedFrames()
        {
            List<byte[]> golden = new List<byte[]>();
            foreach (string file in GoldenFiles())
            {
                golden.Add(File.ReadAllBytes(file));
            }
            Random random = new Random(5);
            MsgpackReader reader = new MsgpackReader();
            MsgpackWriter writer = new MsgpackWriter();
            int numFrames = Runner.IsFull ? 100000 : 10000;
            int numRead = 0;
            for (int number = 0; number < numFrames; number++)
            {
                byte[] frame = Mutated(golden[random.Next(golden.Count)], random);
                object value;
                try
                {
                    value = reader.Read(frame, 0, frame.Length);
                }
                catch (MsgpackException)
                {
                    continue;
                }
                numRead++;
                byte[] written = writer.Write(value);
                byte[] again = writer.Write(reader.Read(written, 0, written.Length));
                Runner.CheckEqual(
                    BitConverter.ToString(again), BitConverter.ToString(written), "read again");
            }
            Runner.Check(numRead > numFrames / 50 && numRead < numFrames, numRead + " were read");
        }

        private static byte[] Mutated(byte[] golden, Random random)
        {
            byte[] frame = (byte[])golden.Clone();
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                frame[random.Next(frame.Length)] = (byte)random.Next(256);
            }
            if (random.Next(4) == 0)
            {
                Array.Resize(ref frame, random.Next(frame.Length + 3));
            }
            return frame;
        }

        private static void RefusedValues()
        {
            List<object> endless = new List<object>();
            endless.Add(endless);
            object[] wrong = { double.NaN, double.PositiveInfinity, "\ud800", new object(), endless };
            foreach (object value in wrong)
            {
                bool isRefused = false;
                try
                {
                    new MsgpackWriter().Write(value);
                }
                catch (MsgpackException)
                {
                    isRefused = true;
                }
                Runner.Check(isRefused, value + " is refused");
            }
        }

        /// <summary>A few bytes that promise gigabytes, or nest without end, cost nothing.</summary>
        private static void LyingLengths()
        {
            byte[] deep = new byte[100000];
            for (int index = 0; index < deep.Length; index++)
            {
                deep[index] = 0x91;
            }
            Refuse(deep);
            Refuse(Nested(4 * 1024 * 1024));
            foreach (byte head in new byte[] { 0xC6, 0xDB, 0xDD, 0xDF })
            {
                Refuse(new byte[] { head, 0xFF, 0xFF, 0xFF, 0xFF });
                Refuse(new byte[] { head, 0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3 });
            }
        }

        /// <summary>Arrays in arrays, each of which claims all bytes that are left.</summary>
        private static byte[] Nested(int numBytes)
        {
            byte[] bytes = new byte[numBytes];
            for (int depth = 0; depth < 60; depth++)
            {
                int length = numBytes - 5 * (depth + 1);
                bytes[5 * depth] = 0xDD;
                for (int part = 0; part < 4; part++)
                {
                    bytes[5 * depth + 1 + part] = (byte)(length >> (24 - 8 * part));
                }
            }
            return bytes;
        }

        private static void Refuse(byte[] bytes)
        {
            try
            {
                new MsgpackReader().Read(bytes, 0, bytes.Length);
            }
            catch (MsgpackException)
            {
                return;
            }
            throw new FailedTest("bytes from " + bytes[0] + " are refused");
        }

        private static string[] GoldenFiles()
        {
            return Directory.GetFiles(Runner.Setting("GOLDEN"), "*.msgpack");
        }
    }
}
