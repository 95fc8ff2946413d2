using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Reflection;

namespace UnityEngine
{
    /// <summary>
    /// Plays the part of Unity's player loop: frames, scenes, Play and Stop in an editor, and a domain
    /// reload, which here resets nothing by itself; the package's start-up methods must.
    /// </summary>
    public static class FakePlayer
    {
        public static readonly List<string> LogLines = new List<string>();
        public static bool IsEditor = true;
        public static string DataPath = "";
        public static string PersistentDataPath = "";

        private static readonly List<GameObject> _objects = new List<GameObject>();
        private static readonly List<Object> _doomed = new List<Object>();
        private static readonly Dictionary<Behaviour, State> _states = new Dictionary<Behaviour, State>();
        private static readonly Stopwatch _watch = Stopwatch.StartNew();
        private static readonly Dictionary<Type, int> _orders = new Dictionary<Type, int>();

        public static bool IsPlaying { get; private set; }

        public static double Seconds { get { return _watch.Elapsed.TotalSeconds; } }

        public static double FrameSeconds { get; private set; }

        /// <summary>Begins to play: start-up methods of the assemblies, then the scene.</summary>
        public static void Play(Action buildScene, params Assembly[] assemblies)
        {
            IsPlaying = true;
            RunStartUp(RuntimeInitializeLoadType.SubsystemRegistration, assemblies);
            RunStartUp(RuntimeInitializeLoadType.BeforeSceneLoad, assemblies);
            buildScene();
            RunStartUp(RuntimeInitializeLoadType.AfterSceneLoad, assemblies);
        }

        /// <summary>One frame.</summary>
        public static void Frame(double seconds)
        {
            FrameSeconds = seconds;
            List<Behaviour> running = new List<Behaviour>();
            foreach (KeyValuePair<Behaviour, State> entry in _states)
            {
                if (entry.Value.IsOn)
                {
                    running.Add(entry.Key);
                }
            }
            running.Sort((left, right) => OrderOf(left).CompareTo(OrderOf(right)));
            foreach (Behaviour behaviour in running)
            {
                State state;
                if (_states.TryGetValue(behaviour, out state) && state.IsOn && !state.HasStarted)
                {
                    state.HasStarted = true;
                    Call(behaviour, "Start");
                }
            }
            CallAll(running, "Update");
            CallAll(running, "LateUpdate");
            GUI.Drawn.Clear();
            CallAll(running, "OnGUI");
            DestroyDoomed();
        }

        /// <summary>Unloads the scene: everything that is not kept.</summary>
        public static void UnloadScene()
        {
            foreach (GameObject thing in _objects.ToArray())
            {
                if (!thing.IsKept)
                {
                    DestroyNow(thing);
                }
            }
        }

        /// <summary>Stops playing, as the game's end or the editor's Stop button does.</summary>
        public static void Stop()
        {
            Application.RaiseQuitting();
            foreach (GameObject thing in _objects.ToArray())
            {
                DestroyNow(thing);
            }
            DestroyDoomed();
            IsPlaying = false;
        }

        public static void SetAsset(string path, Object asset)
        {
            Resources.Assets[path] = asset;
        }

        public static void SetNavMeshEdge(float edge)
        {
            AI.NavMesh.FakeEdge = edge;
        }

        /// <summary>Every component of a type that has woken up.</summary>
        public static IEnumerable<T> All<T>() where T : Behaviour
        {
            foreach (Behaviour behaviour in _states.Keys)
            {
                if (behaviour is T)
                {
                    yield return (T)behaviour;
                }
            }
        }

        internal static void Log(string kind, object message)
        {
            LogLines.Add(kind + ": " + message);
        }

        internal static void Add(GameObject thing)
        {
            _objects.Add(thing);
        }

        internal static void DestroyLater(Object thing)
        {
            _doomed.Add(thing);
        }

