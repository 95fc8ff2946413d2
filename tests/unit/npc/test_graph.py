"""Drawing a machine: every state and every way on of the sample game's people is shown once."""

import re
from pathlib import Path

import pytest

from npc_brain.cli import main
from npc_brain.npc.compile import walk_states
from npc_brain.npc.graph import arrows, to_mermaid, to_text
from npc_brain.npc.loader import load_definition
from tests.npc_files import MIRA

NPCS = Path(__file__).parents[3] / "sample_game" / "npcs"
ARROW = re.compile(r"    (\w+) --> (\w+): (.+)")


@pytest.mark.parametrize("file", sorted(NPCS.glob("*.yaml")), ids=lambda path: path.stem)
def test_mermaid_shows_every_state_and_arrow(file: Path) -> None:
    definition = load_definition(file)
    drawing = to_mermaid(definition)
    drawn = [ARROW.fullmatch(line) for line in drawing.splitlines()]
    shown = [(match[1], match[2]) for match in drawn if match]
    wanted = [
        (path[-1], arrow.to or path[-1])
        for path, state in walk_states(definition.states)
        for arrow in arrows(state)
    ]
    assert shown == wanted
    for path, _ in walk_states(definition.states):
        assert re.search(rf"^ +state {path[-1]}\b", drawing, re.MULTILINE)
    assert drawing.count("{") == drawing.count("}")


def test_text_shows_guards_times_and_what_is_heard() -> None:
    text = to_text(load_definition(NPCS / "osric.yaml"))
    assert "forging (initial, begins in holding_mallet)" in text
    assert "  received [event.item == 'honey_cake' and holds(tap_mallet)] -> content" in text
    assert "  after 20s -> walking_back" in text
    assert "hears “I've come for the mallet.” [holds(tap_mallet)] -> wants_cake" in text


def test_the_command_draws_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(MIRA)]) == 0
    assert capsys.readouterr().out.startswith("stateDiagram-v2\n    [*] --> ")
    assert main(["graph", str(MIRA), "--format", "text"]) == 0
    assert "->" in capsys.readouterr().out


def test_the_command_names_the_mistakes_of_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("persona: {name: Ann}\n", encoding="utf-8")
    assert main(["graph", str(file)]) == 1
    assert "bad.yaml" in capsys.readouterr().err
