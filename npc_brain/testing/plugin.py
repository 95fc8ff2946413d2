"""pytest hooks: collects scenario files (`*.scenario.yaml`), each of which is a test.

Loaded by every pytest run of an environment that has this package, so it imports nothing of it
until there is a scenario to run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SUFFIX = ".scenario.yaml"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """Take scenario files for what they are."""
    if file_path.name.endswith(SUFFIX):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A scenario file."""

    def collect(self) -> "Iterator[ScenarioItem]":
        """Its one test; mistakes in the file fail the test, not the collection."""
        yield ScenarioItem.from_parent(self, name=self.path.name.removesuffix(SUFFIX))


class ScenarioItem(pytest.Item):
    """A scenario as a test."""

    def runtest(self) -> None:
        """Run it; raises ScenarioError, or ScenarioFailedError when an expectation is not met."""
        from npc_brain.testing.runner import check_scenario

        check_scenario(self.path)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """The report without a traceback: it is the scenario that failed, not Python code."""
        from npc_brain.errors import NpcBrainError

        if isinstance(excinfo.value, NpcBrainError):
            return excinfo.value.message
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the scenario is."""
        return self.path, 0, f"scenario: {self.name}"
