"""docs/npc_files.md: its tables are complete, its examples are valid files."""

import re
from pathlib import Path

import pytest

from npc_brain.cli.file_reference import tables
from npc_brain.npc.loader import parse_definition
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from npc_brain.tools.registry import BUILT_INS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "npc_files.md"


def examples(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("name", tables())
def test_every_key_is_explained(name: str) -> None:
    for row in tables()[name].splitlines()[2:]:
        assert not row.endswith("|  |"), row


@pytest.mark.parametrize("example", examples("yaml"))
def test_the_npcs_are_valid(example: str) -> None:
    parse_definition(f"id: bo\n{example}", "npc_files.md", BUILT_INS)


@pytest.mark.parametrize("example", examples("json"))
def test_the_worlds_are_valid(example: str, tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    file.write_text(example, encoding="utf-8")
    SimulatedWorld(load_world_file(file))


def test_links_lead_to_headings() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= set(anchors)
    assert len(anchors) == len(set(anchors))
