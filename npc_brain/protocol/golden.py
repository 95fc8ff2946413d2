"""Golden examples: messages whose bytes every bridge must read and write alike.

At least one for each message, and more where languages differ: Unicode, integers at the edges of
their encodings, floats with whole values, bytes, empty containers, nested free-form data.
"""

from collections.abc import Iterator

from npc_brain.protocol.messages import (
    ActionCancel,
    ActionRequest,
    ActionUpdate,
    Body,
    ClientInfo,
    Envelope,
    Error,
    Goodbye,
    Hello,
    Limits,
    ModelStatus,
    NpcDespawn,
    NpcEvent,
    NpcHear,
    NpcSee,
    NpcSpawn,
    NpcState,
    Ok,
    Ping,
    Pong,
    StateLoad,
    StateSave,
    StateSaved,
    Stats,
    StatsRequest,
    Status,
    ToolCall,
    ToolCallResult,
    ToolRegister,
    ToolUse,
    TurnCancel,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnTimings,
    TurnToken,
    Welcome,
    WorldPatched,
    WorldSync,
)
from npc_brain.world.model import (
    CellChange,
    Entity,
    Inventory,
    Item,
    NavEdge,
    NavGraph,
    NavGrid,
    Place,
    Removed,
)


def golden_examples() -> Iterator[tuple[str, Envelope]]:
    """Every example with its name, in the order of `messages`."""
    yield from _inbound()
    yield from _outbound()


def _example(
    name: str, message_id: int, body: Body, npc_id: str | None = None, reply_to: int | None = None
) -> tuple[str, Envelope]:
    envelope = Envelope(type=body.type, id=message_id, reply_to=reply_to, npc_id=npc_id, body=body)
    return name, envelope


def _inbound() -> Iterator[tuple[str, Envelope]]:
    game = ClientInfo(name="Tavern", version="0.1", engine="godot 4.6")
    yield _example("hello", 1, Hello(protocol=(1, 0), token="a token", client=game))
    yield _example(
        "hello_resume",
        1,
        Hello(protocol=(1, 0), token="a token", client=game, resume="w5yT0e_example"),
    )
    yield _example("world.sync_grid", 2, _village())
    yield _example("world.sync_graph", 3, _roads())
    yield _example("world.sync_empty", 4, WorldSync(revision=0))
    yield _example("world.patch", 5, _patch())
    yield _example(
        "tool.register",
        6,
        ToolRegister(
            name="ring_bell",
            description="Rings the tavern's bell.",
            parameters={
                "type": "object",
                "properties": {"times": {"type": "integer", "minimum": 1, "maximum": 12}},
                "required": ["times"],
            },
            kind="action",
            timeout_ms=5000,
            examples=("Ring the bell!", "Last orders?"),
        ),
    )
    yield _example("npc.spawn_named", 7, NpcSpawn(definition="innkeeper", position=(3, 4)), "mira")
    yield _example(
        "npc.spawn_inline",
        8,
        NpcSpawn(
            definition={"id": "cat", "states": {"asleep": {}}, "initial": "asleep"},
            position=(1.0, 0.0, -2.5),
            blackboard={"trust": -3, "is_fed": False, "mood": "sleepy", "weight_kg": 4.0},
        ),
        "cat",
    )
    yield _example("npc.despawn", 9, NpcDespawn(), "cat")
    yield _example("npc.event", 10, NpcEvent(event="attacked", data={"by": "player"}), "mira")
    yield _example(
        "npc.hear",
        11,
        NpcHear(speaker_id="player", text="Where is the smith?", priority=5, deadline_ms=4000),
        "mira",
    )
    yield _example(
        "npc.hear_unicode",
        2**32,
        NpcHear(speaker_id="player", text='Grüße, 美羅! 🍺 <|im_end|> "\\n\n', priority=-100),
        "town/mira:1",
    )
    yield _example(
        "npc.hear_audio",
        22,
        NpcHear(
            speaker_id="player",
            audio=b"\x00\x00\xff\x7f\x00\x80",
            audio_format="pcm_s16",
            sample_rate_hz=16_000,
        ),
        "mira",
    )
    yield _example(
        "npc.see",
        23,
        NpcSee(
            speaker_id="player",
            image=b"\x89PNG\r\n\x1a\n",
            caption="a drawing of the harbour",
            entity_id="harbour_map",
        ),
        "mira",
    )
    yield _example("turn.cancel", 12, TurnCancel(turn_id=65_536))
    yield _example(
        "action.update", 13, ActionUpdate(action_id=1, status="refused", reason="too dark"), "mira"
    )
    yield _example(
        "action.update_numbers",
        14,
        ActionUpdate(action_id=2**63 - 1, status="done", result={"numbers": _numbers()}),
    )
    lengths = {f"text_{n}": "x" * n for n in (0, 31, 32, 255, 256)}
    many = {"map_16": {f"key_{n}": n for n in range(16)}, "list_16": [None] * 16}
    yield _example(
        "action.update_lengths",
        15,
        ActionUpdate(action_id=2, status="done", result={**lengths, **many}),
    )
    yield _example(
        "tool.result",
        15,
        ToolCallResult(
            call_id=255,
            ok=True,
            result={
                "path": [[0, 0], [1, 1]],
                "nothing": None,
                "no_map": {},
                "no_list": [],
                "mask": b"\x00\x7f\x80\xff",
                "deep": {"a": [{"b": [True, False, ""]}]},
            },
        ),
        "mira",
    )
    yield _example(
        "tool.result_error", 16, ToolCallResult(call_id=256, ok=False, error="no navmesh here")
    )
    yield _example("state.save", 17, StateSave(npc_ids=("mira", "cat")))
    yield _example("state.load", 18, StateLoad(blob=bytes(range(256))))
    yield _example("ping", 19, Ping())
    yield _example("stats_request", 20, StatsRequest())
    yield _example("goodbye", 21, Goodbye())


