"""Runs Godot for the bridge's tests: found by GODOT, headless, never for ever."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDON_PROJECT = ROOT / "engine_bridges" / "godot"
GODOT = os.environ.get("GODOT", "")

needs_godot = pytest.mark.skipif(
    not GODOT, reason="GODOT is not set: the path of a Godot 4 program"
)

_ERROR = re.compile(r"^(SCRIPT ERROR|ERROR|USER ERROR)\b.*", re.MULTILINE)


def environment() -> dict[str, str]:
    """What the GDScript tests read: where the sidecar's program, NPC files and golden files are."""
    program = Path(sys.executable).with_name("npc-brain")
    return {
        **os.environ,
        "NPC_BRAIN_PROGRAM": str(program),
        "NPC_BRAIN_NPCS": str(ROOT / "sample_game" / "npcs"),
        "NPC_BRAIN_GOLDEN": str(ROOT / "schemas" / "golden"),
    }


def run_godot(
    project: Path, *arguments: str, timeout_s: float = 240, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Godot on a project, headless; its output is text, errors and all in `stdout`."""
    return subprocess.run(
        [GODOT, "--headless", "--path", str(project), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        env={**environment(), **variables},
    )


def import_project(project: Path) -> None:
    """Make Godot know the project's classes and pictures, as its editor does when it opens it."""
    imported = run_godot(project, "--import", timeout_s=120)
    assert imported.returncode == 0, imported.stdout
    errors = [match[0] for match in _ERROR.finditer(imported.stdout)]
    assert not errors, imported.stdout


def run_tests(*names: str, timeout_s: float = 240) -> str:
    """Run the addon's GDScript tests whose path or name has one of `names`; returns the output."""
    done = run_godot(ADDON_PROJECT, "--", *names, timeout_s=timeout_s)
    assert re.search(r"^[1-9]\d* passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
    assert done.returncode == 0, done.stdout
    return done.stdout
