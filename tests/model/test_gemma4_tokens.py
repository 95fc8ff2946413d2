"""Gemma 4's format at its real size: 262144 tokens, with its control tokens at their real ids.

Its tokenizer cannot be had here. Gemma 3's stands in for it: the vocabularies have the same size,
and the ordinary pieces that Google's documents name have the same ids in both.
"""

from collections import Counter

import pytest

from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.chat import FunctionCall, FunctionSchema, Message
from npc_brain.inference.formats import chat_format
from npc_brain.inference.tokenizer import Tokenizer
from tests.bench.masks import gemma4_stand_in
from tests.counts import count
from tests.random_turns import check, run_random_turns

pytestmark = pytest.mark.model

GIVE = FunctionSchema(
    "give_item",
    "Hand an item over",
    {
        "type": "object",
        "properties": {
            "item": {"type": "string", "description": "item id", "enum": ["bread", "key"]},
            "count": {"type": "integer", "description": "how many"},
        },
        "required": ["item"],
    },
)
CONVERSATION = (
    Message("system", "You are Mira, a smith."),
    Message("user", "Bread, please."),
    Message("assistant", calls=(FunctionCall("give_item", {"item": "bread", "count": 2}),)),
    Message("tool", "done", name="give_item"),
    Message("assistant", "Here you are."),
)
# Turns: ai.google.dev, "Gemma 4 prompt formatting": <bos> (2), <|turn> (105) ROLE \n (107) TEXT
# <turn|> (106) \n. Declarations between 46 and 47 within the system turn; calls between 48 and 49
# and results between 50 and 51 in the model's turn; strings between two 52.
EXPECTED: list[int] = [
    *(2,),
    *(105, 9731, 107, 3048, 659, 79956, 236764, 496, 75358, 236761),
    *(
        46,
        163688,
        236787,
        47724,
        236779,
        1582,
        236782,
        7777,
        236787,
        52,
        4974,
        614,
        4188,
        1024,
        52,
        236764,
        19031,
        29616,
        15921,
        29616,
        2861,
        29616,
        7777,
        236787,
        52,
        7843,
        1551,
        52,
        236764,
        2084,
        236787,
        52,
        86752,
        52,
        1263,
        1582,
        29616,
        7777,
        236787,
        52,
        1582,
        1846,
        52,
        236764,
        24626,
        24845,
        52,
        27528,
        52,
        236764,
        52,
        2478,
        52,
        1604,
        2084,
        236787,
        52,
        35410,
        52,
        5237,
        15979,
        24845,
        52,
        1582,
        52,
        1604,
        2084,
        236787,
        52,
        60688,
        52,
        1807,
        47,
    ),
    *(106, 107),
    *(105, 2364, 107, 105984, 236764, 5091, 236761),
    *(106, 107),
    *(105, 4368, 107),
    *(
        48,
        6639,
        236787,
        47724,
        236779,
        1582,
        236782,
        2861,
        236787,
        236778,
        236764,
        1582,
        236787,
        52,
        27528,
        52,
        236783,
        49,
    ),
    *(50, 6275, 236787, 47724, 236779, 1582, 236782, 2394, 236787, 52, 18450, 52, 236783, 51),
    *(8291, 611, 659, 236761),
    *(106, 107),
    *(105, 4368, 107),
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    path = resolve_model("gemma3-270m") / "tokenizer.json"
    return Tokenizer(gemma4_stand_in(path.read_text(encoding="utf-8")))


def test_ids_that_documents_name(tokenizer: Tokenizer) -> None:
    """Gemma 4's "thought", "call", ":", "{", "}", "_" and newline, as far as they are published."""
    pieces = {"thought": 45518, "call": 6639, ":": 236787, "{": 236782, "}": 236783, "_": 236779}
    assert {piece: tokenizer.encode(piece) for piece in pieces} == {
        piece: [token_id] for piece, token_id in pieces.items()
    }
    assert tokenizer.encode("\n") == [107]


def test_a_conversation_with_a_call_token_for_token(tokenizer: Tokenizer) -> None:
    form = chat_format("gemma4", tokenizer, bos_id=2, stop_ids=[1])
    assert list(form.render(CONVERSATION, [GIVE]).token_ids) == EXPECTED
    assert form.stop_ids == {1, 106, 50}


@pytest.mark.timeout(3600)
def test_random_logits_yield_valid_turns(tokenizer: Tokenizer) -> None:
    form = chat_format("gemma4", tokenizer, bos_id=2, stop_ids=[1])
    kinds: Counter[str] = Counter()
    for outcome in run_random_turns(form, count(10_000, 100)):
        check(outcome)
        kinds[outcome.finished.reason] += 1
        kinds.update(event.call.name for event in outcome.calls)
    assert kinds["length"]
    assert all(kinds[name] for name in ("inventory_list", "inventory_give", "plan_route"))
