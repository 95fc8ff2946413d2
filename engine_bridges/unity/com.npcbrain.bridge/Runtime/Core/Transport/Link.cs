using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;

namespace NpcBrain
{
    /// <summary>
    /// The I/O thread: owns the socket and the sidecar's process, and does all codec work. It
    /// connects, says hello, resumes, answers heartbeats and reconnects, whatever the game's frames do.
    /// Both ways go through one queue each; the game's thread only swaps them under a lock.
    /// </summary>
    internal sealed class Link
    {
        /// <summary>With so many messages untaken the socket is not read any more.</summary>
        private const int MaxUntaken = 4096;
        private const int MaxUnsent = 16384;
        private const int FirstBackOffMs = 100;
        private const int MaxBackOffMs = 5000;
        private const int HelloTimeoutMs = 2000;
        private const int GoodbyeMs = 20;
        private const int BusyWaitUs = 500;
        private const int IdleWaitUs = 2000;
        private const int BusyMs = 1000;

        private static readonly object[] _protocol = { 1L, 0L };

        private readonly object _lock = new object();
        private readonly SidecarProcess _process;
        private readonly string _token;
        private readonly IDictionary<string, object> _client;
        private readonly Thread _thread;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private readonly MsgpackWriter _writer = new MsgpackWriter();
        private readonly MsgpackReader _reader = new MsgpackReader();
        private readonly List<byte[]> _frames = new List<byte[]>();
        private List<Outgoing> _outbox = new List<Outgoing>();
        private List<Outgoing> _sending = new List<Outgoing>();
        private List<LinkEvent> _events = new List<LinkEvent>();
        private long _lastId;
        private int _epoch;
        private volatile bool _isStopping;

        private string _endpoint;
        private ZmtpDealer _dealer;
        private string _sessionId = "";
        private long _helloId;
        private long _helloMs;
        private bool _isLinked;
        private bool _isRefused;
        private int _backOffMs = FirstBackOffMs;
        private long _nextTryMs;
        private long _busyUntilMs;

        /// <summary>Starts the thread. Without a process a sidecar listens at the endpoint.</summary>
        public Link(
            SidecarProcess process, string endpoint, string token, IDictionary<string, object> client)
        {
            _process = process;
            _endpoint = endpoint ?? "";
            _token = token ?? "";
            _client = client;
            _thread = new Thread(Run);
            _thread.IsBackground = true;
            _thread.Name = "NPC Brain";
            _thread.Start();
        }

        /// <summary>Whether the thread runs still.</summary>
        public bool IsRunning
        {
            get { return _thread.IsAlive; }
        }

        /// <summary>The sidecar's process id; 0 when there is none.</summary>
        public int ProcessId
        {
            get { return _process == null ? 0 : _process.Pid; }
        }

        /// <summary>Where the sidecar listens.</summary>
        public string Endpoint
        {
            get { return _endpoint; }
        }

        /// <summary>What it wants to be shown.</summary>
        public string Token
        {
            get { return _token; }
        }

        /// <summary>Asks the thread to say goodbye, end the process and end itself.</summary>
        public void RequestStop()
        {
            _isStopping = true;
        }

        /// <summary>Waits for the thread's end; whether it came.</summary>
        public bool Join(int timeoutMs)
        {
            return _thread.Join(timeoutMs);
        }

        /// <summary>Queues a message for the connection of <paramref name="epoch"/>; its id, or 0 when
        /// too many wait already.</summary>
        public long Post(string type, IDictionary<string, object> body, string npcId, int epoch)
        {
            lock (_lock)
            {
                if (_outbox.Count >= MaxUnsent)
                {
                    return 0;
                }
                _lastId++;
                _outbox.Add(new Outgoing(type, _lastId, npcId, body, epoch));
                return _lastId;
            }
        }

        /// <summary>Swaps what has happened since the last call for an empty list; whether anything
        /// has.</summary>
        public bool TakeEvents(ref List<LinkEvent> empty)
        {
            lock (_lock)
            {
                if (_events.Count == 0)
                {
                    return false;
                }
                List<LinkEvent> taken = _events;
                _events = empty;
                empty = taken;
                return true;
            }
        }

