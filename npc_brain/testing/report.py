"""The result of a scenario, as data and as text."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field

from npc_brain.testing.scenario import Scenario

MAX_SHOWN_LINES = 12
"""Of the failing step, as it stands in the file."""


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One thing that was heard, decided, done or said.

    Attributes:
        step: From 1; 0 is before the first.
        kind: `heard`, `asked` (an answerer), `tool`, `action`, `update`, `state`, `said`, `turn`,
            `event`, `time`, `model`, `note`.
    """

    step: int
    kind: str
    npc_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An expectation that was not met.

    Attributes:
        step: From 1.
        rule: Its place in `expect`, such as `state` or `line.contains`.
        message: What was wanted and what was got.
    """

    step: int
    rule: str
    message: str


@dataclass(slots=True)
class Result:
    """How a scenario went.

    Attributes:
        broken: What was not met in the first step that did not go as expected.
        model: What spoke: a model's name, or `none`.
    """

    scenario: Scenario
    trace: list[TraceEntry] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    model: str = "none"
    seconds: float = 0.0

    @property
    def is_expected_failure(self) -> bool:
        """Whether it failed just where `xfail` says."""
        xfail = self.scenario.spec.xfail
        return xfail is not None and any(
            broken.step == xfail.step and broken.rule == xfail.rule for broken in self.broken
        )

    @property
    def is_ok(self) -> bool:
        """Whether it went as its file says, failures included."""
        if self.scenario.spec.xfail is not None:
            return self.is_expected_failure
        return not self.broken


def failure_text(result: Result) -> str:
    """Why a scenario that is not ok failed, for a person to read; empty for one that is."""
    if result.is_ok:
        return ""
    scenario = result.scenario
    xfail = scenario.spec.xfail
    if xfail is not None and not result.broken:
        wanted = f"step {xfail.step} should have broken the rule {xfail.rule}"
        return f"{scenario.file}:1: {scenario.spec.name}: was expected to fail, {wanted}"
    first = result.broken[0]
    line = scenario.step_lines[first.step - 1]
    parts = [f"{scenario.file}:{line}: step {first.step} of: {scenario.spec.name}"]
    parts += [f"  rule broken: {each.rule}: {each.message}" for each in result.broken]
    if xfail is not None:
        parts.append(f"  it was expected to fail at step {xfail.step}, rule {xfail.rule}")
    parts += ["", "  the step:", *_step_text(scenario, first.step), ""]
    parts += ["  what happened:", *trace_text(result.trace)]
    return "\n".join(parts)


def trace_text(trace: Sequence[TraceEntry]) -> list[str]:
    """The decision trace, a line for each entry."""
    return [
        f"    {f'step {entry.step}' if entry.step else 'start':8}"
        f"{entry.npc_id:10} {entry.kind:7} {entry.text}"
        for entry in trace
    ]


def summary_text(results: Sequence[Result], num_mistaken: int = 0) -> str:
    """One line on all of them."""
    num_failed = sum(not result.is_ok for result in results) + num_mistaken
    num_expected = sum(result.is_ok and bool(result.broken) for result in results)
    num_passed = len(results) + num_mistaken - num_failed - num_expected
    counted = [f"{num_passed} passed", f"{num_failed} failed"]
    if num_expected:
        counted.append(f"{num_expected} failed as expected")
    return ", ".join(counted)


def junit_xml(results: Sequence[Result], mistakes: Sequence[tuple[str, str]] = ()) -> bytes:
    """A JUnit report, as CI servers read it.

    Args:
        results: Of the scenarios that ran.
        mistakes: File and message of those that could not be read.

    Source: the JUnit XML that Jenkins and GitLab take (testsuite, testcase, failure, error).
    """
    suite = ET.Element(
        "testsuite",
        name="npc-brain scenarios",
        tests=str(len(results) + len(mistakes)),
        failures=str(sum(not result.is_ok for result in results)),
        errors=str(len(mistakes)),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=result.scenario.file,
            name=result.scenario.spec.name,
            time=f"{result.seconds:.3f}",
        )
        if not result.is_ok:
            rules = ", ".join(each.rule for each in result.broken) or "xfail"
            failure = ET.SubElement(case, "failure", message=_clean(rules))
            failure.text = _clean(failure_text(result))
    for file, message in mistakes:
        case = ET.SubElement(suite, "testcase", classname=file, name=file)
        ET.SubElement(case, "error", message="bad_scenario").text = _clean(message)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def _clean(text: str) -> str:
    """`text` without the control characters that XML 1.0 forbids."""
    return "".join(char for char in text if char >= " " or char in "\n\t")


def _step_text(scenario: Scenario, step: int) -> list[str]:
    """The lines of a step as they stand in the file, numbered."""
    first = scenario.step_lines[step - 1]
    following = scenario.step_lines[step:]
    last = following[0] - 1 if following else first + MAX_SHOWN_LINES
    lines = scenario.text[first - 1 : min(last, first + MAX_SHOWN_LINES - 1)]
    return [f"    {first + n:4} | {line}" for n, line in enumerate(lines)]
