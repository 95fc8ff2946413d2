"""What `run.py` starts gets its signals and ends with it."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pace import wait_until
from tests.security.recorder import clean_environment, record

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up, with this interpreter in place of the environment's."""
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    for name in ("run.py", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    project = hashlib.sha256((checkout / "pyproject.toml").read_bytes()).hexdigest()
    stamp = checkout / ".venv" / "npc-brain-installed.txt"
    stamp.write_text(f"{project} {sys.version_info[:2]} cpu\n")
    return checkout


def environment(tmp_path: Path) -> dict[str, str]:
    """One that marks all that is started with it, and holds an empty cache."""
    (tmp_path / "cache").mkdir(exist_ok=True)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NPC_BRAIN_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "MARK": str(tmp_path),
    }


def marked_processes(tmp_path: Path) -> set[int]:
    """Processes started, however indirectly, with `environment`, this one excepted."""
    mark, found = f"MARK={tmp_path}\0".encode(), set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_signal_to_run_py_ends_all_that_it_started(
    checkout: Path, tmp_path: Path, command: str, name: str
) -> None:
    arguments = {
        "serve": ["serve", "--npcs", str(ROOT / "sample_game" / "npcs"), "--model", "none"],
        "demo": ["demo", "--model", "none"],
    }
    expected = 1 if command == "serve" else 2
    with subprocess.Popen(
        [sys.executable, str(checkout / "run.py"), *arguments[command]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(tmp_path),
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        word = b"listening" if command == "serve" else b"sidecar"
        while word not in (line := process.stdout.readline()):
            assert line, "it ended early"
        wait_until(lambda: len(marked_processes(tmp_path)) >= expected, "no sidecar was started")
        process.send_signal(getattr(signal, name))
        try:
            wait_until(lambda: not marked_processes(tmp_path), "something was left running")
        finally:
            for pid in marked_processes(tmp_path):
                os.kill(pid, signal.SIGKILL)


def test_run_py_hands_on_the_exit_code_and_keeps_to_itself(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    recording = record(
        [sys.executable, str(checkout / "run.py"), "doctor", "--no-such-argument"],
        tmp_path / "calls",
        env=clean_environment(home, PYTHONPATH=str(ROOT)),
        cwd=tmp_path,
    )
    assert recording.exit_code == 2
    assert recording.changed_outside(home / "tmp") == []
    assert not recording.looked_up | recording.met


WAITS = "import time; print('up', flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    ("scripts", "printed", "code"),
    [
        (["print(1)", "print(2)"], "1 2", 0),
        (["print(1); exit(3)", "print(2); exit(4)"], "1 2", 3),
        (["print(1); exit(2)", "print(2)"], "1", 2),  # as pytest after Ctrl-C
    ],
)
def test_commands_run_in_turn(scripts: list[str], printed: str, code: int) -> None:
    run = subprocess.run(in_turn(scripts), capture_output=True, text=True, check=False)
    assert (run.stdout.split(), run.returncode) == (printed.split(), code), run.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_command_that_runs_and_the_rest(name: str) -> None:
    with subprocess.Popen(in_turn([WAITS, "print(2)"]), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(getattr(signal, name))
        assert process.stdout.read() == b""
    assert process.returncode != 0


def in_turn(scripts: list[str]) -> list[str]:
    """A command that has `run.py` run `scripts` in turn."""
    commands = [[sys.executable, "-c", script] for script in scripts]
    script = f"import sys, run; sys.exit(abs(run.run(*{commands!r})))"
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {script}"]
