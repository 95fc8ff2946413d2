using System;
using System.Collections.Generic;

namespace NpcBrain
{
    /// <summary>
    /// Something of the game that NPCs can do (an action) or ask (a query), with the method that does
    /// it. Give it to <see cref="NpcCharacter.RegisterTool"/>; the NPC file names it in a state's
    /// <c>tools</c>. A tool that the sidecar has already, as <c>go_to</c>, needs no description.
    /// </summary>
    public sealed class NpcTool
    {
        internal const string BadArguments = "bad_arguments";

        /// <summary>The sidecar's own tools that the game carries out; others are registered.</summary>
        private static readonly HashSet<string> _builtIn = new HashSet<string>
        {
            // generated: tools
            "distance",
            "find_path",
            "follow",
            "go_to",
            "inventory_equip",
            "inventory_give",
            "inventory_take",
            "inventory_trade",
            "inventory_use",
            "is_reachable",
            "nearest",
            "plan_route",
            "stop",
            // end of generated part
        };

        private readonly Dictionary<string, object> _properties = new Dictionary<string, object>();
        private readonly List<object> _required = new List<object>();
        private readonly string _description;
        private readonly List<object> _examples = new List<object>();
        private int _timeoutMs = 10000;

        private NpcTool(string name, string description)
        {
            if (string.IsNullOrEmpty(name))
            {
                throw new ArgumentException("a tool needs a name", "name");
            }
            Name = name;
            _description = description;
        }

        /// <summary>The tool's name: lower case and underscores.</summary>
        public string Name { get; private set; }

        /// <summary>Whether the sidecar has it already.</summary>
        public bool IsBuiltIn
        {
            get { return _builtIn.Contains(Name); }
        }

        internal Action<NpcActionRequest> Handler { get; private set; }

        internal Action<NpcToolCall> QueryHandler { get; private set; }

        /// <summary>An action without arguments.</summary>
        public static NpcTool Action(string name, string description, Action<NpcActionRequest> handler)
        {
            return new NpcTool(name, description) { Handler = handler };
        }

        /// <summary>An action with one argument.</summary>
        public static NpcTool Action<T>(
            string name, string description, NpcParameter<T> first,
            Action<NpcActionRequest, T> handler)
        {
            NpcTool tool = new NpcTool(name, description);
            first.AddTo(tool);
            tool.Handler = action =>
            {
                T value;
                if (first.TryRead(action.Args, out value))
                {
                    handler(action, value);
                }
                else
                {
                    action.Refuse(BadArguments);
                }
            };
            return tool;
        }

        /// <summary>An action with two arguments.</summary>
        public static NpcTool Action<T1, T2>(
            string name, string description, NpcParameter<T1> first, NpcParameter<T2> second,
            Action<NpcActionRequest, T1, T2> handler)
        {
            NpcTool tool = new NpcTool(name, description);
            first.AddTo(tool);
            second.AddTo(tool);
            tool.Handler = action =>
            {
                T1 value;
                T2 other;
                if (first.TryRead(action.Args, out value) & second.TryRead(action.Args, out other))
                {
                    handler(action, value, other);
                }
                else
                {
                    action.Refuse(BadArguments);
                }
            };
            return tool;
        }

        /// <summary>An action with three arguments.</summary>
        public static NpcTool Action<T1, T2, T3>(
            string name, string description, NpcParameter<T1> first, NpcParameter<T2> second,
            NpcParameter<T3> third, Action<NpcActionRequest, T1, T2, T3> handler)
        {
            NpcTool tool = new NpcTool(name, description);
            first.AddTo(tool);
            second.AddTo(tool);
            third.AddTo(tool);
            tool.Handler = action =>
            {
                T1 value;
                T2 other;
                T3 last;
                bool isRead = first.TryRead(action.Args, out value);
                isRead &= second.TryRead(action.Args, out other);
                isRead &= third.TryRead(action.Args, out last);
                if (isRead)
                {
                    handler(action, value, other, last);
                }
                else
                {
                    action.Refuse(BadArguments);
                }
            };
            return tool;
        }

        /// <summary>A query without arguments.</summary>
        public static NpcTool Query(string name, string description, Action<NpcToolCall> handler)
        {
            return new NpcTool(name, description) { QueryHandler = handler };
        }

        /// <summary>A query with one argument.</summary>
        public static NpcTool Query<T>(
            string name, string description, NpcParameter<T> first, Action<NpcToolCall, T> handler)
        {
            NpcTool tool = new NpcTool(name, description);
            first.AddTo(tool);
            tool.QueryHandler = call =>
            {
                T value;
                if (first.TryRead(call.Args, out value))
                {
                    handler(call, value);
                }
                else
                {
                    call.Refuse(BadArguments);
                }
            };
            return tool;
        }

        /// <summary>A query with two arguments.</summary>
        public static NpcTool Query<T1, T2>(
            string name, string description, NpcParameter<T1> first, NpcParameter<T2> second,
            Action<NpcToolCall, T1, T2> handler)
        {
            NpcTool tool = new NpcTool(name, description);
            first.AddTo(tool);
            second.AddTo(tool);
            tool.QueryHandler = call =>
            {
                T1 value;
                T2 other;
                if (first.TryRead(call.Args, out value) & second.TryRead(call.Args, out other))
                {
                    handler(call, value, other);
                }
                else
                {
                    call.Refuse(BadArguments);
                }
            };
            return tool;
        }

        /// <summary>Adds things that a player may say that ask for this tool.</summary>
        public NpcTool WithExamples(params string[] examples)
        {
            _examples.AddRange(examples);
            return this;
        }

        /// <summary>How long the game may be silent about it; 10 s unless set.</summary>
        public NpcTool WithTimeout(int milliseconds)
        {
            _timeoutMs = milliseconds;
            return this;
        }

        internal void AddParameter(string name, Dictionary<string, object> schema, bool isRequired)
        {
            _properties[name] = schema;
            if (isRequired)
            {
                _required.Add(name);
            }
        }

        /// <summary>The body of <c>tool.register</c>.</summary>
        internal Dictionary<string, object> ToBody()
        {
            Dictionary<string, object> parameters = new Dictionary<string, object>();
            parameters["type"] = "object";
            parameters["properties"] = _properties;
            parameters["required"] = _required;
            Dictionary<string, object> body = new Dictionary<string, object>();
            body["name"] = Name;
            body["description"] = string.IsNullOrEmpty(_description) ? Name : _description;
            body["parameters"] = parameters;
            body["kind"] = Handler != null ? "action" : "query";
            body["timeout_ms"] = _timeoutMs;
            body["examples"] = _examples;
            return body;
        }
    }
}
