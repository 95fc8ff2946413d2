"""The connection file, and ending with one's parent."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from npc_brain.errors import UsageError
from npc_brain.transport.connection_file import read_connection_file, write_connection_file
from npc_brain.transport.parent import poll_for_exit, wait_for_exit, watch_parent
from tests.pace import PATIENCE_S


def test_the_connection_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sidecar.json"
    write_connection_file(path, "tcp://127.0.0.1:1", "old")
    path.chmod(0o644)
    write_connection_file(path, "tcp://127.0.0.1:2", "a token")
    assert read_connection_file(path) == ("tcp://127.0.0.1:2", "a token", os.getpid())
    assert [p.name for p in path.parent.iterdir()] == ["sidecar.json"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "", "[]", '{"endpoint": "x"}', "not json"])
def test_a_missing_or_damaged_connection_file(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "sidecar.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="cannot read the connection file"):
        read_connection_file(path)


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


@pytest.mark.parametrize("wait", [wait_for_exit, poll_for_exit])
def test_no_such_process_is_an_ended_one(wait: object) -> None:
    assert callable(wait)
    with sleeper() as process:
        process.kill()
    wait(process.pid)


def test_the_end_of_a_process_is_noticed_even_if_nobody_reaps_it() -> None:
    ended = threading.Event()
    with sleeper() as process:
        watch_parent(process.pid, ended.set)
        assert not ended.wait(0.05)
        process.kill()
        assert ended.wait(PATIENCE_S)
