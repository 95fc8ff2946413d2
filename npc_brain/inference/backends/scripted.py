"""A backend without a model: authored replies, for tests, scenarios and running without weights.

It keeps the promises of the real ones: lines hold no markup and begin with an opener, calls are
among the offered functions, exactly one `Finished` comes, nothing but that after a cancel. A script
that breaks them ends the generation with `error`, so that the test which uses it fails.
"""

import logging
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Condition, Thread

from npc_brain.clock import Clock, MonotonicClock
from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.inference.chat import (
    MAX_QUEUED,
    BackendStats,
    CallEvent,
    ChatEvent,
    ChatRequest,
    Finished,
    FinishReason,
    FunctionCall,
    Generation,
    LineRule,
    Message,
    TextDelta,
)
from npc_brain.inference.grammar import clean_line
from npc_brain.inference.profile import ABLE, ModelProfile
from npc_brain.media import Sense

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """What the backend answers, and to what.

    Attributes:
        text: The spoken line; used when there are no `calls`.
        calls: Function calls to make.
        when: Answers only when the last user message contains this, whatever the case.
        after: Answers only when the last message is the result of a function of this name. Empty:
            the reply is for a message that is no result; or for a result too if it has no calls.
        delay_s: Waits so long before the first event.
        max_uses: How often it can be used; 0 is without limit.
    """

    text: str = ""
    calls: tuple[FunctionCall, ...] = ()
    when: str = ""
    after: str = ""
    delay_s: float = 0.0
    max_uses: int = 0


Script = Sequence[ScriptedReply] | Callable[[ChatRequest], ScriptedReply]
"""Replies, of which the first that fits is used; or a function that makes one."""


class _Play:
    """One generation: the events to come, each with the clock time at which it is due."""

    def __init__(
        self,
        backend: "ScriptedBackend",
        emit: Callable[[ChatEvent], None],
        events: Iterable[tuple[float, ChatEvent]],
    ) -> None:
        self._backend = backend
        self.emit = emit
        self.events = deque(events)
        self.num_tokens = 0

    def cancel(self) -> None:
        """See `chat.Generation.cancel`; nothing but `Finished` comes after it returns."""
        self._backend.cancel(self)


