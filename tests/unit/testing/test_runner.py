"""What a scenario does, and what it holds against what was expected."""

import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import ErrorCode, UsageError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.profile import ABLE
from npc_brain.testing.recording import RecordingBackend, ReplayBackend
from npc_brain.testing.report import Result, failure_text, junit_xml, summary_text
from npc_brain.testing.runner import ScenarioFailedError, check_scenario, run_scenario
from npc_brain.testing.scenario import load_scenario

NED = (Path(__file__).parents[2] / "scenarios" / "npcs" / "ned.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "npcs").mkdir()
    (tmp_path / "npcs" / "ned.yaml").write_text(NED, encoding="utf-8")
    return tmp_path


def write(folder: Path, steps: str, given: str = "", tail: str = "") -> Path:
    path = folder / "x.scenario.yaml"
    text = f"name: Ned\ngiven:\n  npc: ned\n{given}steps:\n{steps}{tail}"
    path.write_text(text, encoding="utf-8")
    return path


def run(folder: Path, steps: str, given: str = "") -> Result:
    return run_scenario(load_scenario(write(folder, steps, given)))


def rules(result: Result) -> list[str]:
    return [broken.rule for broken in result.broken]


@pytest.mark.parametrize(
    ("expect", "broken"),
    [
        ("{state: calm}", []),
        ("{state: angry}", ["state"]),
        ("{states: []}", []),
        ("{states: [angry]}", ["states"]),
        ("{tools: [inventory_give], actions: [inventory_give]}", []),
        ("{tools: [], actions: []}", ["tools", "actions"]),
        ("{tools: [inventory_give, inventory_give]}", ["tools"]),
        ("{tools: [{tool: inventory_give, args: {item: ale, count: 1}, ok: true}]}", []),
        ("{tools: [{tool: inventory_give, args: {count: 2}}]}", ["tools"]),
        ("{tools: [{tool: inventory_give, args: {what: ale}}]}", ["tools"]),
        ("{tools: [{tool: inventory_give, ok: false}]}", ["tools"]),
        ("{tools: [{tool: inventory_give, reason: not_held}]}", ["tools"]),
        ("{actions: [{tool: inventory_give, args: {to: player}}]}", []),
        ("{actions: [{tool: inventory_give, args: {to: ned}}]}", ["actions"]),
        ("{line: {contains: THERE, not_contains: [no, never], max_words: 3}}", []),
        ("{line: {contains: [there, gold]}}", ["line.contains"]),
        ("{line: {any_of: [silver, ale]}}", []),
        ("{line: {any_of: [silver, gold]}}", ["line.any_of"]),
        ("{line: {not_contains: ale}}", ["line.not_contains"]),
        ('{line: {matches: "^there: \\\\S+ ale"}}', []),
        ('{line: {matches: "^ale"}}', ["line.matches"]),
        ("{line: {source: scripted, emotion: neutral}}", []),
        ("{line: {source: model, emotion: angry}}", ["line.source", "line.emotion"]),
        ("{line: {max_words: 1}}", ["line.max_words"]),
        ("{silent: false, outcome: said}", []),
        ("{silent: true, outcome: fallback}", ["outcome", "silent"]),
        ("{blackboard: {given: 1, is_angry: false}}", []),
        ("{blackboard: {given: 0}}", ["blackboard"]),
        ("{blackboard: {is_angry: 0}}", ["blackboard"]),
        ("{inventory: {ned: {ale: 2}, player: {ale: 1}}}", []),
        ("{inventory: {ned: {ale: 3}}}", ["inventory.ned"]),
        ("{facts: {weather: fair}}", []),
        ("{facts: {weather: foul}}", ["facts"]),
        ("{at: bench}", []),
        ("{at: pond}", ["at"]),
    ],
)
def test_what_is_expected_is_looked_at(folder: Path, expect: str, broken: list[str]) -> None:
    given = (
        "  facts: {weather: fair}\n"
        "  world:\n    places: [{id: pond, name: the pond, position: [20, 9]},\n"
        "             {id: bench, name: the bench, position: [2, 2]}]\n"
    )
    result = run(folder, f"  - hear: Please give me an ale.\n    expect: {expect}\n", given)
    assert rules(result) == broken
    assert result.is_ok is (not broken)
    assert (failure_text(result) == "") is (not broken)


def test_the_first_step_that_fails_is_the_last(folder: Path) -> None:
    steps = "  - hear: Hm\n    expect: {state: angry}\n  - hear: fool\n    expect: {state: calm}\n"
    result = run(folder, steps)
    assert [broken.step for broken in result.broken] == [1]
    assert not [entry for entry in result.trace if entry.step == 2]


def test_runs_are_repeatable(folder: Path) -> None:
    text = NED.replace("Fool yourself.", "[Fool., Ha., Oh., No., What., Hm., Pah.]")
    (folder / "npcs" / "ned.yaml").write_text(text, encoding="utf-8")

    def lines(seed: int) -> list[str]:
        trace = run(folder, "  - hear: You fool!\n" * 4, f"  seed: {seed}\n").trace
        return [entry.text for entry in trace if entry.kind == "said"]

    assert lines(1) == lines(1)
    assert len({tuple(lines(seed)) for seed in range(6)}) > 1


def test_a_given_state_is_not_entered(folder: Path) -> None:
    text = NED.replace("    mind: scripted\n", "    mind: scripted\n    enter: [{bark: Grr!}]\n")
    (folder / "npcs" / "ned.yaml").write_text(text, encoding="utf-8")
    steps = "  - wait: 9s\n    expect: {state: angry, silent: true, blackboard: {given: 7}}\n"
    steps += "  - wait: 1s\n    expect: {states: [calm]}\n"
    assert run(folder, steps, "  state: angry\n  blackboard: {given: 7}\n").broken == []


def test_the_scenario_can_play_the_engine(folder: Path) -> None:
    given = "  engine: {inventory_give: {refused: not_now}}\n"
    steps = """\
  - hear: Please give me an ale.
    expect:
      tools: [{tool: inventory_give, ok: false, reason: not_now}]
      inventory: {ned: {ale: 3}}
  - action: {inventory_give: done}
"""
    result = run(folder, steps, given)
    assert rules(result) == ["action"]
    assert "no inventory_give under way" in result.broken[0].message


def test_what_the_player_cannot_do_is_told(folder: Path) -> None:
    given = "  world:\n    items: [{id: ale, name: ale}]\n"
    assert rules(run(folder, "  - give: {ale: 1}\n", given)) == ["give"]
    given = (
        '  world:\n    map: ["...#.", "...#."]\n'
        '    legend: {".": {name: a}, "#": {name: b, cost: 0}}\n'
        "    player: {id: player, name: You, position: [0, 0]}\n"
        "    npcs: [{id: ned, name: Ned, position: [1, 1]}]\n"
        "    places: [{id: far, name: far, position: [4, 0]}]\n"
    )
    assert rules(run(folder, "  - go: far\n", given)) == ["go"]


def test_reports(folder: Path) -> None:
    good = run(folder, "  - hear: Hm\n")
    bad = run(folder, "  - hear: fool\n    expect: {state: calm}\n")
    xfail = load_scenario(
        write(
            folder,
            "  - hear: fool\n    expect: {state: calm}\n",
            tail="xfail: {step: 1, rule: state}\n",
        )
    )
    expected = run_scenario(xfail)
    assert summary_text([good, bad, expected], 1) == "1 passed, 2 failed, 1 failed as expected"
    suite = ET.fromstring(junit_xml([good, bad, expected], [("y.yaml", "mis\x00take")]))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text == failure_text(bad)
    with pytest.raises(ScenarioFailedError, match="rule broken: state"):
        check_scenario(write(folder, "  - hear: fool\n    expect: {state: calm}\n"))


STEPS = """\
  - hear: Good evening.
    expect: {outcome: said, line: {contains: evening}}
  - hear: And now?
    expect: {line: {source: model}}
"""


def recorded(folder: Path) -> str:
    """What a model said in a scenario, as a recording."""
    file = io.StringIO()
    replies = [ScriptedReply("Good evening to you."), ScriptedReply("Then.")]
    model = ScriptedBackend(replies, clock=FakeClock(), is_threaded=False, profile=ABLE)
    result = run_scenario(load_scenario(write(folder, STEPS)), RecordingBackend(model, file))
    assert result.broken == []
    assert result.model == "scripted"
    return file.getvalue()


def test_a_recording_is_replayed(folder: Path) -> None:
    text = recorded(folder)
    assert [set(json.loads(line)) for line in text.splitlines()] == [
        {"model", "profile", "request", "events"}
    ] * 2
    (folder / "r.jsonl").write_text(text, encoding="utf-8")
    replay = ReplayBackend(folder / "r.jsonl")
    result = run_scenario(load_scenario(write(folder, STEPS)), replay)
    assert result.broken == []
    assert [e.text for e in result.trace if e.kind == "said"] == [
        '"Good evening to you." (model)'
    ] * 2
    assert result.model == "replay of scripted"


def test_a_recording_of_something_else_is_not_replayed(folder: Path) -> None:
    (folder / "r.jsonl").write_text(recorded(folder), encoding="utf-8")
    changed = write(folder, STEPS.replace("Good evening.", "Good morning."))
    result = run_scenario(load_scenario(changed), ReplayBackend(folder / "r.jsonl"))
    assert "replay" in rules(result)
    assert not result.is_ok


@pytest.mark.parametrize("text", ["{", "[]", '{"request": 1}', '{"model": 1, "events": 3}'])
def test_damaged_recordings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        ReplayBackend(path)
    assert caught.value.code is ErrorCode.BAD_USAGE
    with pytest.raises(UsageError):
        ReplayBackend(tmp_path / "missing.jsonl")
