from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.language.en.wording import best_match, counted, listed, plural, sentence
from npc_brain.tools.narrow import validate_arguments
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import ToolContext, ToolResult
from npc_brain.world.model import Inventory, Item, WorldPatch
from tests.unit.tools.village import context


def call(tool_name: str, ctx: ToolContext | None = None, /, **args: Any) -> ToolResult | None:
    """A query's answer, an action's refusal, or None when the action may be requested."""
    tool, ctx = BUILT_INS[tool_name], ctx or context()
    checked = validate_arguments(tool, ctx, args)
    if isinstance(checked, ToolResult):
        return checked
    if tool.run:
        return tool.run(ctx, checked)
    return tool.check(ctx, checked) if tool.check else None


def answer(tool_name: str, ctx: ToolContext | None = None, /, **args: Any) -> ToolResult:
    result = call(tool_name, ctx, **args)
    assert result is not None
    return result


def test_listing() -> None:
    own = answer("inventory_list")
    assert own.text == "Mira has 5 loaves of bread, a cellar key and a sword."
    assert own.data["items"] == {"bread": 5, "key": 1, "sword": 1}
    assert answer("inventory_list", owner="bo").text == "Bo has 7 gold coins."
    assert answer("inventory_list", owner="ann").reason == "unknown_target"


def test_an_empty_bag_and_one_that_nobody_told_of() -> None:
    world = context().world.patched(
        WorldPatch(base_revision=1, revision=2, inventories={"mira": Inventory()})
    )
    assert answer("inventory_list", context(world=world)).text == "Mira has nothing."
    ctx = ToolContext(world, "ann", None, {}, context().memory)
    assert answer("inventory_list", ctx).reason == "inventory_unknown"


def test_counting_tells_the_price_and_what_is_promised() -> None:
    bread = answer("inventory_count", context(reserved={"bread": 4}), item="bread")
    assert bread.text == "Mira has 5 loaves of bread, worth 2 gold coins each."
    assert bread.data == {
        "item": "bread", "name": "loaf of bread", "count": 5, "price": 2, "available": 1,
    }  # fmt: skip
    assert answer("inventory_count", item="coin").text == "Mira has no gold coins."


@pytest.mark.parametrize("said", ["bread", "Some BREAD", "the breads", "loaves of bread", "bred"])
def test_finding_tolerates_how_people_say_it(said: str) -> None:
    found = answer("inventory_find", name=said)
    assert found.ok
    assert found.data["item"] == "bread"


def test_not_finding() -> None:
    assert answer("inventory_find", name="Coins").reason == "not_held"
    assert answer("inventory_find", name="ale").reason == "not_held"
    dragon = answer("inventory_find", name="a dragon")
    assert (dragon.reason, dragon.text) == ("unknown_item", "Mira knows of no such item.")


def test_giving_is_bounded_by_what_is_held_and_not_promised() -> None:
    assert call("inventory_give", item="bread", count=5) is None
    too_few = answer("inventory_give", context(reserved={"bread": 3}), item="bread", count=3)
    assert too_few.reason == "too_few"
    assert too_few.data == {"item": "bread", "available": 2}
    assert too_few.text == "Mira has only 2 loaves of bread to spare."
    assert answer("inventory_give", context(reserved={"bread": 5}), item="bread").reason == (
        "promised"
    )


def test_taking_is_bounded_by_what_the_other_is_known_to_hold() -> None:
    assert call("inventory_take", item="coin", count=7) is None
    assert answer("inventory_take", item="coin", count=8).text == "Bo has only 7 gold coins."
    assert call("inventory_take", context(speaker="ann"), item="coin", count=50) is None


def test_a_trade_needs_both_sides_and_a_fair_price() -> None:
    def trade(give: str, give_count: int, take: str, take_count: int) -> str:
        result = call(
            "inventory_trade",
            give_item=give,
            give_count=give_count,
            take_item=take,
            take_count=take_count,
        )
        return result.reason if result else "fine"

    assert trade("bread", 3, "coin", 6) == "fine"
    assert trade("bread", 3, "coin", 7) == "fine"
    assert trade("bread", 3, "coin", 5) == "bad_deal"
    assert trade("bread", 6, "coin", 7) == "too_few"
    assert trade("bread", 1, "coin", 8) == "speaker_lacks"
    assert trade("key", 1, "coin", 1) == "fine"
    bad = answer("inventory_trade", give_item="sword", take_item="coin", take_count=7)
    assert bad.data == {"give_value": 30, "take_value": 7}
    assert bad.text == "A sword for 7 gold coins is a bad deal: worth 30, offered 7."


@pytest.mark.parametrize(
    ("name", "args", "reserves"),
    [
        ("inventory_give", {"item": "bread", "count": 2}, {"bread": 2}),
        (
            "inventory_trade",
            {"give_item": "bread", "give_count": 3, "take_item": "coin", "take_count": 6},
            {"bread": 3},
        ),
        ("inventory_use", {"item": "key"}, {"key": 1}),
        ("inventory_equip", {"item": "sword"}, {"sword": 1}),
    ],
)
def test_reservations(name: str, args: dict[str, Any], reserves: dict[str, int]) -> None:
    tool = BUILT_INS[name]
    checked = validate_arguments(tool, context(), args)
    assert tool.reserves is not None
    assert tool.reserves(checked) == reserves


@pytest.mark.parametrize(
    ("count", "name", "text"),
    [
        (1, "loaf of bread", "a loaf of bread"), (2, "loaf of bread", "2 loaves of bread"),
        (0, "apple", "no apples"), (1, "apple", "an apple"), (3, "gold", "3 gold"),
        (1, "gold", "1 gold"), (2, "the Sunblade", "2 Sunblades"),
        (1, "the Sunblade", "the Sunblade"),
        (2, "torch", "2 torches"), (2, "berry", "2 berries"), (2, "key", "2 keys"),
        (2, "kitchen knife", "2 kitchen knives"), (2, "wolf pelt", "2 wolf pelts"),
        (2, "Foot", "2 Feet"), (2, "mk2", "2 mk2"),
    ],
)  # fmt: skip
def test_counted(count: int, name: str, text: str) -> None:
    assert counted(count, name) == text


def test_small_wording() -> None:
    assert plural("mug of ale") == "mugs of ale"
    assert [listed(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "nothing", "a", "a and b", "a, b and c",
    ]  # fmt: skip
    assert sentence("done") == "Done."
    assert sentence("Really?") == "Really?"


@given(st.text())
def test_a_match_never_fails(said: str) -> None:
    assert best_match(said, {"key": ("cellar key",), "ale": ()}) in ("key", None)


def test_an_item_without_a_currency_has_no_price_in_words() -> None:
    world = context().world.patched(
        WorldPatch(
            base_revision=1,
            revision=2,
            items=(Item(id="gem", name="gem", price=4),),
            inventories={"mira": Inventory(items={"gem": 1})},
        )
    )
    world.currency = None
    assert answer("inventory_count", context(world=world), item="gem").text == "Mira has a gem."
