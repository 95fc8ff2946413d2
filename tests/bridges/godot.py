"""Runs Godot for the bridge's tests: found by GODOT, headless, never for ever."""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

from npc_brain.cache import cache_dir
from tests.bridges.patience import PROGRAM_S

ROOT = Path(__file__).resolve().parents[2]
ADDON_PROJECT = ROOT / "engine_bridges" / "godot"
GODOT = os.environ.get("GODOT", "")

needs_godot = pytest.mark.skipif(
    not GODOT, reason="GODOT is not set: the path of a Godot 4 program"
)

_ERROR = re.compile(r"^(SCRIPT ERROR|ERROR|USER ERROR)\b.*", re.MULTILINE)


def environment() -> dict[str, str]:
    """What the GDScript tests read: where the sidecar's program, NPC files and golden files are.

    Godot's settings, logs and caches are this process's own: several may run at once.
    """
    program = Path(sys.executable).with_name("npc-brain")
    return {
        **os.environ,
        "NPC_BRAIN_CACHE": str(cache_dir()),
        **{f"XDG_{kind}_HOME": str(_home() / kind) for kind in ("CACHE", "CONFIG", "DATA")},
        "NPC_BRAIN_PROGRAM": str(program),
        "NPC_BRAIN_NPCS": str(ROOT / "sample_game" / "npcs"),
        "NPC_BRAIN_GOLDEN": str(ROOT / "schemas" / "golden"),
    }


@cache
def _home() -> Path:
    home = tempfile.mkdtemp(prefix="godot-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return Path(home)


def run_godot(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Godot on a project, headless; its output is text, errors and all in `stdout`."""
    return subprocess.run(
        [GODOT, "--headless", "--path", str(project), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=PROGRAM_S,
        env={**environment(), **variables},
    )


def import_project(project: Path) -> str:
    """Make Godot know the project's classes and pictures, as its editor does when it opens it."""
    imported = run_godot(project, "--import")
    assert imported.returncode == 0, imported.stdout
    errors = [match[0] for match in _ERROR.finditer(imported.stdout)]
    assert not errors, imported.stdout
    return imported.stdout


def run_tests(*names: str) -> str:
    """Run the addon's GDScript tests whose path or name has one of `names`; returns the output."""
    done = run_godot(ADDON_PROJECT, "--", *names)
    assert re.search(r"^[1-9]\d* passed, 0 failed$", done.stdout, re.MULTILINE), done.stdout
    assert done.returncode == 0, done.stdout
    return done.stdout
