"""Every message of NPC Brain Protocol 1; the only source of `schemas/`.

Inbound means engine to sidecar, outbound the reverse. Each model is the `body` of one message type,
registered under its wire name. Fields are written in declared order; one that is None is absent.
Unknown fields are ignored, wrong types are refused (strict: no string becomes a number).
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from npc_brain.vocabulary import (
    AudioEncoding,
    Cause,
    GameToolKind,
    Outcome,
    Phase,
    ReportedStatus,
    Source,
)
from npc_brain.world.model import Id, Name, Position, Scalar, WorldPatch, WorldSnapshot

PROTOCOL_VERSION = (1, 0)
"""[major, minor]. Another major is refused; a higher minor adds fields and types only.

History: 1.0 (2026-11) first.
"""

MAX_UINT = 2**63 - 1
Uint = Annotated[int, Field(ge=0, le=MAX_UINT)]
Ms = Annotated[int, Field(ge=0, le=86_400_000)]
"""A duration in milliseconds, at most a day."""
ToolName = Annotated[str, Field(pattern=r"^[a-z_]{1,48}$")]
PlayerText = Annotated[str, Field(min_length=1, max_length=2000)]
"""What a player said: data, whatever it spells."""
Priority = Annotated[int, Field(ge=-100, le=100)]


def as_uint(value: float) -> int:
    """A measured number as a `Uint`: rounded and kept within its range; 0 for NaN."""
    return round(min(max(value, 0), MAX_UINT)) if value == value else 0


def _with_lists(value: Any) -> Any:
    """The same data with lists for tuples: frames are read with tuples, game data keeps lists."""
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_lists(item) for item in value]
    return value


Data = Annotated[dict[str, Any], AfterValidator(_with_lists)]
"""Data whose shape only the game or a tool knows: maps with text keys, lists, scalars, bytes."""


class Direction(StrEnum):
    """Who sends a message."""

    INBOUND = "engine_to_sidecar"
    OUTBOUND = "sidecar_to_engine"


class Body(BaseModel):
    """Base of every message body."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
    type: ClassVar[str]
    direction: ClassVar[Direction]
    is_about_npc: ClassVar[bool]
    """Whether its envelope must carry `npc_id`."""


MESSAGES: dict[Direction, dict[str, type[Body]]] = {direction: {} for direction in Direction}
"""Body model by direction and message type."""


def _message(type_name: str, direction: Direction, is_about_npc: bool) -> Any:
    def register(cls: type[Body]) -> type[Body]:
        cls.type, cls.direction, cls.is_about_npc = type_name, direction, is_about_npc
        MESSAGES[direction][type_name] = cls
        return cls

    return register


def _inbound(type_name: str, *, is_about_npc: bool = False) -> Any:
    return _message(type_name, Direction.INBOUND, is_about_npc)


def _outbound(type_name: str, *, is_about_npc: bool = False) -> Any:
    return _message(type_name, Direction.OUTBOUND, is_about_npc)


# --- engine to sidecar -------------------------------------------------------------------------


class ClientInfo(BaseModel):
    """Who connects."""

    model_config = ConfigDict(frozen=True)
    name: Name
    version: Name
    engine: Name


@_inbound("hello")
class Hello(Body):
    """Begins a session, or takes one up again. Answered by `welcome`."""

    protocol: tuple[int, int]
    token: Annotated[str, Field(max_length=256)] = ""
    client: ClientInfo
    resume: Id | None = None


@_inbound("world.sync")
class WorldSync(Body, WorldSnapshot):
    """The whole world. Answered by `ok`."""


@_inbound("world.patch")
class WorldPatched(Body, WorldPatch):
    """What changed in the world. Answered by `ok`, or by `error` with code `resync`."""


@_inbound("tool.register")
class ToolRegister(Body):
    """Adds a tool of the game for every NPC whose state names it. Answered by `ok`."""

    name: ToolName
    description: Annotated[str, Field(min_length=1, max_length=500)]
    parameters: Data = {}
    kind: GameToolKind
    timeout_ms: Ms = 10_000
    examples: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """Things a player may say that ask for this tool."""


@_inbound("npc.spawn", is_about_npc=True)
class NpcSpawn(Body):
    """Brings an NPC to life. Answered by its first `npc.state`.

    `definition` is the name of a file below the sidecar's NPC directory, or a whole definition.
    """

    definition: Annotated[str, Field(min_length=1, max_length=64)] | Data
    position: Position | None = None
    blackboard: dict[str, Scalar] = {}


@_inbound("npc.despawn", is_about_npc=True)
class NpcDespawn(Body):
    """Ends an NPC: its turn is cancelled, its actions too. Answered by `ok`."""


