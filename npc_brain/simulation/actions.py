"""The actions that end at once: handing over, trading, using, equipping, gestures.

Each is refused when it is malformed, out of reach, against a rule of the world file, or when
somebody does not hold what it takes; otherwise it is done and both sides' inventories change.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from npc_brain.simulation.ground import Ground
from npc_brain.simulation.ledger import Ledger, Shortage, Stacks
from npc_brain.simulation.walking import Update
from npc_brain.world.model import Item

Outcome = tuple[str, dict[str, Any]]
"""A reason to refuse (empty: done) and the result's data."""

MAX_COUNT = 1_000_000
FOOD_TAGS = frozenset({"food", "drink"})
"""Items with one of these tags are gone once used."""


class Scene(Protocol):
    """What the actions need of the world that they happen in."""

    ledger: Ledger
    ground: Ground
    items: dict[str, Item]

    @property
    def player_id(self) -> str:
        """The player's entity id."""
        ...

    def name_of(self, any_id: str) -> str:
        """The name of anything."""
        ...

    def refusal(self, npc_id: str, tool: str, gives: Stacks, gets: Stacks) -> str | None:
        """Why the rules of the world refuse an action, None when they do not."""
        ...

    def received(self, owner_id: str, item_id: str, count: int, giver_id: str) -> None:
        """Take note that somebody was handed something."""
        ...


def carry_out_instant(
    world: Scene, actor_id: str, action_id: int, tool: str, args: Mapping[str, Any]
) -> list[Update]:
    """Carry out one action; always ends it."""
    handler = _HANDLERS.get(tool)
    if handler is None:
        return [Update(actor_id, action_id, "refused", "unknown_action")]
    reason, result = handler(world, actor_id, args)
    if reason:
        return [Update(actor_id, action_id, "refused", reason, result)]
    return [
        Update(actor_id, action_id, "accepted"),
        Update(actor_id, action_id, "done", result=result),
    ]


def _give(world: Scene, actor: str, args: Mapping[str, Any]) -> Outcome:
    return _hand_over(world, "inventory_give", actor, args, actor_gives=True)


def _take(world: Scene, actor: str, args: Mapping[str, Any]) -> Outcome:
    return _hand_over(world, "inventory_take", actor, args, actor_gives=False)


def _hand_over(
    world: Scene, tool: str, actor: str, args: Mapping[str, Any], *, actor_gives: bool
) -> Outcome:
    other, stacks = _other(world, actor, args), _stacks(world, args, "item", "count")
    if other is None or not stacks:
        return "bad_arguments", {}
    item, count = next(iter(stacks.items()))
    data = {
        "item": item,
        "item_name": world.name_of(item),
        "count": count,
        "target": other,
        "target_name": world.name_of(other),
    }
    gives, gets = (stacks, {}) if actor_gives else ({}, stacks)
    reason = _reason_against(world, tool, actor, other, gives, gets)
    if reason:
        return reason, data
    giver, taker = (actor, other) if actor_gives else (other, actor)
    shortage = world.ledger.transfer(giver, taker, stacks)
    if shortage:
        return _short(world, shortage, actor), data | {"held": shortage.held}
    world.received(taker, item, count, giver)
    return "", data


def _trade(world: Scene, actor: str, args: Mapping[str, Any]) -> Outcome:
    other = _other(world, actor, args)
    gives = _stacks(world, args, "give_item", "give_count")
    gets = _stacks(world, args, "take_item", "take_count")
    if other is None or not gives or not gets:
        return "bad_arguments", {}
    (give_item, give_count), (take_item, take_count) = *gives.items(), *gets.items()
    data = {
        "give_item": give_item,
        "give_item_name": world.name_of(give_item),
        "give_count": give_count,
        "take_item": take_item,
        "take_item_name": world.name_of(take_item),
        "take_count": take_count,
        "target": other,
        "target_name": world.name_of(other),
    }
    reason = _reason_against(world, "inventory_trade", actor, other, gives, gets)
    if reason:
        return reason, data
    shortage = world.ledger.exchange(actor, gives, other, gets)
    if shortage:
        return _short(world, shortage, actor), data | {"held": shortage.held}
    world.received(other, give_item, give_count, actor)
    return "", data


def _use(world: Scene, actor: str, args: Mapping[str, Any]) -> Outcome:
    item = world.items.get(str(args.get("item")))
    if item is None:
        return "bad_arguments", {}
    data = {"item": item.id, "item_name": item.name}
    if not world.ledger.count(actor, item.id):
        return "not_held", data
    if not item.usable:
        return "not_usable", data
    is_used_up = not FOOD_TAGS.isdisjoint(item.tags)
    if is_used_up:
        world.ledger.use_up(actor, item.id)
    return "", data | {"used_up": is_used_up}


def _equip(world: Scene, actor: str, args: Mapping[str, Any]) -> Outcome:
    item = world.items.get(str(args.get("item")))
    if item is None:
        return "bad_arguments", {}
    data = {"item": item.id, "item_name": item.name}
    if item.slot is None:
        return "not_wearable", data
    if world.ledger.equip(actor, item.slot, item.id):
        return "not_held", data
    return "", data | {"slot": item.slot}


def _emote(world: Scene, actor: str, args: Mapping[str, Any]) -> Outcome:
    return "", dict(args)


_HANDLERS: dict[str, Callable[[Scene, str, Mapping[str, Any]], Outcome]] = {
    "inventory_give": _give,
    "inventory_take": _take,
    "inventory_trade": _trade,
    "inventory_use": _use,
    "inventory_equip": _equip,
    "emote": _emote,
}


def _reason_against(
    world: Scene, tool: str, actor: str, other: str, gives: Stacks, gets: Stacks
) -> str | None:
    if not world.ground.is_near(actor, other):
        return "too_far"
    return world.refusal(actor, tool, gives, gets)


def _short(world: Scene, shortage: Shortage, actor: str) -> str:
    return "not_held" if shortage.owner == actor else "speaker_lacks"


def _other(world: Scene, actor: str, args: Mapping[str, Any]) -> str | None:
    """The other side of a deal: named in the arguments, else the player."""
    named = next((args[key] for key in ("to", "source", "partner") if key in args), world.player_id)
    is_known = isinstance(named, str) and named in world.ledger.owners
    return named if is_known and named != actor else None


def _stacks(world: Scene, args: Mapping[str, Any], item: str, count: str) -> Stacks:
    """The one stack that two arguments name; empty when they make no sense."""
    item_id, number = args.get(item), args.get(count, 1)
    is_number = isinstance(number, int) and not isinstance(number, bool)
    is_known = isinstance(item_id, str) and item_id in world.items
    if not is_known or not is_number or not 1 <= number <= MAX_COUNT:
        return {}
    return {str(item_id): number}
