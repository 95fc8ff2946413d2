using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public struct Vector2
    {
        public float x;
        public float y;

        public Vector2(float x, float y)
        {
            this.x = x;
            this.y = y;
        }
    }

    public struct Vector2Int
    {
        public Vector2Int(int x, int y) : this()
        {
            this.x = x;
            this.y = y;
        }

        public int x { get; set; }

        public int y { get; set; }
    }

    public struct Vector3
    {
        public float x;
        public float y;
        public float z;

        public Vector3(float x, float y, float z)
        {
            this.x = x;
            this.y = y;
            this.z = z;
        }

        public static Vector3 zero { get { return new Vector3(); } }

        public static Vector3 up { get { return new Vector3(0f, 1f, 0f); } }

        public float sqrMagnitude { get { return x * x + y * y + z * z; } }

        public static Vector3 operator +(Vector3 left, Vector3 right)
        {
            return new Vector3(left.x + right.x, left.y + right.y, left.z + right.z);
        }

        public static Vector3 operator *(Vector3 vector, float factor)
        {
            return new Vector3(vector.x * factor, vector.y * factor, vector.z * factor);
        }

        public static Vector3 operator -(Vector3 left, Vector3 right)
        {
            return new Vector3(left.x - right.x, left.y - right.y, left.z - right.z);
        }

        public static float Distance(Vector3 left, Vector3 right)
        {
            return (float)Math.Sqrt((left - right).sqrMagnitude);
        }

        public static Vector3 MoveTowards(Vector3 current, Vector3 target, float maxDistanceDelta)
        {
            float distance = Distance(current, target);
            return distance <= maxDistanceDelta
                ? target : current + (target - current) * (maxDistanceDelta / distance);
        }
    }

    public enum RuntimePlatform
    {
        OSXEditor = 0, OSXPlayer = 1, WindowsPlayer = 2, WindowsEditor = 7, IPhonePlayer = 8,
        Android = 11, LinuxPlayer = 13, LinuxEditor = 16, WebGLPlayer = 17,
    }

    public static class Application
    {
        public static event Action quitting;

        public static bool isPlaying { get { return FakePlayer.IsPlaying; } }

        public static bool isEditor { get { return FakePlayer.IsEditor; } }

        public static RuntimePlatform platform
        {
            get { return isEditor ? RuntimePlatform.LinuxEditor : RuntimePlatform.LinuxPlayer; }
        }

        public static string persistentDataPath { get { return FakePlayer.PersistentDataPath; } }

        public static string dataPath { get { return FakePlayer.DataPath; } }

        public static string unityVersion { get { return "2021.3.0f1"; } }

        internal static void RaiseQuitting()
        {
            if (quitting != null)
            {
                quitting();
            }
        }
    }

    public static class Time
    {
        public static float unscaledTime { get { return (float)FakePlayer.Seconds; } }

        public static float deltaTime { get { return (float)FakePlayer.FrameSeconds; } }

        public static float unscaledDeltaTime { get { return (float)FakePlayer.FrameSeconds; } }

        public static float realtimeSinceStartup { get { return (float)FakePlayer.Seconds; } }
    }

    public static class Debug
    {
        public static void Log(object message, Object context = null)
        {
            FakePlayer.Log("log", message);
        }

        public static void LogWarning(object message, Object context = null)
        {
            FakePlayer.Log("warning", message);
        }

        public static void LogError(object message, Object context = null)
        {
            FakePlayer.Log("error", message);
        }

        public static void LogException(Exception exception, Object context = null)
        {
            FakePlayer.Log("exception", exception);
        }
    }

    public static class Resources
    {
        internal static readonly Dictionary<string, Object> Assets = new Dictionary<string, Object>();

        public static T Load<T>(string path) where T : Object
        {
            Object asset;
            return Assets.TryGetValue(path, out asset) ? asset as T : null;
        }
    }
}
