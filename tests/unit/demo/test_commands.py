from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.demo.commands import (
    Attack,
    Give,
    Go,
    Help,
    Load,
    Look,
    Mistake,
    Quit,
    Save,
    Talk,
    Wait,
    parse,
)
from npc_brain.demo.game import names_in
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file

WORLD = load_world_file(Path("sample_game/world.json"))
NAMES = names_in(SimulatedWorld(WORLD))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("look", Look()),
        ("  LOOK  ", Look()),
        ("go tavern", Go("tavern")),
        ("go to the Drowsy Heron", Go("tavern")),
        ("go smith", Go("osric")),
        ("go smithy", Go("smithy")),
        ("talk mira Good evening!", Talk("mira", "Good evening!")),
        ("talk to the innkeeper how are you", Talk("mira", "how are you")),
        ('talk the gate guard "Open up."', Talk("hedda", "Open up.")),
        ("talk miller's daughter hello there", Talk("pip", "hello there")),
        ("talk Mira, a room please", Talk("mira", "a room please")),
        ("give honey cake osric", Give("honey_cake", 1, "osric")),
        ("give a honey cake to Osric", Give("honey_cake", 1, "osric")),
        ("give 3 coppers to the gate guard", Give("coin", 3, "hedda")),
        ("give cellar_key mira", Give("cellar_key", 1, "mira")),
        ("attack the merchant", Attack("fennick")),
        ("wait", Wait(5.0)),
        ("wait 2.5", Wait(2.5)),
        ("save my game.save", Save("my game.save")),
        ("load x", Load("x")),
        ("help", Help()),
        ("quit", Quit()),
    ],
)
def test_commands(line: str, command: object) -> None:
    assert parse(line, NAMES) == command


@pytest.mark.parametrize("line", ["", "   ", "# a comment", "  # talk mira hello"])
def test_nothing_to_do(line: str) -> None:
    assert parse(line, NAMES) is None


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("lok", "look"),
        ("go tavrn", "tavern"),
        ("go", "For example"),
        ("talk mora hello", "mira"),
        ("talk", "For example"),
        ("talk mira", "say what"),
        ("give honey cacke osric", "honey cake"),
        ("give honey cake osrik", "osric"),
        ("give osric", "For example"),
        ("give 0 apple osric", "at least one"),
        ("attack", "Whom"),
        ("wait soon", "seconds"),
        ("wait -1", "seconds"),
        ("wait nan", "seconds"),
        ("save", "file name"),
    ],
)
def test_mistakes_help(line: str, hint: str) -> None:
    mistake = parse(line, NAMES)
    assert isinstance(mistake, Mistake)
    assert hint in mistake.text


@given(st.text(max_size=60))
def test_anything_typed_is_a_command_or_a_mistake(line: str) -> None:
    parse(line, NAMES)
    parse(f"give {line} mira", NAMES)
    spoken = parse(f"talk mira {line}", NAMES)
    assert isinstance(spoken, Talk | Mistake)
