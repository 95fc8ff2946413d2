"""`npc-brain test`."""

from pathlib import Path

import pytest

from npc_brain.cli import main
from npc_brain.cli.validate import check_files

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_all_as_expected(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert main(["test", str(SCENARIOS), "--junit", str(report)]) == 0
    assert "1 passed, 0 failed, 4 failed as expected" in capsys.readouterr().out
    assert b'tests="5"' in report.read_bytes()


def test_failures_and_mistakes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (SCENARIOS / "fails_on_state.scenario.yaml").read_text("utf-8")
    ned = str(SCENARIOS / "npcs" / "ned.yaml")
    fails = tmp_path / "fails.scenario.yaml"
    fails.write_text(text.split("xfail")[0].replace("npc: ned", f"npc: {ned!r}"), "utf-8")
    assert main(["test", str(fails)]) == 1
    assert f"{fails}:4: step 1 of" in capsys.readouterr().out
    bad = tmp_path / "bad.scenario.yaml"
    bad.write_text("name: x\n", "utf-8")
    assert main(["test", str(tmp_path)]) == 1
    assert "0 passed, 2 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["nowhere"], [str(SCENARIOS / "npcs")], [str(SCENARIOS), "--backend", "replay"],
     [str(SCENARIOS), "--record", "x"], [str(SCENARIOS), "--model", "m"],
     [str(SCENARIOS), "--backend", "replay", "--recording", "nowhere"]],
)  # fmt: skip
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", *arguments]) == 2
    assert "hint" in capsys.readouterr().err


def test_validate_knows_scenarios(tmp_path: Path) -> None:
    assert check_files([SCENARIOS / "passes.scenario.yaml"]) == []
    bad = tmp_path / "bad.scenario.yaml"
    bad.write_text("name: x\ngiven: {npc: nobody}\nsteps: [{wait: 1s}]\n", "utf-8")
    assert [(problem.line, problem.code) for problem in check_files([bad])] == [(2, "unknown_npc")]
