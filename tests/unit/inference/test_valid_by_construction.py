"""Random logits must always yield a valid turn."""

from collections import Counter
from typing import Any

import pytest

from npc_brain.inference.chat import LineRule
from npc_brain.inference.formats import chat_format
from tests.counts import count
from tests.inference_doubles import (
    byte_level_tokenizer,
    gemma4_tokenizer,
    sentencepiece_tokenizer,
)
from tests.random_turns import check, check_line, check_value, run_random_turns

FORMATS = {
    "chatml": chat_format("chatml", byte_level_tokenizer()),
    "gemma3": chat_format("gemma3", sentencepiece_tokenizer()),
    "gemma4": chat_format("gemma4", gemma4_tokenizer()),
    "gemma4, thinking": chat_format("gemma4", gemma4_tokenizer(), thinking_tokens=60),
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FORMATS)
def test_random_logits_yield_valid_turns(name: str) -> None:
    kinds: Counter[str] = Counter()
    for outcome in run_random_turns(FORMATS[name], count(10_000, 150)):
        check(outcome, thinking_tokens=FORMATS[name].thinking_tokens)
        kinds[outcome.finished.reason] += 1
        kinds.update(event.call.name for event in outcome.calls)
    assert kinds["length"]
    assert kinds["calls"]
    assert all(kinds[name] for name in ("inventory_list", "inventory_give", "plan_route"))


@pytest.mark.parametrize("text", ["", " a", "a<b", "a_b", "a\u202eb", "You there", "x" * 20])
def test_the_check_of_lines_can_fail(text: str) -> None:
    with pytest.raises(AssertionError):
        check_line(text, LineRule(max_chars=10, openers=("Hm", "a", "x")))


def test_the_check_of_values_can_fail() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 3}}}
    values: list[Any] = [{"n": 4}, {"n": True}, {"m": 1}, {"n": "1"}, []]
    for value in values:
        with pytest.raises(AssertionError):
            check_value(value, schema)
