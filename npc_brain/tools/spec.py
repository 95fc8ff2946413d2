"""A tool is a pydantic model of its arguments plus a function.

Arguments that name something in the world carry a `Ref`; each turn their schema is narrowed to the
ids that exist now. A tool whose required argument has no legal value is not legal in that turn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from npc_brain.world.world import World


class Domain(StrEnum):
    """What an argument refers to."""

    HELD_ITEM = "held_item"
    """An item that the NPC holds and has not promised to an action under way."""
    SPEAKER_ITEM = "speaker_item"
    """An item that the person spoken with holds."""
    ITEM = "item"
    """Any item of the catalogue."""
    PLACE = "place"
    """A place."""
    PERSON = "person"
    """An NPC or player other than the NPC itself."""
    TARGET = "target"
    """A place, or an entity other than the NPC itself."""
    TAG = "tag"
    """A tag that at least one place, entity or item has."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Annotation of a tool argument: its values are the ids of `domain`."""

    domain: Domain


class Arguments(BaseModel):
    """Base of every tool's argument model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recollection(Protocol):
    """The part of an NPC's memory that tools use."""

    def remember(self, text: str, subject_id: str | None = None) -> None:
        """Keep `text` for later."""
        ...

    def recall(self, query: str, limit: int = 3) -> list[str]:
        """The memories nearest to `query`, best first."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may know: the world now, who acts, and with whom the NPC speaks.

    Attributes:
        reserved: Items promised to actions under way, by item id; not available to new ones.
        speaker_id: The entity spoken with, if any.
    """

    world: World
    npc_id: str
    speaker_id: str | None
    reserved: Mapping[str, int]
    memory: Recollection


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call; a refusal is a result, not an exception.

    Attributes:
        ok: Whether it was done (or answered).
        data: JSON values for the model and for authored templates (`{steps}`, `{direction}` …).
        text: One plain English sentence that states the outcome in the third person of the facts,
            for prompts: "The smithy is 12 steps east."
        reason: Why not: a stable word such as `not_held`, `unreachable`, `refused`; empty when ok.
    """

    ok: bool
    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    reason: str = ""


def refusal(reason: str, text: str, **data: Any) -> ToolResult:
    """A refused call."""
    return ToolResult(ok=False, data=data, text=text, reason=reason)


class ToolKind(StrEnum):
    """How a call is carried out."""

    QUERY = "query"
    """Answered at once from the snapshot, or by the engine through `tool.call`."""
    ACTION = "action"
    """Done by the engine: `action.request` … `action.update`."""
    DIALOGUE = "dialogue"
    """Changes only the conversation or the NPC's own mind; nothing leaves the sidecar but lines."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        arguments: The argument model, or None for a tool of the game described by `schema` only.
        schema: JSON Schema of the arguments with `x-ref` (a `Domain`) on arguments that name
            something; not yet narrowed.
        run: The answer of a query or dialogue tool. None: the engine answers through `tool.call`.
        check: An action's preconditions: a refusal, or None when it may be requested.
        reserves: Items that an action takes from the NPC while it is under way, by item id.
        done_event: The state machine event raised when an action ends as done.
        is_instant: Whether the engine is expected to end the action at once (give, trade), so that
            the spoken line waits for the outcome.
        timeout_ms: How long the engine may take.
    """

    name: str
    kind: ToolKind
    description: str
    schema: dict[str, Any]
    arguments: type[Arguments] | None = None
    run: Callable[[ToolContext, Any], ToolResult] | None = None
    check: Callable[[ToolContext, Any], ToolResult | None] | None = None
    reserves: Callable[[Any], dict[str, int]] | None = None
    done_event: str = ""
    is_instant: bool = False
    timeout_ms: int = 60_000


ActionStatus = Literal[
    "requested", "accepted", "started", "progress",
    "done", "failed", "refused", "cancelled", "timed_out",
]  # fmt: skip
"""The last five end an action; exactly one of them comes."""

END_STATUSES: frozenset[str] = frozenset({"done", "failed", "refused", "cancelled", "timed_out"})
