using System;
using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>
    /// Runs the <see cref="SidecarClient"/> in Unity's player loop. Made by itself when the game
    /// starts; games rarely need more than the events of <see cref="Sidecar"/>, since
    /// <see cref="NpcCharacter"/> and <see cref="NpcWorld"/> do the talking. All I/O is on a thread of
    /// its own; a frame spends <see cref="FrameBudgetMs"/> at most on messages.
    /// </summary>
    [AddComponentMenu("")]
    [DefaultExecutionOrder(-1000)]
    [DisallowMultipleComponent]
    public sealed class NpcBrainHost : MonoBehaviour
    {
        private static NpcBrainHost _instance;
        private static bool _isQuitting;

        private readonly SidecarClient _sidecar = new SidecarClient();
        private readonly List<NpcCharacter> _characters = new List<NpcCharacter>();

        /// <summary>The host of the running game, made when there is none; null while it ends.</summary>
        public static NpcBrainHost Instance
        {
            get
            {
                if (_instance == null && Application.isPlaying && !_isQuitting)
                {
                    GameObject holder = new GameObject("NPC Brain");
                    DontDestroyOnLoad(holder);
                    holder.AddComponent<NpcBrainHost>();
                }
                return _instance;
            }
        }

        /// <summary>The host of the running game; null when there is none.</summary>
        public static NpcBrainHost Existing
        {
            get { return _instance; }
        }

        /// <summary>The link to the sidecar: its status, its log, every message.</summary>
        public SidecarClient Sidecar
        {
            get { return _sidecar; }
        }

        /// <summary>The settings in use.</summary>
        public NpcBrainSettings Settings { get; private set; }

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
            if (!_isQuitting)
            {
                Sidecar.Start(SettingsReader.Read(Settings));
            }
        }

        /// <summary>Says goodbye and ends the sidecar; returns at once, the end comes by itself.</summary>
        public void StopSidecar()
        {
            Sidecar.Stop();
        }

        /// <summary>
        /// Ends everything: thread, socket, process. The one clean-up for the game's end, leaving play
        /// mode, and domain reloads; waits a second at most, usually some milliseconds.
        /// </summary>
        public static void ShutDown()
        {
            if (_instance != null)
            {
                _instance.Sidecar.Dispose();
            }
        }

        internal void Add(NpcCharacter character)
        {
            _characters.Add(character);
        }

        internal void Remove(NpcCharacter character)
        {
            _characters.Remove(character);
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
            Settings = NpcBrainSettings.Load();
            FrameBudgetMs = Settings.FrameBudgetMs;
            Sidecar.Connected += TakeConnected;
            Sidecar.Disconnected += TakeDisconnected;
            Sidecar.ErrorReceived += LogError;
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
            try
            {
                Sidecar.Pump(FrameBudgetMs);
            }
            catch (Exception exception)
            {
                // A listener of the game failed: what comes after is not to be lost by it.
                Debug.LogException(exception, this);
            }
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
        }

        private void LogError(string code, string text, string hint)
        {
            Debug.LogWarning("NPC Brain: " + code + ": " + text, this);
        }
    }
}
