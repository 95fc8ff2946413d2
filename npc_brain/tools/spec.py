"""A tool is a pydantic model of its arguments plus a function.

Arguments that name something in the world carry a `Ref`; each turn their schema is narrowed to the
ids that exist now. A tool whose required argument has no legal value is not legal in that turn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from npc_brain.world.limit import UNLIMITED, SearchLimit
from npc_brain.world.world import World


class Arguments(BaseModel):
    """Base of every tool's argument model; `model_dump(mode="json")` gives JSON values."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GameArguments(Arguments):
    """The arguments of a tool of the game: whatever its own schema allows."""

    model_config = ConfigDict(frozen=True, extra="allow")


def schema_of(arguments: type[Arguments]) -> dict[str, Any]:
    """The JSON Schema of an argument model, for `Tool.schema`; without titles and defaults."""

    def stripped(schema: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in schema.items() if key not in ("title", "default")}
        if "items" in kept:
            kept["items"] = stripped(kept["items"])
        return kept

    schema = arguments.model_json_schema()
    properties = schema.get("properties", {})
    return {
        "type": "object",
        "properties": {name: stripped(value) for name, value in properties.items()},
        "required": schema.get("required", []),
        "additionalProperties": False,
    }


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
        limit: When a search for a path gives up.
    """

    world: World
    npc_id: str
    speaker_id: str | None
    reserved: Mapping[str, int]
    memory: Recollection
    limit: SearchLimit = UNLIMITED


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The outcome of a call; a refusal is a result, not an exception.

    Attributes:
        ok: Whether it was done (or answered).
        data: JSON values for the model and for authored templates (`{steps}`, `{direction}` …).
        text: One plain English sentence that states the outcome in the third person of the facts,
            for prompts: "The smithy is 12 steps east."
        reason: Why not: a stable word such as `not_held`, `unreachable`, `refused`; empty when ok.
        variant: Which of the tool's lines fits when it went well, if not the usual one: a word such
            as `empty`, `none`, `here`, `no`.
        emotion: How the NPC looks from now on; empty: as before. `gesture` goes with it.
        choices: What the player can answer.
        ends_conversation: Whether the NPC speaks its line and then has ended the conversation.
    """

    ok: bool
    data: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    reason: str = ""
    variant: str = ""
    emotion: str = ""
    gesture: str = "none"
    choices: tuple[str, ...] = ()
    ends_conversation: bool = False


def refusal(reason: str, text: str, **data: Any) -> ToolResult:
    """A refused call."""
    return ToolResult(ok=False, data=data, text=text, reason=reason)


def usual_variant(data: Mapping[str, Any]) -> str:
    """The variant of what the engine answers, told from the fields that built-in tools use too."""
    if data.get("items") == {}:
        return "empty"
    if data.get("count") == 0:
        return "none"
    if data.get("steps") == 0:
        return "here"
    return "no" if data.get("reachable") is False else ""


class ToolKind(StrEnum):
    """How a call is carried out."""

    QUERY = "query"
    """Answered at once from the snapshot, or by the engine through `tool.call`."""
    ACTION = "action"
    """Done by the engine: `action.request` … `action.update`."""
    DIALOGUE = "dialogue"
    """Changes only the conversation or the NPC's own mind; nothing leaves the sidecar but lines."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """What an action is called in a sentence: (to) "give Bo a coin", "gave …", "giving …"."""

    base: str
    past: str
    present: str


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        schema: JSON Schema of the arguments, not yet narrowed, with the marks of `schema.marks`.
        arguments: The argument model; `GameArguments` for a tool of the game.
        run: The answer of a query or dialogue tool. None: the engine answers through `tool.call`.
        check: An action's preconditions: a refusal, or None when it may be requested.
        reserves: Items that an action takes from the NPC while it is under way, by item id.
        describe: The action in words; None: from the tool's name.
        done_event: The state machine event raised when an action ends as done.
        is_instant: Whether the engine is expected to end the action at once (give, trade), so that
            the spoken line waits for the outcome.
        is_search: Whether `check` searches for a path, which takes too long for an event loop.
        needs_nav: Whether `run` needs the world's nav; without one the engine answers.
        can_be_chosen: Whether a model or the encoder chooses it. Not speaking, which is no choice.
        timeout_ms: How long the engine may take, or be silent about an action.
        stand_ins: Other tools that answer the same question nearly as well, best first.
        examples: Things a player may say that ask for this tool; those of the built-in tools are
            among the words of a language.
    """

    name: str
    kind: ToolKind
    description: str
    schema: dict[str, Any]
    arguments: type[Arguments] = GameArguments
    run: Callable[[ToolContext, Any], ToolResult] | None = None
    check: Callable[[ToolContext, Any], ToolResult | None] | None = None
    reserves: Callable[[Any], dict[str, int]] | None = None
    describe: Callable[[World, Any], Phrase] | None = None
    done_event: str = ""
    is_instant: bool = False
    is_search: bool = False
    needs_nav: bool = False
    can_be_chosen: bool = True
    timeout_ms: int = 60_000
    stand_ins: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def answers_in(self, world: World) -> bool:
        """Whether `run` can answer in this world; if not, the engine does, through `tool.call`."""
        return self.run is not None and not (self.needs_nav and world.nav is None)
