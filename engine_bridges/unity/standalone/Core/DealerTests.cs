using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace NpcBrain.Standalone
{
    /// <summary>The dealer against a peer whose every byte is written here.</summary>
    internal static class DealerTests
    {
        private const string Ready = "\u0004\u0029\u0005READY\u000bSocket-Type\0\0\0\u0006ROUTER\u0008Identity\0\0\0\0";

        public static void AddTo(List<KeyValuePair<string, Action>> tests)
        {
            tests.Add(new KeyValuePair<string, Action>("dealer/step_by_step", StepByStep));
            tests.Add(new KeyValuePair<string, Action>("dealer/hostile_peers", HostilePeers));
            tests.Add(new KeyValuePair<string, Action>("dealer/fuzzed_streams", FuzzedStreams));
        }

        private static void StepByStep()
        {
            using (Peer peer = new Peer())
            {
                peer.Read(64);
                peer.Quiet("READY before the greeting");
                byte[] greeting = Greeting("NULL");
                peer.Send(greeting, 0, 40);
                peer.Quiet("READY before the whole greeting");
                peer.Send(greeting, 40, 24);
                byte[] ready = peer.Read(2 + 6 + 11 + 1 + 4 + 6);
                Runner.Check(Text(ready).Contains("DEALER"), "its READY");
                Runner.Check(!Text(ready).Contains("Identity"), "no identity");
                peer.Send(Bytes(Ready));
                peer.Until(() => peer.Dealer.IsOpen, "the handshake's end");
                peer.Send(Bytes("\u0004\u0009\u0004PING\0\u0001ab"));
                Runner.CheckEqual(Text(peer.Read(9)), "\u0004\u0007\u0004PONGab", "PONG");
                byte[] longFrame = new byte[9 + 300];
                longFrame[0] = 2;
                longFrame[7] = 1;
                longFrame[8] = 44;
                foreach (byte part in longFrame)
                {
                    peer.Send(new[] { part });
                    peer.Dealer.Step(0, peer.Frames);
                }
                peer.Send(Bytes("\u0001\u0001a\0\u0001b\0\u0001c"));
                peer.Until(() => peer.Frames.Count == 2, "two frames");
                Runner.CheckEqual(peer.Frames[0].Length, 300, "a long frame, byte by byte");
                Runner.CheckEqual(Text(peer.Frames[1]), "c", "what has two parts is passed over");
                peer.Dealer.Send(new byte[300]);
                byte[] sent = peer.Read(309);
                Runner.CheckEqual(sent[0] + "," + sent[7] + "," + sent[8], "2,1,44", "its head");
            }
        }

        private static void HostilePeers()
        {
            string null3 = Text(Greeting("NULL"));
            string[] streams =
            {
                "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                Text(Greeting("PLAIN")),
                null3 + "\u0004\u000e\u0005ERROR\u0007refused",
                null3 + "\0\u0001x",
                null3 + "\u0004\0",
                null3 + Ready + "\u00f8\u0001x",
                null3 + Ready + "\u0002\u007f\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff",
            };
            foreach (string stream in streams)
            {
                using (Peer peer = new Peer())
                {
                    peer.Send(Bytes(stream));
                    peer.Until(() => peer.Dealer.IsClosed, "the end of " + stream);
                    Runner.Check(peer.Dealer.Problem.Length > 5, "a reason");
                }
            }
        }

        /// <summary>Damaged streams end the connection or are passed over; nothing is thrown.</summary>
        private static void FuzzedStreams()
        {
            Random random = new Random(6);
            string good = Text(Greeting("NULL")) + Ready + "\0\u0002hi\u0004\u0007\u0004PING\0\u0001";
            for (int number = 0; number < (Runner.IsFull ? 2000 : 200); number++)
            {
                byte[] stream = Bytes(good);
                for (int change = random.Next(1, 5); change > 0; change--)
                {
                    stream[random.Next(stream.Length)] = (byte)random.Next(256);
                }
                using (Peer peer = new Peer())
                {
                    peer.Send(stream);
                    for (int step = 0; step < 4; step++)
                    {
                        peer.Dealer.Step(500, peer.Frames);
                    }
                }
            }
        }

        private static byte[] Greeting(string mechanism)
        {
            byte[] greeting = new byte[64];
            greeting[0] = 0xFF;
            greeting[9] = 0x7F;
            greeting[10] = 3;
            Bytes(mechanism).CopyTo(greeting, 12);
            return greeting;
        }

        private static byte[] Bytes(string text)
        {
            return Encoding.GetEncoding(28591).GetBytes(text);
        }

        private static string Text(byte[] bytes)
        {
            return Encoding.GetEncoding(28591).GetString(bytes);
        }

        private sealed class Peer : IDisposable
        {
            public readonly ZmtpDealer Dealer;
            public readonly List<byte[]> Frames = new List<byte[]>();
            private readonly TcpListener _listener = new TcpListener(IPAddress.Loopback, 0);
            private readonly Socket _socket;

            public Peer()
            {
                _listener.Start();
                Dealer = new ZmtpDealer("tcp://" + _listener.LocalEndpoint);
                _socket = _listener.AcceptSocket();
                _socket.NoDelay = true;
            }

            public void Send(byte[] bytes)
            {
                Send(bytes, 0, bytes.Length);
            }

            public void Send(byte[] bytes, int start, int length)
            {
                _socket.Send(bytes, start, length, SocketFlags.None);
            }

            public byte[] Read(int length)
            {
                byte[] bytes = new byte[length];
                int size = 0;
                Until(
                    () =>
                    {
                        if (_socket.Available > 0)
                        {
                            size += _socket.Receive(bytes, size, length - size, SocketFlags.None);
                        }
                        return size == length;
                    },
                    length + " bytes");
                return bytes;
            }

            public void Quiet(string what)
            {
                for (int step = 0; step < 10; step++)
                {
                    Dealer.Step(1000, Frames);
                }
                Runner.CheckEqual(_socket.Available, 0, what);
            }

            public void Until(Func<bool> isSo, string what)
            {
                Runner.Until(isSo, () => Dealer.Step(500, Frames), what);
            }

            public void Dispose()
            {
                Dealer.Dispose();
                _socket.Close();
                _listener.Stop();
            }
        }
    }
}
