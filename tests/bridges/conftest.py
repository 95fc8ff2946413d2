"""Tells loudly, at the end of a run, which tests of the engine bridges were skipped and why."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a section of its own: a line a reason, then what this machine lacks."""
    reasons = Counter(
        _reason(report)
        for report in terminalreporter.stats.get("skipped", [])
        if HERE in (terminalreporter.config.rootpath / report.nodeid.split("::")[0]).parents
    )
    if not reasons:
        return
    terminalreporter.section("ENGINE BRIDGES NOT FULLY TESTED", sep="!", yellow=True, bold=True)
    for reason, num_tests in reasons.most_common():
        terminalreporter.line(f"{num_tests} skipped: {reason}", yellow=True)
    for lack in _lacking():
        terminalreporter.line(lack, yellow=True)
    terminalreporter.line("`.ci/run` installs all of it on Debian", yellow=True)


def _reason(report: pytest.TestReport) -> str:
    is_located = isinstance(report.longrepr, tuple)
    return str(report.longrepr[2] if is_located else report.longrepr).removeprefix("Skipped: ")


def _lacking() -> list[str]:
    lacks = []
    if not os.environ.get("GODOT"):
        lacks.append("GODOT is not set: wants the path of a Godot 4 program")
    if not os.environ.get("GODOT_TEMPLATE"):
        lacks.append("GODOT_TEMPLATE is not set: wants the release template of the same version")
    if missing := [tool for tool in ("mcs", "mono", "xvfb-run") if shutil.which(tool) is None]:
        lacks.append(f"Not installed: {', '.join(missing)}")
    return lacks
