"""The pytest plugin, under pytester."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

NPC = (Path(__file__).parents[1] / "scenarios" / "npcs" / "ned.yaml").read_text(encoding="utf-8")
PASSES = """\
name: Ned answers
given: {npc: ned, model: [{say: Good evening.}]}
steps:
  - hear: Hello.
    expect: {state: calm, line: {contains: evening}}
"""
FAILS = """\
name: Ned answers
given: {npc: ned}
steps:
  - hear: Hello.
  # a fool is not well received
  - hear: You fool!
    expect:
      state: calm
      line: {contains: [dear, sir]}
  - hear: Hello.
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    (pytester.mkdir("npcs") / "ned.yaml").write_text(NPC, encoding="utf-8")
    return pytester


def write(project: pytest.Pytester, name: str, text: str) -> None:
    (project.path / f"{name}.scenario.yaml").write_text(text, encoding="utf-8")


def run(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:cacheprovider", "-p", "no:asyncio", *args)


def test_scenarios_are_tests(project: pytest.Pytester) -> None:
    write(project, "greeting", PASSES)
    (project.path / "not_a_scenario.yaml").write_text("a: 1", encoding="utf-8")
    result = run(project, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*greeting.scenario.yaml::greeting PASSED*"])


def test_a_failure_tells_where_and_why(project: pytest.Pytester) -> None:
    write(project, "manners", FAILS)
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*manners.scenario.yaml:6: step 2 of: Ned answers",
            "*rule broken: state: wanted calm, it is in angry",
            '*rule broken: line.contains: wanted [[]dear, sir[]] in it, got "Fool yourself."',
            "*6 |   - hear: You fool!",
            "*8 |       state: calm",
            '*step 2*ned*heard*"You fool!" (from player)',
            "*step 2*ned*state*calm → angry (heard)",
            '*step 2*ned*said*"Fool yourself." (scripted, angry)',
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "runner.py" not in result.stdout.str()


def test_expected_failures(project: pytest.Pytester) -> None:
    write(project, "right", FAILS + "xfail: {step: 2, rule: state}\n")
    write(project, "wrong_rule", FAILS + "xfail: {step: 2, rule: line.source}\n")
    write(project, "wrong_step", FAILS + "xfail: {step: 1, rule: state}\n")
    write(project, "does_not_fail", PASSES + "xfail: {step: 1, rule: state}\n")
    result = run(project, "-v")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["*right.scenario.yaml::right PASSED*"])
    result.stdout.fnmatch_lines(["*was expected to fail*step 1 should have broken the rule state*"])


def test_mistakes_in_a_file_fail_its_test_only(project: pytest.Pytester) -> None:
    write(project, "good", PASSES)
    write(project, "bad", PASSES.replace("hear: Hello.", "heer: Hello."))
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*bad.scenario.yaml:4:*unknown key `heer`*did you mean `hear`*"])


def test_scenarios_are_selected_like_tests(project: pytest.Pytester) -> None:
    write(project, "one", PASSES)
    write(project, "two", FAILS)
    run(project, "-k", "one").assert_outcomes(passed=1, deselected=1)
    run(project, "one.scenario.yaml").assert_outcomes(passed=1)


def test_the_plugin_costs_nothing_where_there_are_no_scenarios() -> None:
    """Every pytest run in an environment that has this package loads it."""
    code = (
        "import sys, npc_brain.testing.plugin as p;"
        "print([m for m in sys.modules if m.startswith('npc_brain.')], 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['npc_brain.testing', 'npc_brain.testing.plugin'] False"
