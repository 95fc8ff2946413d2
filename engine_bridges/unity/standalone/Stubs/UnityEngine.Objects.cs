using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public class Object
    {
        private bool _isDestroyed;

        public string name { get; set; }

        internal bool IsDestroyed { get { return _isDestroyed; } }

        public static implicit operator bool(Object thing)
        {
            return thing != null;
        }

        public static bool operator ==(Object left, Object right)
        {
            bool isLeftNull = ReferenceEquals(left, null) || left._isDestroyed;
            bool isRightNull = ReferenceEquals(right, null) || right._isDestroyed;
            return isLeftNull || isRightNull ? isLeftNull && isRightNull : ReferenceEquals(left, right);
        }

        public static bool operator !=(Object left, Object right)
        {
            return !(left == right);
        }

        public override bool Equals(object other)
        {
            return ReferenceEquals(this, other);
        }

        public override int GetHashCode()
        {
            return base.GetHashCode();
        }

        public static void Destroy(Object thing)
        {
            FakePlayer.DestroyLater(thing);
        }

        public static void DestroyImmediate(Object thing)
        {
            FakePlayer.DestroyNow(thing);
        }

        public static void DontDestroyOnLoad(Object thing)
        {
            ((GameObject)thing).IsKept = true;
        }

        internal void MarkDestroyed()
        {
            _isDestroyed = true;
        }
    }

    public class ScriptableObject : Object
    {
        public static T CreateInstance<T>() where T : ScriptableObject
        {
            return Activator.CreateInstance<T>();
        }
    }

    public class TextAsset : Object
    {
        private readonly string _text;

        public TextAsset(string text)
        {
            _text = text;
        }

        public string text { get { return _text; } }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }

        public Transform transform { get { return gameObject.transform; } }

        public T GetComponent<T>()
        {
            return gameObject.GetComponent<T>();
        }
    }

    public class Behaviour : Component
    {
        private bool _isEnabled = true;

        public bool enabled
        {
            get { return _isEnabled; }
            set
            {
                _isEnabled = value;
                FakePlayer.Refresh(this);
            }
        }

        public bool isActiveAndEnabled
        {
            get { return this != null && _isEnabled && gameObject.activeInHierarchy; }
        }
    }

    public class MonoBehaviour : Behaviour
    {
    }

    public class Transform : Component
    {
        public Vector3 position { get; set; }
    }

    public enum PrimitiveType { Sphere = 0, Capsule = 1, Cylinder = 2, Cube = 3 }

    public sealed class GameObject : Object
    {
        private readonly List<Component> _components = new List<Component>();
        private bool _isActive = true;

        public GameObject(string name)
        {
            this.name = name;
            transform = new Transform { gameObject = this };
            FakePlayer.Add(this);
        }

        public static GameObject CreatePrimitive(PrimitiveType type)
        {
            return new GameObject(type.ToString());
        }

        public Transform transform { get; private set; }

        public string tag { get; set; }

        public bool activeInHierarchy { get { return _isActive; } }

        internal bool IsKept { get; set; }

        internal List<Component> Components { get { return _components; } }

        public void SetActive(bool isActive)
        {
            _isActive = isActive;
            foreach (Component component in _components.ToArray())
            {
                FakePlayer.Refresh(component as Behaviour);
            }
        }

        public T AddComponent<T>() where T : Component
        {
            T component = Activator.CreateInstance<T>();
            component.gameObject = this;
            component.name = name;
            _components.Add(component);
            FakePlayer.Refresh(component as Behaviour);
            return component;
        }

        public T GetComponent<T>()
        {
            foreach (object component in _components)
            {
                if (component is T)
                {
                    return (T)component;
                }
            }
            return default(T);
        }
    }
}