class ScriptedBackend:
    """A `Backend` that plays a script.

    Attributes:
        requests: Every request so far, for assertions.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        default: ScriptedReply | None = None,
        tokens_per_s: float = 0.0,
        clock: Clock | None = None,
        is_threaded: bool = True,
        model_name: str = "scripted",
        profile: ModelProfile = ABLE,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        """Make a backend that answers with `script`.

        Args:
            script: The replies.
            default: Used when no reply fits; its text is "Hm." by default.
            tokens_per_s: Speed at which words and calls come; 0 is at once.
            clock: What delays and deadlines are measured by. With `is_threaded` it must be one that
                runs by itself.
            is_threaded: False plays a reply within `submit`, without waiting: delays only count
                against the deadline. Then all is deterministic.
            model_name: See `Backend`.
            profile: See `Backend`.
            max_queued: Generations that may be under way at once.
        """
        self.model_name = model_name
        self.profile = profile
        self.senses: frozenset[Sense] = frozenset()
        self.stats = BackendStats()
        self.requests: list[ChatRequest] = []
        self._script = script
        self._default = default or ScriptedReply("Hm.")
        self._seconds_per_token = 1.0 / tokens_per_s if tokens_per_s else 0.0
        self._clock = clock or MonotonicClock()
        self._max_queued = max_queued
        self._num_uses: dict[int, int] = {}
        self._plays: list[_Play] = []
        self._is_closing = False
        self._wake = Condition()  # held while emitting, so that `cancel` waits for an event's end
        self._thread: Thread | None = None
        if is_threaded:
            self._thread = Thread(target=self._run, name="npc-brain-scripted", daemon=True)
            self._thread.start()

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> Generation:
        """See `chat.Backend.submit`."""
        with self._wake:
            if self._is_closing:
                raise InferenceError("the scripted backend is closed")
            if len(self._plays) >= self._max_queued:
                raise InferenceError(
                    f"{self._max_queued} generations are under way already",
                    code=ErrorCode.TOO_MANY_QUEUED,
                    retryable=True,
                )
            self.requests.append(request)
            play = _Play(self, emit, self._timed_events(request))
            self._plays.append(play)
            if self._thread is None:
                self._emit_due(play, math.inf)
            self._wake.notify()
        return play

    def prewarm(self, messages: Sequence[Message]) -> None:
        """See `chat.Backend.prewarm`; a script needs none."""

    def cancel(self, play: _Play) -> None:
        """End `play` now unless it has ended."""
        with self._wake:
            if play.events:
                play.events = deque([(self._clock.now_s(), Finished("cancelled"))])
                self._wake.notify()

    def close(self) -> None:
        """See `chat.Backend.close`."""
        with self._wake:
            self._is_closing = True
            for play in self._plays:
                self.cancel(play)
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._wake:
            while True:
                now_s = self._clock.now_s()
                for play in list(self._plays):
                    try:
                        self._emit_due(play, now_s)
                    except BaseException:
                        _log.exception("the receiver of a generation failed; it is cancelled")
                        play.cancel()
                if self._is_closing and not self._plays:
                    return
                next_s = min((play.events[0][0] for play in self._plays), default=math.inf)
                wait_s = max(0.0, next_s - self._clock.now_s())
                self._wake.wait(None if math.isinf(wait_s) else wait_s)

    def _emit_due(self, play: _Play, now_s: float) -> None:
        while play.events and play.events[0][0] <= now_s:
            _, event = play.events.popleft()
            if isinstance(event, Finished):
                self._plays.remove(play)
                event = replace(event, num_completion_tokens=play.num_tokens)
                self.stats.num_requests += 1
                self.stats.num_completion_tokens += play.num_tokens
                by_reason = self.stats.num_by_reason
                by_reason[event.reason] = by_reason.get(event.reason, 0) + 1
            else:
                play.num_tokens += 1
            play.emit(event)

    def _timed_events(self, request: ChatRequest) -> Iterator[tuple[float, ChatEvent]]:
        """What will be emitted and when, up to the deadline."""
        reply = self._reply_to(request)
        at_s = self._clock.now_s() + reply.delay_s
        deadline_s = math.inf if request.deadline_s is None else request.deadline_s
        for event in _events(reply, request):
            if not isinstance(event, Finished):
                at_s += self._seconds_per_token
            if at_s >= deadline_s:
                yield deadline_s, Finished("deadline")
                return
            yield at_s, event

    def _reply_to(self, request: ChatRequest) -> ScriptedReply:
        if callable(self._script):
            return self._script(request)
        for index, reply in enumerate(self._script):
            is_used_up = 0 < reply.max_uses <= self._num_uses.get(index, 0)
            if not is_used_up and _is_for(reply, request.messages):
                self._num_uses[index] = self._num_uses.get(index, 0) + 1
                return reply
        return self._default


def _is_for(reply: ScriptedReply, messages: Sequence[Message]) -> bool:
    last = messages[-1] if messages else Message("user")
    heard = next((m.content for m in reversed(messages) if m.role == "user"), "")
    if reply.when.casefold() not in heard.casefold():
        return False
    if reply.after:
        return last.role == "tool" and last.name == reply.after
    return last.role != "tool" or not reply.calls


def _events(reply: ScriptedReply, request: ChatRequest) -> Iterator[ChatEvent]:
    """The events of a reply without their times; a reply that is not allowed is an error."""
    offered = [function.name for function in request.functions]
    reason: FinishReason = "stop"
    if reply.calls:
        unknown = [call.name for call in reply.calls if call.name not in offered]
        if unknown:
            yield Finished("error", error=f"script calls {unknown[0]}, offered are {offered}")
            return
        yield from map(CallEvent, reply.calls)
        reason = "calls"
    elif not request.line.is_allowed:
        yield Finished("error", error=f"script speaks, but must call one of {offered}")
        return
    else:
        words, is_cut = _words(reply.text, request)
        yield from map(TextDelta, words)
        reason = "length" if is_cut else "stop"
    yield Finished(reason, num_prompt_tokens=sum(len(m.content.split()) for m in request.messages))


def _words(text: str, request: ChatRequest) -> tuple[list[str], bool]:
    """The pieces of the line as they are streamed, and whether a limit cut it."""
    line = _with_opener(clean_line(text), request.line)
    shown = line[: request.line.max_chars].rstrip()
    words = re.findall(r" ?[^ ]+", shown)
    return words[: request.max_tokens], len(shown) < len(line) or len(words) > request.max_tokens


def _with_opener(text: str, line: LineRule) -> str:
    """`text` with the first opener before it unless it begins with one already."""
    openers = [clean_line(opener) for opener in line.openers]
    if not openers or any(text.startswith(opener) for opener in openers):
        return text
    return f"{openers[0]} {text}".rstrip()