@_inbound("npc.event", is_about_npc=True)
class NpcEvent(Body):
    """A stimulus for the state machine. Answered by `ok` after its transitions were made."""

    event: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
    data: dict[str, Scalar] = {}


@_inbound("npc.hear", is_about_npc=True)
class NpcHear(Body):
    """Someone speaks to the NPC: asks for a turn. Answered by `turn.started`.

    Text, sound or both. Sound without text needs a model that hears (`hear` in the features of
    `welcome` and `status`), else the answer is `error` with code `cannot_hear`; with text, a model
    that cannot hear takes the text. Reactions, safety rules and the sentence encoder go by text:
    what comes as sound alone is left to the model.
    """

    speaker_id: Id
    text: PlayerText | None = None
    """What was said; absent when there is only its sound."""
    priority: Priority = 0
    deadline_ms: Annotated[int, Field(ge=50, le=600_000)] | None = None
    """By when the line must have been said; None takes the NPC's own limit."""
    audio: bytes | None = None
    """How it was said, up to 30 s. 16-bit samples at 16 kHz are as good as any: 32 kB a second."""
    audio_format: AudioEncoding | None = None
    """A WAV file (when absent), or bare little-endian mono samples."""
    sample_rate_hz: Annotated[int, Field(ge=4_000, le=192_000)] | None = None
    """Of bare samples."""


@_inbound("npc.see", is_about_npc=True)
class NpcSee(Body):
    """Someone shows the NPC a picture. Answered by `ok`; the NPC speaks of it when it is spoken to.

    A model without eyes (no `see` in the features of `welcome` and `status`) knows that it was
    shown a picture, and the caption.
    """

    speaker_id: Id
    """Who shows it."""
    image: bytes
    """A PNG or JPEG file of up to 16 million pixels. The model sees about 400 x 400 of them, so
    scale a screenshot down first: that also keeps it far below `limits.max_message_bytes`."""
    caption: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What it shows, in words."""
    entity_id: Id | None = None
    """The entity that it shows; its name is the caption when there is none."""


@_inbound("turn.cancel")
class TurnCancel(Body):
    """Ends a turn at once: no token of it follows the answer, `ok`. What it began is called off."""

    turn_id: Uint


@_inbound("action.update")
class ActionUpdate(Body):
    """The status of an action. Answered by `ok`."""

    action_id: Uint
    status: ReportedStatus
    reason: Annotated[str, Field(max_length=200)] = ""
    result: Data = {}


@_inbound("tool.result")
class ToolCallResult(Body):
    """The engine's answer to a `tool.call`. Answered by `ok`."""

    call_id: Uint
    ok: bool
    result: Data = {}
    error: Annotated[str, Field(max_length=200)] = ""


@_inbound("state.save")
class StateSave(Body):
    """Asks for the state of NPCs (empty: of all). Answered by `state.saved`.

    Later messages of the session wait for the answer, but for `ping`.
    """

    npc_ids: tuple[Id, ...] = ()


@_inbound("state.load")
class StateLoad(Body):
    """Puts NPCs back as they were saved; those not spawned are spawned. Answered by `ok`.

    All of them or, with an `error`, none; an `npc.state` for each follows the answer. Later
    messages of the session wait for that, but for `ping`.
    """

    blob: bytes


@_inbound("ping")
class Ping(Body):
    """Answered by `pong`."""


@_inbound("stats")
class StatsRequest(Body):
    """Asks for counters. Answered by `stats`."""


@_inbound("goodbye")
class Goodbye(Body):
    """Ends the session for good: its NPCs are forgotten. Answered by `ok`."""


# --- sidecar to engine -------------------------------------------------------------------------


class Limits(BaseModel):
    """What the sidecar accepts."""

    model_config = ConfigDict(frozen=True)
    max_message_bytes: Uint
    max_depth: Uint
    max_npcs: Uint
    max_queued_turns: Uint


class ModelStatus(BaseModel):
    """The model that is used, or `none`."""

    model_config = ConfigDict(frozen=True)
    name: str
    phase: Phase


@_outbound("welcome")
class Welcome(Body):
    """Answers `hello`. `resumed`: the NPCs of the earlier connection are still there."""

    session_id: Id
    protocol: tuple[int, int]
    version: str
    model: ModelStatus
    resumed: bool
    features: tuple[str, ...]
    limits: Limits


@_outbound("status")
class Status(Body):
    """How far the sidecar is. `degraded`: it works without the model; `detail` says why.

    With a model server, it is also sent whenever that server stops answering and answers again.
    """

    phase: Phase
    detail: str = ""
    progress: Annotated[float, Field(ge=0, le=1)]
    features: tuple[str, ...] | None = None
    """As in `welcome`; sent again when a model has been loaded."""


