using System;

namespace NpcBrain.Definition
{
    /// <summary>What is wrong with a text that is read as YAML.</summary>
    internal sealed class YamlException : Exception
    {
        public YamlException(string message)
            : base(message)
        {
        }
    }
}
