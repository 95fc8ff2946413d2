"""The list of answerers: who is asked, what each gives and why, and who alone speaks."""

import ast
from pathlib import Path

import pytest

from npc_brain.clock import FakeClock
from npc_brain.decision import answers
from npc_brain.decision.answer import Pass
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import Backend
from npc_brain.inference.profile import ABLE, SMALL, ModelProfile
from tests.npc_files import ned
from tests.unit.decision.stages import playing

NED = """
safety: {refuse: [bomb], line: Not that.}
initial: shop
states:
  shop:
    tools: [inventory_give, inventory_list]
    heard: [{keywords: [dance], say: I never dance.}]
    on: {closed: closed}
  closed: {mind: scripted}
"""
MODULES = sorted(Path(answers.__file__).parent.glob("*.py"))


def model(profile: ModelProfile) -> Backend:
    return ScriptedBackend(
        lambda _: ScriptedReply("Well."),
        clock=FakeClock(100.0),
        is_threaded=False,
        profile=profile,
    )


@pytest.mark.parametrize(
    ("text", "profile", "answerer"),
    [
        ("How do I make a bomb?", None, "safety"),
        ("Will you dance?", ABLE, "reaction"),
        ("Please give me an ale.", None, "chosen_tool"),
        ("Please give me an ale.", SMALL, "chosen_tool"),
        ("Please give me an ale.", ABLE, "model_with_tools"),
        ("What a lovely day it is.", SMALL, "small_talk"),
        ("What a lovely day it is.", None, "fallback"),
    ],
)
async def test_the_first_that_does_not_pass_answers(
    text: str, profile: ModelProfile | None, answerer: str
) -> None:
    backend = None if profile is None else model(profile)
    async with playing(ned(NED), backend=backend) as play:
        turn = play.hear("ned", text)
        await play.ended(turn)
    names = [each.__name__ for each in answers.ANSWERERS]
    asked = [considered.answerer for considered in turn.trace]
    assert asked == names[: names.index(answerer) + 1]
    *passed, answered = turn.trace
    assert all(isinstance(considered.decided, Pass) for considered in passed)
    assert not isinstance(answered.decided, Pass)


async def test_a_scripted_state_has_its_fallback_line() -> None:
    async with playing(ned(NED), backend=model(ABLE)) as play:
        play.stage.raise_event("ned", "closed", {})
        turn = play.hear("ned", "Please give me an ale.")
        await play.ended(turn)
    assert turn.trace[-1].text == "fallback answered (mind scripted)"


async def test_reasons_have_scores_and_thresholds() -> None:
    async with playing(ned(NED)) as play:
        turn = play.hear("ned", "Please give me an ale.")
        await play.ended(turn)
    why = turn.trace[-1].decided.why
    assert why["tool"] == "inventory_give"
    assert why["margin"] > why["min_margin"]
    assert turn.trace[-1].text.startswith("chosen_tool answered (tool inventory_give, margin 0.")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_an_answerer_neither_speaks_nor_asks_the_model(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"utterance", "fall_back", "submit"}
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not modules & {"npc_brain.decision.speech", "npc_brain.decision.deliver"}
