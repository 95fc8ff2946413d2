import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.npc.effects import (
    Compute,
    EffectError,
    Raise,
    Say,
    Use,
    parse_effect,
    parse_effects,
    pick_line,
    placeholders,
    render_args,
    render_line,
)
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import Tool, ToolKind


def test_each_kind_of_effect() -> None:
    effects = parse_effects(
        (
            {"say": ("one", "two")},
            {"bark": "help"},
            {"raise": "alarm"},
            {"go_to": "cellar"},
            {"inventory_give": {"item": "coin", "count": 2}},
        ),
        {},
        BUILT_INS,
    )
    assert effects == (
        Say(("one", "two")),
        Say(("help",), is_bark=True),
        Raise("alarm"),
        Use("go_to", {next(iter(BUILT_INS["go_to"].schema["properties"])): "cellar"}),
        Use("inventory_give", {"item": "coin", "count": 2}),
    )


def test_a_set_of_several_keys_is_several_effects() -> None:
    effects = parse_effect({"set": {"a": "a + 1", "b": True}}, {"a": "int", "b": "bool"}, {})
    assert [(e.key, e.expression.source) for e in effects if isinstance(e, Compute)] == [
        ("a", "a + 1"),
        ("b", "True"),
    ]


def test_a_tool_of_the_game_without_a_schema_takes_any_map() -> None:
    tool = Tool(name="ring", kind=ToolKind.ACTION, description="", schema={"type": "object"})
    assert parse_effect({"ring": {"bell": 3}}, {}, {"ring": tool}) == (Use("ring", {"bell": 3}),)
    with pytest.raises(EffectError, match="takes no arguments"):
        parse_effect({"ring": 3}, {}, {"ring": tool})


@pytest.mark.parametrize(
    "effect",
    [{}, {"say": []}, {"say": {"a": "b"}}, {"say": ""}, {"set": 3}, {"set": {}}, {"raise": "No!"},
     {"set": {"a": None}}, {"set": {"a": [1]}}, {"go_to": {"target": ["a"]}}, {"go_to": True}],
)  # fmt: skip
def test_a_bad_effect_is_refused(effect: dict[str, object]) -> None:
    with pytest.raises(EffectError):
        parse_effect(effect, {"a": "int"}, BUILT_INS)


def test_a_line_is_filled_in_once() -> None:
    assert render_line("{a} and {b}", {"a": "{b}", "b": "x"}) == "{b} and x"
    assert render_line("{a.__class__} {0} {} {{a}}", {"a": 1}) == "{a.__class__} {0} {} {1}"
    assert render_line("{missing}", {}) is None


def test_values_read_as_words() -> None:
    values = {"yes": True, "whole": 2.0, "part": 2.5, "text": "a\nb\x00c"}
    assert render_line("{yes} {whole} {part} {text}", values) == "yes 2 2.5 a b c"


def test_of_several_lines_only_those_that_can_be_filled_in_are_said() -> None:
    lines = ["{steps} steps", "over there", "far"]
    said = {pick_line(lines, {}, random.Random(seed)) for seed in range(40)}
    assert said == {"over there", "far"}
    assert pick_line(["{steps}"], {}, random.Random(0)) is None
    assert pick_line([], {}, random.Random(0)) is None


def test_an_argument_that_is_one_placeholder_keeps_its_type() -> None:
    args = {"count": "{n}", "note": "for {who}", "plain": 3}
    assert render_args(args, {"n": 2, "who": "Bo"}) == {"count": 2, "note": "for Bo", "plain": 3}
    assert render_args({"count": "{n}"}, {}) is None


@given(st.text("{}abc_", max_size=30), st.dictionaries(st.sampled_from("abc"), st.text("{}abc")))
def test_rendering_replaces_each_placeholder_and_nothing_else(
    text: str, values: dict[str, str]
) -> None:
    rendered = render_line(text, values)
    names = placeholders(text)
    if all(name in values for name in names):
        replaced = sum(len(values[name]) - len(name) - 2 for name in names)
        assert rendered is not None
        assert len(rendered) == len(text) + replaced
    else:
        assert rendered is None
