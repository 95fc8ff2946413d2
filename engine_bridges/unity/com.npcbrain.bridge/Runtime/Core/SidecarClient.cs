using System;
using System.Collections.Generic;
using System.Diagnostics;

namespace NpcBrain
{
    /// <summary>
    /// Starts the sidecar, keeps the link to it, and brings its messages to the game's thread. All I/O
    /// is on a thread of its own; everything here is called on the game's thread and returns at once.
    /// </summary>
    public sealed class SidecarClient : IDisposable
    {
        /// <summary>Of the bridge.</summary>
        public const string Version = "0.1.0";

        /// <summary>The phase while there is no sidecar.</summary>
        public const string Offline = "offline";

        private const int JoinMs = 1000;

        private readonly Dictionary<long, Action<NpcMessage>> _answers =
            new Dictionary<long, Action<NpcMessage>>();
        private readonly Dictionary<string, Action<NpcMessage>> _characters =
            new Dictionary<string, Action<NpcMessage>>();
        private readonly List<Link> _ending = new List<Link>();
        private List<LinkEvent> _waiting = new List<LinkEvent>();
        private int _next;
        private Link _link;
        private int _epoch;

        /// <summary>A client that is not started.</summary>
        public SidecarClient()
        {
            Phase = Offline;
            Detail = "";
            Welcome = new Dictionary<string, object>();
        }

        /// <summary>There is a session; whether the NPCs of the earlier connection are still there.</summary>
        public event Action<bool> Connected;

        /// <summary>The connection was lost, and why; it is re-established automatically.</summary>
        public event Action<string> Disconnected;

        /// <summary>How far the sidecar is: phase, detail, progress from 0 to 1.</summary>
        public event Action<string, string, double> StatusChanged;

        /// <summary>Any message of the sidecar.</summary>
        public event Action<NpcMessage> MessageReceived;

        /// <summary>Any message to the sidecar.</summary>
        public event Action<NpcMessage> MessageSent;

        /// <summary>Something that nobody asked about went wrong: code, text, hint.</summary>
        public event Action<string, string, string> ErrorReceived;

        /// <summary>A line of the sidecar's log.</summary>
        public event Action<string> LogReceived;

        /// <summary>The last phase: starting, loading, warming, ready, degraded or offline.</summary>
        public string Phase { get; private set; }

        /// <summary>Its latest description.</summary>
        public string Detail { get; private set; }

        /// <summary>What the sidecar answered to hello: model, features, limits.</summary>
        public IDictionary<string, object> Welcome { get; private set; }

        /// <summary>Whether messages can be sent.</summary>
        public bool IsConnected { get; private set; }

        /// <summary>The sidecar's process id; 0 when this client has not started one.</summary>
        public int ProcessId
        {
            get { return _link == null ? 0 : _link.ProcessId; }
        }

        /// <summary>Where the sidecar listens; empty while it does not.</summary>
        public string Endpoint
        {
            get { return _link == null ? "" : _link.Endpoint; }
        }

        /// <summary>What the sidecar wants to be shown; for a second client.</summary>
        public string Token
        {
            get { return _link == null ? "" : _link.Token; }
        }

        /// <summary>
        /// Starts the sidecar, or connects to the one of the options; does nothing when that was done.
        /// Where there can be none, <see cref="Detail"/> says why.
        /// </summary>
        public void Start(SidecarOptions options)
        {
            if (options == null)
            {
                throw new ArgumentNullException("options");
            }
            if (_link != null)
            {
                return;
            }
            string problem = options.Problem;
            SidecarProcess process = null;
            if (string.IsNullOrEmpty(problem) && string.IsNullOrEmpty(options.Endpoint))
            {
                string program =
                    SidecarFinder.Find(options.ProgramPath, options.GameFolder, out problem);
                process = program == null ? null : new SidecarProcess(program, Arguments(options));
            }
            if (!string.IsNullOrEmpty(problem))
            {
                SetStatus(Offline, problem, 0);
                return;
            }
            SetStatus("starting", "", 0);
            _link = new Link(
                process, options.Endpoint, process == null ? options.Token : process.Token,
                ClientInfo(options));
        }

        /// <summary>Says goodbye and ends the sidecar; does not wait for its end.</summary>
        public void Stop()
        {
            if (_link == null)
            {
                return;
            }
            _link.RequestStop();
            _ending.Add(_link);
            _link = null;
            _waiting.Clear();
            _next = 0;
            Lose("stopped");
            SetStatus(Offline, "stopped", 0);
        }

