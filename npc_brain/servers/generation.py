"""One generation at a server: delivers its events in order, and exactly one `Finished`."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock

from npc_brain.inference.chat import ChatEvent, ChatRequest, Finished, FinishReason
from npc_brain.servers.answer import AnswerReader
from npc_brain.servers.http import Exchange

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class RemoteGeneration:
    """One generation; a caller may only cancel it.

    Attributes:
        look_s: Once it is finished: when to look whether the server has ended it too.
        is_prewarm: Whether nobody waits for it.
    """

    request: ChatRequest
    emit: Callable[[ChatEvent], None]
    wake: Callable[[], None]
    submitted_s: float
    admitted_s: float | None = None
    answered_s: float | None = None
    reader: AnswerReader | None = None
    exchange: Exchange | None = None
    is_begun: bool = False
    is_cancelled: bool = False
    is_finished: bool = False
    finished_s: float = 0.0
    is_broken_off: bool = False
    look_s: float = 0.0
    is_prewarm: bool = False
    lock: RLock = field(default_factory=RLock)

    def cancel(self) -> None:
        """See `chat.Generation.cancel`; nothing but `Finished` is emitted after it returns.

        Waits for an `emit` that is running in another thread.
        """
        with self.lock:
            self.is_cancelled = True
        self.wake()

    def ended_by(self, now_s: float) -> FinishReason | None:
        """Why the generation should end now, if it should."""
        if self.is_cancelled:
            return "cancelled"
        deadline_s = self.request.deadline_s
        return "deadline" if deadline_s is not None and now_s >= deadline_s else None

    def deliver(self, events: Sequence[ChatEvent]) -> None:
        """Emit `events` unless the generation has ended."""
        for event in events:
            with self.lock:
                if self.is_cancelled or self.is_finished:
                    return
                self._call_emit(event)

    def finish(
        self, reason: FinishReason, error: str, now_s: float, note: Callable[[Finished], None]
    ) -> None:
        """Emit the one `Finished` after a `note` of it."""
        with self.lock:
            if self.is_finished:
                return
            self.is_finished = True
            self.finished_s = now_s
            if self.is_cancelled:
                reason, error = "cancelled", ""
            admitted_s = now_s if self.admitted_s is None else self.admitted_s
            answered_s = now_s if self.answered_s is None else self.answered_s
            reader = self.reader
            finished = Finished(
                reason,
                error=error,
                num_prompt_tokens=reader.num_prompt_tokens if reader else 0,
                num_cached_tokens=reader.num_cached_tokens if reader else 0,
                num_completion_tokens=reader.num_completion_tokens if reader else 0,
                queued_ms=(admitted_s - self.submitted_s) * 1000.0,
                prefill_ms=(answered_s - admitted_s) * 1000.0,
                decode_ms=(now_s - answered_s) * 1000.0,
            )
            note(finished)
            self._call_emit(finished)

    def opened(self, exchange: Exchange) -> bool:
        """Note the connection in use; False when the generation has ended meanwhile."""
        with self.lock:
            self.exchange = exchange
            return not self.is_finished

    def _call_emit(self, event: ChatEvent) -> None:
        try:
            self.emit(event)
        except BaseException:  # whatever it is, the thread belongs to others too
            _log.exception("the receiver of a generation failed; the generation is cancelled")
            self.is_cancelled = True
            self.wake()
