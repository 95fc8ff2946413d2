"""The Godot bridge's client in a real Godot: codec, sessions with a real sidecar, and its end."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import cast

import pytest

from tests.bridges.bench_godot import measure
from tests.bridges.godot import (
    ADDON_PROJECT,
    GODOT,
    environment,
    import_project,
    needs_godot,
    run_godot,
)
from tests.bridges.godot import run_tests as run_gdscript_tests
from tests.counts import count
from tests.integration.test_wire_launch import is_running

pytestmark = [needs_godot, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    import_project(ADDON_PROJECT)


def test_codec() -> None:
    run_gdscript_tests("core/test_msgpack")


def test_zmtp() -> None:
    run_gdscript_tests("core/test_dealer")


def test_hostile_bytes() -> None:
    run_gdscript_tests("core/test_hostile", timeout_s=count(800, 240))


@pytest.mark.skipif(os.name == "nt", reason="its sidecars are shell scripts")
def test_the_process_of_the_sidecar() -> None:
    run_gdscript_tests("core/test_process")


@pytest.mark.model
def test_sessions_with_a_real_sidecar() -> None:
    run_gdscript_tests("core/test_session", timeout_s=count(800, 240))


@pytest.mark.skipif(os.name == "nt", reason="stops a process the POSIX way")
def test_the_frames_of_32_streaming_characters() -> None:
    """In CI, on machines that others use too, only what waits or grows is found."""
    rows = {str(row["case"]): row for row in measure(steady_s=count(20, 3))}
    streaming = rows["streaming"]
    assert cast(float, streaming["tokens_per_frame"]) > 5, rows
    assert cast(int, streaming["p50_us"]) <= count(200, 1000), rows
    worst_us = max(cast(int, row["max_us"]) for case, row in rows.items() if "sidecar" in case)
    assert worst_us <= count(8_000, 50_000), rows


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
    killed_s = time.monotonic()
    while is_running(sidecar_pid):
        assert time.monotonic() - killed_s < 2, "the sidecar outlives its game"
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["quit", "stall"])
@pytest.mark.skipif(os.name == "nt", reason="stops a process the POSIX way")
def test_a_game_that_quits_ends_its_sidecar_without_waiting(how: str) -> None:
    """Also while the sidecar is stopped and hears no goodbye."""
    done = run_godot(ADDON_PROJECT, "res://tests/core/idle_game.tscn", "--", how, timeout_s=60)
    assert done.returncode == 0, done.stdout
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    assert not is_running(int(told["sidecar"])), "the sidecar outlives its game"
    assert int(told["quitting_ms"]) < 250, done.stdout


def _told_pid(game: "subprocess.Popen[bytes]", log: Path) -> int:
    until_s = time.monotonic() + 30
    while True:
        told = [line for line in log.read_text().splitlines() if line.startswith("sidecar: ")]
        if told:
            return int(told[0].removeprefix("sidecar: "))
        assert game.poll() is None, log.read_text()
        assert time.monotonic() < until_s, log.read_text()
        time.sleep(0.05)
