"""The sidecar process put together: a server, a mind shared by its sessions, a model that loads.

The server answers from the start; NPCs speak their authored lines while the model is fetched and
loaded on a thread of its own, and go on doing so when it cannot be had (`degraded`).
"""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from npc_brain.clock import Clock, MonotonicClock
from npc_brain.decision.mind import Mind
from npc_brain.errors import NpcBrainError
from npc_brain.inference.backends.onnx import OnnxBackend
from npc_brain.inference.backends.openai import OpenAIBackend
from npc_brain.inference.importing.catalogue import resolve_model
from npc_brain.inference.providers import AUTO
from npc_brain.inference.remote.address import is_server
from npc_brain.inference.sentence_encoder import SentenceEncoder
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol.codec import DEFAULT_LIMITS
from npc_brain.protocol.messages import ModelStatus, Status
from npc_brain.session.registry import Outbox
from npc_brain.session.session import StageSession
from npc_brain.transport.server import Server
from npc_brain.understanding.lexical import LexicalEncoder

ENCODER = "minilm-l6"
NO_MODEL = "none"
NUM_CACHED_SENTENCES = 4096
"""Enough for all examples of tools and triggers of a village."""
SERVER_RETRY_S = 3.0
FEATURES = ("tools", "save", "choices", "understanding")

Phase = Literal["starting", "loading", "warming", "ready", "degraded"]

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """How a sidecar is run.

    Attributes:
        npcs: Directory of NPC files; None: only inline definitions.
        model: A catalogue name, a model directory, `openai:URL#MODEL`, or `none`.
        token: What engines must show.
        num_threads: Threads of the model; 0 takes one per core.
        is_spinning: See `OnnxDecoder`.
        thinking_tokens: See `OnnxBackend`. A model that cannot think is refused with one above 0.
        provider: See `inference.providers`.
    """

    npcs: Path | None
    model: str
    token: str
    bind: str = "tcp://127.0.0.1:0"
    allow_remote: bool = False
    num_threads: int = 0
    num_slots: int = 2
    is_spinning: bool = False
    thinking_tokens: int = 0
    provider: str = AUTO


class Sidecar:
    """Runs until stopped. All calls come from one event loop."""

    def __init__(self, options: SidecarOptions, clock: Clock | None = None) -> None:
        self._options = options
        self._clock = clock or MonotonicClock()
        self._mind = Mind(LexicalEncoder())
        self._library = NpcLibrary(options.npcs)
        self._status = Status(phase="starting", progress=0.0)
        self._server = Server(
            self._new_session,
            options.token,
            model=lambda: ModelStatus(name=options.model, phase=self._status.phase),
            bind=options.bind,
            features=self._features,
            clock=self._clock,
            allow_remote=options.allow_remote,
        )
        self._loading: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Serve, and begin to load; returns the endpoint. Raises UsageError."""
        endpoint = await self._server.start()
        self._loading = asyncio.create_task(self._load())
        return endpoint

    async def run(self) -> None:
        """Wait until `stop` is called."""
        await self._server.run()

    async def stop(self) -> None:
        """End all sessions and the model; returns once their threads have ended."""
        if self._loading is not None:
            self._loading.cancel()
        await self._server.stop()
        await asyncio.to_thread(self._mind.close)

    def _new_session(self, session_id: str, outbox: Outbox) -> StageSession:
        session = StageSession(
            session_id,
            outbox,
            mind=self._mind,
            library=self._library,
            clock=self._clock,
            limits=DEFAULT_LIMITS,
            num_sessions=lambda: self._server.num_sessions,
        )
        asyncio.get_running_loop().call_soon(lambda: outbox(self._status, None))
        return session

    async def _load(self) -> None:
        """Fetch and load the encoder, then the model; what fails is told and done without."""
        faults, notice = [], ""
        try:
            directory = await self._resolve(ENCODER)
            encoder = await _in_thread(
                lambda: SentenceEncoder(directory, cache_size=NUM_CACHED_SENTENCES)
            )
            await self._mind.use_encoder(encoder)
        except NpcBrainError as error:
            faults.append(f"no sentence encoder: {error.message}")
        absent_server: OpenAIBackend | None = None
        try:
            if is_server(self._options.model):
                backend = self._use_server()
                absent_server, notice = backend, backend.notice
                await _in_thread(backend.check)
                absent_server = None
            elif self._options.model != NO_MODEL:
                notice = await self._load_model()
        except NpcBrainError as error:
            faults.append(f"no language model: {error.message}")
        for fault in faults:
            _log.warning("%s", fault)
        gc.collect()
        gc.freeze()  # what was loaded stays: full collections would stop the loop for 70 ms
        self._tell("degraded" if faults else "ready", "; ".join(faults) or notice, 1.0)
        if absent_server is not None:
            await self._await_server(absent_server)
            faults.pop()
            self._tell("degraded" if faults else "ready", "; ".join(faults) or notice, 1.0)

    async def _load_model(self) -> str:
        """Speak with the model from now on; returns what people should know of how it runs."""
        options = self._options
        directory = await self._resolve(options.model)
        self._tell("warming", options.model, 0.95)
        backend = await _in_thread(
            lambda: OnnxBackend(
                directory,
                num_slots=options.num_slots,
                num_threads=options.num_threads,
                is_spinning=options.is_spinning,
                thinking_tokens=options.thinking_tokens,
                provider=options.provider,
                clock=self._clock,
            )
        )
        self._mind.use_backend(backend)
        return backend.notice

    def _use_server(self) -> OpenAIBackend:
        """Speak with a server's model; also when it is not up yet, since each line asks it anew."""
        options = self._options
        self._tell("loading", options.model, 0.9)
        backend = OpenAIBackend(options.model, num_parallel=options.num_slots, clock=self._clock)
        self._mind.use_backend(backend)
        return backend

    async def _await_server(self, backend: OpenAIBackend) -> None:
        """Return once a server that was not there answers."""
        while True:
            await asyncio.sleep(SERVER_RETRY_S)
            with suppress(NpcBrainError):
                await _in_thread(backend.check)
                return

    async def _resolve(self, name: str) -> Path:
        loop = asyncio.get_running_loop()
        last_percent = -1

        def progress(done: int, total: int, what: str) -> None:
            nonlocal last_percent
            percent = 100 * done // max(1, total)
            if percent != last_percent:
                last_percent = percent
                loop.call_soon_threadsafe(self._tell, "loading", what, 0.9 * done / max(1, total))

        self._tell("loading", name, 0.0)
        return await _in_thread(lambda: resolve_model(name, progress))

    def _features(self) -> tuple[str, ...]:
        return (*FEATURES, *sorted(self._mind.senses))

    def _tell(self, phase: Phase, detail: str, progress: float) -> None:
        self._status = Status(
            phase=phase,
            detail=detail,
            progress=min(1.0, progress),
            features=self._features() if phase in ("ready", "degraded") else None,
        )
        self._server.broadcast(self._status)


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Run `work` on a thread of its own, which does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(cast(_Result, result))

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="npc-brain-loading", daemon=True).start()
    return await outcome
