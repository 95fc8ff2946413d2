"""What a process holds, as Linux tells it: memory, descriptors, threads, asyncio tasks."""

import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Sample:
    """One look at a process.

    Attributes:
        at_s: Seconds since the watch began.
        rss_kb: Resident memory, with what it shares with others.
        uss_kb: Resident memory that is its own.
    """

    at_s: float
    rss_kb: int
    uss_kb: int
    num_descriptors: int
    num_threads: int


@dataclass
class ProcessWatch:
    """Looks at one process again and again."""

    pid: int
    counts_file: Path
    samples: list[Sample] = field(default_factory=list)
    _start_s: float = field(default_factory=time.monotonic)

    def look(self) -> Sample:
        """Take a sample; raises OSError when the process has ended."""
        proc = Path(f"/proc/{self.pid}")
        kb = dict.fromkeys(("Rss", "Private_Clean", "Private_Dirty"), 0)
        for line in (proc / "smaps_rollup").read_text().splitlines()[1:]:
            name, value, *_ = line.replace(":", "").split()
            if name in kb:
                kb[name] = int(value)
        sample = Sample(
            at_s=time.monotonic() - self._start_s,
            rss_kb=kb["Rss"],
            uss_kb=kb["Private_Clean"] + kb["Private_Dirty"],
            num_descriptors=len(list((proc / "fd").iterdir())),
            num_threads=len(list((proc / "task").iterdir())),
        )
        self.samples.append(sample)
        return sample

    def ask_counts(self) -> None:
        """Ask for the asyncio tasks and Python threads; they are in `counts` soon after."""
        self.counts_file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)

    def counts(self) -> dict[str, dict[str, int]] | None:
        """The answer to `ask_counts`, once it is there."""
        if not self.counts_file.exists():
            return None
        counts: dict[str, dict[str, int]] = json.loads(self.counts_file.read_text("utf-8"))
        return counts

    def around(self, mark_s: float, window_s: float) -> tuple[float, float]:
        """Median RSS and USS in MiB of the samples within `window_s` of a mark."""
        near = [each for each in self.samples if abs(each.at_s - mark_s) <= window_s]
        if not near:
            return (0.0, 0.0)
        return (
            median(each.rss_kb for each in near) / 1024,
            median(each.uss_kb for each in near) / 1024,
        )
