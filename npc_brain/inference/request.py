"""One generation request in tokens, and the handle that its caller holds."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock

import numpy as np
import numpy.typing as npt

from npc_brain.inference.chat import CallEvent, ChatEvent, Finished, FinishReason
from npc_brain.inference.formats.base import CompletionParser
from npc_brain.inference.grammar import Constraint
from npc_brain.inference.sampler import Sampler

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class GenerationRequest:
    """What the engine needs to generate, and where it has got to.

    The engine owns it once it is submitted; a caller may only cancel it and read.

    Attributes:
        prompt_ids: 1 or more tokens.
        emit: Called from the inference thread with each event.
        parser: Turns tokens into events.
        stop_ids: Tokens that end the completion; they are not part of it.
        constraint: The grammar; None allows every token.
        soft_rows: Embeddings of soft positions, by the position in the prompt where they begin;
            `prompt_ids` has content ids there (see `media.soft_tokens`).
        num_stable: Leading prompt tokens worth keeping in the prefix cache.
        max_tokens: Completion limit; 0 only fills the prefix cache.
        completion_ids: The tokens so far.
        num_cached: Prompt tokens whose KV was reused.
        submitted_s, admitted_s, prefilled_s: When it came, got a slot, and had its first logits.
        has_called: Whether a `CallEvent` was delivered.
        end_reason: Why `choose` gave no token.
    """

    prompt_ids: Sequence[int]
    emit: Callable[[ChatEvent], None]
    parser: CompletionParser
    sampler: Sampler
    stop_ids: frozenset[int]
    max_tokens: int
    constraint: Constraint | None = None
    soft_rows: Mapping[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    num_stable: int = 0
    priority: int = 0
    deadline_s: float | None = None
    completion_ids: list[int] = field(default_factory=list)
    num_cached: int = 0
    submitted_s: float = 0.0
    admitted_s: float | None = None
    prefilled_s: float | None = None
    has_called: bool = False
    end_reason: FinishReason = "stop"
    _is_cancelled: bool = False
    _is_finished: bool = False
    _lock: RLock = field(default_factory=RLock)

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_cancelled

    @property
    def is_finished(self) -> bool:
        """Whether `Finished` was emitted."""
        return self._is_finished

    def cancel(self) -> None:
        """End the generation: after this returns no event but `Finished` is emitted.

        Safe from any thread, from within `emit`, and after the end. Waits for an `emit` that is
        running in another thread, so do not call it while holding a lock that `emit` takes.
        """
        with self._lock:
            self._is_cancelled = True

    def choose(self, logits: npt.NDArray[np.float32]) -> list[int]:
        """The next token and those forced by it; empty when the completion ends here.

        `logits` is float32[vocab], used as scratch.
        """
        constraint = self.constraint
        token_id = self.sampler.sample(logits, constraint.mask() if constraint else None)
        if token_id in self.stop_ids:
            self.end_reason = "length" if constraint and constraint.is_cut else "stop"
            return []
        if constraint is None:
            return [token_id]
        accepted = constraint.accept(token_id)
        if accepted is None:
            self.end_reason = "length"
            return []
        return [accepted, *constraint.accept_forced()]

    def take(self, token_ids: Sequence[int]) -> FinishReason | None:
        """Make `token_ids` part of the completion; gives the reason if it ends with them."""
        self.completion_ids += token_ids
        self.sampler.note(token_ids)
        for token_id in token_ids:
            self.deliver(self.parser.feed(token_id))
        if self.constraint and self.constraint.is_complete:
            return "length" if self.constraint.is_cut else "stop"
        if self.parser.is_full or len(self.completion_ids) >= self.max_tokens:
            return "length"
        return None

    def deliver(self, events: Sequence[ChatEvent]) -> None:
        """Emit `events` unless cancelled; a callback that raises cancels the generation."""
        for event in events:
            with self._lock:
                if self._is_cancelled or self._is_finished:
                    return
                self.has_called |= isinstance(event, CallEvent)
                self._call_emit(event)

    def finish(self, reason: FinishReason, now_s: float, error: str = "") -> Finished:
        """Emit the one `Finished` and return it; a cancel that came first wins."""
        with self._lock:
            if self._is_cancelled and reason != "error":
                reason = "cancelled"
            elif self.has_called and reason in ("stop", "length"):
                reason = "calls"
            admitted_s = now_s if self.admitted_s is None else self.admitted_s
            prefilled_s = now_s if self.prefilled_s is None else self.prefilled_s
            finished = Finished(
                reason,
                error=error,
                num_prompt_tokens=len(self.prompt_ids),
                num_cached_tokens=self.num_cached,
                num_completion_tokens=len(self.completion_ids),
                queued_ms=(admitted_s - self.submitted_s) * 1000.0,
                prefill_ms=(prefilled_s - admitted_s) * 1000.0,
                decode_ms=(now_s - prefilled_s) * 1000.0,
            )
            self._is_finished = True
            self._call_emit(finished)
            return finished

    def _call_emit(self, event: ChatEvent) -> None:
        try:
            self.emit(event)
        except BaseException:  # whatever it is, the thread belongs to others too
            _log.exception("the receiver of a generation failed; the generation is cancelled")
            self._is_cancelled = True
