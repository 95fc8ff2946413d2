using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>
    /// A question of an NPC that only the game can answer, once, by <see cref="Answer(string)"/> or
    /// <see cref="Refuse"/>; now or some frames later.
    /// </summary>
    public sealed class NpcToolCall
    {
        internal NpcToolCall(NpcCharacter character, IDictionary<string, object> body)
        {
            Character = character;
            CallId = Fields.Integer(body, "call_id");
            Tool = Fields.Text(body, "tool");
            Args = Fields.Map(body, "args");
            TimeoutMs = Fields.Integer(body, "timeout_ms");
        }

        /// <summary>Who asks.</summary>
        public NpcCharacter Character { get; private set; }

        /// <summary>Unique in its session.</summary>
        public long CallId { get; private set; }

        /// <summary>What is asked, for example <c>find_path</c>.</summary>
        public string Tool { get; private set; }

        /// <summary>Arguments by name.</summary>
        public IDictionary<string, object> Args { get; private set; }

        /// <summary>How long the game may take, in milliseconds.</summary>
        public long TimeoutMs { get; private set; }

        /// <summary>Whether it has been answered.</summary>
        public bool IsAnswered { get; internal set; }

        /// <summary>A text argument; empty when there is none.</summary>
        public string TextOf(string name)
        {
            return Fields.Text(Args, name);
        }

        /// <summary>The answer, as one sentence that is true.</summary>
        public void Answer(string text)
        {
            Dictionary<string, object> result = new Dictionary<string, object>();
            result["text"] = text;
            Answer(result);
        }

        /// <summary>The answer, as free-form data; a <c>text</c> in it is one sentence.</summary>
        public void Answer(IDictionary<string, object> result)
        {
            Character.AnswerTool(this, true, result, "");
        }

        /// <summary>There is no answer; the reason is a stable word, as "unreachable".</summary>
        public void Refuse(string reason)
        {
            Character.AnswerTool(this, false, null, reason);
        }
    }
}
