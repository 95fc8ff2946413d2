using System;
using System.Collections.Generic;
using NpcBrain.Definition;
using UnityEngine;
using UnityEngine.Events;

namespace NpcBrain
{
    /// <summary>
    /// A character that talks and acts. Give it an NPC file and call <see cref="Hear"/>; the answer
    /// comes as <see cref="TokenReceived"/> and <see cref="LineSaid"/>. What it wants to do goes to the
    /// tools of <see cref="RegisterTool"/>, or comes as <see cref="ActionRequested"/>. With no sidecar
    /// it says the greeting and fallback lines of its file. All calls return at once, all events come
    /// on the main thread.
    /// </summary>
    [AddComponentMenu("NPC Brain/NPC Character")]
    [DisallowMultipleComponent]
    public sealed class NpcCharacter : MonoBehaviour
    {
        [SerializeField]
        [Tooltip("The NPC file (.yaml): who it is, what it says, how its states go.")]
        private TextAsset _definitionFile;

        [SerializeField]
        [Tooltip("Its id in the game's world, unique. Empty takes the one of the NPC file.")]
        private string _npcId = "";

        [SerializeField]
        [Range(-100, 100)]
        [Tooltip("Who is answered first when several are spoken to: higher goes first.")]
        private int _priority;

        [SerializeField]
        [Range(0.05f, 600f)]
        [Tooltip("By when a line must have been said; then a fallback line is. In seconds.")]
        private float _deadlineSeconds = 8f;

        [SerializeField]
        [Tooltip("Whether it is put back as it was when the sidecar has to be restarted.")]
        private bool _survivesRestarts = true;

        [Header("Events")]
        [SerializeField]
        private UnityEvent<NpcTurn> _onTurnStarted = new UnityEvent<NpcTurn>();

        [SerializeField]
        private UnityEvent<string> _onTokenReceived = new UnityEvent<string>();

        [SerializeField]
        private UnityEvent<NpcLine> _onLineSaid = new UnityEvent<NpcLine>();

        [SerializeField]
        [Tooltip("The text of each whole line, for a text component.")]
        private UnityEvent<string> _onTextSaid = new UnityEvent<string>();

        [SerializeField]
        private UnityEvent<NpcTurn> _onTurnEnded = new UnityEvent<NpcTurn>();

        [SerializeField]
        [Tooltip("The state that its machine is in now.")]
        private UnityEvent<string> _onStateChanged = new UnityEvent<string>();

        [SerializeField]
        private UnityEvent<NpcActionRequest> _onActionRequested = new UnityEvent<NpcActionRequest>();

        [SerializeField]
        private UnityEvent<NpcActionRequest> _onActionCancelled = new UnityEvent<NpcActionRequest>();

        [SerializeField]
        private UnityEvent<NpcToolCall> _onToolCalled = new UnityEvent<NpcToolCall>();

        [SerializeField]
        private UnityEvent<string> _onError = new UnityEvent<string>();

        private NpcFile _file;
        private FallbackVoice _voice;
        private TurnBook _book;
        private NpcHands _hands;
        private CharacterLink _link;
        private Dictionary<string, object> _startingBlackboard;

        /// <summary>It begins to speak.</summary>
        public event Action<NpcTurn> TurnStarted;

        /// <summary>The next piece of the line being said.</summary>
        public event Action<NpcTurn, string> TokenReceived;

        /// <summary>A whole line.</summary>
        public event Action<NpcTurn, NpcLine> LineSaid;

        /// <summary>It has finished speaking; exactly once a turn.</summary>
        public event Action<NpcTurn> TurnEnded;

        /// <summary>A transition of its machine: from (empty on spawn), to, and the event.</summary>
        public event Action<string, string, string> StateChanged;

        /// <summary>It wants to do something: do it and tell how it goes.</summary>
        public event Action<NpcActionRequest> ActionRequested;

        /// <summary>It no longer wants an action.</summary>
        public event Action<NpcActionRequest> ActionCancelled;

        /// <summary>It asks what only the game can answer.</summary>
        public event Action<NpcToolCall> ToolCalled;

        /// <summary>The sidecar refused something that concerns it: code, text, hint.</summary>
        public event Action<string, string, string> ErrorReceived;

