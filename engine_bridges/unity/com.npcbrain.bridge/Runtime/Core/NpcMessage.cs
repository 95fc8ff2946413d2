using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>A message of the protocol, as it came or went; <c>schemas/protocol.md</c> lists all.</summary>
    public sealed class NpcMessage
    {
        /// <summary>The type of a refusal.</summary>
        public const string ErrorType = "error";

        /// <summary>The code of the refusal that stands for an answer of a sidecar that is gone.</summary>
        public const string ConnectionLostCode = "connection_lost";

        internal NpcMessage(
            string type, long id, long replyTo, string npcId, IDictionary<string, object> body)
        {
            Type = type;
            Id = id;
            ReplyTo = replyTo;
            NpcId = npcId ?? "";
            Body = body;
        }

        /// <summary>A message as it was read from the wire.</summary>
        internal NpcMessage(IDictionary<string, object> message)
            : this(
                Fields.Text(message, "type"), Fields.Integer(message, "id"),
                Fields.Integer(message, "reply_to"), Fields.Text(message, "npc_id"),
                Fields.Map(message, "body"))
        {
        }

        /// <summary>For example <c>turn.line</c>.</summary>
        public string Type { get; private set; }

        /// <summary>The sender's number of it.</summary>
        public long Id { get; private set; }

        /// <summary>The id of the message that it answers; 0 when it answers none.</summary>
        public long ReplyTo { get; private set; }

        /// <summary>The NPC concerned; empty for none.</summary>
        public string NpcId { get; private set; }

        /// <summary>Fields by name.</summary>
        public IDictionary<string, object> Body { get; private set; }

        /// <summary>Whether it is a refusal.</summary>
        public bool IsError
        {
            get { return Type == ErrorType; }
        }

        /// <summary>A refusal's code, stable; empty for other messages.</summary>
        public string ErrorCode
        {
            get { return IsError ? Fields.Text(Body, "code") : ""; }
        }

        /// <summary>A refusal's text, for people; empty for other messages.</summary>
        public string ErrorText
        {
            get { return IsError ? Fields.Text(Body, "message") : ""; }
        }

        /// <summary>What is answered in place of a sidecar that is gone.</summary>
        internal static NpcMessage ConnectionLost(long replyTo, string text)
        {
            return Refusal(replyTo, ConnectionLostCode, text);
        }

        /// <summary>A refusal that this bridge makes itself.</summary>
        internal static NpcMessage Refusal(long replyTo, string code, string text)
        {
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["code"] = code;
            body["message"] = text;
            body["hint"] = "The sidecar's log tells more.";
            body["retryable"] = code == ConnectionLostCode;
            return new NpcMessage(ErrorType, 0, replyTo, "", body);
        }
    }
}
