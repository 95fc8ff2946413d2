"""NPC files by name: found, read again once changed, never taken as paths."""

import os
from pathlib import Path

import pytest

from npc_brain.errors import DefinitionError
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.tools.registry import BUILT_INS

NED = (
    "{{persona: {{name: {name}, role: villager}}, lines: {{fallback: {{default: Hm.}}}},"
    " initial: idle, states: {{idle: {{}}}}}}"
)


@pytest.fixture
def npcs(tmp_path: Path) -> Path:
    directory = tmp_path / "npcs"
    directory.mkdir()
    (directory / "ned.yaml").write_text(NED.format(name="Ned"))
    (tmp_path / "secret.yaml").write_text(NED.format(name="Secret"))
    return directory


def test_a_file_is_found_by_its_name(npcs: Path) -> None:
    assert NpcLibrary(npcs).find("ned", "ned_2", BUILT_INS).persona.name == "Ned"


def test_a_changed_file_is_read_again(npcs: Path) -> None:
    library = NpcLibrary(npcs)
    before = library.find("ned", "ned", BUILT_INS)
    assert library.find("ned", "ned", BUILT_INS) is before
    file = npcs / "ned.yaml"
    file.write_text(NED.format(name="Edwin"))
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000_000))
    assert library.find("ned", "ned", BUILT_INS).persona.name == "Edwin"


@pytest.mark.parametrize("name", ["../secret", "ned.yaml", "/etc/passwd", "", "nobody", "a/b"])
def test_other_names_are_refused(npcs: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="no NPC file named"):
        NpcLibrary(npcs).find(name, "x", BUILT_INS)


def test_a_misspelt_name_gets_a_hint(npcs: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        NpcLibrary(npcs).find("nedd", "x", BUILT_INS)
    assert "ned" in caught.value.hint


def test_an_inline_definition_takes_the_npcs_id() -> None:
    inline = {
        "persona": {"name": "Ned", "role": "villager"},
        "lines": {"fallback": {"default": "Hm."}},
        "initial": "idle",
        "states": {"idle": {}},
    }
    assert NpcLibrary(None).find(inline, "ned_7", BUILT_INS).id == "ned_7"
