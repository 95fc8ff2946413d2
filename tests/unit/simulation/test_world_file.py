import json
from pathlib import Path
from typing import Any

import pytest

from npc_brain.errors import WorldError
from npc_brain.simulation.conditions import Condition, is_true
from npc_brain.simulation.world_file import load_world_file
from tests.unit.simulation.villages import make_village, village_data


def mistakes(tmp_path: Path, data: dict[str, Any]) -> str:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(data))
    with pytest.raises(WorldError) as caught:
        load_world_file(path)
    assert caught.value.hint
    assert str(path) in caught.value.message
    return caught.value.message


def test_a_good_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(village_data()))
    world = load_world_file(path)
    assert (world.width, world.height) == (11, 7)
    assert world.nav_grid().cells[2 * 11 + 3] == 1
    assert world.nav_grid(frozenset({(3, 2)})).cells[2 * 11 + 3] == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": 2}, "$.version"),
        ({"extra": 1}, "$.extra"),
        ({"map": ["...", ".."]}, "$.map[1]: 2 characters"),
        ({"map": ["..?"]}, "'?' at column 2"),
        ({"currency": "gold"}, "$.currency: no item 'gold'"),
        ({"facts": {}}, "$.rules[1].when: no fact 'is_trusted'"),
        ({"inventories": {"chest": {}}}, "no owner 'chest'"),
        (
            {"places": [{"id": "bar", "name": "Bar", "position": [0, 0]}]},
            "$.places[0].position: [0, 0] is wall",
        ),
        (
            {"places": [{"id": "bar", "name": "Bar", "position": [40, 0]}]},
            "$.places[0].position: [40, 0] is outside",
        ),
        (
            {"places": [{"id": "mira", "name": "Bar", "position": [5, 5]}]},
            "the id 'mira' is used twice",
        ),
        (
            {"doors": [{"id": "d", "name": "d", "cell": [1, 1], "key": "gem"}]},
            "$.doors[0].key: no item 'gem'",
        ),
        (
            {"rules": [{"refuse": "go_to", "reason": "no", "when": {"all": [], "any": []}}]},
            "$.rules[0].when",
        ),
    ],
)
def test_mistakes_are_named_with_their_place(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected in mistakes(tmp_path, village_data(**changes))


def test_unreadable_files_are_world_errors(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="cannot be read"):
        load_world_file(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{,}")
    with pytest.raises(WorldError, match="not JSON"):
        load_world_file(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"holds": {"who": "mira", "item": "ale", "count": 3}}, True),
        ({"holds": {"who": "mira", "item": "ale", "count": 4}}, False),
        ({"at": {"who": "mira", "place": "bar"}}, True),
        ({"state": {"npc": "mira", "states": ["asked"]}}, False),
        ({"fact": {"id": "is_trusted", "value": False}}, True),
        ({"not": {"fact": {"id": "is_trusted", "value": False}}}, False),
        ({"all": []}, True),
        ({"any": []}, False),
        ({"any": [{"all": []}, {"any": []}]}, True),
    ],
)
def test_conditions(condition: dict[str, Any], expected: bool) -> None:
    assert is_true(Condition.model_validate(condition), make_village()) is expected
