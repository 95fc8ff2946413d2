using System;
using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>
    /// Starts the sidecar, keeps the link to it, and brings its messages to the main thread. Made by
    /// itself when the game starts; games rarely need more than its events, since
    /// <see cref="NpcCharacter"/> and <see cref="NpcWorld"/> do the talking. All I/O is on a thread of
    /// its own; a frame spends <see cref="FrameBudgetMs"/> at most on messages.
    /// </summary>
    [AddComponentMenu("")]
    [DefaultExecutionOrder(-1000)]
    [DisallowMultipleComponent]
    public sealed class NpcBrainClient : MonoBehaviour
    {
        /// <summary>The version of this package.</summary>
        public const string Version = "0.1.0";

        /// <summary>The <see cref="Phase"/> while there is no sidecar.</summary>
        public const string Offline = "offline";

        /// <summary>Sessions whose threads may run still.</summary>
        private static readonly List<SidecarClient> _sessions = new List<SidecarClient>();

        private static NpcBrainClient _instance;
        private static bool _isQuitting;

        private readonly Dictionary<string, NpcCharacter> _routes =
            new Dictionary<string, NpcCharacter>();

        private readonly List<NpcCharacter> _characters = new List<NpcCharacter>();
        private SidecarClient _session;

        /// <summary>There is a session; told is whether its NPCs are those of the earlier connection.</summary>
        public event Action<bool> Connected;

        /// <summary>The link was lost, and why; it is made anew by itself.</summary>
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

        /// <summary>The client of the running game, made when there is none; null while it ends.</summary>
        public static NpcBrainClient Instance
        {
            get
            {
                if (_instance == null && Application.isPlaying && !_isQuitting)
                {
                    GameObject holder = new GameObject("NPC Brain");
                    DontDestroyOnLoad(holder);
                    holder.AddComponent<NpcBrainClient>();
                }
                return _instance;
            }
        }

        /// <summary>The client of the running game; null when there is none.</summary>
        public static NpcBrainClient Existing
        {
            get { return _instance; }
        }

        /// <summary>The settings in use.</summary>
        public NpcBrainSettings Settings { get; private set; }

        /// <summary>"starting", "loading", "warming", "ready", "degraded" or "offline".</summary>
        public string Phase { get; private set; }

        /// <summary>More on the phase, for people.</summary>
        public string PhaseDetail { get; private set; }

        /// <summary>What the sidecar answered to hello: model, features, limits; null before.</summary>
        public IDictionary<string, object> Welcome
        {
            get { return _session != null ? _session.Welcome : null; }
        }

        /// <summary>Whether messages can be sent.</summary>
        public bool IsConnected
        {
            get { return _session != null && _session.IsConnected; }
        }

        /// <summary>The sidecar's process id; 0 when this client has not started one.</summary>
        public int ProcessId
        {
            get { return _session != null ? _session.ProcessId : 0; }
        }

        /// <summary>How long a frame may spend on messages, in milliseconds.</summary>
        public double FrameBudgetMs { get; set; }

        /// <summary>The characters that are enabled.</summary>
        public IList<NpcCharacter> Characters
        {
            get { return _characters; }
        }

        internal NpcWorld World { get; set; }

        /// <summary>Starts the sidecar, or connects to the one of the settings; returns at once.</summary>
        public void StartSidecar()
        {
            if (_session != null || _isQuitting)
            {
                return;
            }
            string problem;
            SidecarOptions options = SettingsReader.Read(Settings, out problem);
            if (options == null)
            {
                SetStatus(Offline, problem, 0);
                return;
            }
            _session = new SidecarClient(options);
            _sessions.Add(_session);
            _session.StatusChanged += SetStatus;
            _session.Connected += TakeConnected;
            _session.Disconnected += TakeDisconnected;
            _session.MessageReceived += TakeReceived;
            _session.MessageSent += TakeSent;
            _session.ErrorReceived += TellError;
            _session.LogReceived += TakeLog;
            foreach (KeyValuePair<string, NpcCharacter> route in _routes)
            {
                Register(route.Key, route.Value);
            }
            _session.Start();
        }

        /// <summary>Says goodbye and ends the sidecar; returns at once, the end comes by itself.</summary>
        public void StopSidecar()
        {
            if (_session != null)
            {
                _session.Stop();
                _session = null;
            }
        }

        /// <summary>
        /// Sends a message; the one answer, of the type that the protocol names or a refusal, goes to
        /// <paramref name="onAnswer"/> and nobody else. The body belongs to the bridge from now on.
        /// </summary>
        /// <returns>The message's id; 0 when there is no link.</returns>
        public long Send(
            string type, IDictionary<string, object> body, string npcId = "",
            Action<NpcMessage> onAnswer = null)
        {
            if (!IsConnected)
            {
                if (onAnswer != null)
                {
                    onAnswer(NpcMessage.ConnectionLost(type + " was not sent: there is no sidecar"));
                }
                return 0;
            }
            if (onAnswer == null)
            {
                return _session.Send(type, body, npcId);
            }
            return _session.Send(type, body, npcId, answer => onAnswer(new NpcMessage(answer)));
        }

        /// <summary>Measures a round trip; the answer is <c>pong</c>.</summary>
        public void Ping(Action<NpcMessage> onAnswer)
        {
            Send("ping", new Dictionary<string, object>(), "", onAnswer);
        }

        /// <summary>Asks for the sidecar's counters; the answer is <c>stats</c>.</summary>
        public void RequestStats(Action<NpcMessage> onAnswer)
        {
            Send("stats", new Dictionary<string, object>(), "", onAnswer);
        }

        /// <summary>
        /// The minds of NPCs (null: of all), for the game's own save: an opaque blob, or null when it
        /// cannot be had.
        /// </summary>
        public void SaveState(IEnumerable<string> npcIds, Action<byte[]> onSaved)
        {
            List<object> ids = new List<object>();
            foreach (string id in npcIds ?? new string[0])
            {
                ids.Add(id);
            }
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["npc_ids"] = ids;
            Send("state.save", body, "", answer => onSaved(
                answer.Type == "state.saved" ? Fields.Bytes(answer.Body, "blob") : null));
        }

        /// <summary>Puts NPCs back as they were saved; told is whether they were.</summary>
        public void LoadState(byte[] blob, Action<bool> onLoaded)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["blob"] = blob ?? new byte[0];
            Send("state.load", body, "", answer =>
            {
                if (answer.IsError && answer.ErrorCode != "connection_lost")
                {
                    TellError(
                        answer.ErrorCode, answer.ErrorText, Fields.Text(answer.Body, "hint"));
                }
                if (onLoaded != null)
                {
                    onLoaded(!answer.IsError);
                }
            });
        }

        /// <summary>
        /// Ends everything: thread, socket, process. The one clean-up for the game's end, leaving play
        /// mode, and domain reloads; waits a second at most, usually some milliseconds.
        /// </summary>
        public static void ShutDown()
        {
            if (_instance != null)
            {
                _instance.StopSidecar();
            }
            foreach (SidecarClient session in _sessions)
            {
                session.Dispose();
            }
            _sessions.Clear();
        }

        internal void Add(NpcCharacter character)
        {
            _characters.Add(character);
        }

        internal void Remove(NpcCharacter character)
        {
            _characters.Remove(character);
            NpcCharacter routed;
            if (_routes.TryGetValue(character.NpcId, out routed) && routed == character)
            {
                _routes.Remove(character.NpcId);
                if (_session != null)
                {
                    _session.UnregisterCharacter(character.NpcId);
                }
            }
        }

        internal void Route(string npcId, NpcCharacter character)
        {
            _routes[npcId] = character;
            if (_session != null)
            {
                Register(npcId, character);
            }
        }

        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.SubsystemRegistration)]
        private static void ResetStatics()
        {
            // Without a domain reload statics are those of the last time in play mode.
            ShutDown();
            _instance = null;
            _isQuitting = false;
            Application.quitting -= Quit;
            Application.quitting += Quit;
        }

        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.BeforeSceneLoad)]
        private static void Begin()
        {
            if (NpcBrainSettings.Load().Autostart)
            {
                Instance.StartSidecar();
            }
        }

        private static void Quit()
        {
            _isQuitting = true;
            ShutDown();
        }

        private void Awake()
        {
            if (_instance != null && _instance != this)
            {
                Destroy(this);
                return;
            }
            _instance = this;
            Phase = Offline;
            PhaseDetail = "";
            Settings = NpcBrainSettings.Load();
            FrameBudgetMs = Settings.FrameBudgetMs;
        }

        private void OnDestroy()
        {
            if (_instance == this)
            {
                ShutDown();
                _instance = null;
            }
        }

        private void Update()
        {
            if (_session != null)
            {
                try
                {
                    _session.Pump(FrameBudgetMs);
                }
                catch (Exception exception)
                {
                    // A listener of the game failed: what comes after is not to be lost by it.
                    Debug.LogException(exception, this);
                }
            }
            if (_sessions.Count > (_session != null ? 1 : 0))
            {
                _sessions.RemoveAll(HasEnded);
            }
        }

        private static bool HasEnded(SidecarClient session)
        {
            return (_instance == null || session != _instance._session) && !session.HasThreads;
        }

        private void Register(string npcId, NpcCharacter character)
        {
            _session.RegisterCharacter(
                npcId, message => character.TakeMessage(new NpcMessage(message)));
        }

        private void TakeConnected(bool isResumed)
        {
            if (World != null)
            {
                World.TakeConnected();
            }
            foreach (NpcCharacter character in _characters.ToArray())
            {
                character.TakeConnected(isResumed);
            }
            if (Connected != null)
            {
                Connected(isResumed);
            }
        }

        private void TakeDisconnected(string reason)
        {
            if (World != null)
            {
                World.TakeDisconnected();
            }
            foreach (NpcCharacter character in _characters.ToArray())
            {
                character.TakeDisconnected(reason);
            }
            if (Disconnected != null)
            {
                Disconnected(reason);
            }
        }

        private void TakeReceived(IDictionary<string, object> message)
        {
            if (MessageReceived != null)
            {
                MessageReceived(new NpcMessage(message));
            }
        }

        private void TakeSent(IDictionary<string, object> message)
        {
            if (MessageSent != null)
            {
                MessageSent(new NpcMessage(message));
            }
        }

        private void TakeLog(string line)
        {
            if (LogReceived != null)
            {
                LogReceived(line);
            }
        }

        private void TellError(string code, string text, string hint)
        {
            if (ErrorReceived != null)
            {
                ErrorReceived(code, text, hint);
            }
            else
            {
                Debug.LogWarning("NPC Brain: " + code + ": " + text, this);
            }
        }

        private void SetStatus(string phase, string detail, double progress)
        {
            Phase = phase;
            PhaseDetail = detail;
            if (StatusChanged != null)
            {
                StatusChanged(phase, detail, progress);
            }
        }
    }
}