        internal static void DestroyNow(Object thing)
        {
            GameObject holder = thing as GameObject;
            if (holder == null)
            {
                Behaviour behaviour = thing as Behaviour;
                if (behaviour != null)
                {
                    behaviour.gameObject.Components.Remove(behaviour);
                    End(behaviour);
                    behaviour.MarkDestroyed();
                }
                return;
            }
            foreach (Component component in holder.Components.ToArray())
            {
                DestroyNow(component);
            }
            _objects.Remove(holder);
            holder.MarkDestroyed();
        }

        internal static void Refresh(Behaviour behaviour)
        {
            if (behaviour == null || behaviour.gameObject == null)
            {
                return;
            }
            State state;
            bool isWanted = behaviour.isActiveAndEnabled;
            if (!_states.TryGetValue(behaviour, out state))
            {
                if (!behaviour.gameObject.activeInHierarchy)
                {
                    return;
                }
                state = new State();
                _states[behaviour] = state;
                Call(behaviour, "Awake");
            }
            if (state.IsOn != isWanted)
            {
                state.IsOn = isWanted;
                Call(behaviour, isWanted ? "OnEnable" : "OnDisable");
            }
        }

        private static void End(Behaviour behaviour)
        {
            State state;
            if (!_states.TryGetValue(behaviour, out state))
            {
                return;
            }
            if (state.IsOn)
            {
                state.IsOn = false;
                Call(behaviour, "OnDisable");
            }
            Call(behaviour, "OnDestroy");
            _states.Remove(behaviour);
        }

        private static void DestroyDoomed()
        {
            foreach (Object thing in _doomed.ToArray())
            {
                DestroyNow(thing);
            }
            _doomed.Clear();
        }

        private static void CallAll(List<Behaviour> running, string method)
        {
            foreach (Behaviour behaviour in running)
            {
                State state;
                if (_states.TryGetValue(behaviour, out state) && state.IsOn)
                {
                    Call(behaviour, method);
                }
            }
        }

        private static void Call(Behaviour behaviour, string method)
        {
            Action call = CallOf(behaviour, method);
            if (call == null)
            {
                return;
            }
            try
            {
                call();
            }
            catch (Exception exception)
            {
                Log("exception", exception);
            }
        }

        /// <summary>Cached delegates, so that calls allocate nothing, as in Unity.</summary>
        private static Action CallOf(Behaviour behaviour, string method)
        {
            State state = _states[behaviour];
            Action call;
            if (!state.Calls.TryGetValue(method, out call))
            {
                const BindingFlags Flags =
                    BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
                MethodInfo found = behaviour.GetType().GetMethod(method, Flags, null, Type.EmptyTypes, null);
                call = found == null
                    ? null : (Action)Delegate.CreateDelegate(typeof(Action), behaviour, found);
                state.Calls[method] = call;
            }
            return call;
        }

        private static int OrderOf(Behaviour behaviour)
        {
            Type type = behaviour.GetType();
            int order;
            if (!_orders.TryGetValue(type, out order))
            {
                object[] told = type.GetCustomAttributes(typeof(DefaultExecutionOrder), true);
                order = told.Length > 0 ? ((DefaultExecutionOrder)told[0]).order : 0;
                _orders[type] = order;
            }
            return order;
        }

        private static void RunStartUp(RuntimeInitializeLoadType when, Assembly[] assemblies)
        {
            const BindingFlags Flags = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
            foreach (Assembly assembly in assemblies)
            {
                foreach (Type type in assembly.GetTypes())
                {
                    foreach (MethodInfo method in type.GetMethods(Flags))
                    {
                        object[] told = method.GetCustomAttributes(
                            typeof(RuntimeInitializeOnLoadMethodAttribute), false);
                        if (told.Length > 0
                            && ((RuntimeInitializeOnLoadMethodAttribute)told[0]).loadType == when)
                        {
                            method.Invoke(null, null);
                        }
                    }
                }
            }
        }

        private sealed class State
        {
            public readonly Dictionary<string, Action> Calls = new Dictionary<string, Action>();
            public bool IsOn;
            public bool HasStarted;
        }
    }
}
