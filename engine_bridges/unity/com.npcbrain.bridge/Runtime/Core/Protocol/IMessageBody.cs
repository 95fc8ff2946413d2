using System.Collections.Generic;

namespace NpcBrain.Protocol
{
    /// <summary>A part of a message, as a plain class.</summary>
    public interface IMessagePart
    {
        /// <summary>Its fields, in the order of the protocol.</summary>
        IDictionary<string, object> ToMap();
    }

    /// <summary>The body of a message, as a plain class.</summary>
    public interface IMessageBody : IMessagePart
    {
        /// <summary>The message's type, as <c>npc.hear</c>.</summary>
        string MessageType { get; }
    }
}
