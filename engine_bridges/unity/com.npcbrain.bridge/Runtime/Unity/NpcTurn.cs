using System;
using System.Collections.Generic;
using System.Text;

namespace NpcBrain
{
    /// <summary>One speech of an NPC: text as it is made, whole lines, and exactly one end.</summary>
    public sealed class NpcTurn
    {
        private readonly List<NpcLine> _lines = new List<NpcLine>();
        private readonly StringBuilder _text = new StringBuilder();

        internal NpcTurn(NpcCharacter character, string cause, string speakerId)
        {
            Character = character;
            TurnId = -1;
            Cause = cause;
            SpeakerId = speakerId;
            Outcome = "";
            Detail = "";
            Tools = new List<IDictionary<string, object>>();
            Timings = new Dictionary<string, object>();
        }

        /// <summary>It has come to its end. Listeners added after the end are not called.</summary>
        public event Action<NpcTurn> Ended;

        /// <summary>Who speaks.</summary>
        public NpcCharacter Character { get; private set; }

        /// <summary>The sidecar's id; -1 while (or when) the sidecar has not begun it.</summary>
        public long TurnId { get; internal set; }

        /// <summary>Why the NPC speaks: "hear", "action" (after its end) or "state" (authored).</summary>
        public string Cause { get; private set; }

        /// <summary>Whom it answers; empty if it speaks unprompted.</summary>
        public string SpeakerId { get; private set; }

        /// <summary>What has been said since the last complete line; a new string at each call.</summary>
        public string Text
        {
            get { return _text.ToString(); }
        }

        /// <summary>The whole lines so far.</summary>
        public IList<NpcLine> Lines
        {
            get { return _lines.AsReadOnly(); }
        }

        /// <summary>Whether nothing more comes.</summary>
        public bool HasEnded { get; private set; }

        /// <summary>"said", "fallback", "cancelled", "silent" or "failed"; empty until the end.</summary>
        public string Outcome { get; private set; }

        /// <summary>Why it ended as it did, for people.</summary>
        public string Detail { get; private set; }

        /// <summary>The tools that the NPC used: maps of tool, args, ok, text, reason.</summary>
        public IList<IDictionary<string, object>> Tools { get; private set; }

        /// <summary>first_token_ms, total_ms and numbers of tokens; empty for a local turn.</summary>
        public IDictionary<string, object> Timings { get; private set; }

        internal bool HasStarted { get; set; }

        /// <summary>When the character must have said something, in seconds of real time.</summary>
        internal double DeadlineSeconds { get; set; }

        internal bool HasText
        {
            get { return _text.Length > 0; }
        }

        internal int NumLines
        {
            get { return _lines.Count; }
        }

        internal void AddToken(string text)
        {
            _text.Append(text);
        }

        internal void AddLine(NpcLine line)
        {
            _text.Length = 0;
            _lines.Add(line);
        }

        internal void End(string outcome, string detail)
        {
            HasEnded = true;
            Outcome = outcome;
            Detail = detail;
        }

        internal void End(IDictionary<string, object> body)
        {
            Tools = Fields.Maps(body, "tools");
            Timings = Fields.Map(body, "timings");
            End(Fields.Text(body, "outcome"), Fields.Text(body, "detail"));
        }

        internal void Announce()
        {
            if (Ended != null)
            {
                Ended(this);
            }
        }
    }
}
