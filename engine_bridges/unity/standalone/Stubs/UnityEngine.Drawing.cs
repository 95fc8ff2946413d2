using System.Collections.Generic;

namespace UnityEngine
{
    public struct Rect
    {
        public Rect(float x, float y, float width, float height)
        {
        }
    }

    public sealed class Camera : Behaviour
    {
        public static Camera main
        {
            get
            {
                foreach (Camera camera in FakePlayer.All<Camera>())
                {
                    if (camera.gameObject.tag == "MainCamera")
                    {
                        return camera;
                    }
                }
                return null;
            }
        }

        public Vector3 WorldToScreenPoint(Vector3 position)
        {
            return position;
        }
    }

    public static class Screen
    {
        public static int height { get { return 720; } }
    }

    /// <summary>What a frame draws is noted for the tests.</summary>
    public static class GUI
    {
        public static readonly List<string> Drawn = new List<string>();

        public static void Box(Rect position, string text)
        {
            Drawn.Add(text);
        }
    }

    /// <summary>What is typed and pressed comes from the tests.</summary>
    public static class GUILayout
    {
        public static string Typed = "";
        public static string Pressed = "";

        public static string TextField(string text)
        {
            return Typed;
        }

        public static bool Button(string text)
        {
            return text == Pressed;
        }

        public static void BeginArea(Rect screenRect)
        {
        }

        public static void EndArea()
        {
        }

        public static void Label(string text)
        {
            GUI.Drawn.Add(text);
        }
    }
}