        private void Run()
        {
            try
            {
                while (!_isStopping)
                {
                    Step();
                }
            }
            catch (Exception error)
            {
                Tell(LinkEventKind.Offline, null, "the bridge's thread failed: " + error);
                _isLinked = false;
            }
            finally
            {
                End();
            }
        }

        private void Step()
        {
            long nowMs = _clock.ElapsedMilliseconds;
            int waitUs = nowMs < _busyUntilMs ? BusyWaitUs : IdleWaitUs;
            if (_process != null)
            {
                StepProcess();
            }
            if (_dealer == null)
            {
                if (!TryToConnect(nowMs))
                {
                    Thread.Sleep(2);
                }
            }
            else if (NumUntaken() < MaxUntaken)
            {
                StepLink(nowMs, waitUs);
            }
            else
            {
                Thread.Sleep(2);
            }
        }

        private int NumUntaken()
        {
            lock (_lock)
            {
                return _events.Count;
            }
        }

        private void StepProcess()
        {
            string problem = _process.Step();
            List<string> lines = _process.TakeLog();
            for (int index = 0; lines != null && index < lines.Count; index++)
            {
                Tell(LinkEventKind.Log, null, lines[index]);
            }
            if (problem != null)
            {
                Tell(LinkEventKind.Offline, null, problem);
            }
            string endpoint = _process.Endpoint;
            if (endpoint != _endpoint)
            {
                _endpoint = endpoint;
                _backOffMs = FirstBackOffMs;
                _nextTryMs = 0;
                _isRefused = false;
                if (_dealer != null)
                {
                    Lose("the sidecar ended");
                }
            }
        }

        private bool TryToConnect(long nowMs)
        {
            if (_endpoint.Length == 0 || _isRefused || nowMs < _nextTryMs)
            {
                return false;
            }
            _dealer = new ZmtpDealer(_endpoint);
            _helloId = 0;
            _busyUntilMs = nowMs + BusyMs;
            return true;
        }

        private void StepLink(long nowMs, int waitUs)
        {
            SendQueued(nowMs);
            _frames.Clear();
            _dealer.Step(waitUs, _frames);
            for (int index = 0; index < _frames.Count && _dealer != null; index++)
            {
                _busyUntilMs = nowMs + BusyMs;
                TakeFrame(_frames[index]);
            }
            if (_dealer == null)
            {
                return;
            }
            if (_dealer.Problem != null)
            {
                Lose(_dealer.Problem);
            }
            else if (_dealer.IsOpen && _helloId == 0)
            {
                SayHello(_sessionId);
            }
            else if (_dealer.IsOpen && !_isLinked && nowMs - _helloMs > HelloTimeoutMs)
            {
                Lose("no answer to hello within " + HelloTimeoutMs + " ms");
            }
        }

        private void SayHello(string resume)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["protocol"] = _protocol;
            body["token"] = _token;
            body["client"] = _client;
            if (resume.Length > 0)
            {
                body["resume"] = resume;
            }
            lock (_lock)
            {
                _helloId = ++_lastId;
            }
            _helloMs = _clock.ElapsedMilliseconds;
            _dealer.Send(_writer.Write(Envelope("hello", _helloId, null, body)));
        }

        private void SendQueued(long nowMs)
        {
            lock (_lock)
            {
                if (_outbox.Count == 0)
                {
                    return;
                }
                List<Outgoing> waiting = _outbox;
                _outbox = _sending;
                _sending = waiting;
            }
            _busyUntilMs = nowMs + BusyMs;
            foreach (Outgoing message in _sending)
            {
                if (message.Epoch == _epoch && _isLinked)
                {
                    Send(message);
                }
            }
            _sending.Clear();
        }

        private void Send(Outgoing message)
        {
            try
            {
                _dealer.Send(_writer.Write(
                    Envelope(message.Type, message.Id, message.NpcId, message.Body)));
            }
            catch (MsgpackException error)
            {
                Tell(LinkEventKind.Message, NpcMessage.Refusal(
                    message.Id, "bad_body", message.Type + ": " + error.Message), null);
            }
        }

