"""Who holds what. Items move, are used up or are equipped here, and nowhere else.

Nothing comes from nothing: `total` of every item stays what it was at the start, whatever is
asked for. What cannot be done is answered with a `Shortage` and changes nothing.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from npc_brain.errors import WorldError
from npc_brain.world.model import Inventory

Stacks = Mapping[str, int]
"""Counts (> 0) by item id."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why nothing was moved: `owner` holds `held` of `item`, and `wanted` were asked for."""

    owner: str
    item: str
    held: int
    wanted: int


class Ledger:
    """The inventories of a world, by owner id."""

    def __init__(self, holdings: Mapping[str, Stacks]) -> None:
        self._held = {owner: dict(stacks) for owner, stacks in holdings.items()}
        self._equipped: dict[str, dict[str, str]] = {owner: {} for owner in holdings}
        self._used_up: dict[str, int] = {}
        self._changed: set[str] = set()

    @property
    def owners(self) -> tuple[str, ...]:
        """Everyone who can hold items."""
        return tuple(self._held)

    def count(self, owner: str, item: str) -> int:
        """How many of `item` the `owner` holds; 0 for those who hold nothing."""
        return self._held.get(owner, {}).get(item, 0)

    def inventory(self, owner: str) -> Inventory:
        """What `owner` holds and wears."""
        return Inventory(items=dict(self._held[owner]), equipped=dict(self._equipped[owner]))

    def total(self, item: str) -> int:
        """How many of `item` there are and were: held by anyone, or used up."""
        held = sum(stacks.get(item, 0) for stacks in self._held.values())
        return held + self._used_up.get(item, 0)

    def transfer(self, giver: str, taker: str, stacks: Stacks) -> Shortage | None:
        """Move `stacks` from `giver` to `taker`, all or nothing."""
        return self.exchange(giver, stacks, taker, {})

    def exchange(
        self, first: str, first_gives: Stacks, second: str, second_gives: Stacks
    ) -> Shortage | None:
        """Swap stacks between two owners, all or nothing.

        Raises:
            WorldError: For an unknown owner, one owner on both sides, or a count below 1.
        """
        if first == second:
            raise WorldError(f"{first!r} cannot trade with itself", hint="Name two owners.")
        shortage = self._shortage(first, first_gives) or self._shortage(second, second_gives)
        if shortage is None:
            self._move(first, second, first_gives)
            self._move(second, first, second_gives)
        return shortage

    def use_up(self, owner: str, item: str) -> Shortage | None:
        """Take one `item` out of play: eaten, drunk, burnt."""
        shortage = self._shortage(owner, {item: 1})
        if shortage is None:
            self._add(owner, item, -1)
            self._used_up[item] = self._used_up.get(item, 0) + 1
        return shortage

    def equip(self, owner: str, slot: str, item: str) -> Shortage | None:
        """Wear or wield `item` in `slot`, in place of what was there."""
        shortage = self._shortage(owner, {item: 1})
        if shortage is None:
            self._equipped[owner][slot] = item
            self._changed.add(owner)
        return shortage

    def take_changed(self) -> set[str]:
        """The owners whose inventories changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def save(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return copy.deepcopy(
            {"held": self._held, "equipped": self._equipped, "used_up": self._used_up}
        )

    def load(self, saved: Mapping[str, Any]) -> None:
        """Put back what `save` gave.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: When it is damaged; nothing changes.
        """
        held = {owner: _counts(stacks) for owner, stacks in saved["held"].items()}
        equipped = {owner: dict(saved["equipped"][owner]) for owner in held}
        used_up = _counts(saved["used_up"])
        if held.keys() != self._held.keys():
            raise ValueError("the owners differ")
        self._held, self._equipped, self._used_up = held, equipped, used_up
        self._changed |= held.keys()

    def _shortage(self, owner: str, stacks: Stacks) -> Shortage | None:
        if owner not in self._held:
            raise WorldError(f"no inventory of {owner!r}", hint=f"Owners: {', '.join(self._held)}.")
        for item, wanted in stacks.items():
            if wanted < 1:
                raise WorldError(f"cannot move {wanted} of {item!r}", hint="Counts start at 1.")
            held = self.count(owner, item)
            if held < wanted:
                return Shortage(owner, item, held, wanted)
        return None

    def _move(self, giver: str, taker: str, stacks: Stacks) -> None:
        for item, count in stacks.items():
            self._add(giver, item, -count)
            self._add(taker, item, count)

    def _add(self, owner: str, item: str, count: int) -> None:
        stacks = self._held[owner]
        stacks[item] = stacks.get(item, 0) + count
        if stacks[item] == 0:
            del stacks[item]
            equipped = self._equipped[owner]
            self._equipped[owner] = {slot: worn for slot, worn in equipped.items() if worn != item}
        self._changed.add(owner)


def _counts(saved: Mapping[str, Any]) -> dict[str, int]:
    counts = {str(item): int(count) for item, count in saved.items()}
    if min(counts.values(), default=1) < 1:
        raise ValueError(f"a count below 1 in {counts}")
    return counts