def _outbound() -> Iterator[tuple[str, Envelope]]:
    model = ModelStatus(name="smollm2-135m", phase="loading")
    limits = Limits(max_message_bytes=4_194_304, max_depth=32, max_npcs=4096, max_queued_turns=64)
    welcome = Welcome(
        session_id="w5yT0e_example",
        protocol=(1, 0),
        version="0.1.0",
        model=model,
        resumed=False,
        features=(),
        limits=limits,
    )
    yield _example("welcome", 1, welcome, reply_to=1)
    yield _example("status", 2, Status(phase="warming", detail="first prompt", progress=0.75))
    yield _example("status_whole_float", 3, Status(phase="ready", progress=1.0))
    yield _example(
        "status_features", 3, Status(phase="ready", progress=1.0, features=("tools", "see", "hear"))
    )
    yield _example("ok", 4, Ok(), reply_to=2)
    yield _example(
        "turn.started",
        5,
        TurnStarted(turn_id=1, cause="hear", speaker_id="player"),
        "mira",
        reply_to=11,
    )
    yield _example("turn.token", 6, TurnToken(turn_id=1, text="Twelve steps "), "mira")
    line = TurnLine(
        turn_id=1,
        text="Twelve steps east.",
        emotion="friendly",
        gesture="point",
        source="model",
        choices=("Thanks.", "Which way is east?"),
    )
    yield _example("turn.line", 7, line, "mira")
    ended = TurnEnded(
        turn_id=1,
        outcome="said",
        tools=(ToolUse(tool="find_path", args={"to": "smithy"}, ok=True, text="12 steps east"),),
        timings=TurnTimings(
            first_token_ms=180,
            total_ms=950,
            num_prompt_tokens=412,
            num_cached_tokens=380,
            num_completion_tokens=9,
        ),
    )
    yield _example("turn.ended", 8, ended, "mira")
    yield _example(
        "npc.state_spawn", 9, NpcState(to_state="tending_bar", event="spawn"), "mira", reply_to=7
    )
    state = NpcState(
        from_state="tending_bar",
        to_state="fleeing",
        event="attacked",
        blackboard={"trust": -1, "speed_m_s": 2.5},
    )
    yield _example("npc.state", 10, state, "mira")
    request = ActionRequest(
        action_id=1, tool="go_to", args={"target": "cellar"}, timeout_ms=60_000, turn_id=1
    )
    yield _example("action.request", 11, request, "mira")
    yield _example("action.cancel", 12, ActionCancel(action_id=1), "mira")
    call = ToolCall(call_id=255, tool="find_path", args={"to": [1.5, 0.0, 2.0]}, timeout_ms=500)
    yield _example("tool.call", 13, call, "mira")
    yield _example("state.saved", 14, StateSaved(blob=b""), reply_to=17)
    yield _example("pong", 15, Pong(uptime_ms=4_294_967_296), reply_to=19)
    stats = Stats(
        uptime_ms=60_000,
        num_sessions=1,
        num_npcs=4,
        num_turns=20,
        num_fallbacks=1,
        num_prompt_tokens=9000,
        num_cached_tokens=7000,
        num_completion_tokens=500,
        first_token_ms_p50=200,
        tokens_per_s=31.5,
    )
    yield _example("stats", 16, stats, reply_to=20)
    error = Error(
        code="unknown_npc", message="no NPC 'bob' is spawned", hint="Spawn it.", retryable=False
    )
    yield _example("error", 17, error, "bob", reply_to=22)
    yield _example("error_unasked", 18, Error(code="bad_frame", message="a frame must be one map"))


def _village() -> WorldSync:
    return WorldSync(
        revision=41,
        nav=NavGrid(width=3, height=2, cells=b"\x01\x01\x00\x01\x05\xff"),
        items=(
            Item(id="coin", name="coin"),
            Item(id="lantern", name="lantern", slot="hand"),
            Item(id="ale", name="Ale", aliases=("beer",), tags=("drink",), price=2, usable=True),
        ),
        places=(Place(id="smithy", name="Smithy", position=(2, 1)),),
        entities=(
            Entity(id="mira", name="Mira", kind="npc", position=(0, 0)),
            Entity(id="player", name="You", kind="player", position=(1, 1)),
        ),
        inventories={
            "mira": Inventory(items={"ale": 12}),
            "player": Inventory(
                items={"coin": 2**31 - 1, "lantern": 1}, equipped={"hand": "lantern"}
            ),
        },
        facts={"is_night": True, "day": 3, "moon": "full", "rain": 0.5},
        currency="coin",
    )


def _roads() -> WorldSync:
    nav = NavGraph(
        nodes={"gate": (0.0, 0.0, 0.0), "well": (12.5, 0.0, -3.0)},
        edges=(NavEdge(a="gate", b="well", cost=13.0),),
    )
    return WorldSync(revision=1, nav=nav)


def _patch() -> WorldPatched:
    return WorldPatched(
        base_revision=41,
        revision=42,
        nav_cells=(CellChange(cell=(2, 0), cost=1),),
        inventories={"player": Inventory()},
        facts={"day": -4},
        removed=Removed(items=("ale",), facts=("moon",)),
    )


def _numbers() -> list[int | float]:
    edges = [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1]
    negative = [-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)]
    return [*edges, *negative, 0.0, -0.0, 1.0, 0.1, -2.5e-300, 1.7976931348623157e308]