        /// <summary>
        /// The one way out, for quitting, leaving play mode and reloading code: stops, and waits until
        /// thread, socket and process are gone, some milliseconds and a second at most.
        /// </summary>
        public void Dispose()
        {
            Stop();
            foreach (Link link in _ending)
            {
                link.Join(JoinMs);
            }
            _ending.Clear();
        }

        /// <summary>Whether a thread of this client runs still.</summary>
        public bool HasThreads
        {
            get
            {
                _ending.RemoveAll(HasEnded);
                return _link != null || _ending.Count > 0;
            }
        }

        /// <summary>
        /// Hands over what has come, for <paramref name="budgetMs"/> milliseconds at most; what is left
        /// waits for the next frame. Call it once a frame.
        /// </summary>
        public void Pump(double budgetMs)
        {
            if (_ending.Count > 0)
            {
                _ending.RemoveAll(HasEnded);
            }
            if (_link == null)
            {
                return;
            }
            long until = Stopwatch.GetTimestamp() + (long)(budgetMs * Stopwatch.Frequency / 1000);
            while (_link != null)
            {
                if (_next >= _waiting.Count)
                {
                    _waiting.Clear();
                    _next = 0;
                    if (!_link.TakeEvents(ref _waiting))
                    {
                        return;
                    }
                }
                LinkEvent happened = _waiting[_next];
                _next++;
                Handle(happened);
                if (Stopwatch.GetTimestamp() >= until)
                {
                    return;
                }
            }
        }

        /// <summary>
        /// Sends a message; its id, or 0 where there is no link. <paramref name="onAnswer"/> gets the
        /// one answer, and nobody else does: the message that the protocol names, or error. The body
        /// must not be changed afterwards.
        /// </summary>
        public long Send(
            string type,
            IDictionary<string, object> body,
            string npcId = null,
            Action<NpcMessage> onAnswer = null)
        {
            long id = IsConnected ? _link.Post(type, body, npcId, _epoch) : 0;
            if (id == 0)
            {
                if (onAnswer != null)
                {
                    onAnswer(NpcMessage.ConnectionLost(0, type + " was not sent: there is no sidecar"));
                }
                return 0;
            }
            if (onAnswer != null)
            {
                _answers[id] = onAnswer;
            }
            if (MessageSent != null)
            {
                MessageSent(new NpcMessage(type, id, 0, npcId, body));
            }
            return id;
        }

        /// <summary>From now on messages about the NPC that answer nothing go to the handler.</summary>
        public void RegisterCharacter(string npcId, Action<NpcMessage> handler)
        {
            _characters[npcId] = handler;
        }

        /// <summary>Undoes <see cref="RegisterCharacter"/>, unless another handler has taken over.</summary>
        public void UnregisterCharacter(string npcId, Action<NpcMessage> handler)
        {
            Action<NpcMessage> registered;
            if (_characters.TryGetValue(npcId, out registered) && registered == handler)
            {
                _characters.Remove(npcId);
            }
        }

        /// <summary>Measures a round trip: the answer is pong.</summary>
        public long Ping(Action<NpcMessage> onAnswer)
        {
            return Send("ping", new Dictionary<string, object>(), null, onAnswer);
        }

        /// <summary>Asks for the sidecar's counters: the answer is stats.</summary>
        public long RequestStats(Action<NpcMessage> onAnswer)
        {
            return Send("stats", new Dictionary<string, object>(), null, onAnswer);
        }

        /// <summary>
        /// The minds of NPCs (null: of all), for the game's own save: an opaque blob, or null when it
        /// cannot be had.
        /// </summary>
        public void SaveState(IEnumerable<string> npcIds, Action<byte[]> onSaved)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["npc_ids"] = new List<object>(npcIds ?? new string[0]);
            Send("state.save", body, null, answer => onSaved(
                answer.Type == "state.saved" ? Fields.Bytes(answer.Body, "blob") : null));
        }

