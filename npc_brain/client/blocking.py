"""A blocking client for scripts and games without an event loop: it runs one in a thread.

Handlers run in that thread. Methods have the parameters and documentation of those of `Client`.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from npc_brain.client.client import Client
from npc_brain.client.turn import Turn
from npc_brain.event_loop import run
from npc_brain.protocol.messages import TurnLine

_P = ParamSpec("_P")
_T = TypeVar("_T")

Endpoint = str | Callable[[], str | None]


class BlockingTurn:
    """A turn. Iterating over it gives its text piece by piece and blocks between pieces."""

    def __init__(self, turn: Turn, wait_for: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._turn = turn
        self._wait_for = wait_for

    def __iter__(self) -> Iterator[str]:
        pieces = aiter(self._turn)

        async def next_piece() -> str | None:
            return await anext(pieces, None)

        while (piece := self._wait_for(next_piece())) is not None:
            yield piece

    def line(self) -> TurnLine | None:
        """See `Turn.line`."""
        line: TurnLine | None = self._wait_for(self._turn.line())
        return line

    def cancel(self) -> None:
        """See `Turn.cancel`."""

        async def cancel() -> None:
            self._turn.cancel()

        self._wait_for(cancel())


def _waiting(
    method: Callable[Concatenate[Client, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate["BlockingClient", _P], _T]:
    """The method of a blocking client that waits for `method` and returns its result."""

    @wraps(method)
    def call(self: "BlockingClient", /, *args: _P.args, **options: _P.kwargs) -> _T:
        return self._wait_for(method(self._client, *args, **options))

    return call


def _speaking(
    method: Callable[Concatenate[Client, _P], Turn],
) -> Callable[Concatenate["BlockingClient", _P], BlockingTurn]:
    """The method of a blocking client that begins a turn with `method`."""

    @wraps(method)
    def call(self: "BlockingClient", /, *args: _P.args, **options: _P.kwargs) -> BlockingTurn:
        async def begin() -> Turn:
            return method(self._client, *args, **options)

        return BlockingTurn(self._wait_for(begin()), self._wait_for)

    return call


class BlockingClient:
    """A connected client and context manager. Takes the arguments of `Client.connect`.

    Example:
        >>> with BlockingClient(endpoint, token) as client:  # doctest: +SKIP
        ...     client.spawn("mira", "innkeeper")
        ...     print(client.hear("mira", "player", "Hello!").line().text)

    Raises:
        SessionError: As `Client.connect`.
    """

    def __init__(self, endpoint: Endpoint, token: str, **options: Any) -> None:
        self._ready: Future[tuple[asyncio.AbstractEventLoop, Client]] = Future()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=run, args=(self._serve(endpoint, token, options),), name="npc_brain client"
        )
        self._thread.start()
        try:
            self._loop, self._client = self._ready.result()
        except BaseException:
            self._thread.join()
            raise

    sync_world = _waiting(Client.sync_world)
    patch_world = _waiting(Client.patch_world)
    register_tool = _waiting(Client.register_tool)
    spawn = _waiting(Client.spawn)
    despawn = _waiting(Client.despawn)
    event = _waiting(Client.event)
    hear = _speaking(Client.hear)
    see = _waiting(Client.see)
    update_action = _waiting(Client.update_action)
    save = _waiting(Client.save)
    load = _waiting(Client.load)
    stats = _waiting(Client.stats)
    ping = _waiting(Client.ping)

    def close(self) -> None:
        """Say goodbye and end the thread; may be called again."""
        if self._thread.is_alive() and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self, endpoint: Endpoint, token: str, options: dict[str, Any]) -> None:
        self._stop = asyncio.Event()
        try:
            async with Client.connect(endpoint, token, **options) as client:
                self._ready.set_result((asyncio.get_running_loop(), client))
                await self._stop.wait()
        except BaseException as e:
            if self._ready.done():
                raise
            self._ready.set_exception(e)
