using System.Collections.Generic;
using System.IO;
using NpcBrain.Samples.Tavern;

namespace NpcBrain.Standalone
{
    /// <summary>
    /// Shows the game as lines of text. Whoever speaks first streams; the rest waits its turn.
    /// </summary>
    internal sealed class PlainView : ITavernView
    {
        private readonly TextWriter _out;
        private readonly List<string> _waiting = new List<string>();
        private PlainSpeech _speaking;

        /// <summary>A view that writes to <paramref name="output"/>.</summary>
        public PlainView(TextWriter output)
        {
            _out = output;
        }

        /// <inheritdoc/>
        public void Echo(string command)
        {
            WriteLine("\n> " + command);
        }

        /// <inheritdoc/>
        public void Note(string text)
        {
            WriteLine("  " + text);
        }

        /// <inheritdoc/>
        public void Aside(string text)
        {
            WriteLine("      · " + text);
        }

        /// <inheritdoc/>
        public void Error(string text)
        {
            WriteLine("  ! " + text);
        }

        /// <inheritdoc/>
        public ISpeech Speech(string npcId, string name, string colour)
        {
            PlainSpeech speech = new PlainSpeech(this, name + ": ");
            if (_speaking == null)
            {
                _speaking = speech;
                Write(speech.Head);
            }
            return speech;
        }

        private void End(PlainSpeech speech, string line)
        {
            if (speech != _speaking)
            {
                WriteLine(speech.Head + line);
                return;
            }
            _speaking = null;
            Write(line == speech.Said ? "\n" : "\n" + speech.Head + line + "\n");
            List<string> waiting = new List<string>(_waiting);
            _waiting.Clear();
            waiting.ForEach(WriteLine);
        }

        private void WriteLine(string text)
        {
            if (_speaking == null)
            {
                Write(text + "\n");
            }
            else
            {
                _waiting.Add(text);
            }
        }

        private void Write(string text)
        {
            _out.Write(text);
            _out.Flush();
        }

        private sealed class PlainSpeech : ISpeech
        {
            public readonly string Head;
            private readonly PlainView _view;

            public PlainSpeech(PlainView view, string head)
            {
                _view = view;
                Head = head;
                Said = "";
            }

            public string Said { get; private set; }

            public void Add(string piece)
            {
                Said += piece;
                if (this == _view._speaking)
                {
                    _view.Write(piece);
                }
            }

            public void Close(string line)
            {
                // A line that came without pieces streams as one.
                Add(Said.Length == 0 ? line : "");
                _view.End(this, line);
            }
        }
    }
}
