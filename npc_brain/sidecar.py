"""The sidecar process put together: a server, models shared by its sessions, a model that loads.

The server answers from the start; NPCs speak their authored lines while the model is fetched and
loaded on a thread of its own, and go on doing so when that fails (`degraded`).
"""

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from npc_brain.cache import cache_dir
from npc_brain.clock import Clock, MonotonicClock
from npc_brain.decision.models import Models
from npc_brain.errors import ModelError, NpcBrainError, contained
from npc_brain.importing.architectures import profile_of
from npc_brain.importing.catalogue import resolve_model
from npc_brain.importing.fetch import stop_downloads
from npc_brain.inference.backends.onnx import DEFAULT_OPTIONS, OnnxBackend
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.profile import ABLE, with_settings
from npc_brain.inference.sentence_encoder import SentenceEncoder
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.plain_text import one_line
from npc_brain.protocol.codec import DEFAULT_LIMITS
from npc_brain.protocol.messages import ModelStatus, Status
from npc_brain.servers.address import is_server
from npc_brain.servers.openai import OpenAIBackend
from npc_brain.session.registry import Outbox
from npc_brain.session.session import StageSession
from npc_brain.transport.server import Server
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.vocabulary import Phase

ENCODER = "minilm-l6"
NO_MODEL = "none"
NUM_CACHED_SENTENCES = 4096
"""Enough for all examples of tools and triggers of a village."""
SERVER_RETRY_S = 3.0
"""How often a server is asked whether it is there, unless it is at work."""
SERVER_TIMEOUT_S = 12.0
"""How long identifying a server may take, the look-up of its name included."""
STALL_S = 600.0
"""How long loading may show no progress before the status becomes `degraded`."""
_MAX_DETAIL = 500
_COLLECTOR_THRESHOLDS = (700, 10, 2)
"""Of Python's collector of cycles: a full pass after some 20,000 new objects, not 80,000."""
_SWITCH_S = 0.001
"""How long a thread may keep the interpreter while the event loop wants it, not 5 ms: a message on
its way is up to ten times without it."""
FEATURES = ("tools", "save", "choices", "understanding")


_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """How a sidecar is run.

    Attributes:
        npcs: Directory of NPC files; None: only inline definitions.
        model: A catalogue name, a model directory, `openai:URL#MODEL`, or `none`.
        token: What engines must show.
        decoder: How a local model is run; a server gets as many requests at once as it has slots.
        thinking_tokens: See `OnnxBackend`. A model that cannot think is refused with one above 0.
        profile: Fields of `ModelProfile` that replace the model's own.
    """

    npcs: Path | None
    model: str
    token: str
    bind: str = "tcp://127.0.0.1:0"
    allow_remote: bool = False
    decoder: DecoderOptions = DEFAULT_OPTIONS
    thinking_tokens: int = 0
    profile: Mapping[str, Any] = field(default_factory=dict)


