"""Arguments from text, with the schemas of the real tools."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.understanding.arguments import Missing, fill
from npc_brain.understanding.linking import EntityLinker
from npc_brain.understanding.trading import Money
from tests.understanding.village import ITEMS, NAMED, schemas

LINKER = EntityLinker(NAMED)
MONEY = Money("coin", dict.fromkeys(ITEMS, 5))


def filled(
    tool: str, text: str, role: str = "merchant", **options: Any
) -> dict[str, Any] | Missing:
    return fill(*schemas(tool, role), text, LINKER.find(text), **options)


@pytest.mark.parametrize(
    ("tool", "text", "wanted"),
    [
        ("inventory_give", "Give me two loaves of bread", {"item": "bread", "count": 2}),
        ("inventory_give", "an ale", {"item": "ale"}),
        ("inventory_give", "a dozen big red apples", {"item": "apple", "count": 12}),
        ("inventory_give", "Give Borin the sword", {"item": "sword", "to": "borin"}),
        ("inventory_give", "An ale for the smith", {"item": "ale", "to": "borin"}),
        ("inventory_use", "Use the key on the cellar", {"item": "cellar_key", "target": "cellar"}),
        ("inventory_give", "Marta says I get a sword", {"item": "sword"}),
        ("inventory_give", "for my 2 friends, an ale", {"item": "ale"}),
        ("inventory_give", "three ales and some bread", {"item": "ale", "count": 3}),
        ("inventory_count", "do you have any ale?", {"item": "ale"}),
        ("inventory_find", "do you have any ale?", {"name": "ale"}),
        ("inventory_find", "any crystal balls?", {"name": "crystal balls"}),
        ("inventory_take", "here, take this hammer", {"item": "hammer"}),
        ("find_path", "I came from the mill, where is the market?", {"target": "market"}),
        ("go_to", "take me to the harbour", {"target": "harbour"}),
        ("go_to", "bring this letter to the smith", {"target": "borin"}),
        ("follow", "follow me", {}),
        ("follow", "follow Marta", {"person": "marta"}),
        ("nearest", "where is the nearest well", {"tag": "well"}),
        ("plan_route", "through the market, the mill and the harbour",
         {"stops": ["market", "mill", "harbour"]}),
        ("emote", "you look happy, give us a bow", {"emotion": "happy", "gesture": "bow"}),
        ("remember", "Remember that my name is Bo.", {"text": "my name is Bo"}),
        ("recall", "Do you remember what I told you about the mill?", {"query": "the mill"}),
        ("stop", "stop, two coins or not", {}),
    ],
)  # fmt: skip
def test_fills(tool: str, text: str, wanted: dict[str, Any]) -> None:
    assert filled(tool, text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I'll give you three coins for the sword",
         {"give_item": "sword", "take_item": "coin", "take_count": 3}),
        ("two potions for my lantern",
         {"give_item": "potion", "give_count": 2, "take_item": "lantern"}),
        ("I want to buy a sword", {"give_item": "sword", "take_item": "coin", "take_count": 5}),
        ("I want to buy three potions",
         {"give_item": "potion", "give_count": 3, "take_item": "coin", "take_count": 15}),
        ("Will you buy my shield?", {"give_item": "coin", "give_count": 5, "take_item": "shield"}),
        ("I'd buy the sword for seven",
         {"give_item": "sword", "take_item": "coin", "take_count": 7}),
        ("will you take 4 for that rope?",
         {"give_item": "rope", "take_item": "coin", "take_count": 4}),
    ],
)  # fmt: skip
def test_trades(text: str, wanted: dict[str, Any]) -> None:
    assert filled("inventory_trade", text, money=MONEY) == wanted


def test_a_trade_without_money_needs_both_sides() -> None:
    found = filled("inventory_trade", "I want to buy a sword")
    assert found == Missing("take_item", "sword", {"give_item": "sword"})


def test_a_trade_reads_the_whole_clause_around_the_focus() -> None:
    text = "Nice rope! For my lantern, would I get the hammer? I also like ale."
    focus = (text.index("would"), text.index("?"))
    assert filled("inventory_trade", text, focus=focus, money=MONEY) == {
        "give_item": "hammer",
        "take_item": "lantern",
    }


def test_what_is_missing_is_named() -> None:
    assert filled("inventory_give", "Give me that thing") == Missing("item")
    assert filled("find_path", "Where is it?") == Missing("target")
    assert filled("plan_route", "a trip to the mill") == Missing("stops", "mill")


def test_what_is_named_but_not_legal_is_told() -> None:
    declared, legal = schemas("inventory_give", "merchant")
    legal["properties"]["item"]["enum"] = ["bread"]
    text = "Give me the sword"
    assert fill(declared, legal, text, LINKER.find(text)) == Missing("item", "sword")


def test_defaults_fill_what_the_text_leaves_open() -> None:
    assert filled("emote", "take a bow", defaults={"emotion": "neutral"}) == {
        "emotion": "neutral",
        "gesture": "bow",
    }
    assert filled("go_to", "go there", defaults={"target": "mill"}) == {"target": "mill"}
    assert filled("go_to", "go to the well", defaults={"target": "mill"}) == {"target": "well"}


def test_names_in_focus_come_first() -> None:
    text = "The mill is pretty. Where is the market? The well is deep."
    focus = (text.index("Where"), text.index("The well"))
    assert filled("find_path", text, focus=focus) == {"target": "market"}
    assert filled("find_path", text) == {"target": "mill"}


def test_a_count_may_be_more_than_there_are() -> None:
    """The tool refuses it with a reason that the player hears; a lower one was not asked for."""
    assert filled("inventory_give", "give me 900 ales") == {"item": "ale", "count": 900}


def test_a_count_below_the_minimum_is_left_out() -> None:
    assert filled("inventory_give", "give me 0 ales") == {"item": "ale"}


PARTS = st.sampled_from(
    ["give", "for", "my", "your", "the", "buy", "sword", "coins", "ale", "two", "9", "to", "Borin",
     "mill", "market", "remember", "that", ".", ",", "not", "é"]
)  # fmt: skip
TOOLS = st.sampled_from(
    ["inventory_give", "inventory_trade", "inventory_find", "go_to", "plan_route", "follow",
     "remember", "emote", "nearest"]
)  # fmt: skip


@settings(deadline=None)
@given(TOOLS, st.lists(PARTS, max_size=25).map(" ".join))
def test_only_legal_ids_and_known_arguments_come_out(tool: str, text: str) -> None:
    declared, legal = schemas(tool, "merchant")
    found = fill(declared, legal, text, LINKER.find(text), money=MONEY)
    values = found.filled if isinstance(found, Missing) else found
    properties = legal["properties"]
    for name, value in values.items():
        schema = properties[name]
        listed = value if isinstance(value, list) else [value]
        allowed = schema.get("enum") or schema.get("items", {}).get("enum")
        assert allowed is None or set(listed) <= set(allowed)
        if schema["type"] == "string":
            assert 0 < len(value) <= schema.get("maxLength", len(value))
        if schema["type"] == "integer":
            assert value >= schema["minimum"]
    if not isinstance(found, Missing):
        assert set(legal["required"]) <= set(found)
