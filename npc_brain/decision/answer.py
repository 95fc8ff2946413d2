"""What an answerer gives: an answer for the turn, or why it passes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.vocabulary import Source

Why = Mapping[str, Any]
"""What was decided by: scores with their thresholds, what was matched, what was missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What all answers have.

    Attributes:
        emotion: Of the line from now on; None leaves it as it is.
    """

    why: Why = field(default_factory=dict)
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class Say(_Decided):
    """Say a whole line."""

    text: str
    source: Source = "scripted"


@dataclass(frozen=True, slots=True)
class Tell(_Decided):
    """Report the outcome of a tool call: begin with what is true, then let a model continue."""

    outcome: CallOutcome


@dataclass(frozen=True, slots=True)
class Speak(_Decided):
    """Let the model speak.

    Attributes:
        instruction: What the author wants of it in this turn.
        has_tools: Whether it may call tools first.
    """

    instruction: str = ""
    has_tools: bool = False


@dataclass(frozen=True, slots=True)
class FallBack(_Decided):
    """Say the author's line for when there is no better answer."""


@dataclass(frozen=True, slots=True)
class Pass(_Decided):
    """Leave the turn to the next answerer.

    Attributes:
        instruction: What the author wants of a model that answers later.
    """

    instruction: str = ""


Answer = Say | Tell | Speak | FallBack


@dataclass(frozen=True, slots=True)
class Considered:
    """An answerer that was asked.

    Attributes:
        answerer: Its name.
        decided: What it gave, with its reasons.
    """

    answerer: str
    decided: Answer | Pass

    @property
    def text(self) -> str:
        """In a line, like "reaction passed (entry shop: ale, likeness 0.31, min 0.6)"."""
        verb = "passed" if isinstance(self.decided, Pass) else "answered"
        reasons = ", ".join(f"{name} {_short(value)}" for name, value in self.decided.why.items())
        return f"{self.answerer} {verb}" + (f" ({reasons})" if reasons else "")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return " ".join(value) if isinstance(value, list | tuple) else str(value)
