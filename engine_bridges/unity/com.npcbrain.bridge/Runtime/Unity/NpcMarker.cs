using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>What a marker stands for.</summary>
    public enum NpcMarkerKind
    {
        /// <summary>A named spot that one can go to or ask about.</summary>
        Place,

        /// <summary>The player.</summary>
        Player,

        /// <summary>A thing that stands in the world.</summary>
        Object,
    }

    /// <summary>Tells NPCs of the object that it is on: a place, the player, a thing.</summary>
    [AddComponentMenu("NPC Brain/NPC Marker")]
    [DisallowMultipleComponent]
    public sealed class NpcMarker : MonoBehaviour
    {
        internal static readonly List<NpcMarker> All = new List<NpcMarker>();

        [SerializeField]
        private NpcMarkerKind _kind;

        [SerializeField]
        [Tooltip("Its id in the game's world, unique: letters, digits, _ . : / -")]
        private string _id = "";

        [SerializeField]
        [Tooltip("Its name, as people say it.")]
        private string _displayName = "";

        [SerializeField]
        private string _description = "";

        [SerializeField]
        [Tooltip("Words that NPCs ask for the nearest of, as inn or water.")]
        private string[] _tags = new string[0];

        /// <summary>What it stands for.</summary>
        public NpcMarkerKind Kind
        {
            get { return _kind; }
            set { _kind = value; }
        }

        /// <summary>Its id in the game's world, unique; if empty, it is not reported.</summary>
        public string Id
        {
            get { return _id; }
            set { _id = value; }
        }

        /// <summary>Its name, as people say it.</summary>
        public string DisplayName
        {
            get { return string.IsNullOrEmpty(_displayName) ? name : _displayName; }
            set { _displayName = value; }
        }

        /// <summary>What there is to say of it.</summary>
        public string Description
        {
            get { return _description; }
            set { _description = value; }
        }

        /// <summary>Words that NPCs ask for the nearest of.</summary>
        public string[] Tags
        {
            get { return _tags; }
            set { _tags = value; }
        }

        private void OnEnable()
        {
            All.Add(this);
        }

        private void OnDisable()
        {
            All.Remove(this);
        }
    }
}
