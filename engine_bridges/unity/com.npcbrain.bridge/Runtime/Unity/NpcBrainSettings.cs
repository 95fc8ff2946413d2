using UnityEngine;

namespace NpcBrain
{
    /// <summary>
    /// The bridge's settings: an asset named <c>NpcBrainSettings</c> in a Resources folder (menu
    /// <i>Assets &gt; Create &gt; NPC Brain &gt; Settings</i>). Without one the defaults hold.
    /// </summary>
    [CreateAssetMenu(menuName = "NPC Brain/Settings", fileName = AssetName)]
    public sealed class NpcBrainSettings : ScriptableObject
    {
        /// <summary>The asset's name, below a Resources folder.</summary>
        public const string AssetName = "NpcBrainSettings";

        [Header("The sidecar")]
        [SerializeField]
        [Tooltip("The program npc-brain, or a packed folder. Empty looks in .venv and PATH.")]
        private string _sidecarPath = "";

        [SerializeField]
        [Tooltip("A sidecar started by hand: tcp://127.0.0.1:PORT, or its connection file. Empty starts one.")]
        private string _endpoint = "";

        [SerializeField]
        [Tooltip("A catalogue name, a directory, a server, or none.")]
        private string _model = "smollm2-135m";

        [SerializeField]
        [Tooltip("A folder of NPC files for the sidecar. Characters bring their own; rarely needed.")]
        private string _npcsFolder = "";

        [SerializeField]
        [Tooltip("Whether the sidecar starts with the game.")]
        private bool _autostart = true;

        [Header("The game")]
        [SerializeField]
        [Range(0.1f, 10f)]
        [Tooltip("How long a frame may spend on messages, in milliseconds; the rest waits.")]
        private float _frameBudgetMs = 2f;

        [Header("Builds")]
        [SerializeField]
        [Tooltip("Whether builds for desktops get the sidecar folder beside the game.")]
        private bool _includeSidecar = true;

        [SerializeField]
        [Tooltip("The folder that pack_sidecar.py made; relative to the project.")]
        private string _packedFolder = "npc_brain_sidecar";

        /// <summary>The program, or a packed folder; empty looks for it.</summary>
        public string SidecarPath
        {
            get { return _sidecarPath; }
            set { _sidecarPath = value; }
        }

        /// <summary>Where a sidecar that was started by hand listens, or its connection file.</summary>
        public string Endpoint
        {
            get { return _endpoint; }
            set { _endpoint = value; }
        }

        /// <summary>What it speaks with.</summary>
        public string Model
        {
            get { return _model; }
            set { _model = value; }
        }

        /// <summary>A folder of NPC files; empty for none.</summary>
        public string NpcsFolder
        {
            get { return _npcsFolder; }
            set { _npcsFolder = value; }
        }

        /// <summary>Whether the sidecar starts with the game.</summary>
        public bool Autostart
        {
            get { return _autostart; }
            set { _autostart = value; }
        }

        /// <summary>How long a frame may spend on messages, in milliseconds.</summary>
        public float FrameBudgetMs
        {
            get { return _frameBudgetMs; }
            set { _frameBudgetMs = value; }
        }

        /// <summary>Whether builds for desktops get the sidecar.</summary>
        public bool IncludeSidecar
        {
            get { return _includeSidecar; }
            set { _includeSidecar = value; }
        }

        /// <summary>The folder that goes into builds, relative to the project.</summary>
        public string PackedFolder
        {
            get { return _packedFolder; }
            set { _packedFolder = value; }
        }

        /// <summary>The project's settings, or the defaults.</summary>
        public static NpcBrainSettings Load()
        {
            NpcBrainSettings asset = Resources.Load<NpcBrainSettings>(AssetName);
            return asset != null ? asset : CreateInstance<NpcBrainSettings>();
        }
    }
}
