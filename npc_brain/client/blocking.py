"""A blocking client for scripts and games without an event loop: it runs one in a thread.

Handlers run in that thread. `call` reaches every method of `Client`, so they are not repeated here.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from npc_brain.client.client import DEFAULT_DEADLINE_MS, Client
from npc_brain.client.turn import Turn
from npc_brain.event_loop import run
from npc_brain.protocol.messages import TurnLine
from npc_brain.vocabulary import AudioEncoding

_T = TypeVar("_T")


Endpoint = str | Callable[[], str | None]


class BlockingTurn:
    """A turn. Iterating over it gives its text piece by piece and blocks between pieces."""

    def __init__(self, turn: Turn, call: Callable[[Callable[[], Any]], Any]) -> None:
        self._turn = turn
        self._call = call

    def __iter__(self) -> Iterator[str]:
        pieces = aiter(self._turn)

        async def next_piece() -> str | None:
            return await anext(pieces, None)

        while (piece := self._call(next_piece)) is not None:
            yield piece

    def line(self) -> TurnLine | None:
        """See `Turn.line`."""
        line: TurnLine | None = self._call(self._turn.line)
        return line

    def cancel(self) -> None:
        """See `Turn.cancel`."""

        async def cancel() -> None:
            self._turn.cancel()

        self._call(cancel)


class BlockingClient:
    """A connected client and context manager. Takes the arguments of `Client.connect`.

    Example:
        >>> with BlockingClient(endpoint, token) as client:  # doctest: +SKIP
        ...     client.call(lambda c: c.spawn("mira", "innkeeper"))
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

    def call(self, method: Callable[[Client], Coroutine[Any, Any, _T]]) -> _T:
        """Run a method of the client, wait for it, and return its result."""
        return asyncio.run_coroutine_threadsafe(method(self._client), self._loop).result()

    def hear(
        self,
        npc_id: str,
        speaker_id: str,
        text: str | None = None,
        *,
        audio: bytes | None = None,
        audio_format: AudioEncoding | None = None,
        sample_rate_hz: int | None = None,
        priority: int = 0,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
    ) -> BlockingTurn:
        """See `Client.hear`."""

        async def hear(client: Client) -> Turn:
            return client.hear(
                npc_id,
                speaker_id,
                text,
                audio=audio,
                audio_format=audio_format,
                sample_rate_hz=sample_rate_hz,
                priority=priority,
                deadline_ms=deadline_ms,
            )

        return BlockingTurn(self.call(hear), lambda step: self.call(lambda _: step()))

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
