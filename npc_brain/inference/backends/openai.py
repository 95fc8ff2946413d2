"""A backend that asks a server which speaks OpenAI's chat completions protocol.

For models that run elsewhere: in the llama.cpp server, Ollama, LM Studio or vLLM, on this machine
or, if the address says so, on another. What players type then goes there.

Each generation under way has a thread, which sends the request and reads the stream. A further
thread watches deadlines and cancels: it ends a generation at once and closes its connection, which
wakes the first from whatever it waits for. See `inference.remote` for what is sent and read.
"""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Condition, RLock, Thread

from npc_brain.clock import Clock, MonotonicClock
from npc_brain.errors import ErrorCode, InferenceError, NpcBrainError
from npc_brain.inference.chat import (
    BackendStats,
    ChatEvent,
    ChatRequest,
    Finished,
    FinishReason,
    Message,
    Sense,
)
from npc_brain.inference.formats.base import require_something
from npc_brain.inference.remote.address import ServerAddress, parse_address
from npc_brain.inference.remote.answer import AnswerReader
from npc_brain.inference.remote.dialect import ServerInfo, identify
from npc_brain.inference.remote.http import Exchange, ServerError
from npc_brain.inference.remote.prompt import Manner, Prompt, build_prompt
from npc_brain.inference.schema import check_schema

_log = logging.getLogger(__name__)

KEY_VARIABLE = "NPC_BRAIN_OPENAI_KEY"
"""Environment variable with the server's API key, for servers that want one."""

_PREWARM_PRIORITY = -1000
_TOOL_WORDS = ("tool", "function")
_CONSTRAINT_WORDS = (
    "grammar", "regex", "structured", "guided", "response_format", "json_schema", "schema",
    "prefill", "continue_final_message", "add_generation_prompt",
)  # fmt: skip
"""What a server's refusal speaks of when it cannot do what it was asked for."""


@dataclass(slots=True, eq=False)
class RemoteGeneration:
    """One generation; a caller may only cancel it."""

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
        """Emit the one `Finished` after a `note` of it, and close the connection."""
        with self.lock:
            if self.is_finished:
                return
            self.is_finished = True
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
            if self.exchange is not None:
                self.exchange.close()

    def opened(self, exchange: Exchange) -> bool:
        """Note the connection in use; False when the generation has ended meanwhile."""
        with self.lock:
            self.exchange = exchange
            return not self.is_finished

    def _call_emit(self, event: ChatEvent) -> None:
        try:
            self.emit(event)
        except Exception:
            _log.exception("the receiver of a generation failed; the generation is cancelled")
            self.is_cancelled = True
            self.wake()


