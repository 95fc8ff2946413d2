"""One thread shared by many owners of work, so that a busy one does not delay the others.

Start-time fair queueing: work is ordered by when its owner's earlier work would have ended on a
machine shared evenly. An owner with little work comes next; one with much waits for its own.

Source: Goyal, Vin and Cheng, Start-Time Fair Queueing, 1996.
"""

import asyncio
import heapq
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from npc_brain.errors import contained

_EXPECTED_S = 0.005
"""Assumed cost of a piece of work until it has been measured."""

_Result = TypeVar("_Result")


@dataclass(order=True, slots=True)
class _Piece:
    start_s: float
    number: int
    owner: Hashable = field(compare=False)
    work: Callable[[], Any] = field(compare=False)
    outcome: "Future[Any]" = field(compare=False)


class FairThread:
    """Runs work for its owners, in fair order. Ends with the process at the latest."""

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Piece] = []
        self._num_asked = 0
        self._now_s = 0.0
        self._used_s: dict[Hashable, float] = {}
        """By owner, up to when its work so far would have been done."""
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], _Result], owner: Hashable = None) -> _Result:
        """Wait for `work`, done on behalf of `owner`; work not yet begun is dropped on cancelling.

        Raises what `work` raises, as `errors.contained` makes it, and RuntimeError after `close`.
        """
        outcome: Future[_Result] = Future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError("the thread has been closed")
            start_s = max(self._now_s, self._used_s.get(owner, 0.0))
            self._used_s[owner] = start_s + _EXPECTED_S
            self._num_asked += 1
            heapq.heappush(self._waiting, _Piece(start_s, self._num_asked, owner, work, outcome))
            self._changed.notify()
        return await asyncio.wrap_future(outcome)

    def close(self) -> None:
        """Drop waiting work, and return once the running piece has ended."""
        with self._changed:
            self._is_closed = True
            for piece in self._waiting:
                piece.outcome.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while (piece := self._next()) is not None:
            if not piece.outcome.set_running_or_notify_cancel():
                continue
            began_s = time.thread_time()
            try:
                piece.outcome.set_result(piece.work())
            except BaseException as error:
                piece.outcome.set_exception(contained(error))
            with self._changed:
                self._used_s[piece.owner] += time.thread_time() - began_s - _EXPECTED_S
            del piece

    def _next(self) -> _Piece | None:
        with self._changed:
            if not self._waiting:  # with nothing waiting, all owners are even
                self._used_s.clear()
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return None
            piece = heapq.heappop(self._waiting)
            self._now_s = max(self._now_s, piece.start_s)
            return piece
