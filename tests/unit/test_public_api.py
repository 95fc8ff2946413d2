"""The front door: what `import npc_brain` offers, and that it costs nothing until it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import npc_brain
from tests.pace import until

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there_and_documented() -> None:
    assert npc_brain.__all__ == sorted(npc_brain.__all__)
    assert dir(npc_brain) == npc_brain.__all__
    for name in npc_brain.__all__:
        value = getattr(npc_brain, name)
        assert name == "__version__" or value.__doc__


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(npc_brain.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.name: f"{node.module}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {*typed, "__version__"} == set(npc_brain.__all__)
    for name, module in typed.items():
        assert getattr(npc_brain, name).__module__ == module


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Brain'"):
        _ = npc_brain.Brain


def test_importing_the_package_imports_no_part_of_it() -> None:
    program = "import sys, npc_brain; print([m for m in sys.modules if m.startswith('npc_brain.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


async def test_an_npc_can_be_tried_with_public_names_alone() -> None:
    told: list[object] = []
    models = npc_brain.Models(npc_brain.LexicalEncoder())
    stage = npc_brain.Stage(lambda message, _: told.append(message), models, npc_brain.FakeClock())
    try:
        library = npc_brain.NpcLibrary(ROOT / "sample_game" / "npcs")
        stage.spawn("mira", library.find("mira", "mira", stage.tools))
        turn = stage.hear("mira", "player", "Good evening!")
        await until(lambda: turn.is_ended)
    finally:
        await stage.close()
        models.close()
    assert isinstance(told[0], npc_brain.NpcState)
    assert any(isinstance(message, npc_brain.TurnLine) for message in told)
