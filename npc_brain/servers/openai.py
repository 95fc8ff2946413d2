"""A backend that asks a server which speaks OpenAI's chat completions protocol.

For models that run elsewhere: in the llama.cpp server, Ollama, LM Studio or vLLM, on this machine
or, if the address says so, on another. What players type then goes there.

Each generation under way has a thread, which sends the request and reads the stream. A further
thread watches deadlines and cancels: it ends a generation at once and hangs up.

The server may go on all the same. So the thread of a generation that was given up reads on until
the server is done with it, however long that takes, and only then takes the next: there are never
more requests at the server than threads here. A server that goes on and on sending is broken off,
which its next write shows it. While no thread is free for longer than a moment, and while the
server has asked to be left alone, new generations fail at once, so that NPCs say something else in
time.

Personas are read ahead (`prewarm`) one at a time, while there is nothing else to do and a thread to
spare. What is asked for somebody ends that, and a server that does not stop gets no more of it.
See the other modules of `servers` for what is sent and read.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition, Lock, Thread

from npc_brain.clock import Clock, MonotonicClock
from npc_brain.errors import ErrorCode, InferenceError, NpcBrainError
from npc_brain.inference.chat import (
    MAX_QUEUED,
    BackendStats,
    ChatEvent,
    ChatRequest,
    Finished,
    FinishReason,
    Message,
)
from npc_brain.inference.formats.base import require_something
from npc_brain.inference.profile import ABLE, ModelProfile
from npc_brain.media import Sense
from npc_brain.servers.address import ServerAddress, parse_address
from npc_brain.servers.answer import AnswerReader
from npc_brain.servers.backoff import BackOff
from npc_brain.servers.dialect import ServerInfo, identify
from npc_brain.servers.generation import RemoteGeneration
from npc_brain.servers.http import Exchange, ServerError
from npc_brain.servers.prompt import Manner, Prompt, build_prompt

_log = logging.getLogger(__name__)

KEY_VARIABLE = "NPC_BRAIN_OPENAI_KEY"
"""Environment variable with the server's API key, for servers that want one."""

PATIENCE_S = 1.0
"""How long all threads may wait for abandoned answers before new generations fail at once."""
DRAIN_TIMEOUT_S = 60.0
"""After how long an answer that was given up and still comes is broken off. A server that is silent
may be working at it: that is waited for."""
SENDING_S = 5.0
"""A server that has sent something within that time still sends."""
PREWARM_TIMEOUT_S = 30.0
MAX_PREWARMS = 64
"""Personas that may wait to be read ahead; the oldest are forgotten."""
USAGE_TIMEOUT_S = 1.0
"""How long a complete answer waits for the server's counts, which come last."""
CLOSE_TIMEOUT_S = 1.0

_BUSY = (429, 503)
_TOOL_WORDS = ("tool", "function")
_CONSTRAINT_WORDS = (
    "grammar", "regex", "structured", "guided", "response_format", "json_schema", "schema",
    "prefill", "continue_final_message", "add_generation_prompt",
)  # fmt: skip
"""What a server's refusal speaks of when it cannot do what it was asked for."""


