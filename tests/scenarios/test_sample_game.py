"""The scenarios of the sample game."""

from pathlib import Path

import pytest

from npc_brain.demo import village
from npc_brain.testing.runner import check_scenario

SCENARIOS = sorted((village() / "scenarios").glob("*.scenario.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name.split(".")[0])
def test_sample_game(path: Path) -> None:
    check_scenario(path)


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 8
