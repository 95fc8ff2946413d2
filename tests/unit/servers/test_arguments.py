"""Arguments that a model wrote freely: what is taken for what was meant, and what never passes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from npc_brain.inference.chat import FunctionSchema
from npc_brain.inference.formats.json_calls import json_schema
from npc_brain.servers.arguments import ArgumentError, fit_call
from tests.counts import count

GIVE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "item": {"enum": ["iron_sword", "bread", "key"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 3},
        "note": {"type": "string", "maxLength": 8, "minLength": 2},
        "is_gift": {"type": "boolean"},
        "price": {"type": "number", "minimum": 0.5},
        "to": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
        "how": {
            "type": "object",
            "properties": {"fast": {"type": "boolean"}},
            "required": ["fast"],
        },
    },
    "required": ["item"],
}
FUNCTIONS = (FunctionSchema("give", "Hand over.", GIVE), FunctionSchema("wait", "Wait.", {}))


def fitted(arguments: Any) -> dict[str, Any]:
    return fit_call("give", arguments, FUNCTIONS).arguments


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"item": "bread"}, {"item": "bread"}),
        ({"item": "Iron Sword"}, {"item": "iron_sword"}),
        ({"item": "bread", "count": "2"}, {"item": "bread", "count": 2}),
        ({"item": "bread", "count": 2.0}, {"item": "bread", "count": 2}),
        ({"item": "bread", "note": 12}, {"item": "bread", "note": "12"}),
        ({"item": "bread", "is_gift": "True"}, {"item": "bread", "is_gift": True}),
        ({"item": "bread", "price": "2.5"}, {"item": "bread", "price": 2.5}),
        ({"item": "bread", "to": "tom"}, {"item": "bread", "to": ["tom"]}),
        ({"item": "bread", "how": {"fast": "TRUE"}}, {"item": "bread", "how": {"fast": True}}),
        ({"item": "bread", "count": None}, {"item": "bread"}),
        ({"item": "bread", "why": "he asked"}, {"item": "bread"}),
    ],
)
def test_other_spellings_are_understood(written: Any, meant: Any) -> None:
    result = fitted(written)
    assert result == meant
    assert [type(value) for value in result.values()] == [type(v) for v in meant.values()]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({}, "argument item is missing"),
        ({"item": "gold"}, "argument item is 'gold', wanted one of 'iron_sword', 'bread', 'key'"),
        ({"item": None}, "wanted one of"),
        ({"item": ["bread"]}, "wanted one of"),
        ({"item": "bread", "count": 4}, "count is 4, wanted 1 to 3"),
        ({"item": "bread", "count": 1.5}, "count is 1.5, wanted integer"),
        ({"item": "bread", "count": True}, "count is True, wanted integer"),
        ({"item": "bread", "count": "two"}, "count is 'two', wanted integer"),
        ({"item": "bread", "note": "x"}, "note is 'x', wanted 2 to 8 characters"),
        ({"item": "bread", "price": 0}, "price is 0, wanted 0.5 to"),
        ({"item": "bread", "price": float("nan")}, "price is nan"),
        ({"item": "bread", "to": []}, r"to is \[\], wanted 1 to 2 items"),
        ({"item": "bread", "to": [{}]}, r"to\[0\] is {}, wanted string"),
        ({"item": "bread", "how": "fast"}, "how is 'fast', wanted object"),
        ({"item": "bread", "how": {}}, "argument how.fast is missing"),
        ("bread", "is 'bread', wanted object"),
        (None, "is None, wanted object"),
    ],
)
def test_what_is_forbidden_never_passes(written: Any, problem: str) -> None:
    with pytest.raises(ArgumentError, match=problem):
        fitted(written)


def test_a_function_that_is_not_offered() -> None:
    with pytest.raises(ArgumentError, match="called 'steal', offered are give, wait"):
        fit_call("steal", {}, FUNCTIONS)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.sampled_from(
        ["bread", "Bread", "2", "true", "fast", "x", "iron sword", "1.5", ""]
    ),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("item"), inner)
)
written_arguments = st.dictionaries(st.sampled_from(list(GIVE["properties"])), values, max_size=7)
_ALLOWED = LLMatcher(
    LLTokenizer("byte"), LLMatcher.grammar_from_json_schema(json_schema(FUNCTIONS[0]))
)


@settings(max_examples=count(20_000, 1000), deadline=None)
@given(written_arguments)
def test_what_passes_is_what_the_grammar_allows(written: dict[str, Any]) -> None:
    try:
        arguments = fitted(written)
    except ArgumentError:
        return
    matcher = _ALLOWED.deep_copy()
    assert matcher.consume_tokens(list(json.dumps(arguments).encode())), arguments
    assert matcher.is_accepting(), arguments
