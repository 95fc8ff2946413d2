"""Valid by construction, at the level of an NPC: random logits in place of a model."""

import pytest

from npc_brain.inference.formats import chat_format
from tests.counts import count
from tests.inference_doubles import byte_level_tokenizer, sentencepiece_tokenizer
from tests.npc_files import MIRA
from tests.unit.decision.random_minds import check_spoken, run_turns

FORMATS = {
    "chatml": chat_format("chatml", byte_level_tokenizer()),
    "gemma3": chat_format("gemma3", sentencepiece_tokenizer()),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.timeout(3000)
async def test_random_logits_make_valid_turns(name: str) -> None:
    kinds = await run_turns(FORMATS[name], MIRA, count(10_000, 160) // len(FORMATS), seed=5)
    assert kinds["ok"] > kinds["said"] / 10
    assert kinds["said"]
    assert {"inventory_give", "find_path", "go_to"} <= kinds.keys()
    assert kinds["not_now"] == 0 or kinds["ok"] > kinds["not_now"]


@pytest.mark.parametrize("text", ["<|im_end|>", "a\u200bb", "{x}", "a\nb"])
def test_the_check_of_what_is_spoken_can_fail(text: str) -> None:
    with pytest.raises(AssertionError):
        check_spoken(text)