        /// <summary>The NPC file; set it before the character is spawned, in its first frame.</summary>
        public TextAsset DefinitionFile
        {
            get { return _definitionFile; }
            set
            {
                _definitionFile = value;
                if (_book != null && !_link.HasSentSpawn)
                {
                    ReadDefinition();
                }
            }
        }

        /// <summary>Its id in the game's world; set it before the component is enabled.</summary>
        public string NpcId
        {
            get { return !string.IsNullOrEmpty(_npcId) || _file == null ? _npcId : _file.Id; }
            set { _npcId = value; }
        }

        /// <summary>Who is answered first when several are spoken to, -100 to 100.</summary>
        public int Priority
        {
            get { return _priority; }
            set { _priority = value; }
        }

        /// <summary>By when a line must have been said, in seconds (0.05 to 600).</summary>
        public float DeadlineSeconds
        {
            get { return _deadlineSeconds; }
            set { _deadlineSeconds = value; }
        }

        /// <summary>Its name, as players see it.</summary>
        public string DisplayName
        {
            get { return _file != null && _file.Name.Length > 0 ? _file.Name : name; }
        }

        /// <summary>The state that its machine is in, as <c>tending_bar</c>.</summary>
        public string State { get; private set; }

        /// <summary>The last known values of its blackboard.</summary>
        public IDictionary<string, object> Blackboard { get; private set; }

        /// <summary>Whether the sidecar has it.</summary>
        public bool IsSpawned
        {
            get { return _link != null && _link.IsSpawned; }
        }

        /// <summary>Whether it is speaking, or about to.</summary>
        public bool IsSpeaking
        {
            get { return _book != null && !_book.IsEmpty; }
        }

        /// <summary>Null while it is disabled.</summary>
        internal SidecarClient Sidecar
        {
            get { return _link != null ? _link.Sidecar : null; }
        }

        internal bool IsLinked
        {
            get { return Sidecar != null && Sidecar.IsConnected; }
        }

        /// <summary>
        /// First values for the blackboard, over those of the NPC file: text, numbers, booleans. Call
        /// it before the component is enabled.
        /// </summary>
        public void SetStartingBlackboard(IDictionary<string, object> values)
        {
            _startingBlackboard = new Dictionary<string, object>(values);
        }

        /// <summary>
        /// Someone speaks to it. The turn always ends, and always with something said unless it is
        /// cancelled.
        /// </summary>
        /// <param name="text">What is said, 1 to 2000 characters.</param>
        /// <param name="speakerId">Who says it.</param>
        public NpcTurn Hear(string text, string speakerId = "player")
        {
            Dictionary<string, object> heard = new Dictionary<string, object>();
            heard["text"] = text;
            return Ask(heard, speakerId);
        }

        /// <summary>
        /// Someone speaks to it aloud. Without <paramref name="text"/> it needs a model that hears.
        /// </summary>
        /// <param name="wav">A WAV file of up to 30 s.</param>
        /// <param name="text">The same in words; null when there are none.</param>
        /// <param name="speakerId">Who says it.</param>
        public NpcTurn HearAudio(byte[] wav, string text = null, string speakerId = "player")
        {
            Dictionary<string, object> heard = new Dictionary<string, object>();
            if (!string.IsNullOrEmpty(text))
            {
                heard["text"] = text;
            }
            heard["audio"] = wav;
            heard["audio_format"] = "wav";
            return Ask(heard, speakerId);
        }

        /// <summary>Someone shows it a picture, to speak of afterwards.</summary>
        /// <param name="image">A PNG or JPEG file; about 400 x 400 pixels are looked at.</param>
        /// <param name="caption">What it shows, in words; null for none.</param>
        /// <param name="entityId">The entity that it shows; null for none.</param>
        /// <param name="speakerId">Who shows it.</param>
        public void See(
            byte[] image, string caption = null, string entityId = null, string speakerId = "player")
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["speaker_id"] = speakerId;
            body["image"] = image;
            if (!string.IsNullOrEmpty(caption))
            {
                body["caption"] = caption;
            }
            if (!string.IsNullOrEmpty(entityId))
            {
                body["entity_id"] = entityId;
            }
            Tell("npc.see", body);
        }