class Service:
    """Runs until stopped. All calls come from one event loop."""

    def __init__(self, options: SidecarOptions, clock: Clock | None = None) -> None:
        self._options = options
        self._clock = clock or MonotonicClock()
        self._models = Models(LexicalEncoder())
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
            on_last_end=_collect_all,
        )
        self._loading: asyncio.Task[None] | None = None
        self._stalling: asyncio.TimerHandle | None = None
        self._notice = ""
        self._found_thresholds = gc.get_threshold()
        self._found_switch_s = sys.getswitchinterval()

    async def start(self) -> str:
        """Serve, and begin to load; returns the endpoint. Raises UsageError."""
        endpoint = await self._server.start()
        gc.callbacks.append(_keep_survivors)
        gc.set_threshold(*_COLLECTOR_THRESHOLDS)
        sys.setswitchinterval(_SWITCH_S)
        self._loading = asyncio.create_task(self._load())
        return endpoint

    async def run(self) -> None:
        """Wait until `stop` is called."""
        await self._server.run()

    async def stop(self) -> None:
        """End all sessions and the model; returns once their threads have ended."""
        if self._loading is not None:
            self._loading.cancel()
        if self._stalling is not None:
            self._stalling.cancel()
        stop_downloads()
        await self._server.stop()
        await _in_thread(self._models.close)
        if _keep_survivors in gc.callbacks:
            gc.callbacks.remove(_keep_survivors)
            gc.set_threshold(*self._found_thresholds)
            sys.setswitchinterval(self._found_switch_s)

    def _new_session(self, session_id: str, outbox: Outbox) -> StageSession:
        session = StageSession(
            session_id,
            outbox,
            models=self._models,
            library=self._library,
            clock=self._clock,
            limits=DEFAULT_LIMITS,
            num_sessions=lambda: self._server.num_sessions,
        )
        asyncio.get_running_loop().call_soon(lambda: outbox(self._status, None))
        return session

    async def _load(self) -> None:
        """Fetch and load what NPCs think with; report what fails and go on without it."""
        encoder = self._attempt("no sentence encoder", self._load_encoder)
        model = self._attempt("no language model", self._load_model)
        if is_server(self._options.model):  # which costs time but no processor
            encoder_fault, model_fault = await asyncio.gather(encoder, model)
        else:
            encoder_fault, model_fault = await encoder, await model
        gc.collect()
        self._conclude(encoder_fault, model_fault)
        if isinstance(self._models.backend, OpenAIBackend):
            await self._watch_server(self._models.backend, encoder_fault, model_fault)

    async def _attempt(self, without: str, load: Callable[[], Awaitable[None]]) -> str:
        """Why `load` failed, whatever it raised; empty when it did not."""
        try:
            await load()
        except asyncio.CancelledError:
            raise
        except NpcBrainError as error:
            fault = one_line(f"{without}: {error.message}", _MAX_DETAIL)
            _log.warning("%s", fault)
            return fault
        except BaseException as error:  # native code panics with others than `Exception`
            _log.exception("%s", without)
            return f"{without}: {type(error).__name__}: {error}"
        return ""

    def _conclude(self, *faults: str) -> None:
        detail = "; ".join(filter(None, faults))
        self._tell("degraded" if detail else "ready", detail or self._notice, 1.0)

    async def _load_encoder(self) -> None:
        directory = await self._resolve(ENCODER)
        encoder = await _in_thread(
            lambda: SentenceEncoder(
                directory, cache_size=NUM_CACHED_SENTENCES, keep_in=cache_dir("vectors")
            )
        )
        await self._models.use_encoder(encoder)

    async def _load_model(self) -> None:
        """Speak with the model from now on."""
        options = self._options
        if is_server(options.model):
            await self._use_server()
        elif options.model != NO_MODEL:
            directory = await self._resolve(options.model)
            self._tell("warming", options.model, 0.95)
            backend = await _in_thread(
                lambda: OnnxBackend(
                    directory,
                    profile_of(directory, options.profile),
                    options.decoder,
                    thinking_tokens=options.thinking_tokens,
                    clock=self._clock,
                )
            )
            self._models.use_backend(backend)
            self._notice = backend.notice

    async def _use_server(self) -> None:
        """Speak with a server's model; also when it is not up yet, since each line asks it anew."""
        options = self._options
        self._tell("loading", options.model, 0.0)
        backend = OpenAIBackend(
            options.model,
            profile=with_settings(ABLE, options.profile),
            num_parallel=options.decoder.num_slots,
            clock=self._clock,
        )
        self._models.use_backend(backend)
        self._notice = backend.notice
        try:
            async with asyncio.timeout(SERVER_TIMEOUT_S):
                await _in_thread(backend.check)
        except TimeoutError as error:
            raise ModelError(
                f"{options.model} does not say what it is within {SERVER_TIMEOUT_S:g} s"
            ) from error

    async def _watch_server(
        self, backend: OpenAIBackend, encoder_fault: str, model_fault: str
    ) -> None:
        """Tell when a server stops answering, and when it answers again."""
        while True:
            await asyncio.sleep(SERVER_RETRY_S)
            before, model_fault = model_fault, await self._server_fault(backend)
            if bool(before) != bool(model_fault):
                self._conclude(encoder_fault, model_fault)

    async def _server_fault(self, backend: OpenAIBackend) -> str:
        try:
            await _in_thread(backend.look_again)
        except NpcBrainError as error:
            return f"no language model: {error.message}"
        except Exception as error:
            return f"no language model: {type(error).__name__}"
        return ""

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
        return (*FEATURES, *sorted(self._models.senses))

    def _tell(self, phase: Phase, detail: str, progress: float) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None
        if phase not in ("ready", "degraded"):
            self._stalling = asyncio.get_running_loop().call_later(STALL_S, self._report_stalled)
        detail = one_line(detail, _MAX_DETAIL)
        self._status = Status(
            phase=phase,
            detail=detail,
            progress=min(1.0, progress),
            features=self._features() if phase in ("ready", "degraded") else None,
        )
        self._server.broadcast(self._status)

    def _report_stalled(self) -> None:
        """NPCs do without for now; loading goes on, and its end is reported."""
        what = self._status.detail
        self._tell("degraded", f"{what}: no progress for {STALL_S:g} s", 1.0)


def _keep_survivors(phase: str, info: dict[str, int]) -> None:
    """After a full pass of Python's collector of cycles, let no later one go over what is left.

    A pass stops every thread. Over a model, a world and thousands of NPCs it takes 100 ms; over
    what has come since the last one, some 5 ms. Hardly anything that lives long is part of a cycle,
    so it is freed all the same when it is no longer used; the rest by `_collect_all`.
    """
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


def _collect_all() -> None:
    """Free what only a pass over everything finds, now that nobody waits."""
    gc.unfreeze()
    gc.collect()


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Run `work` on a thread of its own, which does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: Exception | None) -> None:
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
            error = contained(caught)
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="npc-brain-loading", daemon=True).start()
    return await outcome
