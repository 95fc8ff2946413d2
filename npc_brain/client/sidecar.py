"""The sidecar process, owned by the game: started, watched, restarted, and never left behind."""

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from npc_brain import files
from npc_brain.cache import cache_dir
from npc_brain.client.socket import connection_lost
from npc_brain.errors import UsageError

_FIRST_BACK_OFF_S = 0.5
_MAX_BACK_OFF_S = 10.0
_STOP_TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)


class Sidecar:
    """A running sidecar. Can be used from any thread, and as a context manager that stops it.

    Attributes:
        token: What a client needs to connect; restarts do not change it.
        log_path: The file with its output, readable by its owner only.
    """

    def __init__(self, command: Sequence[str], log_path: Path) -> None:
        self.token = secrets.token_urlsafe(32)
        self.log_path = log_path
        self._command = list(command)
        self._endpoint: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep_running, name="sidecar", daemon=True)

    @classmethod
    def start(
        cls,
        npcs_dir: Path | str,
        *,
        model: str = "none",
        log_path: Path | None = None,
        timeout_s: float = 30.0,
        command: Sequence[str] | None = None,
    ) -> "Sidecar":
        """Start a sidecar and wait until it listens. Blocks: use `asyncio.to_thread` in async code.

        Args:
            npcs_dir: The directory of the NPC files.
            model: A model's name, a model directory, an `openai:` server, or `none`.
            log_path: Where to write its output; by default `sidecar.log` in the cache directory.
            timeout_s: How long it may take until it listens, in seconds.
            command: What to run instead of this package, for example a packed sidecar.

        Raises:
            SessionError: `connection_lost`: it ended immediately, or did not listen in time.
            UsageError: The log cannot be written, is a link, or belongs to another user.
        """
        if log_path is None:
            log_path = cache_dir() / "sidecar.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.open_private(log_path, "a").close()
        except OSError as error:
            raise UsageError(f"cannot write the log {log_path}: {error.strerror}") from error
        arguments = ["serve", "--npcs", str(npcs_dir), "--model", model]
        arguments += ["--bind", "tcp://127.0.0.1:0", "--parent-pid", str(os.getpid())]
        sidecar = cls([*(command or (sys.executable, "-m", "npc_brain")), *arguments], log_path)
        sidecar._keeper.start()
        sidecar._changed.wait(timeout_s)
        if sidecar.endpoint() is None:
            sidecar.stop()
            raise connection_lost(
                f"the sidecar did not listen within {timeout_s:g} s; its log is {log_path}"
            )
        return sidecar

    def endpoint(self) -> str | None:
        """Where it listens; None while it is being restarted."""
        return self._endpoint

    @property
    def pid(self) -> int | None:
        """The process id; None while it is being restarted."""
        process = self._process
        return None if process is None else process.pid

    def stop(self) -> None:
        """Stop the process and wait until it has ended. Does nothing if it already has."""
        self._stopping.set()
        with self._lock:
            process = self._process
            if process is not None:
                process.terminate()
        if process is not None:
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._keeper.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _keep_running(self) -> None:
        back_off_s = _FIRST_BACK_OFF_S
        while not self._stopping.is_set():
            has_listened = self._run_once()
            if self._stopping.is_set() or not self._changed.is_set():
                break  # stopped, or it never worked, which `start` reports
            back_off_s = _FIRST_BACK_OFF_S if has_listened else min(2 * back_off_s, _MAX_BACK_OFF_S)
            _log.warning("the sidecar ended; starting it again in %g s", back_off_s)
            self._stopping.wait(back_off_s)
        self._changed.set()

    def _run_once(self) -> bool:
        """Run one process to its end; whether it ever listened."""
        environment = {**os.environ, "NPC_BRAIN_TOKEN": self.token}
        with files.open_private(self.log_path, "a") as log:
            with self._lock:
                if self._stopping.is_set():
                    return False
                process = self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    env=environment,
                )
            assert process.stdout is not None
            with process.stdout as output:
                self._endpoint = _read_endpoint(output, log.write)
                has_listened = self._endpoint is not None
                if has_listened:
                    self._changed.set()
                for line in output:
                    log.write(line)
            process.wait()
            with self._lock:
                self._process = None
            self._endpoint = None
        return has_listened


def _read_endpoint(output: IO[str], log: Callable[[str], object]) -> str | None:
    line = output.readline()
    try:
        listening = json.loads(line)
        return str(listening["endpoint"]) if listening["event"] == "listening" else None
    except (ValueError, TypeError, KeyError):
        log(line)
        return None
