"""Who speaks next: one turn at a time for each NPC."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TurnQueue:
    """A lock whose waiters are served by priority, then by arrival. Used from one event loop."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._num_asked = 0

    @property
    def is_taken(self) -> bool:
        """Whether a turn is under way."""
        return self._is_taken

    @asynccontextmanager
    async def taken(self, priority: int) -> AsyncIterator[None]:
        """Wait for one's turn and keep it for the block; higher `priority` is served first."""
        if self._is_taken:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._num_asked += 1
            heapq.heappush(self._waiting, (-priority, self._num_asked, place))
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._pass_on()
                raise
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Let the next waiter in; the queue stays taken in between."""
        while self._waiting:
            _, _, place = heapq.heappop(self._waiting)
            if not place.done():
                place.set_result(None)
                return
        self._is_taken = False