        private void TakeFrame(byte[] frame)
        {
            IDictionary<string, object> envelope;
            try
            {
                envelope = _reader.Read(frame, 0, frame.Length) as IDictionary<string, object>;
            }
            catch (MsgpackException error)
            {
                Tell(LinkEventKind.Log, null, "passing over a frame: " + error.Message);
                return;
            }
            if (!IsEnvelope(envelope))
            {
                Tell(LinkEventKind.Log, null, "passing over a frame that is no message");
                return;
            }
            NpcMessage message = new NpcMessage(envelope);
            if (_isLinked)
            {
                Tell(LinkEventKind.Message, message, null);
                if (message.ErrorCode == "hello_first")
                {
                    Lose("the sidecar cut this game off: it left too much unread");
                }
            }
            else if (_helloId != 0 && message.ReplyTo == _helloId)
            {
                TakeAnswerToHello(message);
            }
        }

        private void TakeAnswerToHello(NpcMessage message)
        {
            string code = message.ErrorCode;
            if (message.Type == "welcome")
            {
                _sessionId = Fields.Text(message.Body, "session_id");
                _backOffMs = FirstBackOffMs;
                _isLinked = true;
                lock (_lock)
                {
                    _epoch++;
                    LinkEvent connected = new LinkEvent();
                    connected.Kind = LinkEventKind.Connected;
                    connected.Message = message;
                    connected.Epoch = _epoch;
                    _events.Add(connected);
                }
            }
            else if (code == "unknown_session" && _sessionId.Length > 0)
            {
                _sessionId = "";
                SayHello("");
            }
            else
            {
                _isRefused = code == "bad_token" || code == "bad_protocol";
                Tell(LinkEventKind.Refused, message, null);
                Lose("the sidecar refused hello");
            }
        }

        private void Lose(string why)
        {
            _dealer.Close(why);
            _dealer = null;
            _nextTryMs = _clock.ElapsedMilliseconds + _backOffMs;
            _backOffMs = Math.Min(2 * _backOffMs, MaxBackOffMs);
            lock (_lock)
            {
                _epoch++;
                _outbox.Clear();
            }
            if (_isLinked)
            {
                _isLinked = false;
                Tell(LinkEventKind.Lost, null, why);
            }
        }

        private void End()
        {
            if (_dealer != null)
            {
                if (_isLinked)
                {
                    SayGoodbye();
                }
                _dealer.Dispose();
                _dealer = null;
            }
            if (_process != null)
            {
                _process.End();
            }
        }

        private void SayGoodbye()
        {
            long id;
            lock (_lock)
            {
                id = ++_lastId;
            }
            _dealer.Send(_writer.Write(
                Envelope("goodbye", id, null, new Dictionary<string, object>())));
            long untilMs = _clock.ElapsedMilliseconds + GoodbyeMs;
            do
            {
                _dealer.Step(0, _frames);
            }
            while (_dealer.NumUnsent > 0 && _dealer.Problem == null
                && _clock.ElapsedMilliseconds < untilMs);
        }

        private void Tell(LinkEventKind kind, NpcMessage message, string text)
        {
            LinkEvent happened = new LinkEvent();
            happened.Kind = kind;
            happened.Message = message;
            happened.Text = text;
            lock (_lock)
            {
                _events.Add(happened);
            }
        }

        private static Dictionary<string, object> Envelope(
            string type, long id, string npcId, IDictionary<string, object> body)
        {
            Dictionary<string, object> envelope = new Dictionary<string, object>(4);
            envelope["type"] = type;
            envelope["id"] = id;
            if (!string.IsNullOrEmpty(npcId))
            {
                envelope["npc_id"] = npcId;
            }
            envelope["body"] = body;
            return envelope;
        }

        private static bool IsEnvelope(IDictionary<string, object> message)
        {
            return message != null
                && Value(message, "type") is string
                && Value(message, "id") is long
                && Value(message, "body") is IDictionary<string, object>
                && (!message.ContainsKey("reply_to") || message["reply_to"] is long)
                && (!message.ContainsKey("npc_id") || message["npc_id"] is string);
        }

        private static object Value(IDictionary<string, object> map, string key)
        {
            object value;
            return map.TryGetValue(key, out value) ? value : null;
        }

        private struct Outgoing
        {
            public readonly string Type;
            public readonly long Id;
            public readonly string NpcId;
            public readonly IDictionary<string, object> Body;
            public readonly int Epoch;

            public Outgoing(
                string type, long id, string npcId, IDictionary<string, object> body, int epoch)
            {
                Type = type;
                Id = id;
                NpcId = npcId;
                Body = body;
                Epoch = epoch;
            }
        }
    }
}
