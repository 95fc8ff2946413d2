"""`npc-brain` with a counter: on SIGUSR1 it writes what it holds to the file `COUNTS_FILE`."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from npc_brain.cli import main

COUNTS_FILE = "ENDURANCE_COUNTS_FILE"


def _write_counts(*_: Any) -> None:
    tasks = Counter(_name(task) for task in asyncio.all_tasks())
    threads = Counter(thread.name.rstrip("0123456789") for thread in threading.enumerate())
    path = Path(os.environ[COUNTS_FILE])
    written = path.with_suffix(".new")
    written.write_text(json.dumps({"tasks": tasks, "threads": threads}), encoding="utf-8")
    written.replace(path)


def _name(task: "asyncio.Task[Any]") -> str:
    coroutine = task.get_coro()
    return str(getattr(coroutine, "__qualname__", coroutine))


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _write_counts)
    sys.exit(main())
