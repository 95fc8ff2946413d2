import pytest

from npc_brain.understanding.linking import EntityLinker, Named
from npc_brain.understanding.trading import trade_sides

ITEMS = ("coin", "sword", "shield", "rope", "lantern", "apple")
LINKER = EntityLinker([Named(name, "item", (name,)) for name in ITEMS])


def sides(
    text: str, can_give: tuple[str, ...] = ITEMS, can_take: tuple[str, ...] = ITEMS
) -> tuple[str | None, str | None]:
    found = trade_sides(
        text, LINKER.find(text), can_give=can_give, can_take=can_take, money_id="coin"
    )
    return (found.given and found.given.id, found.taken and found.taken.id)


@pytest.mark.parametrize(
    ("text", "given", "taken"),
    [
        ("I'll give you three coins for the sword.", "sword", "coin"),
        ("I'd like to buy the sword for 5 coins", "sword", "coin"),
        ("Sell me the sword for five coins", "sword", "coin"),
        ("I'll swap my rope for your lantern", "lantern", "rope"),
        ("Would you swap that lantern for my rope?", "lantern", "rope"),
        ("Can I get your lantern? I'd give you my rope.", "lantern", "rope"),
        ("A lantern for a rope", "rope", "lantern"),
        ("Four apples in exchange for the lantern", "lantern", "apple"),
        ("The lantern in return for my apples", "lantern", "apple"),
        ("Would you buy this shield for six coins?", "coin", "shield"),
        ("I'll sell you my shield for six coins", "coin", "shield"),
        ("Buy this shield off me, six coins", "coin", "shield"),
        ("My shield for your sword, deal?", "sword", "shield"),
        ("I want to buy a sword", "sword", None),
        ("I want to sell you my shield", None, "shield"),
        ("Will you buy my shield?", None, "shield"),
        ("I have coins", None, "coin"),
        ("Could I interest you in a shield?", None, "shield"),
        ("If I gave you my lantern, would I get the sword?", "sword", "lantern"),
        ("\u0130\u0130\u00df my shield for your sword", "sword", "shield"),
        ("nothing of yours", None, None),
    ],
)
def test_sides(text: str, given: str | None, taken: str | None) -> None:
    assert sides(text) == (given, taken)


def test_who_has_it_decides_what_words_leave_open() -> None:
    assert sides("rope, lantern", ("rope",), ("lantern",)) == ("rope", "lantern")
    assert sides("rope, lantern", ("lantern",), ("rope",)) == ("lantern", "rope")


def test_what_no_one_has_is_left_out() -> None:
    assert sides("my rope for your lantern", (), ("rope",)) == (None, "rope")
