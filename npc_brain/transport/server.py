"""The sidecar's server: one event loop that moves messages between the socket and the sessions."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from npc_brain import __version__
from npc_brain.clock import Clock, MonotonicClock
from npc_brain.errors import UsageError
from npc_brain.protocol.codec import DEFAULT_LIMITS
from npc_brain.protocol.messages import PROTOCOL_VERSION, Body, Limits, ModelStatus, Welcome
from npc_brain.session.dispatcher import Dispatcher
from npc_brain.session.registry import Session, SessionFactory, SessionRegistry
from npc_brain.transport.router import Router

_SLICE_S = 0.002
"""How long messages are handled in a row before timers and other tasks get a turn."""
_SWEEP_INTERVAL_S = 1.0
_RELEASE_INTERVAL_S = 0.02

_log = logging.getLogger(__name__)


class Server:
    """Serves engines until stopped. All calls come from the event loop that runs it.

    Args:
        session_factory: Makes the session of each engine.
        token: What engines must show; whoever starts the sidecar makes it.
        model: What `welcome` says of the model at that time.
        bind: See `Router`.
        limits: What is accepted; announced in `welcome`.
        features: Returns the names of optional abilities; announced in `welcome`.
        clock: Times expiry.
        max_sessions: Engines at a time.
        detached_ttl_s: How long a session without a connection is kept.
        allow_remote: See `Router`.
        curve_secret_key: See `Router`.
        on_last_end: Called when a session has ended and there is no other.

    Raises:
        UsageError: The token is empty, or `bind` is not available.
    """

    def __init__(
        self,
        session_factory: SessionFactory,
        token: str,
        *,
        model: Callable[[], ModelStatus],
        bind: str = "tcp://127.0.0.1:0",
        limits: Limits = DEFAULT_LIMITS,
        features: Callable[[], tuple[str, ...]] = tuple,
        clock: Clock | None = None,
        max_sessions: int = 8,
        detached_ttl_s: float = 300.0,
        allow_remote: bool = False,
        curve_secret_key: bytes | None = None,
        on_last_end: Callable[[], None] = lambda: None,
    ) -> None:
        if not token:
            raise UsageError("the token is empty", hint="Set NPC_BRAIN_TOKEN to a random text.")
        self._clock = clock or MonotonicClock()
        self._model = model
        self._limits = limits
        self._features = features
        self._on_last_end = on_last_end
        self._closing: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None
        self._releasing: asyncio.Task[None] | None = None
        self._registry = SessionRegistry(
            session_factory,
            self._clock,
            dispose=self._close_session,
            max_sessions=max_sessions,
            detached_ttl_s=detached_ttl_s,
        )
        self._dispatcher = Dispatcher(
            self._registry,
            lambda identity, frame: self._router.send(identity, frame),
            token=token,
            limits=limits,
            make_welcome=self._welcome,
            clock=self._clock,
        )
        self._open_router = partial(
            Router,
            bind,
            max_message_bytes=limits.max_message_bytes,
            on_gone=self._dispatcher.lose,
            has_session=self._dispatcher.has_session,
            clock=self._clock,
            allow_remote=allow_remote,
            curve_secret_key=curve_secret_key,
        )

    @property
    def num_sessions(self) -> int:
        """Sessions, attached or waiting to be resumed."""
        return len(self._registry)

    async def start(self) -> str:
        """Bind and serve in the background; returns the endpoint, with the port that was chosen.

        Raises:
            UsageError: The address cannot be used.
        """
        self._router = self._open_router()
        self._running = asyncio.create_task(self._serve())
        return self._router.endpoint

    async def run(self) -> None:
        """Wait until `stop` is called; raises what the server failed of, if it did."""
        running = self._running
        if running is None:
            return
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            if not running.cancelled():
                raise

    async def stop(self) -> None:
        """End every session and close the socket. Engines see the connection close."""
        running, self._running = self._running, None
        if running is None:
            return
        running.cancel()
        await asyncio.wait([running])
        if self._releasing is not None:
            self._releasing.cancel()
        await self._dispatcher.stop()
        self._registry.end_all()
        await asyncio.gather(*self._closing)
        self._router.close()

    def broadcast(self, body: Body) -> None:
        """Send a message, such as `status`, to every engine with a session."""
        self._dispatcher.broadcast(body)

    async def _serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._router.watch())
                tasks.create_task(self._sweep())
                tasks.create_task(self._receive())
        except Exception:
            _log.exception("the server has stopped")
            raise

    async def _receive(self) -> None:
        slice_end_s = 0.0
        while True:
            identity, frames = await self._router.receive()
            if not self._dispatcher.receive(identity, frames):
                self._router.hang_up(identity)
            if self._dispatcher.is_holding and self._releasing is None:
                self._releasing = asyncio.create_task(self._release())
            if self._clock.now_s() >= slice_end_s:
                await asyncio.sleep(0)
                slice_end_s = self._clock.now_s() + _SLICE_S

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self._dispatcher.sweep()
            self._router.sweep()

    async def _release(self) -> None:
        while self._dispatcher.is_holding:
            await asyncio.sleep(_RELEASE_INTERVAL_S)
            self._dispatcher.release()
        self._releasing = None

    def _welcome(self, session_id: str, resumed: bool) -> Welcome:
        return Welcome(
            session_id=session_id,
            protocol=PROTOCOL_VERSION,
            version=__version__,
            model=self._model(),
            resumed=resumed,
            features=self._features(),
            limits=self._limits,
        )

    def _close_session(self, session: Session) -> None:
        task = asyncio.get_running_loop().create_task(self._close(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, session: Session) -> None:
        try:
            await session.close()
        except Exception:
            _log.exception("closing a session failed")
        del session
        if not self.num_sessions:
            self._on_last_end()