@_outbound("ok")
class Ok(Body):
    """The message named by `reply_to` was acted upon."""


@_outbound("turn.started", is_about_npc=True)
class TurnStarted(Body):
    """An NPC begins to answer (`reply_to` the `npc.hear`) or to speak unprompted.

    `cause` is `hear`, `action` after the end of an action, or `state` for authored lines.
    """

    turn_id: Uint
    cause: Cause
    speaker_id: Id | None = None


@_outbound("turn.token", is_about_npc=True)
class TurnToken(Body):
    """The next piece of the line being said; the pieces add up to the text of its `turn.line`."""

    turn_id: Uint
    text: str


@_outbound("turn.line", is_about_npc=True)
class TurnLine(Body):
    """A whole line. `source`: model, scripted (an author's line), or fallback (out of time)."""

    turn_id: Uint
    text: str
    emotion: str = "neutral"
    gesture: str = "none"
    source: Source
    choices: tuple[str, ...] = ()
    """Answers offered to the player, from the tool `offer_choices`."""


class TurnTimings(BaseModel):
    """Where a turn's time went, counted from `npc.hear`; 0 where nothing happened."""

    model_config = ConfigDict(frozen=True)
    first_token_ms: Uint
    total_ms: Uint
    num_prompt_tokens: Uint = 0
    num_cached_tokens: Uint = 0
    num_completion_tokens: Uint = 0


class ToolUse(BaseModel):
    """A tool that the NPC used in a turn, and its outcome."""

    model_config = ConfigDict(frozen=True)
    tool: str
    args: Data
    ok: bool
    text: str = ""
    reason: str = ""


@_outbound("turn.ended", is_about_npc=True)
class TurnEnded(Body):
    """The last message of a turn; exactly one comes."""

    turn_id: Uint
    outcome: Outcome
    detail: str = ""
    tools: tuple[ToolUse, ...] = ()
    timings: TurnTimings


@_outbound("npc.state", is_about_npc=True)
class NpcState(Body):
    """A transition of an NPC's state machine. On spawn `from` is absent, the event `spawn`."""

    model_config = ConfigDict(populate_by_name=True)
    from_state: Annotated[str | None, Field(alias="from")] = None
    to_state: Annotated[str, Field(alias="to")]
    event: str
    blackboard: dict[str, Scalar] = {}
    """The NPC's blackboard after it."""


@_outbound("action.request", is_about_npc=True)
class ActionRequest(Body):
    """The NPC wants to do something; only the engine can. Answer with `action.update`s."""

    action_id: Uint
    tool: ToolName
    args: Data
    timeout_ms: Ms
    turn_id: Uint | None = None


@_outbound("action.cancel", is_about_npc=True)
class ActionCancel(Body):
    """The NPC no longer wants it: its turn was cancelled, or the state that wanted it was left.

    The engine ends it (`cancelled`) or reports how it ended.
    """

    action_id: Uint


@_outbound("tool.call", is_about_npc=True)
class ToolCall(Body):
    """A query that only the engine can answer. Answer with `tool.result`."""

    call_id: Uint
    tool: ToolName
    args: Data
    timeout_ms: Ms


@_outbound("state.saved")
class StateSaved(Body):
    """The saved state: opaque, versioned, to be kept in the game's own save."""

    blob: bytes


@_outbound("pong")
class Pong(Body):
    """Answers `ping`."""

    uptime_ms: Uint


@_outbound("stats")
class Stats(Body):
    """Counters since the sidecar started."""

    uptime_ms: Uint
    num_sessions: Uint
    num_npcs: Uint
    num_turns: Uint
    num_fallbacks: Uint
    num_prompt_tokens: Uint
    num_cached_tokens: Uint
    num_completion_tokens: Uint
    first_token_ms_p50: Uint
    tokens_per_s: float


@_outbound("error")
class Error(Body):
    """A message that could not be acted upon (`reply_to`), or a fault. Codes are stable."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False


NpcMessage = (
    TurnStarted
    | TurnToken
    | TurnLine
    | TurnEnded
    | NpcState
    | ActionRequest
    | ActionCancel
    | ToolCall
)
"""What an NPC says, becomes and wants: the outbound messages about one."""


class Envelope(BaseModel):
    """One frame: what every message has around its body.

    Attributes:
        type: Message type.
        id: Rises with every message of a sender.
        reply_to: The `id` of the message that this one answers.
        npc_id: The NPC concerned; absent on session messages.
    """

    model_config = ConfigDict(frozen=True)
    type: str
    id: Uint
    reply_to: Uint | None = None
    npc_id: Id | None = None
    body: Body
