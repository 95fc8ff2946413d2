"""What one generation is asked for and what it gives back, in model-neutral terms.

A caller describes a conversation (`Message`), the functions that may be called now
(`FunctionSchema`) and what a spoken line may look like (`LineRule`); a `Backend` streams
`ChatEvent`s back. The chat formats below `formats/` turn these into one model's tokens and grammar.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from npc_brain.errors import InferenceError
from npc_brain.inference.profile import ModelProfile, Sampling
from npc_brain.media import Media, Sense
from npc_brain.schema.subset import SchemaError, bounded

MAX_QUEUED = 64
"""Requests that may wait for a backend, unless it is told otherwise."""

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One call made by the model: a function's name and its arguments (JSON values)."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: `tool` messages answer the call of the same `name` in the assistant message before.
        content: Plain text. Data, whatever it spells: it never becomes a control token.
        calls: The calls of an `assistant` message, in order.
        name: The function's name, on `tool` messages.
        media: Pictures and sounds of a `user` message. A backend leaves out what its model cannot
            take in: see `Backend.senses`.
    """

    role: Role
    content: str = ""
    calls: tuple[FunctionCall, ...] = ()
    name: str = ""
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionSchema:
    """A function that may be called in this generation.

    Attributes:
        name: Matches `[a-z_]+`.
        description: One sentence for the model.
        parameters: JSON Schema of an object, within `schema.subset`; enums are already narrowed to
            ids that exist now.
    """

    name: str
    description: str
    parameters: dict[str, Any]

    def bounded(self) -> dict[str, Any]:
        """`parameters` with every bound spelled out, for grammars.

        Raises InferenceError (`bad_tool`) when they cannot be enforced.
        """
        try:
            return bounded(self.parameters)
        except SchemaError as error:
            raise InferenceError(
                f"function {self.name!r}: {error.message}", code=error.code, hint=error.hint
            ) from error


@dataclass(frozen=True, slots=True)
class LineRule:
    """What a spoken line may look like. Markup can never be part of one: see `inference.grammar`.

    Attributes:
        is_allowed: Whether the generation may (and then, in the end, must) speak.
        max_chars: Length limit, 1 to 2000.
        openers: When not empty, the line starts with exactly one of these texts and the model goes
            on freely. This is how a fact or an outcome is put into the line by construction. An
            opener is never cut, even if it is longer than `max_chars` or `max_tokens`.
        max_sentences: The line ends at the end of this many sentences (0: no such limit), counted
            after the opener.
    """

    is_allowed: bool = True
    max_chars: int = 400
    openers: tuple[str, ...] = ()
    max_sentences: int = 0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One generation.

    Attributes:
        messages: The conversation; the stable part first, so that the prefix cache hits.
        functions: What may be called. Empty: nothing may.
        line: What may be said.
        max_tokens: Completion limit, 1 to 4096.
        priority: Higher runs first.
        deadline_s: Clock time (seconds of the backend's `Clock`) after which the generation ends
            with `deadline`; None waits forever.
    """

    messages: tuple[Message, ...]
    functions: tuple[FunctionSchema, ...] = ()
    line: LineRule = LineRule()
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int = 160
    priority: int = 0
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the spoken line: whole characters, free of markup and control tokens."""

    text: str


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A complete function call; its arguments fit the schema in the request."""

    call: FunctionCall


FinishReason = Literal["stop", "calls", "length", "deadline", "cancelled", "error"]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every generation; exactly one comes.

    Attributes:
        reason: `calls` when the model waits for the results of its calls.
        error: What went wrong when reason is `error`.
        num_prompt_tokens: Prompt length.
        num_cached_tokens: Of these, tokens whose KV was reused.
        num_completion_tokens: Tokens sampled or forced.
        queued_ms, prefill_ms, decode_ms: Where the time went.
    """

    reason: FinishReason
    error: str = ""
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_completion_tokens: int = 0
    queued_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0


ChatEvent = TextDelta | CallEvent | Finished


@dataclass(slots=True)
class BackendStats:
    """Counters of a backend since its start."""

    num_requests: int = 0
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_completion_tokens: int = 0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    num_by_reason: dict[str, int] = field(default_factory=dict)


class Generation(Protocol):
    """A submitted generation."""

    def cancel(self) -> None:
        """End it before its next token; safe from any thread and after the end."""
        ...


class Backend(Protocol):
    """Something that answers `ChatRequest`s."""

    model_name: str
    """What `welcome.model` says."""

    profile: ModelProfile
    """What may be asked of the model."""

    @property
    def senses(self) -> frozenset[Sense]:
        """What of `Message.media` the model can take in; the rest is left out of the prompt."""
        ...

    @property
    def stats(self) -> BackendStats:
        """Counters since the start."""
        ...

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> Generation:
        """Queue `request`; returns at once, from any thread.

        `emit` is called from the backend's thread, in order, `Finished` last. It must not block.
        Raises InferenceError (`too_many_queued`) when the queue is full.
        """
        ...

    def prewarm(self, messages: Sequence[Message]) -> object:
        """Work ahead on conversations that begin with `messages`, when nothing else is to do.

        Returns at once. Raises InferenceError (`too_many_queued`) when the queue is full.
        """
        ...

    def close(self) -> None:
        """Cancel everything under way and free the model; blocks until its thread has ended."""
        ...
