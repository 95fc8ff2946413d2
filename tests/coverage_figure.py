"""A pytest plugin that prints how much of npc_brain the tests run: `-p tests.coverage_figure`.

Not pytest-cov, whose `no_cover` has no effect in pytest-xdist's workers. Loaded by `-p`, it starts
before the package's own plugin imports the package.
"""

import io
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import coverage
import pytest

IS_CHEAP = sys.version_info >= (3, 12)
"""Whether sys.monitoring exists; tracing without it more than doubles what tests compute."""
TESTS = "all tests" if IS_CHEAP else "the tests in unit/ and contract/"
FOLDERS = ("unit", "contract")
HERE = Path(__file__).parent

os.environ.setdefault("COVERAGE_CORE", "sysmon" if IS_CHEAP else "ctrace")
measured = coverage.Coverage(data_file=None, source=["npc_brain"])
measured.start()


def is_covered(item: pytest.Item) -> bool:
    """Not what repeats the same thousands of times, or compares how long something takes."""
    if hasattr(getattr(item, "module", None), "count") or item.get_closest_marker("no_cover"):
        return False
    return IS_CHEAP or item.path.relative_to(HERE).parts[0] in FOLDERS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Trace what counts only."""
    if is_covered(item):
        return (yield)
    measured.stop()
    try:
        return (yield)
    finally:
        measured.start()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop; a worker sends what it has measured."""
    measured.stop()
    if hasattr(session.config, "workeroutput"):
        data = measured.get_data()
        lines = {file: data.lines(file) or [] for file in data.measured_files()}
        session.config.workeroutput["lines"] = lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker has measured."""
    measured.get_data().add_lines(getattr(node, "workeroutput", {}).get("lines", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one figure."""
    percentage = measured.report(file=io.StringIO())
    terminalreporter.section("coverage")
    terminalreporter.write_line(f"{percentage:.0f} % of the lines of npc_brain are run by {TESTS}")
