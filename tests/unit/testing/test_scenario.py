"""Scenario files: what they may say, and how mistakes in them are named."""

from pathlib import Path

import pytest

from npc_brain.errors import ErrorCode, ScenarioError
from npc_brain.testing.scenario import load_scenario, read_scenario

NED = (Path(__file__).parents[2] / "scenarios" / "npcs" / "ned.yaml").read_text(encoding="utf-8")
GOOD = """\
name: Ned
given:
  npc: ned
steps:
  - hear: Hello.
    expect: {state: calm}
  - wait: 2s
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "npcs").mkdir()
    (tmp_path / "npcs" / "ned.yaml").write_text(NED, encoding="utf-8")
    return tmp_path


def problems(folder: Path, text: str) -> list[str]:
    """The mistakes as `line: code`."""
    path = folder / "x.scenario.yaml"
    path.write_text(text, encoding="utf-8")
    _, found = read_scenario(path)
    assert all(problem.file == str(path) for problem in found)
    return [f"{problem.line}: {problem.code}" for problem in found]


def test_a_good_one(folder: Path) -> None:
    path = folder / "x.scenario.yaml"
    path.write_text(GOOD, encoding="utf-8")
    scenario = load_scenario(path)
    assert scenario.npc_id == "ned"
    assert scenario.step_lines == (5, 7)
    assert [step.verb for step in scenario.spec.steps] == ["hear", "wait"]
    assert [item.id for item in scenario.world.items] == ["ale"]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("name: Ned\n", "", ["1: missing_field"]),
        ("npc: ned", "npc: nedd", ["3: unknown_npc"]),
        ("npc: ned", "npc: ned\n  state: cross", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  blackboard: {givven: 1}", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  inventory: {ned: {beer: 1}}", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  inventory: {nobody: {ale: 1}}", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  inventory: {ned: {ale: -1}}", ["4: wrong_type"]),
        ("npc: ned", "npc: ned\n  speaker: ghost", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  engine: {fly: done}", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  engine: {go_to: maybe}", ["4: wrong_type"]),
        ("npc: ned", "npc: ned\n  model: [{call: {fly: {}}}]", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  model: [{after: fly, say: a}]", ["4: unknown_name"]),
        ("npc: ned", "npc: ned\n  encoder: best", ["4: wrong_type"]),
        ("npc: ned", "npc: ned\n  world: nowhere.json", ["4: bad_world"]),
        ("npc: ned", "npc: ned\n  world: {places: [{id: a}]}", ["4: bad_world", "4: bad_world"]),
        ("hear: Hello.", "heer: Hello.", ["5: unknown_field"]),
        ("hear: Hello.", "hear: 7", ["5: wrong_type"]),
        ("hear: Hello.", "hear: Hello.\n    event: x", ["5: bad_step"]),
        ("hear: Hello.", "hear: Hello.\n    to: mira", ["6: unknown_name"]),
        ("hear: Hello.", "go: moon", ["5: unknown_name"]),
        ("hear: Hello.", "give: {moon: 1}", ["5: unknown_name"]),
        ("hear: Hello.", "action: {go_to: done}", ["5: unknown_name"]),
        ("- wait: 2s", "- expect: {state: calm}", ["7: bad_step"]),
        ("wait: 2s", "wait: 2 weeks", ["7: bad_duration"]),
        ("{state: calm}", "{state: cross}", ["6: unknown_name"]),
        ("{state: calm}", "{states: [calm, cross]}", ["6: unknown_name"]),
        ("{state: calm}", "{mood: calm}", ["6: unknown_field"]),
        ("{state: calm}", "{tools: [fly]}", ["6: unknown_name"]),
        ("{state: calm}", "{actions: [{tool: fly}]}", ["6: unknown_name"]),
        ("{state: calm}", "{actions: [{tool: go_to, arg: {}}]}", ["6: unknown_field"]),
        ("{state: calm}", "{blackboard: {anger: 1}}", ["6: unknown_name"]),
        ("{state: calm}", '{line: {matches: "("}}', ["6: bad_pattern"]),
        ("{state: calm}", "{line: {has: x}}", ["6: unknown_field"]),
        ("{state: calm}", "{at: moon}", ["6: unknown_name"]),
        ("{state: calm}", "{outcome: nice}", ["6: wrong_type"]),
        ("- wait: 2s", "- wait: 2s\nxfail: {step: 3, rule: state}", ["8: bad_xfail"]),
        ("- wait: 2s", "- wait: [", ["8: bad_yaml"]),
    ],
)  # fmt: skip
def test_mistakes_are_named_by_line(folder: Path, old: str, new: str, wanted: list[str]) -> None:
    assert old in GOOD
    assert problems(folder, GOOD.replace(old, new)) == wanted


def test_all_mistakes_at_once(folder: Path) -> None:
    text = GOOD.replace("hear: Hello.", "go: moon").replace("calm", "cross")
    assert problems(folder, text.replace("2s", "soon")) == [
        "5: unknown_name",
        "6: unknown_name",
        "7: bad_duration",
    ]


def test_an_npc_with_mistakes_is_told(folder: Path) -> None:
    (folder / "npcs" / "ned.yaml").write_text(NED.replace("to: angry", "to: cross"), "utf-8")
    path = folder / "x.scenario.yaml"
    path.write_text(GOOD, encoding="utf-8")
    with pytest.raises(ScenarioError, match="unknown state") as caught:
        load_scenario(path)
    assert caught.value.code is ErrorCode.BAD_SCENARIO
    assert caught.value.hint


def test_files_that_are_none(folder: Path) -> None:
    _, found = read_scenario(folder / "missing.scenario.yaml")
    assert [problem.code for problem in found] == ["unreadable"]
    assert problems(folder, "[]") == ["1: unknown_kind"]
    assert problems(folder, "persona: {}") == ["1: unknown_kind"]
    assert problems(folder, "") == ["1: unknown_kind"]
