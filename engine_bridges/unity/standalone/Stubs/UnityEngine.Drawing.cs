using System;
using System.Collections.Generic;
using System.Globalization;

namespace UnityEngine
{
    public enum TextureFormat { RGBA32 = 4 }

    public enum FilterMode { Point = 0, Bilinear = 1 }

    public enum CameraClearFlags { Skybox = 1, SolidColor = 2 }

    public enum EventType { KeyDown = 4, Repaint = 7, Layout = 8 }

    public enum KeyCode { None = 0, Return = 13, KeypadEnter = 271 }

    public partial class Transform
    {
        public Transform parent { get; private set; }

        public Vector3 localScale { get; set; }

        public void SetParent(Transform parent, bool worldPositionStays)
        {
            this.parent = parent;
        }
    }

    public partial struct Vector3
    {
        public static Vector3 MoveTowards(Vector3 current, Vector3 target, float maxDistanceDelta)
        {
            float distance = Distance(current, target);
            if (distance <= maxDistanceDelta || distance == 0f)
            {
                return target;
            }
            float part = maxDistanceDelta / distance;
            return new Vector3(
                current.x + (target.x - current.x) * part,
                current.y + (target.y - current.y) * part,
                current.z + (target.z - current.z) * part);
        }
    }

    public struct Color
    {
        public float r;
        public float g;
        public float b;
        public float a;

        public Color(float r, float g, float b, float a = 1f)
        {
            this.r = r;
            this.g = g;
            this.b = b;
            this.a = a;
        }

        public static Color white { get { return new Color(1f, 1f, 1f); } }

        public static Color black { get { return new Color(0f, 0f, 0f); } }

        public static Color grey { get { return new Color(0.5f, 0.5f, 0.5f); } }

        public static Color operator *(Color colour, float factor)
        {
            return new Color(colour.r * factor, colour.g * factor, colour.b * factor, colour.a * factor);
        }
    }

    public static class ColorUtility
    {
        public static bool TryParseHtmlString(string htmlString, out Color color)
        {
            int rgb;
            color = Color.white;
            if (htmlString.Length != 7 || htmlString[0] != '#' || !int.TryParse(htmlString.Substring(1),
                NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out rgb))
            {
                return false;
            }
            color = new Color((rgb >> 16) / 255f, ((rgb >> 8) & 255) / 255f, (rgb & 255) / 255f);
            return true;
        }
    }

    public struct Rect
    {
        public Rect(float x, float y, float width, float height) : this()
        {
            this.x = x;
            this.y = y;
            this.width = width;
            this.height = height;
        }

        public float x { get; set; }

        public float y { get; set; }

        public float width { get; set; }

        public float height { get; set; }
    }

    public partial class Texture2D
    {
        private readonly Color[] _pixels;

        public Texture2D(int width, int height, TextureFormat textureFormat, bool mipChain)
        {
            this.width = width;
            this.height = height;
            _pixels = new Color[width * height];
        }

        public Texture2D()
        {
        }

        public int width { get; private set; }

        public int height { get; private set; }

        public FilterMode filterMode { get; set; }

        public void SetPixel(int x, int y, Color color)
        {
            _pixels[y * width + x] = color;
        }

        public Color GetPixel(int x, int y)
        {
            return _pixels[y * width + x];
        }

        public void Apply()
        {
        }
    }

    public sealed class Sprite : Object
    {
        public Texture2D texture { get; private set; }

        public static Sprite Create(Texture2D texture, Rect rect, Vector2 pivot, float pixelsPerUnit)
        {
            return new Sprite { texture = texture };
        }
    }

    public class Renderer : Component
    {
        public int sortingOrder { get; set; }
    }

    public sealed class SpriteRenderer : Renderer
    {
        public Sprite sprite { get; set; }

        public Color color { get; set; }
    }

    public sealed class Camera : Behaviour
    {
        public static Camera main { get { return null; } }

        public bool orthographic { get; set; }

        public float orthographicSize { get; set; }

        public Color backgroundColor { get; set; }

        public CameraClearFlags clearFlags { get; set; }

        public Vector3 WorldToScreenPoint(Vector3 position)
        {
            return position;
        }
    }

    public static class Screen
    {
        public static int width { get { return 1280; } }

        public static int height { get { return 720; } }
    }

    public sealed class Event
    {
        private static readonly Event _current = new Event();

        public static Event current { get { return _current; } }

        public EventType type { get; set; }

        public KeyCode keyCode { get; set; }

        public void Use()
        {
            type = EventType.Repaint;
        }
    }

    public sealed class GUIStyle
    {
        public GUIStyle()
        {
        }

        public GUIStyle(GUIStyle other)
        {
        }

        public bool richText { get; set; }

        public bool wordWrap { get; set; }
    }

    public sealed class GUISkin : ScriptableObject
    {
        public readonly GUIStyle label = new GUIStyle();
        public readonly GUIStyle box = new GUIStyle();
    }

    /// <summary>What is drawn is noted for the tests; what is typed comes from them.</summary>
    public static class GUI
    {
        public static readonly List<string> Drawn = new List<string>();
        public static string Typed = "";

        private static readonly GUISkin _skin = new GUISkin();

        public static GUISkin skin { get { return _skin; } }

        public static void Label(Rect position, string text, GUIStyle style)
        {
            Drawn.Add(text);
        }

        public static string TextField(Rect position, string text)
        {
            return Typed;
        }

        public static void SetNextControlName(string name)
        {
        }

        public static void FocusControl(string name)
        {
        }
    }

    public static class GUILayout
    {
        public static bool Button(string text)
        {
            return false;
        }

        public static void BeginArea(Rect screenRect, GUIStyle style)
        {
        }

        public static void EndArea()
        {
        }

        public static Vector2 BeginScrollView(Vector2 scrollPosition)
        {
            return scrollPosition;
        }

        public static void EndScrollView()
        {
        }

        public static void Label(string text, GUIStyle style)
        {
            GUI.Drawn.Add(text);
        }
    }
}
