"""Processes that tests start."""

import os
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process has not ended yet; one that is only waiting to be reaped has."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