class OpenAIBackend:
    """A `Backend` on a server.

    Attributes:
        model_name: What `welcome.model` tells: the model's name there, once it is known.
        profile: What may be asked of the model.
        stats: Counters since the start.
        senses: None: pictures and sounds are not sent to servers.
        notice: What people should know of where the model runs; may be empty.
    """

    def __init__(
        self,
        address: ServerAddress | str,
        *,
        num_parallel: int = 4,
        profile: ModelProfile = ABLE,
        api_key: str | None = None,
        clock: Clock | None = None,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        """Start the threads; the server is not asked for anything yet.

        Args:
            address: Where it is, or `openai:URL#MODEL`.
            num_parallel: Most requests that the server has at once; set it up for as many.
            profile: See the class. What is asked of a server is asked of an able model by default.
            api_key: Sent as a bearer token; taken from the environment (`KEY_VARIABLE`) if None.
            clock: What deadlines are measured by; it must be one that runs by itself.
            max_queued: Requests that may wait.

        Raises UsageError when the address is wrong.
        """
        self._address = parse_address(address) if isinstance(address, str) else address
        url = self._address.url
        self.model_name = self._address.model or url
        self.profile = profile
        self.senses: frozenset[Sense] = frozenset()
        self.stats = BackendStats()
        key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._clock = clock or MonotonicClock()
        self._max_queued = max_queued
        self._server: ServerInfo | None = None
        self._manner = Manner()
        self._back_off = BackOff(self._clock)
        self._num_parallel = num_parallel
        self._checking = Lock()
        self._waiting: list[RemoteGeneration] = []
        self._running: list[RemoteGeneration] = []
        self._prewarms: deque[RemoteGeneration] = deque(maxlen=MAX_PREWARMS)
        self._may_prewarm = False
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
        if (known := self._server) is not None:
            return known
        with self._checking:
            return self._server or self._identify()

    def look_again(self) -> None:
        """Raise what keeps the server from answering now; blocks for up to some seconds.

        Also finds out what the server is, if it has become another one.
        """
        with self._changed:
            self._require_free()
            if not all(each.is_finished for each in self._running):
                return  # it is at work, and some answer nothing else meanwhile
        with self._checking:
            self._identify()

    def _identify(self) -> ServerInfo:
        self._check_pause()
        with self._backing_off():
            info = identify(self._address, self._headers)
        if info != self._server:
            dialect = info.dialect
            self._manner = Manner(uses_tools=dialect.has_tools)
            is_spare = self._num_parallel > 1 and dialect.stops_on_hang_up
            self._may_prewarm = is_spare and dialect.has_prefix_cache
            self.model_name, self._server = info.model, info
            _log.info("%s is %s with %s", self._address.url, dialect.name, info.model)
        return info

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> RemoteGeneration:
        """See `chat.Backend.submit`.

        Raises InferenceError (`too_many_queued`, `bad_tool`), also when the request allows neither
        a line nor a function, and ServerError while the server is overloaded.
        """
        self._check_pause()
        require_something(request.functions, request.line)
        for function in request.functions:
            function.bounded()  # raises for what cannot be enforced
        with self._changed:
            if self._is_closing:
                raise InferenceError("the backend is closed")
            self._require_free()
            if len(self._waiting) >= self._max_queued:
                raise InferenceError(
                    f"{self._max_queued} generations are waiting already",
                    code=ErrorCode.TOO_MANY_QUEUED,
                    retryable=True,
                )
            generation = RemoteGeneration(request, emit, self._wake, self._clock.now_s())
            self._waiting.append(generation)
            for each in self._running:
                each.is_cancelled |= each.is_prewarm
            self._changed.notify_all()
        return generation

    def prewarm(self, messages: Sequence[Message]) -> RemoteGeneration | None:
        """See `chat.Backend.prewarm`: asks for one token, where the server is known to remember."""
        request = ChatRequest(tuple(messages), max_tokens=1)
        generation = RemoteGeneration(request, lambda event: None, self._wake, self._clock.now_s())
        generation.is_prewarm = True
        with self._changed:
            if self._is_closing or not self._may_prewarm:
                return None
            self._prewarms.append(generation)
            self._changed.notify_all()
        return generation

    def close(self) -> None:
        """See `chat.Backend.close`; waits at most a second for threads that are stuck."""
        with self._changed:
            self._is_closing = True
            self._prewarms.clear()
            for generation in (*self._waiting, *self._running):
                generation.is_cancelled = True
            self._changed.notify_all()
        end_s = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _check_pause(self) -> None:
        left_s = self._back_off.left_s
        if left_s > 0.0:
            raise ServerError(
                f"{self._address.url} is overloaded and not asked for another {left_s:.1f} s"
            )

    @contextmanager
    def _backing_off(self) -> Iterator[None]:
        """Start a pause when the server refuses because it is overloaded."""
        try:
            yield
        except ServerError as error:
            if error.status in _BUSY or (error.status >= 400 and error.retry_after):
                self._back_off.refuse(error.retry_after)
            raise

    def _require_free(self) -> None:
        """Raise ServerError if all threads have been waiting for the server for a while."""
        latest_s = self._clock.now_s() - PATIENCE_S
        num_stuck = sum(each.is_finished and each.finished_s <= latest_s for each in self._running)
        if num_stuck >= self._num_parallel:
            raise ServerError(
                f"{self._address.url} is still busy with {num_stuck} answers that came too late"
            )

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _watch(self) -> None:
        """End what is cancelled or past its deadline; disconnect abandoned answers later."""
        while True:
            with self._changed:
                if self._is_closing and not (self._waiting or self._running):
                    return
                now_s = self._clock.now_s()
                due = self._due(now_s)
                if not due:
                    next_s = min(filter(None, map(self._next_s, self._under_way())), default=None)
                    self._changed.wait(None if next_s is None else max(0.0, next_s - now_s))
                    continue
                self._waiting = [each for each in self._waiting if each not in due]
            for generation in due:
                if generation.is_finished:
                    self._break_off(generation)
                else:
                    self._finish(generation, generation.ended_by(now_s) or "cancelled")

    def _under_way(self) -> list[RemoteGeneration]:
        return [*self._waiting, *self._running]

    def _due(self, now_s: float) -> list[RemoteGeneration]:
        """What has to be ended, or disconnected, now."""
        return [
            each
            for each in self._under_way()
            if (
                each.ended_by(now_s)
                if not each.is_finished
                else not each.is_broken_off and (self._is_closing or now_s >= each.look_s)
            )
        ]

    @staticmethod
    def _next_s(generation: RemoteGeneration) -> float | None:
        """When `generation` will be due; None when nothing but an event can make it so."""
        if generation.is_broken_off:
            return None
        if generation.is_finished:
            return generation.look_s
        return generation.request.deadline_s

    def _break_off(self, generation: RemoteGeneration) -> None:
        """Close the connection of a server that still sends; one that is silent is waited for."""
        exchange = generation.exchange
        if not self._is_closing:
            _log.warning("%s does not end an answer that came too late", self._address.url)
            if exchange is not None and exchange.silent_s >= SENDING_S:
                generation.look_s = self._clock.now_s() + DRAIN_TIMEOUT_S
                return
            self._back_off.refuse()
        generation.is_broken_off = True
        if exchange is not None:
            exchange.close()

    def _work(self) -> None:
        """Carry out the most urgent generation, over and over."""
        while True:
            with self._changed:
                while (generation := self._next()) is None:
                    if self._is_closing:
                        return
                    self._changed.wait()
                generation.admitted_s = self._clock.now_s()
                self._running.append(generation)
                self._changed.notify_all()  # the watch minds its deadline
            try:
                reason, error = self._generate(generation)
            except NpcBrainError as failure:
                hint = f" ({failure.hint})" if failure.hint else ""
                reason, error = "error", f"{failure.message}{hint}"
            except BaseException as failure:  # native code panics with others than `Exception`
                if not generation.is_finished:  # else: the closed connection's last words
                    _log.exception("a generation failed")
                reason, error = "error", f"{type(failure).__name__}: {failure}"
            self._finish(generation, reason, error)
            if generation.exchange is not None:
                generation.exchange.drain()
            with self._changed:
                self._running.remove(generation)
                if generation.is_prewarm:
                    self._learn_from_prewarm(generation)
                self._changed.notify_all()

    def _next(self) -> RemoteGeneration | None:
        """Take what is most urgent, or when there is nothing else to do a persona."""
        if self._waiting:
            generation = max(self._waiting, key=lambda each: each.request.priority)
            self._waiting.remove(generation)
            return generation
        if self._running or not self._prewarms:
            return None
        generation = self._prewarms.popleft()
        deadline_s = self._clock.now_s() + PREWARM_TIMEOUT_S
        generation.request = replace(generation.request, deadline_s=deadline_s)
        return generation

    def _learn_from_prewarm(self, ended: RemoteGeneration) -> None:
        """Forget those that wait where one failed; ask for no more where it did not end."""
        self._may_prewarm &= self._clock.now_s() < ended.finished_s + PATIENCE_S
        has_failed = ended.answered_s is None and not ended.is_cancelled
        if has_failed or not self._may_prewarm:
            self._prewarms.clear()

    def _finish(self, generation: RemoteGeneration, reason: FinishReason, error: str = "") -> None:
        now_s = self._clock.now_s()
        generation.look_s = now_s + DRAIN_TIMEOUT_S
        generation.finish(reason, error, now_s, self._note)
        server = self._server
        if generation.exchange is not None and (server is None or server.dialect.stops_on_hang_up):
            generation.exchange.hang_up()
        self._wake()

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
            self._check_pause()
            manner = self._manner
            prompt = build_prompt(generation.request, server, manner)
            try:
                with self._backing_off():
                    result = self._ask(generation, prompt)
                self._back_off.succeed()
                return result
            except ServerError as error:
                if error.status == 404:
                    self._server = None  # it may be another one by now
                plainer = _plainer(manner, prompt, error)
                if plainer is None:
                    raise
                _log.info(
                    "refused with status %d: later requests are phrased differently", error.status
                )
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
        try:
            for chunk in exchange.post(path, prompt.body):
                if generation.answered_s is None:
                    generation.answered_s = self._clock.now_s()
                generation.deliver(reader.feed(chunk))
                if reader.needs_no_more or generation.is_finished:
                    break
                if reader.is_complete:
                    exchange.expect_end(USAGE_TIMEOUT_S)
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
