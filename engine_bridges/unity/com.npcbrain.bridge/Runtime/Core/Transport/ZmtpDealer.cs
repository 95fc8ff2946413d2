using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace NpcBrain
{
    /// <summary>
    /// One ZMTP 3.1 connection as a DEALER, mechanism NULL, no identity. All calls come from one
    /// thread, and none waits longer than it was told. Knows frames and heartbeats, not what is in a
    /// frame. Source: ZeroMQ RFC 37. The handshake goes step by step, READY only after the peer's
    /// whole greeting, as libzmq now and then refuses what comes in one piece.
    /// </summary>
    public sealed class ZmtpDealer : IDisposable
    {
        private const int GreetingBytes = 64;
        private const int MaxFrameBytes = 64 * 1024 * 1024;
        private const int ReadBytes = 64 * 1024;
        private const long HeartbeatIntervalMs = 2000;
        private const long HeartbeatTimeoutMs = 10000;
        private const long HandshakeTimeoutMs = 3000;
        private const int More = 1;
        private const int Long = 2;
        private const int Command = 4;

        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private readonly ByteQueue _unread = new ByteQueue();
        private readonly ByteQueue _unsent = new ByteQueue();
        private Socket _socket;
        private IAsyncResult _connecting;
        private bool _hasGreeting;
        private long _heardMs;
        private long _pingedMs;
        private int _numParts;

        /// <summary>Begins to connect.</summary>
        /// <param name="endpoint">Like <c>tcp://127.0.0.1:5555</c>.</param>
        public ZmtpDealer(string endpoint)
        {
            Uri address;
            if (!Uri.TryCreate(endpoint, UriKind.Absolute, out address) || address.Scheme != "tcp"
                || address.Port <= 0)
            {
                Close("the endpoint is like tcp://127.0.0.1:5555, got " + endpoint);
                return;
            }
            try
            {
                _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                _socket.NoDelay = true;
                _connecting = _socket.BeginConnect(address.Host, address.Port, null, null);
            }
            catch (SocketException exception)
            {
                Close(exception.Message);
            }
        }

        /// <summary>Whether the handshake is done and messages may be sent.</summary>
        public bool IsOpen { get; private set; }

        /// <summary>Whether the connection has ended.</summary>
        public bool IsClosed { get; private set; }

        /// <summary>Why it has ended; null before.</summary>
        public string Problem { get; private set; }

        /// <summary>How many bytes wait to be sent.</summary>
        public int NumUnsent
        {
            get { return _unsent.Count; }
        }

        /// <summary>Sends a frame as soon as it can be, after the handshake.</summary>
        public void Send(byte[] frame)
        {
            QueueFrame(frame, frame.Length, 0);
        }

        /// <summary>Reads and writes what can be now, and adds the frames that have come.</summary>
        /// <param name="waitUs">How long to wait for something to read, in microseconds.</param>
        /// <param name="frames">Gets one frame for each message.</param>
        public void Step(int waitUs, List<byte[]> frames)
        {
            if (IsClosed)
            {
                return;
            }
            try
            {
                if (_connecting == null || HasConnected(waitUs))
                {
                    Write();
                    if (_socket.Poll(NumUnsent > 0 ? 0 : waitUs, SelectMode.SelectRead))
                    {
                        Read(frames);
                    }
                    Parse(frames);
                }
                KeepAlive();
                Write();
            }
            catch (SocketException exception)
            {
                Close(exception.Message);
            }
            catch (ObjectDisposedException)
            {
                Close("closed");
            }
        }

        /// <summary>Ends the connection; harmless when it has ended.</summary>
        public void Dispose()
        {
            Close("closed");
        }

        /// <summary>Ends the connection, and says why; harmless when it has ended.</summary>
        public void Close(string problem)
        {
            if (!IsClosed)
            {
                IsClosed = true;
                IsOpen = false;
                Problem = problem;
            }
            if (_socket != null)
            {
                _socket.Close();
            }
        }

        private bool HasConnected(int waitUs)
        {
            if (!_connecting.AsyncWaitHandle.WaitOne(Math.Max(1, waitUs / 1000)))
            {
                return false;
            }
            _socket.EndConnect(_connecting);
            _connecting = null;
            _socket.Blocking = false;
            byte[] greeting = new byte[GreetingBytes];
            greeting[0] = 0xFF;
            greeting[9] = 0x7F;
            greeting[10] = 3;
            greeting[11] = 1;
            Encoding.ASCII.GetBytes("NULL", 0, 4, greeting, 12);
            _unsent.Append(greeting, greeting.Length);
            return true;
        }

        private void Read(List<byte[]> frames)
        {
            SocketError error;
            byte[] room = _unread.Room(ReadBytes);
            int numBytes = _socket.Receive(room, _unread.End, ReadBytes, SocketFlags.None, out error);
            if (error == SocketError.WouldBlock)
            {
                return;
            }
            if (error != SocketError.Success || numBytes == 0)
            {
                Parse(frames);
                Close(error == SocketError.Success ? "the peer hung up" : error.ToString());
                return;
            }
            _unread.Grow(numBytes);
            _heardMs = _clock.ElapsedMilliseconds;
        }

        private void Write()
        {
            while (!IsClosed && _connecting == null && _unsent.Count > 0)
            {
                SocketError error;
                int numBytes = _socket.Send(
                    _unsent.Bytes, _unsent.Start, _unsent.Count, SocketFlags.None, out error);
                if (error == SocketError.WouldBlock)
                {
                    return;
                }
                if (error != SocketError.Success)
                {
                    Close(error.ToString());
                    return;
                }
                _unsent.Drop(numBytes);
            }
        }

        private void Parse(List<byte[]> frames)
        {
            if (!_hasGreeting && !TakeGreeting())
            {
                return;
            }
            while (!IsClosed && _unread.Count >= 2)
            {
                byte[] bytes = _unread.Bytes;
                int flags = bytes[_unread.Start];
                int head = (flags & Long) != 0 ? 9 : 2;
                if (_unread.Count < head)
                {
                    return;
                }
                ulong length = 0;
                for (int index = 1; index < head; index++)
                {
                    length = (length << 8) | bytes[_unread.Start + index];
                }
                if ((flags & ~(More | Long | Command)) != 0 || length > MaxFrameBytes)
                {
                    Close("the peer does not speak ZMTP, or sent a frame of " + length + " bytes");
                    return;
                }
                if (_unread.Count < head + (int)length)
                {
                    return;
                }
                int start = _unread.Start + head;
                _unread.Drop(head + (int)length);
                TakeFrame(flags, bytes, start, (int)length, frames);
            }
        }

        private bool TakeGreeting()
        {
            if (_unread.Count < GreetingBytes)
            {
                return false;
            }
            byte[] bytes = _unread.Bytes;
            int start = _unread.Start;
            string mechanism = Encoding.ASCII.GetString(bytes, start + 12, 20).TrimEnd('\0');
            if (bytes[start] != 0xFF || (bytes[start + 9] & 1) == 0 || bytes[start + 10] < 3)
            {
                Close("the peer does not speak ZMTP 3");
                return false;
            }
            if (mechanism != "NULL")
            {
                Close("the peer wants the mechanism " + mechanism + ", not NULL");
                return false;
            }
            _unread.Drop(GreetingBytes);
            _hasGreeting = true;
            QueueCommand("READY", Encoding.ASCII.GetBytes("\u000bSocket-Type\0\0\0\u0006DEALER"));
            return true;
        }

        private void TakeFrame(
            int flags, byte[] bytes, int start, int length, List<byte[]> frames)
        {
            if ((flags & Command) != 0)
            {
                TakeCommand(bytes, start, length);
            }
            else if (!IsOpen)
            {
                Close("the peer sent a message within the handshake");
            }
            else
            {
                // Protocol 1 has one frame a message; what has more is passed over.
                bool hasMore = (flags & More) != 0;
                if (!hasMore && _numParts == 0)
                {
                    byte[] frame = new byte[length];
                    Buffer.BlockCopy(bytes, start, frame, 0, length);
                    frames.Add(frame);
                }
                _numParts = hasMore ? _numParts + 1 : 0;
            }
        }

        private void TakeCommand(byte[] bytes, int start, int length)
        {
            int nameLength = length > 0 ? bytes[start] : 0;
            if (length <= nameLength)
            {
                Close("the peer sent a damaged command");
                return;
            }
            string name = Encoding.ASCII.GetString(bytes, start + 1, nameLength);
            if (name == "ERROR")
            {
                Close("the peer refused the connection");
            }
            else if (!IsOpen && name == "READY")
            {
                IsOpen = true;
            }
            else if (!IsOpen)
            {
                Close("the peer answered the handshake with " + name);
            }
            else if (name == "PING")
            {
                int numContext = Math.Max(0, length - nameLength - 3);
                byte[] context = new byte[numContext];
                Buffer.BlockCopy(bytes, start + length - numContext, context, 0, numContext);
                QueueCommand("PONG", context);
            }
        }

        private void KeepAlive()
        {
            long nowMs = _clock.ElapsedMilliseconds;
            if (IsClosed)
            {
                return;
            }
            if (!IsOpen)
            {
                if (nowMs > HandshakeTimeoutMs)
                {
                    Close("no handshake within " + HandshakeTimeoutMs + " ms");
                }
            }
            else if (nowMs - _heardMs > HeartbeatTimeoutMs)
            {
                Close("nothing heard for " + HeartbeatTimeoutMs + " ms");
            }
            else if (nowMs - Math.Max(_pingedMs, _heardMs) > HeartbeatIntervalMs)
            {
                _pingedMs = nowMs;
                QueueCommand("PING", new byte[2]);
            }
        }

        private void QueueCommand(string name, byte[] data)
        {
            byte[] body = new byte[1 + name.Length + data.Length];
            body[0] = (byte)name.Length;
            Encoding.ASCII.GetBytes(name, 0, name.Length, body, 1);
            Buffer.BlockCopy(data, 0, body, 1 + name.Length, data.Length);
            QueueFrame(body, body.Length, Command);
        }

        private void QueueFrame(byte[] body, int length, int flags)
        {
            bool isLong = length > byte.MaxValue;
            byte[] head = new byte[isLong ? 9 : 2];
            head[0] = (byte)(isLong ? flags | Long : flags);
            for (int index = head.Length - 1, rest = length; index > 0; index--, rest >>= 8)
            {
                head[index] = (byte)rest;
            }
            _unsent.Append(head, head.Length);
            _unsent.Append(body, length);
        }
    }
}