        /// <summary>Restores NPCs as they were saved, and reports whether that worked.</summary>
        public void LoadState(byte[] blob, Action<bool> onLoaded = null)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["blob"] = blob ?? new byte[0];
            Send("state.load", body, null, answer =>
            {
                if (answer.IsError && answer.ErrorCode != NpcMessage.ConnectionLostCode)
                {
                    TellError(answer.Body);
                }
                if (onLoaded != null)
                {
                    onLoaded(!answer.IsError);
                }
            });
        }

        private void Handle(LinkEvent happened)
        {
            switch (happened.Kind)
            {
                case LinkEventKind.Message:
                    TakeMessage(happened.Message);
                    break;
                case LinkEventKind.Connected:
                    TakeWelcome(happened.Message, happened.Epoch);
                    break;
                case LinkEventKind.Lost:
                    Lose(happened.Text);
                    break;
                case LinkEventKind.Refused:
                    TellError(happened.Message.Body);
                    SetStatus(Offline, happened.Message.ErrorText, 0);
                    break;
                case LinkEventKind.Offline:
                    SetStatus(Offline, happened.Text, 0);
                    break;
                case LinkEventKind.Log:
                    if (LogReceived != null)
                    {
                        LogReceived(happened.Text);
                    }
                    break;
            }
        }

        private void TakeWelcome(NpcMessage message, int epoch)
        {
            _epoch = epoch;
            Welcome = message.Body;
            IsConnected = true;
            string phase = Fields.Text(Fields.Map(Welcome, "model"), "phase");
            SetStatus(phase.Length > 0 ? phase : "starting", "", 0);
            if (MessageReceived != null)
            {
                MessageReceived(message);
            }
            if (Connected != null)
            {
                Connected(Fields.Flag(Welcome, "resumed"));
            }
        }

        private void TakeMessage(NpcMessage message)
        {
            if (MessageReceived != null)
            {
                MessageReceived(message);
            }
            IDictionary<string, object> body = message.Body;
            Action<NpcMessage> handler;
            if (message.Type == "status")
            {
                SetStatus(
                    Fields.Text(body, "phase"),
                    Fields.Text(body, "detail"),
                    Fields.Number(body, "progress"));
            }
            else if (_answers.TryGetValue(message.ReplyTo, out handler))
            {
                _answers.Remove(message.ReplyTo);
                handler(message);
            }
            else if (message.IsError)
            {
                TellError(body);
            }
            else if (_characters.TryGetValue(message.NpcId, out handler))
            {
                handler(message);
            }
        }

        private void Lose(string reason)
        {
            bool wasConnected = IsConnected;
            IsConnected = false;
            if (_answers.Count > 0)
            {
                List<KeyValuePair<long, Action<NpcMessage>>> waiting =
                    new List<KeyValuePair<long, Action<NpcMessage>>>(_answers);
                _answers.Clear();
                foreach (KeyValuePair<long, Action<NpcMessage>> answer in waiting)
                {
                    answer.Value(NpcMessage.ConnectionLost(
                        answer.Key, "the link was lost before the answer"));
                }
            }
            if (wasConnected && Disconnected != null)
            {
                Disconnected(reason);
            }
        }

        private void TellError(IDictionary<string, object> body)
        {
            if (ErrorReceived != null)
            {
                ErrorReceived(
                    Fields.Text(body, "code"), Fields.Text(body, "message"), Fields.Text(body, "hint"));
            }
        }

        private void SetStatus(string phase, string detail, double progress)
        {
            Phase = phase;
            Detail = detail;
            if (StatusChanged != null)
            {
                StatusChanged(phase, detail, progress);
            }
        }

        private static IEnumerable<string> Arguments(SidecarOptions options)
        {
            List<string> arguments = new List<string>();
            arguments.AddRange(new[] { "serve", "--bind", "tcp://127.0.0.1:0" });
            arguments.AddRange(new[] { "--model", options.Model });
            arguments.AddRange(
                new[] { "--parent-pid", Process.GetCurrentProcess().Id.ToString() });
            if (!string.IsNullOrEmpty(options.NpcsFolder))
            {
                arguments.AddRange(new[] { "--npcs", options.NpcsFolder });
            }
            return arguments;
        }

        private static IDictionary<string, object> ClientInfo(SidecarOptions options)
        {
            Dictionary<string, object> client = new Dictionary<string, object>();
            client["name"] = "npc_brain for C#";
            client["version"] = Version;
            client["engine"] = options.Engine;
            return client;
        }

        private static bool HasEnded(Link link)
        {
            return !link.IsRunning;
        }
    }
}
