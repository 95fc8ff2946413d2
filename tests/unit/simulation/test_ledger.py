import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.errors import WorldError
from npc_brain.simulation.ledger import Ledger, Shortage
from tests.counts import count

OWNERS = ("mira", "osric", "player")
ITEMS = ("coin", "ale", "key")


def make_ledger() -> Ledger:
    return Ledger({"mira": {"ale": 3, "key": 1}, "osric": {"coin": 5}, "player": {"coin": 12}})


def test_a_transfer_moves_items() -> None:
    ledger = make_ledger()
    assert ledger.transfer("mira", "player", {"ale": 2}) is None
    assert (ledger.count("mira", "ale"), ledger.count("player", "ale")) == (1, 2)
    assert ledger.take_changed() == {"mira", "player"}


def test_what_is_not_held_is_refused_and_nothing_moves() -> None:
    ledger = make_ledger()
    before = ledger.save()
    assert ledger.exchange("player", {"coin": 2}, "mira", {"ale": 4}) == Shortage(
        "mira", "ale", held=3, wanted=4
    )
    assert ledger.save() == before
    assert ledger.take_changed() == set()


@pytest.mark.parametrize(
    ("giver", "taker", "stacks"),
    [("mira", "mira", {"ale": 1}), ("mira", "nobody", {"ale": 1}), ("mira", "osric", {"ale": 0})],
)
def test_nonsense_is_an_error(giver: str, taker: str, stacks: dict[str, int]) -> None:
    ledger = make_ledger()
    with pytest.raises(WorldError):
        ledger.transfer(giver, taker, stacks)


def test_the_last_one_given_away_is_taken_off() -> None:
    ledger = make_ledger()
    assert ledger.equip("mira", "hand", "key") is None
    ledger.transfer("mira", "player", {"key": 1})
    assert ledger.inventory("mira").equipped == {}


def operate(ledger: Ledger, rng: random.Random) -> None:
    """One random operation, sensible or not."""
    giver, taker = rng.choice(OWNERS), rng.choice(OWNERS)
    stacks = {rng.choice(ITEMS): rng.randint(-1, 4) for _ in range(rng.randint(1, 2))}
    others = {rng.choice(ITEMS): rng.randint(0, 4)}
    try:
        match rng.randrange(4):
            case 0:
                ledger.transfer(giver, taker, stacks)
            case 1:
                ledger.exchange(giver, stacks, taker, others)
            case 2:
                ledger.use_up(giver, rng.choice(ITEMS)) if rng.random() < 0.01 else None
            case _:
                ledger.equip(giver, "hand", rng.choice(ITEMS))
    except WorldError:
        pass


def test_nothing_comes_from_nothing() -> None:
    """Random gifts, trades, meals and nonsense never change an item's total."""
    ledger, rng = make_ledger(), random.Random(11)
    totals = {item: ledger.total(item) for item in ITEMS}
    for _ in range(count(full=1_000_000, ci=20_000)):
        operate(ledger, rng)
        assert {item: ledger.total(item) for item in ITEMS} == totals
    assert all(ledger.count(owner, item) >= 0 for owner in OWNERS for item in ITEMS)


@given(st.integers(0, 2**32))
def test_saved_and_loaded_is_the_same(seed: int) -> None:
    ledger, rng = make_ledger(), random.Random(seed)
    for _ in range(20):
        operate(ledger, rng)
    saved, other = ledger.save(), make_ledger()
    other.load(saved)
    assert other.save() == saved
    assert {item: other.total(item) for item in ITEMS} == {i: ledger.total(i) for i in ITEMS}


@pytest.mark.parametrize("damage", [{"held": {"mira": {"ale": -1}}}, {"held": 3}, {}])
def test_a_damaged_ledger_is_refused_whole(damage: dict[str, object]) -> None:
    ledger = make_ledger()
    before = ledger.save()
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        ledger.load({**before, **damage} if damage else {})
    assert ledger.save() == before
