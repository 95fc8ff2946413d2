"""How fast this machine is just now, for the few tests where a limit in time is the promise.

All other tests wait for conditions, `PATIENCE_S` at most, and measure nothing.
"""

import asyncio
import os
import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""How long to wait for what must come: far longer than any machine needs, so that only a fault
that never ends runs into it."""

_REFERENCE_S = 0.1
"""What `_work` takes on the quick, quiet machine for which the promises are made."""


def wait_until(condition: Callable[[], object], otherwise: str = "it never became true") -> None:
    """Return as soon as `condition()` is true; fail with `otherwise` when it never is."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, otherwise
        time.sleep(0.005)


async def until(condition: Callable[[], object]) -> None:
    """The same in an event loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)


def slowness(clock: Callable[[], float] = time.perf_counter) -> float:
    """How many times longer work takes here and now than on a quick, quiet machine; at least 1.

    With `time.thread_time` as the clock: how much more processor time it takes.
    """
    start_s = clock()
    _work()
    return max(1.0, (clock() - start_s) / _REFERENCE_S)


def limit_s(promise_s: float) -> float:
    """What a promise of so many seconds comes to on this machine: its limit for a measured time.

    Ask after measuring, while the machine is as busy as it was. In CI a second is given on top, for
    other processes come and go; a loop that is blocked for seconds is still found. With
    `NPC_BRAIN_FULL=1`, which is for a quiet machine, the promise stands as it is written.
    """
    grace_s = 0.0 if os.environ.get("NPC_BRAIN_FULL") == "1" else 1.0
    return (promise_s + grace_s) * slowness()


def _work() -> int:
    total = 0
    for number in range(2_500_000):
        total += number * number % 7
    return total
