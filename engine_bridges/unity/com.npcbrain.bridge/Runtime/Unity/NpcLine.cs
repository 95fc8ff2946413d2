using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>A whole line that an NPC has said.</summary>
    public sealed class NpcLine
    {
        /// <summary>The <see cref="Source"/> of a line that the character's own file gave.</summary>
        public const string FallbackSource = "fallback";

        internal NpcLine(string text)
        {
            Text = text;
            Emotion = "neutral";
            Gesture = "none";
            Source = FallbackSource;
            Choices = new List<string>();
        }

        internal NpcLine(IDictionary<string, object> body)
        {
            Text = Fields.Text(body, "text");
            Emotion = Fields.Text(body, "emotion");
            Gesture = Fields.Text(body, "gesture");
            Source = Fields.Text(body, "source");
            Choices = Fields.Texts(body, "choices");
        }

        /// <summary>
        /// What was said. The tokens since the last line add up to it, unless <see cref="Source"/> is
        /// <see cref="FallbackSource"/>: then it replaces them.
        /// </summary>
        public string Text { get; private set; }

        /// <summary>How it was said: "neutral", "happy" or what the NPC file names.</summary>
        public string Emotion { get; private set; }

        /// <summary>What the hands do meanwhile, from the tool <c>emote</c>; "none" for nothing.</summary>
        public string Gesture { get; private set; }

        /// <summary>"model", "scripted" (an author's line) or "fallback" (out of time, no sidecar).</summary>
        public string Source { get; private set; }

        /// <summary>Answers offered to the player, from the tool <c>offer_choices</c>.</summary>
        public IList<string> Choices { get; private set; }
    }
}
