using UnityEngine;

namespace NpcBrain.Samples.Gatehouse
{
    /// <summary>Shows what a character says above its head, piece by piece as it comes.</summary>
    public sealed class SpeechBubble : MonoBehaviour
    {
        private const float Width = 320f;
        private const float Height = 60f;
        private const float HeadHeight = 1.4f;
        private const float MinSeconds = 2f;
        private const float SecondsPerCharacter = 0.06f;

        private float _hideAtSeconds;
        private bool _isLineWhole;

        /// <summary>What is shown; empty for no bubble.</summary>
        public string Text { get; private set; }

        /// <summary>Shows from now on what the character of this object says.</summary>
        public void Follow(NpcCharacter character)
        {
            character.TokenReceived += AddPiece;
            character.LineSaid += ShowLine;
            character.TurnEnded += HideLater;
        }

        private void Awake()
        {
            Text = "";
        }

        private void AddPiece(NpcTurn turn, string piece)
        {
            // A turn may have several lines; the first piece of the next replaces the last.
            Text = _isLineWhole ? piece : Text + piece;
            _isLineWhole = false;
            _hideAtSeconds = float.PositiveInfinity;
        }

        private void ShowLine(NpcTurn turn, NpcLine line)
        {
            Text = line.Text;
            _isLineWhole = true;
        }

        private void HideLater(NpcTurn turn)
        {
            _isLineWhole = true;
            _hideAtSeconds = Time.unscaledTime + MinSeconds + Text.Length * SecondsPerCharacter;
        }

        private void Update()
        {
            if (Time.unscaledTime > _hideAtSeconds)
            {
                Text = "";
            }
        }

        private void OnGUI()
        {
            if (Text.Length > 0 && Camera.main != null)
            {
                Vector3 head = transform.position + Vector3.up * HeadHeight;
                Vector3 point = Camera.main.WorldToScreenPoint(head);
                // Screen points count from the bottom, GUI positions from the top.
                float top = Screen.height - point.y - Height;
                GUI.Box(new Rect(point.x - Width / 2, top, Width, Height), Text);
            }
        }
    }
}
