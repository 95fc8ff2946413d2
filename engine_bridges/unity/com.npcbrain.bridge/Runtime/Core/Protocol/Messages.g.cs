// Made from schemas/ by make_messages.py: do not edit.
using System.Collections.Generic;

namespace NpcBrain.Protocol
{
    /// <summary>What became of an action. Answered by `ok`.</summary>
    public sealed class ActionUpdate : IMessageBody
    {
        /// <summary><c>action_id</c></summary>
        public long ActionId;

        /// <summary><c>status</c></summary>
        public string Status;

        /// <summary><c>reason</c></summary>
        public string Reason = "";

        /// <summary><c>result</c></summary>
        public IDictionary<string, object> Result = new Dictionary<string, object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "action.update"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("action_id", ActionId);
            fields.Add("status", Status);
            fields.Add("reason", Reason);
            fields.Add("result", Result);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ActionUpdate Read(IDictionary<string, object> map)
        {
            ActionUpdate made = new ActionUpdate();
            made.ActionId = FieldReader.Integer(FieldReader.At(map, "action_id")) ?? made.ActionId;
            made.Status = FieldReader.Text(FieldReader.At(map, "status")) ?? made.Status;
            made.Reason = FieldReader.Text(FieldReader.At(map, "reason")) ?? made.Reason;
            made.Result = FieldReader.Map(FieldReader.At(map, "result")) ?? made.Result;
            return made;
        }
    }

