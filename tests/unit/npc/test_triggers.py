from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from npc_brain.npc.expressions import Scope
from npc_brain.npc.loader import load_definition
from npc_brain.npc.machine import MachineState, compile_machine
from npc_brain.npc.triggers import Triggers
from npc_brain.tools.registry import BUILT_INS
from npc_brain.understanding.lexical import LexicalEncoder
from tests.npc_files import MIRA, machine

MEANINGS = ("hello", "market", "weather", "price")


class ByWord:
    """An encoder that knows four meanings, one for each word it sees."""

    def __init__(self) -> None:
        self.num_calls = 0

    def learn(self, texts: Sequence[str]) -> None:
        pass

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.num_calls += 1
        vectors = np.array(
            [[text.lower().count(word) for word in MEANINGS] for text in texts], np.float32
        )
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


TEXT = """
blackboard: {is_open: true}
initial: shop
states:
  shop:
    heard:
      - {pattern: 'w(ea)?ther', say: by pattern}
      - {keywords: [fine price], say: by keyword}
    initial: counter
    states:
      counter:
        heard:
          - {like: [hello market], min: 0.6, say: weak}
          - {keywords: [thief, "old man's"], say: order}
          - {like: [market], say: strong}
          - {like: [price], wants: [coin, ale], say: wanted}
          - {like: [hello], if: is_open, once: true, say: once}
"""
SCOPE = Scope({"is_open": True})


@pytest.fixture
def triggers() -> Triggers:
    return Triggers(machine(TEXT), ByWord())


def said(
    triggers: Triggers,
    text: str,
    mentions: tuple[str, ...] = (),
    scope: Scope = SCOPE,
    used: str = "",
) -> str | None:
    state = MachineState("counter", (0.0, 0.0), frozenset({used}))
    reaction = triggers.match(state, text, mentions, scope).reaction
    return reaction.heard.say[0] if reaction else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("market", "strong"),
        ("market thief", "strong"),
        ("THIEF!", "order"),
        ("thieves", None),
        ("the old  man\u2019s dog", "order"),
        ("bad wther", "by pattern"),
        ("a fine\nprice", "by keyword"),
        ("a finer price", None),
        ("hello", "once"),
        ("", None),
        ("\ud800 \x00", None),
    ],
)
def test_which_entry_answers(triggers: Triggers, text: str, expected: str | None) -> None:
    assert said(triggers, text) == expected


def test_the_nearest_in_meaning_wins_over_an_earlier_one(triggers: Triggers) -> None:
    assert said(triggers, "hello market") == "weak"
    assert said(triggers, "market market market hello") == "strong"


def test_wants_asks_for_a_mention(triggers: Triggers) -> None:
    assert said(triggers, "price") is None
    assert said(triggers, "price", ("ale",)) == "wanted"


def test_a_guard_and_once_keep_an_entry_out(triggers: Triggers) -> None:
    assert said(triggers, "hello", scope=Scope({"is_open": False})) == "weak"
    assert said(triggers, "hello", used="counter: hello") == "weak"


def test_the_encoder_runs_once_and_only_when_needed() -> None:
    encoder = ByWord()
    triggers = Triggers(machine(TEXT), encoder)
    assert encoder.num_calls == 1
    said(triggers, "nothing of the kind")
    assert encoder.num_calls == 2
    triggers.match(MachineState("shop", (0.0,)), "fine price", (), SCOPE)
    assert encoder.num_calls == 2


def test_reacting_marks_once_and_moves_on() -> None:
    made = compile_machine(load_definition(MIRA), BUILT_INS)
    triggers = Triggers(made, LexicalEncoder())
    scope = Scope({"trust": 3, "asked_about_cellar": False}, held={"cellar_key": 1})
    state = made.start(scope, 0.0).state
    reaction = triggers.match(state, "what is down in the cellar?", (), scope).reaction
    assert reaction is not None
    step = made.react(state, reaction, scope, 1.0)
    assert step.state.name == "confiding"
    text, poor = "give me the KEY", Scope(scope.blackboard)
    assert triggers.match(step.state, text, (), scope).reaction is not None
    assert triggers.match(step.state, text, (), poor).reaction is None
    assert reaction.key in step.state.used