class OpenAIBackend:
    """A `Backend` on a server.

    Attributes:
        model_name: What `welcome.model` tells: the model's name there, once it is known.
        picks_tools: Whether the model chooses functions itself.
        stats: Counters since the start.
        senses: None: pictures and sounds are not sent to servers.
        notice: What people should know of where the model runs; may be empty.
    """

    def __init__(
        self,
        address: ServerAddress | str,
        *,
        num_parallel: int = 4,
        picks_tools: bool = True,
        api_key: str | None = None,
        clock: Clock | None = None,
        max_queued: int = 64,
    ) -> None:
        """Start the threads; the server is not asked for anything yet.

        Args:
            address: Where it is, or `openai:URL#MODEL`.
            num_parallel: Generations that run together; the server has to be set up for as many.
            picks_tools: See the class. Models too small to choose functions are better off False.
            api_key: Sent as a bearer token; taken from the environment (`KEY_VARIABLE`) if None.
            clock: What deadlines are measured by; it must be one that runs by itself.
            max_queued: Requests that may wait.

        Raises UsageError when the address is wrong.
        """
        self._address = parse_address(address) if isinstance(address, str) else address
        url = self._address.url
        self.model_name = self._address.model or url
        self.picks_tools = picks_tools
        self.senses: frozenset[Sense] = frozenset()
        self.stats = BackendStats()
        key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._clock = clock or MonotonicClock()
        self._max_queued = max_queued
        self._server: ServerInfo | None = None
        self._manner = Manner()
        self._waiting: list[RemoteGeneration] = []
        self._running: list[RemoteGeneration] = []
        self._is_closing = False
        self._changed = Condition()
        names = ["watch", *(f"{number + 1}" for number in range(num_parallel))]
        runs = [self._watch, *([self._work] * num_parallel)]
        self._threads = [
            Thread(target=run, name=f"npc-brain-openai-{name}", daemon=True)
            for name, run in zip(names, runs, strict=True)
        ]
        for thread in self._threads:
            thread.start()
        self.notice = ""
        if not self._address.is_loopback:
            self.notice = f"what is said to NPCs leaves this machine: it is sent to {url}"
            _log.warning("%s", self.notice)

    def check(self) -> ServerInfo:
        """Ask the server what it is; blocks for up to some seconds.

        Raises ServerError when it cannot be reached, ModelError when it lacks the model. Requests
        can be submitted all the same: they ask again.
        """
        info = self._server
        if info is None:
            info = self._server = identify(self._address, self._headers)
            self.model_name = info.model
            self._manner = Manner(uses_tools=info.dialect.has_tools)
            _log.info("%s is %s with %s", self._address.url, info.dialect.name, info.model)
        return info

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> RemoteGeneration:
        """See `chat.Backend.submit`.

        Raises InferenceError (`too_many_queued`, `bad_tool`), also when the turn may be nothing.
        """
        require_something(request.functions, request.line)
        for function in request.functions:
            check_schema(function.parameters, name=function.name)
        with self._changed:
            if self._is_closing:
                raise InferenceError("the backend is closed")
            if len(self._waiting) >= self._max_queued:
                raise InferenceError(
                    f"{self._max_queued} generations are waiting already",
                    code=ErrorCode.TOO_MANY_QUEUED,
                    retryable=True,
                )
            generation = RemoteGeneration(request, emit, self._wake, self._clock.now_s())
            self._waiting.append(generation)
            self._changed.notify_all()
        return generation

    def prewarm(self, messages: Sequence[Message]) -> RemoteGeneration | None:
        """See `chat.Backend.prewarm`: asks for one token, where the server is known to remember."""
        if self._server is None or not self._server.dialect.has_prefix_cache:
            return None
        request = ChatRequest(tuple(messages), max_tokens=1, priority=_PREWARM_PRIORITY)
        return self.submit(request, lambda event: None)

    def close(self) -> None:
        """See `chat.Backend.close`; waits at most for a connection that is being made."""
        with self._changed:
            self._is_closing = True
            for generation in (*self._waiting, *self._running):
                generation.is_cancelled = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _watch(self) -> None:
        """End what is cancelled or past its deadline, and whatever is left when closing."""
        while True:
            with self._changed:
                generations = [*self._waiting, *self._running]
                if self._is_closing and not generations:
                    return
                now_s = self._clock.now_s()
                due = [(each, reason) for each in generations if (reason := each.ended_by(now_s))]
                if not due:
                    deadlines = (each.request.deadline_s for each in generations)
                    next_s = min((each for each in deadlines if each is not None), default=None)
                    self._changed.wait(None if next_s is None else max(0.0, next_s - now_s))
                    continue
                for generation, _ in due:
                    self._forget(generation)
            for generation, reason in due:
                self._finish(generation, reason)

    def _forget(self, generation: RemoteGeneration) -> None:
        for generations in (self._waiting, self._running):
            if generation in generations:
                generations.remove(generation)

    def _work(self) -> None:
        """Carry out the most urgent generation, over and over."""
        while True:
            with self._changed:
                while not self._waiting:
                    if self._is_closing:
                        return
                    self._changed.wait()
                generation = max(self._waiting, key=lambda each: each.request.priority)
                self._waiting.remove(generation)
                self._running.append(generation)
            generation.admitted_s = self._clock.now_s()
            try:
                reason, error = self._generate(generation)
            except NpcBrainError as failure:
                hint = f" ({failure.hint})" if failure.hint else ""
                reason, error = "error", f"{failure.message}{hint}"
            except Exception as failure:
                if not generation.is_finished:  # else: the closed connection's last words
                    _log.exception("a generation failed")
                reason, error = "error", f"{type(failure).__name__}: {failure}"
            with self._changed:
                self._forget(generation)
            self._finish(generation, reason, error)

    def _finish(self, generation: RemoteGeneration, reason: FinishReason, error: str = "") -> None:
        generation.finish(reason, error, self._clock.now_s(), self._note)

    def _note(self, finished: Finished) -> None:
        stats = self.stats
        with self._changed:
            stats.num_requests += 1
            stats.num_prompt_tokens += finished.num_prompt_tokens
            stats.num_cached_tokens += finished.num_cached_tokens
            stats.num_completion_tokens += finished.num_completion_tokens
            stats.prefill_ms += finished.prefill_ms
            stats.decode_ms += finished.decode_ms
            by_reason = stats.num_by_reason
            by_reason[finished.reason] = by_reason.get(finished.reason, 0) + 1

    def _generate(self, generation: RemoteGeneration) -> tuple[FinishReason, str]:
        """Ask, and once more in plainer terms if the server cannot be asked like that."""
        ended_by = generation.ended_by(self._clock.now_s())
        if ended_by is not None:
            return ended_by, ""
        server = self.check()
        while True:
            manner = self._manner
            prompt = build_prompt(generation.request, server, manner)
            try:
                return self._ask(generation, prompt)
            except ServerError as error:
                plainer = _plainer(manner, prompt, error)
                if plainer is None:
                    raise
                _log.info("%s: asking in another way from now on", error.message)
                self._manner = plainer

    def _ask(self, generation: RemoteGeneration, prompt: Prompt) -> tuple[FinishReason, str]:
        reader = AnswerReader(generation.request, is_json=prompt.is_json, begun=prompt.begun)
        generation.reader = reader
        begun = reader.begin()
        if not generation.is_begun:  # by an attempt that the server refused
            generation.is_begun = bool(begun)
            generation.deliver(begun)
        exchange = Exchange(self._address, self._headers)
        if not generation.opened(exchange):
            return "cancelled", ""
        path = f"{self._address.path}/chat/completions"
        with closing(exchange.post(path, prompt.body)) as chunks:
            try:
                for chunk in chunks:
                    if generation.answered_s is None:
                        generation.answered_s = self._clock.now_s()
                    generation.deliver(reader.feed(chunk))
                    if reader.needs_no_more or generation.is_finished:
                        break
            except ServerError:
                if not reader.is_complete:  # else only the stream's end mark is missing
                    raise
        events, reason, error = reader.finish()
        generation.deliver(events)
        return reason, error


def _plainer(manner: Manner, prompt: Prompt, error: ServerError) -> Manner | None:
    """How to ask a server that refused `prompt`; None when its manner was not the reason."""
    if not 400 <= error.status < 600 or error.status in (401, 403, 404, 429):
        return None
    reason = error.message.lower()
    if "tools" in prompt.body and any(word in reason for word in _TOOL_WORDS):
        return replace(manner, uses_tools=False)
    if manner.is_constrained and any(word in reason for word in _CONSTRAINT_WORDS):
        return replace(manner, is_constrained=False)
    return None
