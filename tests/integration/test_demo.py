"""The terminal game as a player gets it: a process with its own sidecar, real sockets, no model."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.pace import wait_until
from tests.processes import is_running

TOUR = Path("sample_game/scripts/tour.txt")
ENDS = {"done", "failed", "refused", "cancelled"}

pytestmark = pytest.mark.model
"""The sentence encoder's weights are needed; no language model."""


PATIENT = """
import sys
from functools import partialmethod
from npc_brain.cli import main
from npc_brain.client import Client

Client.hear = partialmethod(Client.hear, deadline_ms=120_000)
sys.exit(main())
"""
"""The program with turns that have time: on a slow machine a line must not become another."""


def demo(*args: str, lines: str | None = None, model: str = "none") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PATIENT, "demo", "--model", model, *args],
        stdin=subprocess.PIPE if lines is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str], lines: str | None = None) -> tuple[int, str]:
    out, _ = process.communicate(lines)
    return process.returncode, out


def play(tmp_path: Path, script: str) -> tuple[int, str]:
    path = tmp_path / "script.txt"
    path.write_text(script, encoding="utf-8")
    return finish(demo("--script", str(path)))


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def test_the_tour_is_played_to_the_quests_end_without_a_model(tmp_path: Path) -> None:
    transcript = tmp_path / "t.jsonl"
    code, out = finish(demo("--script", str(TOUR), "--transcript", str(transcript)))
    assert code == 0, out
    assert "What cries in the cellar: done." in out
    assert "inventory_trade refused (wants_cake)" in out
    assert "Pip: Here! This is" in out or "Pip: We're here, at" in out
    assert all(char == "\n" or char.isprintable() for char in out)
    messages = [json.loads(line) for line in transcript.read_text().splitlines()]
    check_transcript(messages)


def check_transcript(messages: list[dict[str, Any]]) -> None:
    """Each action of a turn ends once; each turn ends once; tools of all three kinds are used."""
    requests, ends, started, turn_ends = set(), Counter[int](), set(), Counter[int]()
    tools = set()
    for entry in messages:
        message, is_in = entry["message"], entry["direction"] == "in"
        body = message["body"]
        match message["type"]:
            case "action.request":
                requests.add(body["action_id"])
                tools.add(body["tool"])
            case "action.update" if is_in and body["status"] in ENDS:
                ends[body["action_id"]] += 1
            case "turn.started":
                started.add(body["turn_id"])
            case "turn.ended":
                turn_ends[body["turn_id"]] += 1
                tools |= {use["tool"] for use in body["tools"]}
            case "error":
                pytest.fail(f"the sidecar refused something: {body}")
    assert set(ends) <= requests
    assert set(ends.values()) == {1}
    assert set(turn_ends) == started
    assert set(turn_ends.values()) == {1}
    assert {"go_to", "find_path", "inventory_list", "inventory_trade", "inventory_give"} <= tools


def test_a_game_is_saved_and_taken_up_again(tmp_path: Path) -> None:
    save = tmp_path / "alderford.save"
    code, out = play(
        tmp_path,
        f"talk mira What is that crying in your cellar?\ntalk mira An ale, please.\nsave {save}\n",
    )
    assert code == 0, out
    code, out = play(tmp_path, f"load {save}\nlook\ntalk mira Can I have the key now?\n")
    assert code == 0, out
    assert "a mug of ale" in out
    assert "Get the tap mallet" in out
    assert "mallet" in out.rpartition("Mira:")[2]


def test_a_command_that_fails_fails_the_script(tmp_path: Path) -> None:
    missing, damaged = tmp_path / "none.save", tmp_path / "bad.save"
    damaged.write_text(
        '{"format": "npc_brain sample game", "version": 1, "world": {}, "minds": ""}'
    )
    lines = ["go tavrn", "give honey cake mira", f"load {missing}", f"load {damaged}", "go well"]
    code, out = play(tmp_path, "\n".join([*lines, "talk pip Hello!"]))
    assert code == 1
    assert "Did you mean: tavern?" in out
    assert "You have no honey cakes." in out
    assert "cannot load" in out
    assert "damaged" in out
    assert "The well." in out
    assert "Pip:" in out


def test_lines_from_a_pipe_are_played(tmp_path: Path) -> None:
    lines = "look\ntalk pip Hello!\nquit\n"
    code, out = finish(demo(lines=lines), lines)
    assert code == 0, out
    assert "You are near the well." in out


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the sidecar")
def test_interrupting_leaves_no_sidecar_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("wait 100\n")
    process = demo("--script", str(script))
    wait_for(process, "> wait 100")
    children = children_of(process.pid)
    assert children
    process.send_signal(signal.SIGINT)
    code, out = finish(process)
    assert code == 1
    assert "Traceback" not in out
    wait_until(lambda: not any(map(is_running, children)))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the sidecar")
def test_a_script_ends_badly_when_the_sidecar_dies(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("wait 2\ntalk pip Hello!\nwait 60\n")
    process = demo("--script", str(script))
    wait_for(process, "> wait 2")
    for child in children_of(process.pid):
        os.kill(child, signal.SIGKILL)
    code, out = finish(process)
    assert code == 1
    assert "does not answer" in out


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Read output until a line begins with `text`."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(text):
            return
    pytest.fail(f"the game ended before {text!r}")
