"""Times that do not depend on how busy the machine is."""

import os
import time
from pathlib import Path


class Stopwatch:
    """Measures from its making.

    `fair_ms` takes off the time for which threads of the processes concerned were ready to run and
    got no processor, as Linux counts it; elsewhere it is the plain time.
    """

    def __init__(self, *other_pids: int) -> None:
        self._pids = (os.getpid(), *other_pids)
        self._starved_ms = self._count_starved_ms()
        self._start_s = time.perf_counter()

    def elapsed_ms(self) -> float:
        """The plain time."""
        return (time.perf_counter() - self._start_s) * 1000

    def fair_ms(self) -> float:
        """The time, less what a busy machine took."""
        return self.elapsed_ms() - (self._count_starved_ms() - self._starved_ms)

    def _count_starved_ms(self) -> float:
        stats = [path for pid in self._pids for path in Path(f"/proc/{pid}/task").glob("*")]
        return sum(map(_starved_ns, stats)) / 1e6


def _starved_ns(task: Path) -> int:
    try:
        return int((task / "schedstat").read_text().split()[1])
    except OSError:  # the thread has ended
        return 0