    /// <summary>Ends the session for good: its NPCs are forgotten. Answered by `ok`.</summary>
    public sealed class Goodbye : IMessageBody
    {
        /// <summary>The message's type.</summary>
        public string MessageType { get { return "goodbye"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Goodbye Read(IDictionary<string, object> map)
        {
            Goodbye made = new Goodbye();
            return made;
        }
    }

    /// <summary>Begins a session, or takes one up again. Answered by `welcome`.</summary>
    public sealed class Hello : IMessageBody
    {
        /// <summary><c>protocol</c></summary>
        public List<object> Protocol;

        /// <summary><c>token</c></summary>
        public string Token = "";

        /// <summary><c>client</c></summary>
        public ClientInfo Client;

        /// <summary><c>resume</c></summary>
        public string Resume;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "hello"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("protocol", Protocol);
            fields.Add("token", Token);
            fields.Add("client", Client);
            fields.Add("resume", Resume);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Hello Read(IDictionary<string, object> map)
        {
            Hello made = new Hello();
            made.Protocol = FieldReader.List(FieldReader.At(map, "protocol")) ?? made.Protocol;
            made.Token = FieldReader.Text(FieldReader.At(map, "token")) ?? made.Token;
            made.Client = FieldReader.Map(FieldReader.At(map, "client")) == null ? made.Client : ClientInfo.Read(FieldReader.Map(FieldReader.At(map, "client")));
            made.Resume = FieldReader.Text(FieldReader.At(map, "resume")) ?? made.Resume;
            return made;
        }
    }

    /// <summary>Ends an NPC: its turn is cancelled, its actions too. Answered by `ok`.</summary>
    public sealed class NpcDespawn : IMessageBody
    {
        /// <summary>The message's type.</summary>
        public string MessageType { get { return "npc.despawn"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NpcDespawn Read(IDictionary<string, object> map)
        {
            NpcDespawn made = new NpcDespawn();
            return made;
        }
    }

    /// <summary>A stimulus for the state machine. Answered by `ok` after its transitions were made.</summary>
    public sealed class NpcEvent : IMessageBody
    {
        /// <summary><c>event</c></summary>
        public string Event;

        /// <summary><c>data</c></summary>
        public IDictionary<string, object> Data = new Dictionary<string, object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "npc.event"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("event", Event);
            fields.Add("data", Data);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NpcEvent Read(IDictionary<string, object> map)
        {
            NpcEvent made = new NpcEvent();
            made.Event = FieldReader.Text(FieldReader.At(map, "event")) ?? made.Event;
            made.Data = FieldReader.Map(FieldReader.At(map, "data")) ?? made.Data;
            return made;
        }
    }

    /// <summary>Someone speaks to the NPC: asks for a turn. Answered by `turn.started`. Text, sound or both. Sound without text needs a model that hears (`hear` in the features of `welcome` and `status`), else the answer is `error` with code `cannot_hear`; with text, a model that cannot hear takes the text. Reactions, safety rules and the sentence encoder go by text: what comes as sound alone is left to the model.</summary>
    public sealed class NpcHear : IMessageBody
    {
        /// <summary><c>speaker_id</c></summary>
        public string SpeakerId;

        /// <summary>What was said; absent when there is only its sound.</summary>
        public string Text;

        /// <summary><c>priority</c></summary>
        public long Priority = 0;

        /// <summary>By when the line must have been said; None takes the NPC's own limit.</summary>
        public long? DeadlineMs;

        /// <summary>How it was said, up to 30 s. 16-bit samples at 16 kHz are as good as any: 32 kB a second.</summary>
        public byte[] Audio;

        /// <summary>A WAV file (when absent), or bare little-endian mono samples.</summary>
        public string AudioFormat;

        /// <summary>Of bare samples.</summary>
        public long? SampleRateHz;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "npc.hear"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("speaker_id", SpeakerId);
            fields.Add("text", Text);
            fields.Add("priority", Priority);
            fields.Add("deadline_ms", DeadlineMs);
            fields.Add("audio", Audio);
            fields.Add("audio_format", AudioFormat);
            fields.Add("sample_rate_hz", SampleRateHz);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NpcHear Read(IDictionary<string, object> map)
        {
            NpcHear made = new NpcHear();
            made.SpeakerId = FieldReader.Text(FieldReader.At(map, "speaker_id")) ?? made.SpeakerId;
            made.Text = FieldReader.Text(FieldReader.At(map, "text")) ?? made.Text;
            made.Priority = FieldReader.Integer(FieldReader.At(map, "priority")) ?? made.Priority;
            made.DeadlineMs = FieldReader.Integer(FieldReader.At(map, "deadline_ms")) ?? made.DeadlineMs;
            made.Audio = FieldReader.Bytes(FieldReader.At(map, "audio")) ?? made.Audio;
            made.AudioFormat = FieldReader.Text(FieldReader.At(map, "audio_format")) ?? made.AudioFormat;
            made.SampleRateHz = FieldReader.Integer(FieldReader.At(map, "sample_rate_hz")) ?? made.SampleRateHz;
            return made;
        }
    }

    /// <summary>Someone shows the NPC a picture. Answered by `ok`; the NPC speaks of it when it is spoken to. A model without eyes (no `see` in the features of `welcome` and `status`) knows that it was shown a picture, and the caption.</summary>
    public sealed class NpcSee : IMessageBody
    {
        /// <summary>Who shows it.</summary>
        public string SpeakerId;

        /// <summary><c>image</c></summary>
        public byte[] Image;

        /// <summary>What it shows, in words.</summary>
        public string Caption;

        /// <summary>The entity that it shows; its name is the caption when there is none.</summary>
        public string EntityId;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "npc.see"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("speaker_id", SpeakerId);
            fields.Add("image", Image);
            fields.Add("caption", Caption);
            fields.Add("entity_id", EntityId);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NpcSee Read(IDictionary<string, object> map)
        {
            NpcSee made = new NpcSee();
            made.SpeakerId = FieldReader.Text(FieldReader.At(map, "speaker_id")) ?? made.SpeakerId;
            made.Image = FieldReader.Bytes(FieldReader.At(map, "image")) ?? made.Image;
            made.Caption = FieldReader.Text(FieldReader.At(map, "caption")) ?? made.Caption;
            made.EntityId = FieldReader.Text(FieldReader.At(map, "entity_id")) ?? made.EntityId;
            return made;
        }
    }

    /// <summary>Brings an NPC to life. Answered by its first `npc.state`. `definition` is the name of a file below the sidecar's NPC directory, or a whole definition.</summary>
    public sealed class NpcSpawn : IMessageBody
    {
        /// <summary><c>definition</c></summary>
        public object Definition;

        /// <summary><c>position</c></summary>
        public object Position;

        /// <summary><c>blackboard</c></summary>
        public IDictionary<string, object> Blackboard = new Dictionary<string, object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "npc.spawn"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("definition", Definition);
            fields.Add("position", Position);
            fields.Add("blackboard", Blackboard);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NpcSpawn Read(IDictionary<string, object> map)
        {
            NpcSpawn made = new NpcSpawn();
            made.Definition = FieldReader.At(map, "definition") ?? made.Definition;
            made.Position = FieldReader.At(map, "position") ?? made.Position;
            made.Blackboard = FieldReader.Map(FieldReader.At(map, "blackboard")) ?? made.Blackboard;
            return made;
        }
    }

    /// <summary>Answered by `pong`.</summary>
    public sealed class Ping : IMessageBody
    {
        /// <summary>The message's type.</summary>
        public string MessageType { get { return "ping"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Ping Read(IDictionary<string, object> map)
        {
            Ping made = new Ping();
            return made;
        }
    }

    /// <summary>Puts NPCs back as they were saved; those not spawned are spawned. Answered by `ok`. All of them or, with an `error`, none; an `npc.state` for each follows the answer. Later messages of the session wait for that, but for `ping`.</summary>
    public sealed class StateLoad : IMessageBody
    {
        /// <summary><c>blob</c></summary>
        public byte[] Blob;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "state.load"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("blob", Blob);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static StateLoad Read(IDictionary<string, object> map)
        {
            StateLoad made = new StateLoad();
            made.Blob = FieldReader.Bytes(FieldReader.At(map, "blob")) ?? made.Blob;
            return made;
        }
    }

    /// <summary>Asks for the state of NPCs (empty: of all). Answered by `state.saved`. Later messages of the session wait for the answer, but for `ping`.</summary>
    public sealed class StateSave : IMessageBody
    {
        /// <summary><c>npc_ids</c></summary>
        public List<object> NpcIds = new List<object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "state.save"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("npc_ids", NpcIds);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static StateSave Read(IDictionary<string, object> map)
        {
            StateSave made = new StateSave();
            made.NpcIds = FieldReader.List(FieldReader.At(map, "npc_ids")) ?? made.NpcIds;
            return made;
        }
    }

    /// <summary>Asks for counters. Answered by `stats`.</summary>
    public sealed class StatsRequest : IMessageBody
    {
        /// <summary>The message's type.</summary>
        public string MessageType { get { return "stats"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static StatsRequest Read(IDictionary<string, object> map)
        {
            StatsRequest made = new StatsRequest();
            return made;
        }
    }

    /// <summary>Adds a tool of the game for every NPC whose state names it. Answered by `ok`.</summary>
    public sealed class ToolRegister : IMessageBody
    {
        /// <summary><c>name</c></summary>
        public string Name;

        /// <summary><c>description</c></summary>
        public string Description;

        /// <summary><c>parameters</c></summary>
        public IDictionary<string, object> Parameters = new Dictionary<string, object>();

        /// <summary><c>kind</c></summary>
        public string Kind;

        /// <summary><c>timeout_ms</c></summary>
        public long TimeoutMs = 10000;

        /// <summary>Things a player may say that ask for this tool.</summary>
        public List<object> Examples = new List<object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "tool.register"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("name", Name);
            fields.Add("description", Description);
            fields.Add("parameters", Parameters);
            fields.Add("kind", Kind);
            fields.Add("timeout_ms", TimeoutMs);
            fields.Add("examples", Examples);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ToolRegister Read(IDictionary<string, object> map)
        {
            ToolRegister made = new ToolRegister();
            made.Name = FieldReader.Text(FieldReader.At(map, "name")) ?? made.Name;
            made.Description = FieldReader.Text(FieldReader.At(map, "description")) ?? made.Description;
            made.Parameters = FieldReader.Map(FieldReader.At(map, "parameters")) ?? made.Parameters;
            made.Kind = FieldReader.Text(FieldReader.At(map, "kind")) ?? made.Kind;
            made.TimeoutMs = FieldReader.Integer(FieldReader.At(map, "timeout_ms")) ?? made.TimeoutMs;
            made.Examples = FieldReader.List(FieldReader.At(map, "examples")) ?? made.Examples;
            return made;
        }
    }

    /// <summary>The engine's answer to a `tool.call`. Answered by `ok`.</summary>
    public sealed class ToolResult : IMessageBody
    {
        /// <summary><c>call_id</c></summary>
        public long CallId;

        /// <summary><c>ok</c></summary>
        public bool Ok;

        /// <summary><c>result</c></summary>
        public IDictionary<string, object> Result = new Dictionary<string, object>();

        /// <summary><c>error</c></summary>
        public string Error = "";

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "tool.result"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("call_id", CallId);
            fields.Add("ok", Ok);
            fields.Add("result", Result);
            fields.Add("error", Error);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ToolResult Read(IDictionary<string, object> map)
        {
            ToolResult made = new ToolResult();
            made.CallId = FieldReader.Integer(FieldReader.At(map, "call_id")) ?? made.CallId;
            made.Ok = FieldReader.Flag(FieldReader.At(map, "ok")) ?? made.Ok;
            made.Result = FieldReader.Map(FieldReader.At(map, "result")) ?? made.Result;
            made.Error = FieldReader.Text(FieldReader.At(map, "error")) ?? made.Error;
            return made;
        }
    }

    /// <summary>Ends a turn at once: no token of it follows the answer, `ok`.</summary>
    public sealed class TurnCancel : IMessageBody
    {
        /// <summary><c>turn_id</c></summary>
        public long TurnId;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "turn.cancel"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("turn_id", TurnId);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static TurnCancel Read(IDictionary<string, object> map)
        {
            TurnCancel made = new TurnCancel();
            made.TurnId = FieldReader.Integer(FieldReader.At(map, "turn_id")) ?? made.TurnId;
            return made;
        }
    }

    /// <summary>What changed in the world. Answered by `ok`, or by `error` with code `resync`.</summary>
    public sealed class WorldPatch : IMessageBody
    {
        /// <summary><c>base_revision</c></summary>
        public long BaseRevision;

        /// <summary><c>revision</c></summary>
        public long Revision;

        /// <summary><c>nav</c></summary>
        public object Nav;

        /// <summary><c>nav_cells</c></summary>
        public List<CellChange> NavCells = new List<CellChange>();

        /// <summary><c>items</c></summary>
        public List<Item> Items = new List<Item>();

        /// <summary><c>places</c></summary>
        public List<Place> Places = new List<Place>();

        /// <summary><c>entities</c></summary>
        public List<Entity> Entities = new List<Entity>();

        /// <summary><c>inventories</c></summary>
        public IDictionary<string, object> Inventories = new Dictionary<string, object>();

        /// <summary><c>facts</c></summary>
        public IDictionary<string, object> Facts = new Dictionary<string, object>();

        /// <summary><c>removed</c></summary>
        public Removed Removed = new Removed();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "world.patch"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("base_revision", BaseRevision);
            fields.Add("revision", Revision);
            fields.Add("nav", Nav);
            fields.Add("nav_cells", NavCells);
            fields.Add("items", Items);
            fields.Add("places", Places);
            fields.Add("entities", Entities);
            fields.Add("inventories", Inventories);
            fields.Add("facts", Facts);
            fields.Add("removed", Removed);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static WorldPatch Read(IDictionary<string, object> map)
        {
            WorldPatch made = new WorldPatch();
            made.BaseRevision = FieldReader.Integer(FieldReader.At(map, "base_revision")) ?? made.BaseRevision;
            made.Revision = FieldReader.Integer(FieldReader.At(map, "revision")) ?? made.Revision;
            made.Nav = FieldReader.At(map, "nav") ?? made.Nav;
            made.NavCells = FieldReader.Parts(FieldReader.At(map, "nav_cells"), CellChange.Read, made.NavCells);
            made.Items = FieldReader.Parts(FieldReader.At(map, "items"), Item.Read, made.Items);
            made.Places = FieldReader.Parts(FieldReader.At(map, "places"), Place.Read, made.Places);
            made.Entities = FieldReader.Parts(FieldReader.At(map, "entities"), Entity.Read, made.Entities);
            made.Inventories = FieldReader.Map(FieldReader.At(map, "inventories")) ?? made.Inventories;
            made.Facts = FieldReader.Map(FieldReader.At(map, "facts")) ?? made.Facts;
            made.Removed = FieldReader.Map(FieldReader.At(map, "removed")) == null ? made.Removed : Removed.Read(FieldReader.Map(FieldReader.At(map, "removed")));
            return made;
        }
    }

    /// <summary>The whole world. Answered by `ok`.</summary>
    public sealed class WorldSync : IMessageBody
    {
        /// <summary><c>revision</c></summary>
        public long Revision;

        /// <summary><c>nav</c></summary>
        public object Nav;

        /// <summary><c>items</c></summary>
        public List<Item> Items = new List<Item>();

        /// <summary><c>places</c></summary>
        public List<Place> Places = new List<Place>();

        /// <summary><c>entities</c></summary>
        public List<Entity> Entities = new List<Entity>();

        /// <summary><c>inventories</c></summary>
        public IDictionary<string, object> Inventories = new Dictionary<string, object>();

        /// <summary><c>facts</c></summary>
        public IDictionary<string, object> Facts = new Dictionary<string, object>();

        /// <summary><c>currency</c></summary>
        public string Currency;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "world.sync"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("revision", Revision);
            fields.Add("nav", Nav);
            fields.Add("items", Items);
            fields.Add("places", Places);
            fields.Add("entities", Entities);
            fields.Add("inventories", Inventories);
            fields.Add("facts", Facts);
            fields.Add("currency", Currency);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static WorldSync Read(IDictionary<string, object> map)
        {
            WorldSync made = new WorldSync();
            made.Revision = FieldReader.Integer(FieldReader.At(map, "revision")) ?? made.Revision;
            made.Nav = FieldReader.At(map, "nav") ?? made.Nav;
            made.Items = FieldReader.Parts(FieldReader.At(map, "items"), Item.Read, made.Items);
            made.Places = FieldReader.Parts(FieldReader.At(map, "places"), Place.Read, made.Places);
            made.Entities = FieldReader.Parts(FieldReader.At(map, "entities"), Entity.Read, made.Entities);
            made.Inventories = FieldReader.Map(FieldReader.At(map, "inventories")) ?? made.Inventories;
            made.Facts = FieldReader.Map(FieldReader.At(map, "facts")) ?? made.Facts;
            made.Currency = FieldReader.Text(FieldReader.At(map, "currency")) ?? made.Currency;
            return made;
        }
    }

    /// <summary>The NPC no longer wants it; the engine ends it (`cancelled`) or tells how it ended.</summary>
    public sealed class ActionCancel : IMessageBody
    {
        /// <summary><c>action_id</c></summary>
        public long ActionId;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "action.cancel"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("action_id", ActionId);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ActionCancel Read(IDictionary<string, object> map)
        {
            ActionCancel made = new ActionCancel();
            made.ActionId = FieldReader.Integer(FieldReader.At(map, "action_id")) ?? made.ActionId;
            return made;
        }
    }

    /// <summary>The NPC wants to do something; only the engine can. Answer with `action.update`s.</summary>
    public sealed class ActionRequest : IMessageBody
    {
        /// <summary><c>action_id</c></summary>
        public long ActionId;

        /// <summary><c>tool</c></summary>
        public string Tool;

        /// <summary><c>args</c></summary>
        public IDictionary<string, object> Args;

        /// <summary><c>timeout_ms</c></summary>
        public long TimeoutMs;

        /// <summary><c>turn_id</c></summary>
        public long? TurnId;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "action.request"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("action_id", ActionId);
            fields.Add("tool", Tool);
            fields.Add("args", Args);
            fields.Add("timeout_ms", TimeoutMs);
            fields.Add("turn_id", TurnId);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ActionRequest Read(IDictionary<string, object> map)
        {
            ActionRequest made = new ActionRequest();
            made.ActionId = FieldReader.Integer(FieldReader.At(map, "action_id")) ?? made.ActionId;
            made.Tool = FieldReader.Text(FieldReader.At(map, "tool")) ?? made.Tool;
            made.Args = FieldReader.Map(FieldReader.At(map, "args")) ?? made.Args;
            made.TimeoutMs = FieldReader.Integer(FieldReader.At(map, "timeout_ms")) ?? made.TimeoutMs;
            made.TurnId = FieldReader.Integer(FieldReader.At(map, "turn_id")) ?? made.TurnId;
            return made;
        }
    }

    /// <summary>A message that could not be acted upon (`reply_to`), or a fault. Codes are stable.</summary>
    public sealed class Error : IMessageBody
    {
        /// <summary><c>code</c></summary>
        public string Code;

        /// <summary><c>message</c></summary>
        public string Message;

        /// <summary><c>hint</c></summary>
        public string Hint = "";

        /// <summary><c>retryable</c></summary>
        public bool Retryable = false;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "error"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("code", Code);
            fields.Add("message", Message);
            fields.Add("hint", Hint);
            fields.Add("retryable", Retryable);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Error Read(IDictionary<string, object> map)
        {
            Error made = new Error();
            made.Code = FieldReader.Text(FieldReader.At(map, "code")) ?? made.Code;
            made.Message = FieldReader.Text(FieldReader.At(map, "message")) ?? made.Message;
            made.Hint = FieldReader.Text(FieldReader.At(map, "hint")) ?? made.Hint;
            made.Retryable = FieldReader.Flag(FieldReader.At(map, "retryable")) ?? made.Retryable;
            return made;
        }
    }

    /// <summary>A transition of an NPC's state machine. On spawn `from` is absent, the event `spawn`.</summary>
    public sealed class NpcState : IMessageBody
    {
        /// <summary><c>from</c></summary>
        public string From;

        /// <summary><c>to</c></summary>
        public string To;

        /// <summary><c>event</c></summary>
        public string Event;

        /// <summary>The NPC's blackboard after it.</summary>
        public IDictionary<string, object> Blackboard = new Dictionary<string, object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "npc.state"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("from", From);
            fields.Add("to", To);
            fields.Add("event", Event);
            fields.Add("blackboard", Blackboard);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NpcState Read(IDictionary<string, object> map)
        {
            NpcState made = new NpcState();
            made.From = FieldReader.Text(FieldReader.At(map, "from")) ?? made.From;
            made.To = FieldReader.Text(FieldReader.At(map, "to")) ?? made.To;
            made.Event = FieldReader.Text(FieldReader.At(map, "event")) ?? made.Event;
            made.Blackboard = FieldReader.Map(FieldReader.At(map, "blackboard")) ?? made.Blackboard;
            return made;
        }
    }

    /// <summary>The message named by `reply_to` was acted upon.</summary>
    public sealed class Ok : IMessageBody
    {
        /// <summary>The message's type.</summary>
        public string MessageType { get { return "ok"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Ok Read(IDictionary<string, object> map)
        {
            Ok made = new Ok();
            return made;
        }
    }

    /// <summary>Answers `ping`.</summary>
    public sealed class Pong : IMessageBody
    {
        /// <summary><c>uptime_ms</c></summary>
        public long UptimeMs;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "pong"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("uptime_ms", UptimeMs);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Pong Read(IDictionary<string, object> map)
        {
            Pong made = new Pong();
            made.UptimeMs = FieldReader.Integer(FieldReader.At(map, "uptime_ms")) ?? made.UptimeMs;
            return made;
        }
    }

    /// <summary>The saved state: opaque, versioned, to be kept in the game's own save.</summary>
    public sealed class StateSaved : IMessageBody
    {
        /// <summary><c>blob</c></summary>
        public byte[] Blob;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "state.saved"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("blob", Blob);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static StateSaved Read(IDictionary<string, object> map)
        {
            StateSaved made = new StateSaved();
            made.Blob = FieldReader.Bytes(FieldReader.At(map, "blob")) ?? made.Blob;
            return made;
        }
    }

    /// <summary>Counters since the sidecar started.</summary>
    public sealed class Stats : IMessageBody
    {
        /// <summary><c>uptime_ms</c></summary>
        public long UptimeMs;

        /// <summary><c>num_sessions</c></summary>
        public long NumSessions;

        /// <summary><c>num_npcs</c></summary>
        public long NumNpcs;

        /// <summary><c>num_turns</c></summary>
        public long NumTurns;

        /// <summary><c>num_fallbacks</c></summary>
        public long NumFallbacks;

        /// <summary><c>num_prompt_tokens</c></summary>
        public long NumPromptTokens;

        /// <summary><c>num_cached_tokens</c></summary>
        public long NumCachedTokens;

        /// <summary><c>num_completion_tokens</c></summary>
        public long NumCompletionTokens;

        /// <summary><c>first_token_ms_p50</c></summary>
        public long FirstTokenMsP50;

        /// <summary><c>tokens_per_s</c></summary>
        public double TokensPerS;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "stats"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("uptime_ms", UptimeMs);
            fields.Add("num_sessions", NumSessions);
            fields.Add("num_npcs", NumNpcs);
            fields.Add("num_turns", NumTurns);
            fields.Add("num_fallbacks", NumFallbacks);
            fields.Add("num_prompt_tokens", NumPromptTokens);
            fields.Add("num_cached_tokens", NumCachedTokens);
            fields.Add("num_completion_tokens", NumCompletionTokens);
            fields.Add("first_token_ms_p50", FirstTokenMsP50);
            fields.Add("tokens_per_s", TokensPerS);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Stats Read(IDictionary<string, object> map)
        {
            Stats made = new Stats();
            made.UptimeMs = FieldReader.Integer(FieldReader.At(map, "uptime_ms")) ?? made.UptimeMs;
            made.NumSessions = FieldReader.Integer(FieldReader.At(map, "num_sessions")) ?? made.NumSessions;
            made.NumNpcs = FieldReader.Integer(FieldReader.At(map, "num_npcs")) ?? made.NumNpcs;
            made.NumTurns = FieldReader.Integer(FieldReader.At(map, "num_turns")) ?? made.NumTurns;
            made.NumFallbacks = FieldReader.Integer(FieldReader.At(map, "num_fallbacks")) ?? made.NumFallbacks;
            made.NumPromptTokens = FieldReader.Integer(FieldReader.At(map, "num_prompt_tokens")) ?? made.NumPromptTokens;
            made.NumCachedTokens = FieldReader.Integer(FieldReader.At(map, "num_cached_tokens")) ?? made.NumCachedTokens;
            made.NumCompletionTokens = FieldReader.Integer(FieldReader.At(map, "num_completion_tokens")) ?? made.NumCompletionTokens;
            made.FirstTokenMsP50 = FieldReader.Integer(FieldReader.At(map, "first_token_ms_p50")) ?? made.FirstTokenMsP50;
            made.TokensPerS = FieldReader.Number(FieldReader.At(map, "tokens_per_s")) ?? made.TokensPerS;
            return made;
        }
    }

    /// <summary>How far the sidecar is. `degraded`: it works without the model; `detail` says why. With a model server it is told each time that server stops answering, and answers again.</summary>
    public sealed class Status : IMessageBody
    {
        /// <summary><c>phase</c></summary>
        public string Phase;

        /// <summary><c>detail</c></summary>
        public string Detail = "";

        /// <summary><c>progress</c></summary>
        public double Progress;

        /// <summary>As in `welcome`; told again when a model has been loaded.</summary>
        public List<object> Features;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "status"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("phase", Phase);
            fields.Add("detail", Detail);
            fields.Add("progress", Progress);
            fields.Add("features", Features);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Status Read(IDictionary<string, object> map)
        {
            Status made = new Status();
            made.Phase = FieldReader.Text(FieldReader.At(map, "phase")) ?? made.Phase;
            made.Detail = FieldReader.Text(FieldReader.At(map, "detail")) ?? made.Detail;
            made.Progress = FieldReader.Number(FieldReader.At(map, "progress")) ?? made.Progress;
            made.Features = FieldReader.List(FieldReader.At(map, "features")) ?? made.Features;
            return made;
        }
    }

    /// <summary>A query that only the engine can answer. Answer with `tool.result`.</summary>
    public sealed class ToolCall : IMessageBody
    {
        /// <summary><c>call_id</c></summary>
        public long CallId;

        /// <summary><c>tool</c></summary>
        public string Tool;

        /// <summary><c>args</c></summary>
        public IDictionary<string, object> Args;

        /// <summary><c>timeout_ms</c></summary>
        public long TimeoutMs;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "tool.call"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("call_id", CallId);
            fields.Add("tool", Tool);
            fields.Add("args", Args);
            fields.Add("timeout_ms", TimeoutMs);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ToolCall Read(IDictionary<string, object> map)
        {
            ToolCall made = new ToolCall();
            made.CallId = FieldReader.Integer(FieldReader.At(map, "call_id")) ?? made.CallId;
            made.Tool = FieldReader.Text(FieldReader.At(map, "tool")) ?? made.Tool;
            made.Args = FieldReader.Map(FieldReader.At(map, "args")) ?? made.Args;
            made.TimeoutMs = FieldReader.Integer(FieldReader.At(map, "timeout_ms")) ?? made.TimeoutMs;
            return made;
        }
    }

    /// <summary>The last message of a turn; exactly one comes.</summary>
    public sealed class TurnEnded : IMessageBody
    {
        /// <summary><c>turn_id</c></summary>
        public long TurnId;

        /// <summary><c>outcome</c></summary>
        public string Outcome;

        /// <summary><c>detail</c></summary>
        public string Detail = "";

        /// <summary><c>tools</c></summary>
        public List<ToolUse> Tools = new List<ToolUse>();

        /// <summary><c>timings</c></summary>
        public TurnTimings Timings;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "turn.ended"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("turn_id", TurnId);
            fields.Add("outcome", Outcome);
            fields.Add("detail", Detail);
            fields.Add("tools", Tools);
            fields.Add("timings", Timings);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static TurnEnded Read(IDictionary<string, object> map)
        {
            TurnEnded made = new TurnEnded();
            made.TurnId = FieldReader.Integer(FieldReader.At(map, "turn_id")) ?? made.TurnId;
            made.Outcome = FieldReader.Text(FieldReader.At(map, "outcome")) ?? made.Outcome;
            made.Detail = FieldReader.Text(FieldReader.At(map, "detail")) ?? made.Detail;
            made.Tools = FieldReader.Parts(FieldReader.At(map, "tools"), ToolUse.Read, made.Tools);
            made.Timings = FieldReader.Map(FieldReader.At(map, "timings")) == null ? made.Timings : TurnTimings.Read(FieldReader.Map(FieldReader.At(map, "timings")));
            return made;
        }
    }

    /// <summary>A whole line. `source`: model, scripted (an author's line), or fallback (out of time).</summary>
    public sealed class TurnLine : IMessageBody
    {
        /// <summary><c>turn_id</c></summary>
        public long TurnId;

        /// <summary><c>text</c></summary>
        public string Text;

        /// <summary><c>emotion</c></summary>
        public string Emotion = "neutral";

        /// <summary><c>gesture</c></summary>
        public string Gesture = "none";

        /// <summary><c>source</c></summary>
        public string Source;

        /// <summary>Answers offered to the player, from the tool `offer_choices`.</summary>
        public List<object> Choices = new List<object>();

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "turn.line"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("turn_id", TurnId);
            fields.Add("text", Text);
            fields.Add("emotion", Emotion);
            fields.Add("gesture", Gesture);
            fields.Add("source", Source);
            fields.Add("choices", Choices);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static TurnLine Read(IDictionary<string, object> map)
        {
            TurnLine made = new TurnLine();
            made.TurnId = FieldReader.Integer(FieldReader.At(map, "turn_id")) ?? made.TurnId;
            made.Text = FieldReader.Text(FieldReader.At(map, "text")) ?? made.Text;
            made.Emotion = FieldReader.Text(FieldReader.At(map, "emotion")) ?? made.Emotion;
            made.Gesture = FieldReader.Text(FieldReader.At(map, "gesture")) ?? made.Gesture;
            made.Source = FieldReader.Text(FieldReader.At(map, "source")) ?? made.Source;
            made.Choices = FieldReader.List(FieldReader.At(map, "choices")) ?? made.Choices;
            return made;
        }
    }

    /// <summary>An NPC begins to answer (`reply_to` the `npc.hear`) or to speak of its own accord. `cause` tells which: `hear`, or `action` after an action's end, or `state` for authored lines.</summary>
    public sealed class TurnStarted : IMessageBody
    {
        /// <summary><c>turn_id</c></summary>
        public long TurnId;

        /// <summary><c>cause</c></summary>
        public string Cause;

        /// <summary><c>speaker_id</c></summary>
        public string SpeakerId;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "turn.started"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("turn_id", TurnId);
            fields.Add("cause", Cause);
            fields.Add("speaker_id", SpeakerId);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static TurnStarted Read(IDictionary<string, object> map)
        {
            TurnStarted made = new TurnStarted();
            made.TurnId = FieldReader.Integer(FieldReader.At(map, "turn_id")) ?? made.TurnId;
            made.Cause = FieldReader.Text(FieldReader.At(map, "cause")) ?? made.Cause;
            made.SpeakerId = FieldReader.Text(FieldReader.At(map, "speaker_id")) ?? made.SpeakerId;
            return made;
        }
    }

    /// <summary>The next piece of the line being said; the pieces add up to the text of its `turn.line`.</summary>
    public sealed class TurnToken : IMessageBody
    {
        /// <summary><c>turn_id</c></summary>
        public long TurnId;

        /// <summary><c>text</c></summary>
        public string Text;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "turn.token"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("turn_id", TurnId);
            fields.Add("text", Text);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static TurnToken Read(IDictionary<string, object> map)
        {
            TurnToken made = new TurnToken();
            made.TurnId = FieldReader.Integer(FieldReader.At(map, "turn_id")) ?? made.TurnId;
            made.Text = FieldReader.Text(FieldReader.At(map, "text")) ?? made.Text;
            return made;
        }
    }

    /// <summary>Answers `hello`. `resumed`: the NPCs of the earlier connection are still there.</summary>
    public sealed class Welcome : IMessageBody
    {
        /// <summary><c>session_id</c></summary>
        public string SessionId;

        /// <summary><c>protocol</c></summary>
        public List<object> Protocol;

        /// <summary><c>version</c></summary>
        public string Version;

        /// <summary><c>model</c></summary>
        public ModelStatus Model;

        /// <summary><c>resumed</c></summary>
        public bool Resumed;

        /// <summary><c>features</c></summary>
        public List<object> Features;

        /// <summary><c>limits</c></summary>
        public Limits Limits;

        /// <summary>The message's type.</summary>
        public string MessageType { get { return "welcome"; } }

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("session_id", SessionId);
            fields.Add("protocol", Protocol);
            fields.Add("version", Version);
            fields.Add("model", Model);
            fields.Add("resumed", Resumed);
            fields.Add("features", Features);
            fields.Add("limits", Limits);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Welcome Read(IDictionary<string, object> map)
        {
            Welcome made = new Welcome();
            made.SessionId = FieldReader.Text(FieldReader.At(map, "session_id")) ?? made.SessionId;
            made.Protocol = FieldReader.List(FieldReader.At(map, "protocol")) ?? made.Protocol;
            made.Version = FieldReader.Text(FieldReader.At(map, "version")) ?? made.Version;
            made.Model = FieldReader.Map(FieldReader.At(map, "model")) == null ? made.Model : ModelStatus.Read(FieldReader.Map(FieldReader.At(map, "model")));
            made.Resumed = FieldReader.Flag(FieldReader.At(map, "resumed")) ?? made.Resumed;
            made.Features = FieldReader.List(FieldReader.At(map, "features")) ?? made.Features;
            made.Limits = FieldReader.Map(FieldReader.At(map, "limits")) == null ? made.Limits : Limits.Read(FieldReader.Map(FieldReader.At(map, "limits")));
            return made;
        }
    }

    /// <summary>The new cost of one cell of the nav grid (0 = blocked).</summary>
    public sealed class CellChange : IMessagePart
    {
        /// <summary><c>cell</c></summary>
        public List<object> Cell;

        /// <summary><c>cost</c></summary>
        public long Cost;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("cell", Cell);
            fields.Add("cost", Cost);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static CellChange Read(IDictionary<string, object> map)
        {
            CellChange made = new CellChange();
            made.Cell = FieldReader.List(FieldReader.At(map, "cell")) ?? made.Cell;
            made.Cost = FieldReader.Integer(FieldReader.At(map, "cost")) ?? made.Cost;
            return made;
        }
    }

    /// <summary>Who connects.</summary>
    public sealed class ClientInfo : IMessagePart
    {
        /// <summary><c>name</c></summary>
        public string Name;

        /// <summary><c>version</c></summary>
        public string Version;

        /// <summary><c>engine</c></summary>
        public string Engine;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("name", Name);
            fields.Add("version", Version);
            fields.Add("engine", Engine);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ClientInfo Read(IDictionary<string, object> map)
        {
            ClientInfo made = new ClientInfo();
            made.Name = FieldReader.Text(FieldReader.At(map, "name")) ?? made.Name;
            made.Version = FieldReader.Text(FieldReader.At(map, "version")) ?? made.Version;
            made.Engine = FieldReader.Text(FieldReader.At(map, "engine")) ?? made.Engine;
            return made;
        }
    }

    /// <summary>A character or a thing that stands in the world; an NPC's entity has the id of the NPC.</summary>
    public sealed class Entity : IMessagePart
    {
        /// <summary><c>id</c></summary>
        public string Id;

        /// <summary><c>name</c></summary>
        public string Name;

        /// <summary><c>kind</c></summary>
        public string Kind;

        /// <summary><c>position</c></summary>
        public object Position;

        /// <summary><c>description</c></summary>
        public string Description = "";

        /// <summary><c>aliases</c></summary>
        public List<object> Aliases = new List<object>();

        /// <summary><c>tags</c></summary>
        public List<object> Tags = new List<object>();

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("id", Id);
            fields.Add("name", Name);
            fields.Add("kind", Kind);
            fields.Add("position", Position);
            fields.Add("description", Description);
            fields.Add("aliases", Aliases);
            fields.Add("tags", Tags);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Entity Read(IDictionary<string, object> map)
        {
            Entity made = new Entity();
            made.Id = FieldReader.Text(FieldReader.At(map, "id")) ?? made.Id;
            made.Name = FieldReader.Text(FieldReader.At(map, "name")) ?? made.Name;
            made.Kind = FieldReader.Text(FieldReader.At(map, "kind")) ?? made.Kind;
            made.Position = FieldReader.At(map, "position") ?? made.Position;
            made.Description = FieldReader.Text(FieldReader.At(map, "description")) ?? made.Description;
            made.Aliases = FieldReader.List(FieldReader.At(map, "aliases")) ?? made.Aliases;
            made.Tags = FieldReader.List(FieldReader.At(map, "tags")) ?? made.Tags;
            return made;
        }
    }

    /// <summary>What one owner holds: counts by item id, and what is equipped by slot.</summary>
    public sealed class Inventory : IMessagePart
    {
        /// <summary><c>items</c></summary>
        public IDictionary<string, object> Items = new Dictionary<string, object>();

        /// <summary><c>equipped</c></summary>
        public IDictionary<string, object> Equipped = new Dictionary<string, object>();

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("items", Items);
            fields.Add("equipped", Equipped);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Inventory Read(IDictionary<string, object> map)
        {
            Inventory made = new Inventory();
            made.Items = FieldReader.Map(FieldReader.At(map, "items")) ?? made.Items;
            made.Equipped = FieldReader.Map(FieldReader.At(map, "equipped")) ?? made.Equipped;
            return made;
        }
    }

    /// <summary>A kind of item. `price` is in `currency` items; `slot` names where it is equipped.</summary>
    public sealed class Item : IMessagePart
    {
        /// <summary><c>id</c></summary>
        public string Id;

        /// <summary><c>name</c></summary>
        public string Name;

        /// <summary><c>description</c></summary>
        public string Description = "";

        /// <summary><c>aliases</c></summary>
        public List<object> Aliases = new List<object>();

        /// <summary><c>tags</c></summary>
        public List<object> Tags = new List<object>();

        /// <summary><c>price</c></summary>
        public long? Price;

        /// <summary><c>slot</c></summary>
        public string Slot;

        /// <summary><c>usable</c></summary>
        public bool Usable = false;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("id", Id);
            fields.Add("name", Name);
            fields.Add("description", Description);
            fields.Add("aliases", Aliases);
            fields.Add("tags", Tags);
            fields.Add("price", Price);
            fields.Add("slot", Slot);
            fields.Add("usable", Usable);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Item Read(IDictionary<string, object> map)
        {
            Item made = new Item();
            made.Id = FieldReader.Text(FieldReader.At(map, "id")) ?? made.Id;
            made.Name = FieldReader.Text(FieldReader.At(map, "name")) ?? made.Name;
            made.Description = FieldReader.Text(FieldReader.At(map, "description")) ?? made.Description;
            made.Aliases = FieldReader.List(FieldReader.At(map, "aliases")) ?? made.Aliases;
            made.Tags = FieldReader.List(FieldReader.At(map, "tags")) ?? made.Tags;
            made.Price = FieldReader.Integer(FieldReader.At(map, "price")) ?? made.Price;
            made.Slot = FieldReader.Text(FieldReader.At(map, "slot")) ?? made.Slot;
            made.Usable = FieldReader.Flag(FieldReader.At(map, "usable")) ?? made.Usable;
            return made;
        }
    }

    /// <summary>What the sidecar accepts.</summary>
    public sealed class Limits : IMessagePart
    {
        /// <summary><c>max_message_bytes</c></summary>
        public long MaxMessageBytes;

        /// <summary><c>max_depth</c></summary>
        public long MaxDepth;

        /// <summary><c>max_npcs</c></summary>
        public long MaxNpcs;

        /// <summary><c>max_queued_turns</c></summary>
        public long MaxQueuedTurns;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("max_message_bytes", MaxMessageBytes);
            fields.Add("max_depth", MaxDepth);
            fields.Add("max_npcs", MaxNpcs);
            fields.Add("max_queued_turns", MaxQueuedTurns);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Limits Read(IDictionary<string, object> map)
        {
            Limits made = new Limits();
            made.MaxMessageBytes = FieldReader.Integer(FieldReader.At(map, "max_message_bytes")) ?? made.MaxMessageBytes;
            made.MaxDepth = FieldReader.Integer(FieldReader.At(map, "max_depth")) ?? made.MaxDepth;
            made.MaxNpcs = FieldReader.Integer(FieldReader.At(map, "max_npcs")) ?? made.MaxNpcs;
            made.MaxQueuedTurns = FieldReader.Integer(FieldReader.At(map, "max_queued_turns")) ?? made.MaxQueuedTurns;
            return made;
        }
    }

    /// <summary>The model that is used, or `none`.</summary>
    public sealed class ModelStatus : IMessagePart
    {
        /// <summary><c>name</c></summary>
        public string Name;

        /// <summary><c>phase</c></summary>
        public string Phase;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("name", Name);
            fields.Add("phase", Phase);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ModelStatus Read(IDictionary<string, object> map)
        {
            ModelStatus made = new ModelStatus();
            made.Name = FieldReader.Text(FieldReader.At(map, "name")) ?? made.Name;
            made.Phase = FieldReader.Text(FieldReader.At(map, "phase")) ?? made.Phase;
            return made;
        }
    }

    /// <summary>A two-way edge of a nav graph; `cost` in metres or whatever the game counts in.</summary>
    public sealed class NavEdge : IMessagePart
    {
        /// <summary><c>a</c></summary>
        public string A;

        /// <summary><c>b</c></summary>
        public string B;

        /// <summary><c>cost</c></summary>
        public double Cost;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("a", A);
            fields.Add("b", B);
            fields.Add("cost", Cost);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NavEdge Read(IDictionary<string, object> map)
        {
            NavEdge made = new NavEdge();
            made.A = FieldReader.Text(FieldReader.At(map, "a")) ?? made.A;
            made.B = FieldReader.Text(FieldReader.At(map, "b")) ?? made.B;
            made.Cost = FieldReader.Number(FieldReader.At(map, "cost")) ?? made.Cost;
            return made;
        }
    }

    /// <summary>A waypoint graph; places and entities stand at the nearest node.</summary>
    public sealed class NavGraph : IMessagePart
    {
        /// <summary><c>kind</c></summary>
        public string Kind = "graph";

        /// <summary><c>nodes</c></summary>
        public IDictionary<string, object> Nodes;

        /// <summary><c>edges</c></summary>
        public List<NavEdge> Edges;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("kind", Kind);
            fields.Add("nodes", Nodes);
            fields.Add("edges", Edges);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NavGraph Read(IDictionary<string, object> map)
        {
            NavGraph made = new NavGraph();
            made.Kind = FieldReader.Text(FieldReader.At(map, "kind")) ?? made.Kind;
            made.Nodes = FieldReader.Map(FieldReader.At(map, "nodes")) ?? made.Nodes;
            made.Edges = FieldReader.Parts(FieldReader.At(map, "edges"), NavEdge.Read, made.Edges);
            return made;
        }
    }

    /// <summary>A nav grid, 8-connected, no corner cutting. `cells` is uint8[height, width] row by row: 0 = blocked, else the cost of entering the cell.</summary>
    public sealed class NavGrid : IMessagePart
    {
        /// <summary><c>kind</c></summary>
        public string Kind = "grid";

        /// <summary><c>width</c></summary>
        public long Width;

        /// <summary><c>height</c></summary>
        public long Height;

        /// <summary><c>cells</c></summary>
        public byte[] Cells;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("kind", Kind);
            fields.Add("width", Width);
            fields.Add("height", Height);
            fields.Add("cells", Cells);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static NavGrid Read(IDictionary<string, object> map)
        {
            NavGrid made = new NavGrid();
            made.Kind = FieldReader.Text(FieldReader.At(map, "kind")) ?? made.Kind;
            made.Width = FieldReader.Integer(FieldReader.At(map, "width")) ?? made.Width;
            made.Height = FieldReader.Integer(FieldReader.At(map, "height")) ?? made.Height;
            made.Cells = FieldReader.Bytes(FieldReader.At(map, "cells")) ?? made.Cells;
            return made;
        }
    }

    /// <summary>A named spot that one can go to or ask about.</summary>
    public sealed class Place : IMessagePart
    {
        /// <summary><c>id</c></summary>
        public string Id;

        /// <summary><c>name</c></summary>
        public string Name;

        /// <summary><c>position</c></summary>
        public object Position;

        /// <summary><c>description</c></summary>
        public string Description = "";

        /// <summary><c>aliases</c></summary>
        public List<object> Aliases = new List<object>();

        /// <summary><c>tags</c></summary>
        public List<object> Tags = new List<object>();

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("id", Id);
            fields.Add("name", Name);
            fields.Add("position", Position);
            fields.Add("description", Description);
            fields.Add("aliases", Aliases);
            fields.Add("tags", Tags);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Place Read(IDictionary<string, object> map)
        {
            Place made = new Place();
            made.Id = FieldReader.Text(FieldReader.At(map, "id")) ?? made.Id;
            made.Name = FieldReader.Text(FieldReader.At(map, "name")) ?? made.Name;
            made.Position = FieldReader.At(map, "position") ?? made.Position;
            made.Description = FieldReader.Text(FieldReader.At(map, "description")) ?? made.Description;
            made.Aliases = FieldReader.List(FieldReader.At(map, "aliases")) ?? made.Aliases;
            made.Tags = FieldReader.List(FieldReader.At(map, "tags")) ?? made.Tags;
            return made;
        }
    }

    /// <summary>Ids that are gone.</summary>
    public sealed class Removed : IMessagePart
    {
        /// <summary><c>items</c></summary>
        public List<object> Items = new List<object>();

        /// <summary><c>places</c></summary>
        public List<object> Places = new List<object>();

        /// <summary><c>entities</c></summary>
        public List<object> Entities = new List<object>();

        /// <summary><c>inventories</c></summary>
        public List<object> Inventories = new List<object>();

        /// <summary><c>facts</c></summary>
        public List<object> Facts = new List<object>();

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("items", Items);
            fields.Add("places", Places);
            fields.Add("entities", Entities);
            fields.Add("inventories", Inventories);
            fields.Add("facts", Facts);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static Removed Read(IDictionary<string, object> map)
        {
            Removed made = new Removed();
            made.Items = FieldReader.List(FieldReader.At(map, "items")) ?? made.Items;
            made.Places = FieldReader.List(FieldReader.At(map, "places")) ?? made.Places;
            made.Entities = FieldReader.List(FieldReader.At(map, "entities")) ?? made.Entities;
            made.Inventories = FieldReader.List(FieldReader.At(map, "inventories")) ?? made.Inventories;
            made.Facts = FieldReader.List(FieldReader.At(map, "facts")) ?? made.Facts;
            return made;
        }
    }

    /// <summary>A tool that the NPC used in a turn, and what came of it.</summary>
    public sealed class ToolUse : IMessagePart
    {
        /// <summary><c>tool</c></summary>
        public string Tool;

        /// <summary><c>args</c></summary>
        public IDictionary<string, object> Args;

        /// <summary><c>ok</c></summary>
        public bool Ok;

        /// <summary><c>text</c></summary>
        public string Text = "";

        /// <summary><c>reason</c></summary>
        public string Reason = "";

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("tool", Tool);
            fields.Add("args", Args);
            fields.Add("ok", Ok);
            fields.Add("text", Text);
            fields.Add("reason", Reason);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static ToolUse Read(IDictionary<string, object> map)
        {
            ToolUse made = new ToolUse();
            made.Tool = FieldReader.Text(FieldReader.At(map, "tool")) ?? made.Tool;
            made.Args = FieldReader.Map(FieldReader.At(map, "args")) ?? made.Args;
            made.Ok = FieldReader.Flag(FieldReader.At(map, "ok")) ?? made.Ok;
            made.Text = FieldReader.Text(FieldReader.At(map, "text")) ?? made.Text;
            made.Reason = FieldReader.Text(FieldReader.At(map, "reason")) ?? made.Reason;
            return made;
        }
    }

    /// <summary>Where a turn's time went, counted from `npc.hear`; 0 where nothing happened.</summary>
    public sealed class TurnTimings : IMessagePart
    {
        /// <summary><c>first_token_ms</c></summary>
        public long FirstTokenMs;

        /// <summary><c>total_ms</c></summary>
        public long TotalMs;

        /// <summary><c>num_prompt_tokens</c></summary>
        public long NumPromptTokens = 0;

        /// <summary><c>num_cached_tokens</c></summary>
        public long NumCachedTokens = 0;

        /// <summary><c>num_completion_tokens</c></summary>
        public long NumCompletionTokens = 0;

        /// <summary>Its fields, in the order of the protocol.</summary>
        public IDictionary<string, object> ToMap()
        {
            FieldWriter fields = new FieldWriter();
            fields.Add("first_token_ms", FirstTokenMs);
            fields.Add("total_ms", TotalMs);
            fields.Add("num_prompt_tokens", NumPromptTokens);
            fields.Add("num_cached_tokens", NumCachedTokens);
            fields.Add("num_completion_tokens", NumCompletionTokens);
            return fields.Map;
        }

        /// <summary>Reads a body; what is absent or of a wrong type keeps its default.
        /// </summary>
        public static TurnTimings Read(IDictionary<string, object> map)
        {
            TurnTimings made = new TurnTimings();
            made.FirstTokenMs = FieldReader.Integer(FieldReader.At(map, "first_token_ms")) ?? made.FirstTokenMs;
            made.TotalMs = FieldReader.Integer(FieldReader.At(map, "total_ms")) ?? made.TotalMs;
            made.NumPromptTokens = FieldReader.Integer(FieldReader.At(map, "num_prompt_tokens")) ?? made.NumPromptTokens;
            made.NumCachedTokens = FieldReader.Integer(FieldReader.At(map, "num_cached_tokens")) ?? made.NumCachedTokens;
            made.NumCompletionTokens = FieldReader.Integer(FieldReader.At(map, "num_completion_tokens")) ?? made.NumCompletionTokens;
            return made;
        }
    }

    /// <summary>All messages of the protocol.</summary>
    public static class Messages
    {
        /// <summary>Reads a message's body by its type; null for an unknown one.
        /// </summary>
        public static IMessageBody FromSidecar(string type, IDictionary<string, object> body)
        {
            switch (type)
            {
                case "action.cancel":
                    return ActionCancel.Read(body);
                case "action.request":
                    return ActionRequest.Read(body);
                case "error":
                    return Error.Read(body);
                case "npc.state":
                    return NpcState.Read(body);
                case "ok":
                    return Ok.Read(body);
                case "pong":
                    return Pong.Read(body);
                case "state.saved":
                    return StateSaved.Read(body);
                case "stats":
                    return Stats.Read(body);
                case "status":
                    return Status.Read(body);
                case "tool.call":
                    return ToolCall.Read(body);
                case "turn.ended":
                    return TurnEnded.Read(body);
                case "turn.line":
                    return TurnLine.Read(body);
                case "turn.started":
                    return TurnStarted.Read(body);
                case "turn.token":
                    return TurnToken.Read(body);
                case "welcome":
                    return Welcome.Read(body);
                default:
                    return null;
            }
        }

        /// <summary>Reads a message's body by its type; null for an unknown one.
        /// </summary>
        public static IMessageBody FromEngine(string type, IDictionary<string, object> body)
        {
            switch (type)
            {
                case "action.update":
                    return ActionUpdate.Read(body);
                case "goodbye":
                    return Goodbye.Read(body);
                case "hello":
                    return Hello.Read(body);
                case "npc.despawn":
                    return NpcDespawn.Read(body);
                case "npc.event":
                    return NpcEvent.Read(body);
                case "npc.hear":
                    return NpcHear.Read(body);
                case "npc.see":
                    return NpcSee.Read(body);
                case "npc.spawn":
                    return NpcSpawn.Read(body);
                case "ping":
                    return Ping.Read(body);
                case "state.load":
                    return StateLoad.Read(body);
                case "state.save":
                    return StateSave.Read(body);
                case "stats":
                    return StatsRequest.Read(body);
                case "tool.register":
                    return ToolRegister.Read(body);
                case "tool.result":
                    return ToolResult.Read(body);
                case "turn.cancel":
                    return TurnCancel.Read(body);
                case "world.patch":
                    return WorldPatch.Read(body);
                case "world.sync":
                    return WorldSync.Read(body);
                default:
                    return null;
            }
        }
    }
}
