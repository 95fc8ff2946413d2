"""For all tests of the engine bridges: the packed sidecar, and a loud word on what was skipped."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.bridges.godot import ADDON_PROJECT, import_project
from tests.bridges.patience import PROGRAM_S, TEST_S
from tests.bridges.shared import once_per_run
from tests.counts import NEEDS_FULL_REASON

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests below this folder the time that hangs alone take."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(TEST_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a section of its own: a line a reason, then what this machine lacks."""
    reasons = Counter(
        _reason(report)
        for report in terminalreporter.stats.get("skipped", [])
        if HERE in (terminalreporter.config.rootpath / report.nodeid.split("::")[0]).parents
    )
    reasons.pop(NEEDS_FULL_REASON, None)
    if not reasons:
        return
    terminalreporter.section("ENGINE BRIDGES NOT FULLY TESTED", sep="!", yellow=True, bold=True)
    for reason, num_tests in reasons.most_common():
        terminalreporter.line(f"{num_tests} skipped: {reason}", yellow=True)
    if lacks := _lacking():
        for lack in lacks:
            terminalreporter.line(lack, yellow=True)
        terminalreporter.line("`.ci/run` installs all of it on Debian", yellow=True)


def _reason(report: pytest.TestReport) -> str:
    located = report.longrepr
    return str(located[2] if isinstance(located, tuple) else located).removeprefix("Skipped: ")


def _lacking() -> list[str]:
    lacks = []
    if not os.environ.get("GODOT"):
        lacks.append("GODOT is not set: wants the path of a Godot 4 program")
    if not os.environ.get("GODOT_TEMPLATE"):
        lacks.append("GODOT_TEMPLATE is not set: wants the release template of the same version")
    if missing := [tool for tool in ("mcs", "mono", "xvfb-run") if shutil.which(tool) is None]:
        lacks.append(f"Not installed: {', '.join(missing)}")
    return lacks


@pytest.fixture(scope="session")
def imported_addon(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The addon's project is imported; what Godot said meanwhile."""
    return once_per_run(tmp_path_factory, "addon", lambda _: import_project(ADDON_PROJECT))


@pytest.fixture(scope="session")
def imported_game(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample game's project, imported."""
    game = ROOT / "sample_game" / "godot"
    once_per_run(tmp_path_factory, "game", lambda _: import_project(game))
    return game


@pytest.fixture(scope="session")
def packed_sidecar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed sidecar's folder, with the embedded model and the sample game's NPCs.

    NPC_BRAIN_PACKED names one made before by `pack_sidecar.py`; else it is built, once a run.
    """
    if made_before := os.environ.get("NPC_BRAIN_PACKED"):
        return Path(made_before)
    if importlib.util.find_spec("PyInstaller") is None:
        pytest.skip("PyInstaller is not installed: pip install 'npc-brain[pack]'")
    return Path(once_per_run(tmp_path_factory, "packed", _pack))


def _pack(out_dir: Path) -> str:
    command = [sys.executable, str(ROOT / "engine_bridges" / "pack_sidecar.py"), str(out_dir)]
    command += ["--npcs", str(ROOT / "sample_game" / "npcs")]
    packed = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    assert packed.returncode == 0, packed.stderr
    return packed.stdout.strip()