        /// <summary>Something happens to it, as "attacked": a stimulus for its state machine.</summary>
        public void SendEvent(string happened, IDictionary<string, object> data = null)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["event"] = happened;
            body["data"] = data ?? new Dictionary<string, object>();
            Tell("npc.event", body);
        }

        /// <summary>Ends a turn at once, or all of its turns: no more is said.</summary>
        public void CancelTurn(NpcTurn turn = null)
        {
            if (_book != null)
            {
                _book.Cancel(turn);
            }
        }

        /// <summary>Gives it something of the game to do or ask; replaces a tool of the same name.</summary>
        public void RegisterTool(NpcTool tool)
        {
            Prepare();
            _hands.Add(tool);
        }

        /// <summary>Tells how an action goes; the methods of the request do it for you.</summary>
        public void UpdateAction(
            NpcActionRequest action, NpcActionStatus status, string reason = "",
            IDictionary<string, object> result = null)
        {
            if (!_hands.Update(action, status, reason, result))
            {
                Debug.LogWarning(
                    "NPC " + NpcId + ": action " + action.ActionId + " (" + action.Tool + ") is "
                    + action.Status + " and cannot become " + status, this);
            }
        }

        /// <summary>Answers a question; the methods of the call do it for you.</summary>
        public void AnswerTool(
            NpcToolCall call, bool isOk, IDictionary<string, object> result, string error)
        {
            if (call.IsAnswered)
            {
                Debug.LogWarning("NPC " + NpcId + ": " + call.Tool + " was answered already", this);
                return;
            }
            call.IsAnswered = true;
            _hands.Answer(call, isOk, result, error);
        }

        /// <summary>Its mind, for the game's own save; null if that failed.</summary>
        public void SaveState(Action<byte[]> onSaved)
        {
            if (Sidecar == null)
            {
                onSaved(null);
                return;
            }
            Sidecar.SaveState(new[] { NpcId }, onSaved);
        }

        /// <summary>Restores it as it was saved, and reports whether that worked.</summary>
        public void LoadState(byte[] blob, Action<bool> onLoaded = null)
        {
            if (Sidecar != null)
            {
                Sidecar.LoadState(blob, onLoaded);
            }
            else if (onLoaded != null)
            {
                onLoaded(false);
            }
        }

        internal string FallbackLine(NpcTurn turn)
        {
            Dictionary<string, object> values = new Dictionary<string, object>(Blackboard);
            values["speaker"] = NpcWorld.NameOf(turn.SpeakerId);
            return _voice.NextLine(State, turn.SpeakerId, values);
        }

        internal void Tell(string type, Dictionary<string, object> body)
        {
            if (IsLinked)
            {
                _link.SpawnIfLinked();
                Sidecar.Send(type, body, NpcId, Report);
            }
        }

        /// <summary>Tells the game of an answer when it is a refusal.</summary>
        internal void Report(NpcMessage answer)
        {
            if (!answer.IsError || answer.ErrorCode == NpcMessage.ConnectionLostCode)
            {
                return;
            }
            Debug.LogWarning("NPC " + NpcId + ": " + answer.ErrorCode + ": " + answer.ErrorText, this);
            _onError.Invoke(answer.ErrorText);
            if (ErrorReceived != null)
            {
                ErrorReceived(answer.ErrorCode, answer.ErrorText, Fields.Text(answer.Body, "hint"));
            }
        }

        internal void TakeStarted(NpcTurn turn)
        {
            _onTurnStarted.Invoke(turn);
            if (TurnStarted != null)
            {
                TurnStarted(turn);
            }
        }

        internal void TakeToken(NpcTurn turn, string text)
        {
            _onTokenReceived.Invoke(text);
            if (TokenReceived != null)
            {
                TokenReceived(turn, text);
            }
        }

        internal void TakeLine(NpcTurn turn, NpcLine line)
        {
            if (turn.Cause == "hear")
            {
                _voice.NoteMet(turn.SpeakerId);
            }
            _onLineSaid.Invoke(line);
            _onTextSaid.Invoke(line.Text);
            if (LineSaid != null)
            {
                LineSaid(turn, line);
            }
        }

        internal void TakeEnded(NpcTurn turn)
        {
            _link.KeepStateSoon();
            _onTurnEnded.Invoke(turn);
            if (TurnEnded != null)
            {
                TurnEnded(turn);
            }
        }

        internal bool RaiseActionRequested(NpcActionRequest action)
        {
            _onActionRequested.Invoke(action);
            if (ActionRequested != null)
            {
                ActionRequested(action);
            }
            return ActionRequested != null || action.Status != NpcActionStatus.Requested
                || _onActionRequested.GetPersistentEventCount() > 0;
        }

        internal void RaiseActionCancelled(NpcActionRequest action)
        {
            _onActionCancelled.Invoke(action);
            if (ActionCancelled != null)
            {
                ActionCancelled(action);
            }
        }

        internal bool RaiseToolCalled(NpcToolCall call)
        {
            _onToolCalled.Invoke(call);
            if (ToolCalled != null)
            {
                ToolCalled(call);
            }
            return ToolCalled != null || _onToolCalled.GetPersistentEventCount() > 0;
        }

        internal void TakeConnected(bool isResumed)
        {
            _link.TakeConnected(isResumed);
        }

        internal void TakeDisconnected(string reason)
        {
            _book.LoseAll(reason);
        }

        internal void TakeMessage(NpcMessage message)
        {
            switch (message.Type)
            {
                case "turn.started":
                case "turn.token":
                case "turn.line":
                case "turn.ended":
                    _book.Take(message.Type, message.Body);
                    break;
                case "npc.state":
                    TakeState(message.Body);
                    break;
                case "action.request":
                    _hands.TakeAction(message.Body);
                    break;
                case "action.cancel":
                    _hands.TakeCancel(message.Body);
                    break;
                case "tool.call":
                    _hands.TakeCall(message.Body);
                    break;
                default:
                    Report(message);
                    break;
            }
        }

        /// <summary>What to spawn it from: the NPC file's content, or its id where there is none.</summary>
        internal object Definition
        {
            get { return _file.Source.Count > 0 ? (object)_file.Source : _file.Id; }
        }

        internal Dictionary<string, object> StartingBlackboard
        {
            get { return _startingBlackboard; }
        }

        internal bool SurvivesRestarts
        {
            get { return _survivesRestarts; }
        }

        internal void TakeState(IDictionary<string, object> body)
        {
            State = Fields.Text(body, "to");
            Blackboard = Fields.Map(body, "blackboard");
            _link.KeepStateSoon();
            _onStateChanged.Invoke(State);
            if (StateChanged != null)
            {
                StateChanged(Fields.Text(body, "from"), State, Fields.Text(body, "event"));
            }
        }

        private NpcTurn Ask(Dictionary<string, object> heard, string speakerId)
        {
            Prepare();
            NpcTurn turn = new NpcTurn(this, "hear", speakerId);
            if (!IsLinked)
            {
                _book.HearAlone(turn);
                return turn;
            }
            _link.SpawnIfLinked();
            heard["speaker_id"] = speakerId;
            heard["priority"] = _priority;
            heard["deadline_ms"] = (int)(_deadlineSeconds * 1000);
            _book.Hear(turn, heard, Time.realtimeSinceStartup, _deadlineSeconds);
            return turn;
        }

        private void Awake()
        {
            Prepare();
        }

        /// <summary>Reads the NPC file, once; scripts may call this component before it is awake.</summary>
        private void Prepare()
        {
            if (_book == null)
            {
                _book = new TurnBook(this);
                _hands = new NpcHands(this);
                _link = new CharacterLink(this, _hands);
                State = "";
                Blackboard = new Dictionary<string, object>();
                ReadDefinition();
            }
        }

        private void ReadDefinition()
        {
            string stem = _definitionFile != null ? _definitionFile.name : name;
            _file = NpcFile.Parse(_definitionFile != null ? _definitionFile.text : "", stem);
            if (_file.Problem.Length > 0 && _definitionFile != null)
            {
                Debug.LogWarning("NPC " + name + ": " + stem + ": " + _file.Problem, this);
            }
            _voice = new FallbackVoice(_file);
            State = _file.Initial;
            Blackboard = _file.Blackboard;
        }

        private void OnEnable()
        {
            Prepare();
            _link.Open(NpcBrainHost.Instance);
        }

        private void OnDisable()
        {
            _book.Cancel(null);
            _hands.Forget();
            _link.Close();
        }

        private void Start()
        {
            _link.SpawnIfLinked();
        }

        private void Update()
        {
            double nowSeconds = Time.realtimeSinceStartup;
            _book.Tick(nowSeconds);
            _link.Tick(nowSeconds);
        }
    }
}
