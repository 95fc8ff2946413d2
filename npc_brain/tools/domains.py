"""Which ids an argument may name now, and how to refuse one that it may not."""

from collections.abc import Iterator

from npc_brain.schema.marks import Domain
from npc_brain.tools.spec import ToolContext, ToolResult, refusal
from npc_brain.world.model import Entity, Item


def available(ctx: ToolContext, item_id: str) -> int:
    """How many of an item the NPC holds and has not promised to an action under way."""
    return max(0, ctx.world.held(ctx.npc_id, item_id) - ctx.reserved.get(item_id, 0))


def count_limit(
    domain: Domain, ctx: ToolContext, item_id: str, holder_id: str | None
) -> int | None:
    """The most of an item that can change hands; None when the game has not told."""
    if domain is not Domain.SPEAKER_ITEM:
        return available(ctx, item_id)
    if holder_id is None or ctx.world.inventory(holder_id) is None:
        return None
    return ctx.world.held(holder_id, item_id)


def ids(domain: Domain, ctx: ToolContext, holder_id: str | None = None) -> list[str]:
    """The ids that exist now, in the snapshot's order.

    Args:
        domain: Which ids.
        ctx: Now, and who asks.
        holder_id: For SPEAKER_ITEM, whose items; None: the speaker's.
    """
    return list(dict.fromkeys(_ids(domain, ctx, holder_id)))


def unknown(domain: Domain, ctx: ToolContext, value: str, holder_id: str | None) -> ToolResult:
    """The refusal of an id outside its domain. `value` is repeated only when the world knows it."""
    world = ctx.world
    npc = world.name_of(ctx.npc_id)
    match domain:
        case Domain.TAG:
            return refusal("unknown_tag", "Nothing of that kind is known here.")
        case Domain.PLACE | Domain.PERSON | Domain.HOLDER | Domain.INVENTORY | Domain.TARGET:
            if value == ctx.npc_id:
                return refusal("unknown_target", f"That is {npc}.")
            if world.target(value):
                return refusal("unknown_target", f"{world.name_of(value)} cannot be meant here.")
            return refusal("unknown_target", "Nobody and nothing of that name is known here.")
    item = world.item(value)
    if item is None:
        return refusal("unknown_item", "There is no such item.")
    if domain is Domain.SPEAKER_ITEM:
        holder = world.name_of(holder_id or ctx.speaker_id or "nobody")
        return refusal("speaker_lacks", f"{holder} has no {item.name}.", item=value)
    if domain is Domain.USABLE_ITEM and available(ctx, value):
        return refusal("not_usable", f"The {item.name} cannot be used.", item=value)
    if domain is Domain.WEARABLE_ITEM and available(ctx, value):
        return refusal("not_wearable", f"The {item.name} cannot be equipped.", item=value)
    if world.held(ctx.npc_id, value):
        return refusal("promised", f"{npc} has promised the {item.name} already.", item=value)
    return refusal("not_held", f"{npc} has no {item.name}.", item=value)


def _ids(domain: Domain, ctx: ToolContext, holder_id: str | None) -> Iterator[str]:
    world = ctx.world
    match domain:
        case Domain.ITEM:
            yield from world.items
        case Domain.HELD_ITEM | Domain.USABLE_ITEM | Domain.WEARABLE_ITEM:
            yield from (item.id for item in _held_items(ctx) if _serves(domain, item))
        case Domain.SPEAKER_ITEM:
            yield from _items_of(ctx, holder_id or ctx.speaker_id)
        case Domain.PLACE:
            yield from world.places
        case Domain.PERSON:
            yield from (entity.id for entity in _others(ctx) if entity.kind != "object")
        case Domain.HOLDER:
            yield from (
                entity.id
                for entity in _others(ctx)
                if entity.kind != "object" or entity.id in world.inventories
            )
        case Domain.INVENTORY:
            yield ctx.npc_id
            yield from world.inventories
        case Domain.TARGET:
            yield from world.places
            yield from (entity.id for entity in _others(ctx))
        case Domain.TAG:
            for place in world.places.values():
                yield from place.tags
            for entity in _others(ctx):
                yield from entity.tags


def _held_items(ctx: ToolContext) -> Iterator[Item]:
    inventory = ctx.world.inventory(ctx.npc_id)
    for item_id in inventory.items if inventory else ():
        item = ctx.world.item(item_id)
        if item and available(ctx, item_id):
            yield item


def _serves(domain: Domain, item: Item) -> bool:
    if domain is Domain.USABLE_ITEM:
        return item.usable
    return domain is Domain.HELD_ITEM or item.slot is not None


def _items_of(ctx: ToolContext, holder_id: str | None) -> Iterator[str]:
    if holder_id is None:
        return
    inventory = ctx.world.inventory(holder_id)
    if inventory is None:
        yield from ctx.world.items
    else:
        yield from (item_id for item_id, count in inventory.items.items() if count)


def _others(ctx: ToolContext) -> Iterator[Entity]:
    return (entity for entity in ctx.world.entities.values() if entity.id != ctx.npc_id)
