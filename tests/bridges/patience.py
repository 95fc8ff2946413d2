"""How long the bridges' tests wait, on a machine of any speed.

What must happen is waited for with a limit that only a hang reaches. Where a limit is itself the
promise, it is stretched by what the machine takes for something known at the same moment.
"""

import subprocess
import sys
import time
from collections.abc import Callable

from tests.counts import count

WAIT_S = 120.0
"""For a single thing to happen."""
PROGRAM_S = count(3600, 600)
"""For a run of Godot or mono, a compilation, or a sidecar being packed."""
TEST_S = 2 * PROGRAM_S
"""For a test, with what it sets up."""
NUM_STARTS = 50
"""A promise is broken only after Python was started so often: 0.6 s on a quick idle machine, and
some ten seconds where six busy loops share two slow cores."""


def assert_soon(is_so: Callable[[], bool], what: str, *, promise_s: float) -> None:
    """Wait for what was promised within `promise_s`, more where even starting Python is slow.

    Raises:
        AssertionError: It is not so after that time and `NUM_STARTS` starts of Python.
    """
    start_s = time.monotonic()
    num_starts = 0
    while not is_so():
        took_s = time.monotonic() - start_s
        assert took_s < promise_s or num_starts < NUM_STARTS, f"{what}: not within {took_s:.1f} s"
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
        num_starts += 1


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for what must happen.

    Raises:
        AssertionError: It has not within `WAIT_S`.
    """
    end_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end_s, f"{what}: not within {WAIT_S:.0f} s"
        time.sleep(0.02)
