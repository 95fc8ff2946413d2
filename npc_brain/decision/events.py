"""What a stage reports while its NPCs think, in engine-neutral terms."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from npc_brain.vocabulary import Cause, Outcome, Source


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """A turn begins."""

    turn_id: int
    cause: Cause
    speaker_id: str | None


@dataclass(frozen=True, slots=True)
class TokenSaid:
    """The next piece of the line being said."""

    turn_id: int
    text: str


@dataclass(frozen=True, slots=True)
class LineSaid:
    """A whole line; its tokens add up to `text`."""

    turn_id: int
    text: str
    source: Source
    emotion: str = "neutral"
    gesture: str = "none"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """A tool call made in a turn and its result."""

    tool: str
    args: dict[str, Any]
    ok: bool
    text: str
    reason: str


@dataclass(slots=True)
class Timings:
    """Where a turn's time went, in milliseconds from its request, and the model's token counts."""

    first_token_ms: int = 0
    total_ms: int = 0
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """A turn is over; the last event of it."""

    turn_id: int
    outcome: Outcome
    detail: str = ""
    tools: tuple[ToolUsed, ...] = ()
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A transition was made. `from_state` is None when the NPC has just been spawned."""

    from_state: str | None
    to_state: str
    event: str
    blackboard: dict[str, Any]


StageEvent = TurnStarted | TokenSaid | LineSaid | TurnEnded | StateChanged


class EnginePort(Protocol):
    """How a stage reaches whoever owns the world: a game engine, or a simulation in tests.

    All methods return at once; answers come later through the stage's methods, never from within
    the call.
    """

    def notify(self, npc_id: str, event: StageEvent) -> None:
        """Tell what an NPC says, decides and becomes."""
        ...

    def request_action(
        self,
        npc_id: str,
        action_id: int,
        tool: str,
        args: dict[str, Any],
        timeout_ms: int,
        turn_id: int | None,
    ) -> None:
        """Ask for an action; answered by `Stage.update_action`."""
        ...

    def cancel_action(self, npc_id: str, action_id: int) -> None:
        """Tell that an action is no longer wanted."""
        ...

    def call_tool(
        self, npc_id: str, call_id: int, tool: str, args: dict[str, Any], timeout_ms: int
    ) -> None:
        """Ask a query of the engine; answered by `Stage.resolve_call`."""
        ...
