using System;

namespace NpcBrain
{
    /// <summary>What cannot be written as msgpack, or is not msgpack as Protocol 1 has it.</summary>
    public sealed class MsgpackException : Exception
    {
        /// <summary>What is wrong.</summary>
        public MsgpackException(string message)
            : base(message)
        {
        }
    }
}
