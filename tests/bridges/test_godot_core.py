"""The Godot bridge's client in a real Godot: codec, sessions with a real sidecar, and its end."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import cast

import pytest

from tests.bridges.bench_godot import measure
from tests.bridges.godot import ADDON_PROJECT, GODOT, environment, needs_godot, run_godot
from tests.bridges.godot import run_tests as run_gdscript_tests
from tests.bridges.patience import assert_ends
from tests.counts import count
from tests.pace import PATIENCE_S
from tests.processes import is_running

MAX_PEERS = 10
SPARE_US = 200
"""A frame may cost so many decodings of the messages of a frame, and this."""

pytestmark = [needs_godot, pytest.mark.usefixtures("imported_addon")]


def test_codec() -> None:
    run_gdscript_tests("core/test_msgpack")


def test_zmtp() -> None:
    run_gdscript_tests("core/test_dealer")


def test_hostile_bytes() -> None:
    run_gdscript_tests("core/test_hostile")


@pytest.mark.skipif(os.name == "nt", reason="its sidecars are shell scripts")
def test_the_process_of_the_sidecar() -> None:
    run_gdscript_tests("core/test_process")


@pytest.mark.model
def test_sessions_with_a_real_sidecar() -> None:
    run_gdscript_tests("core/test_session")


@pytest.mark.measures
@pytest.mark.skipif(os.name == "nt", reason="stops a process the POSIX way")
def test_the_frames_of_32_streaming_characters() -> None:
    """The peer, which decodes the same messages on the game's thread, tells how fast this is."""
    rows = {str(row["case"]): row for row in measure(steady_s=count(20, 2))}
    peer_us = cast(int, next(row["p50_us"] for case, row in rows.items() if "peer" in case))
    streaming = rows["streaming"]
    assert cast(float, streaming["tokens_per_frame"]) > 0, rows
    assert cast(int, streaming["p50_us"]) <= MAX_PEERS * peer_us + SPARE_US, rows
    assert "all back" in rows
    # A frame may be cut short by other programs: only what waits for the sidecar is as long.
    worst_us = max(cast(int, row["max_us"]) for case, row in rows.items() if "sidecar" in case)
    assert worst_us <= count(8_000, 1_000_000), rows


@pytest.mark.measures
@pytest.mark.skipif(os.name == "nt", reason="kills a process the POSIX way")
def test_a_killed_game_takes_its_sidecar_along(tmp_path: Path) -> None:
    """The game has no chance to clean up: the sidecar notices by itself, within two seconds."""
    command = [GODOT, "--headless", "--path", str(ADDON_PROJECT), "res://tests/core/idle_game.tscn"]
    with (tmp_path / "log.txt").open("w+") as log:
        game = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        try:
            sidecar_pid = _told_pid(game, tmp_path / "log.txt")
        finally:
            game.send_signal(signal.SIGKILL)
            game.wait()
    assert_ends(sidecar_pid, within_s=2)


@pytest.mark.parametrize("how", ["quit", "stall"])
@pytest.mark.skipif(os.name == "nt", reason="stops a process the POSIX way")
def test_a_game_that_quits_ends_its_sidecar_without_waiting(how: str) -> None:
    """Also while the sidecar is stopped and hears no goodbye."""
    done = run_godot(ADDON_PROJECT, "res://tests/core/idle_game.tscn", "--", how)
    assert done.returncode == 0, done.stdout
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert not is_running(int(told["sidecar"])), "the sidecar outlives its game"
    assert int(told["quitting_ms"]) < int(told["limit_ms"]), done.stdout


def _told_pid(game: "subprocess.Popen[bytes]", log: Path) -> int:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        told = [line for line in log.read_text().splitlines() if line.startswith("sidecar: ")]
        if told:
            return int(told[0].removeprefix("sidecar: "))
        assert game.poll() is None, log.read_text()
        assert time.monotonic() < end_s, log.read_text()
        time.sleep(0.05)
