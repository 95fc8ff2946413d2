"""How long the bridges' tests wait; see `tests.pace` for single things."""

import time

from tests.counts import count
from tests.pace import PATIENCE_S, limit_s
from tests.processes import is_running

PROGRAM_S = count(3600, 600)
"""For a run of Godot or mono, a compilation, or packing a sidecar: only a hang takes as long."""
TEST_S = 2 * PROGRAM_S
"""For a test, with what it sets up."""


def assert_ends(pid: int, *, within_s: float) -> None:
    """Wait for the end of a process that was promised within `within_s`.

    Raises:
        AssertionError: It runs on, or has ended later than this machine's speed explains.
    """
    start_s = time.monotonic()
    while is_running(pid):
        assert time.monotonic() - start_s < PATIENCE_S, f"process {pid} does not end"
        time.sleep(0.02)
    took_s = time.monotonic() - start_s
    assert took_s < limit_s(within_s), f"process {pid} ended after {took_s:.1f} s"
