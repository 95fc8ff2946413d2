"""How long a piece of work keeps everything else waiting, told in processor time.

Wall time cannot be used: a busy machine stalls an idle process. Processor time spent within one
callback of the event loop, and by the whole process while one of its threads waits for the
interpreter, is the work's own.
"""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.counts import count
from tests.pace import slowness

STALL_S = count(full=20, ci=60) / 1000
"""How long anything may hold the loop or the interpreter. The promise is 20 ms; in CI other tests
share caches and memory with the one that measures, so that only clear faults are found there."""

_BEAT_S = 0.001


@dataclass
class Stalls:
    """What was seen.

    Attributes:
        loop_s: The most processor time that one callback of the event loop took.
        interpreter_s: The most processor time that passed while a thread that wanted to run Python
            code could not.
    """

    loop_s: float = 0.0
    interpreter_s: float = 0.0

    @property
    def longest_s(self) -> float:
        return max(self.loop_s, self.interpreter_s)


@asynccontextmanager
async def watching() -> AsyncIterator[Stalls]:
    """Measure what runs within the block, on the event loop and every thread."""
    stalls = Stalls()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start_s = time.thread_time()
        try:
            run(handle)
        finally:
            stalls.loop_s = max(stalls.loop_s, time.thread_time() - start_s)

    done = threading.Event()

    def beat() -> None:
        is_done = False
        while not is_done:
            start_s, used_s = time.monotonic(), time.process_time()
            is_done = done.wait(_BEAT_S)  # gives the interpreter away and has to get it back
            late_s = time.monotonic() - start_s - _BEAT_S
            used_s = time.process_time() - used_s
            stalls.interpreter_s = max(stalls.interpreter_s, min(late_s, used_s))

    beating = threading.Thread(target=beat)
    gc.collect()
    gc.freeze()  # as the sidecar does: the rest of the test run's objects are not its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        beating.start()
        await asyncio.sleep(0)  # from here on in a callback that is timed
        try:
            yield stalls
        finally:
            await asyncio.sleep(0)
            done.set()
            beating.join()
            gc.unfreeze()


def cpu_slowness() -> float:
    """What budgets of processor time are to be multiplied by on this machine; at least 1."""
    return slowness(time.thread_time)


async def stalls_of(work: Callable[[], Awaitable[object]], *, attempts: int = 3) -> Stalls:
    """The least of some attempts: what else runs on the machine can only add."""
    seen = []
    for _ in range(attempts):
        async with watching() as stalls:
            await work()
        seen.append(stalls)
    return min(seen, key=lambda stalls: stalls.longest_s)


def thread_time_of(work: Callable[[], object], *, attempts: int = 3) -> float:
    """Processor time of `work`, in seconds: the least of some attempts."""
    spent = []
    for _ in range(attempts):
        start_s = time.thread_time()
        work()
        spent.append(time.thread_time() - start_s)
    return min(spent)
