"""The inventory tools: looking is a query, whatever changes hands is an action of the engine.

Nothing here moves an item. Checks read the snapshot; items of an action under way are reserved, so
that two actions cannot promise the same one.
"""

from typing import Annotated

from pydantic import Field

from npc_brain.schema.marks import CountOf, Domain, Ref
from npc_brain.tools import domains, wording
from npc_brain.tools.spec import (
    Arguments,
    Phrase,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)
from npc_brain.world.world import World

Amount = Annotated[int, Field(ge=1)]


class ListArguments(Arguments):
    """Whose inventory; the NPC's own by default."""

    owner: Annotated[str, Ref(Domain.INVENTORY, default="self")]


class CountArguments(Arguments):
    """Which item."""

    item: Annotated[str, Ref(Domain.ITEM)]


class FindArguments(Arguments):
    """What someone called the item."""

    name: Annotated[str, Field(min_length=1, max_length=60)]


class GiveArguments(Arguments):
    """What to give, how many, and to whom (the person spoken with by default)."""

    item: Annotated[str, Ref(Domain.HELD_ITEM)]
    count: Annotated[Amount, CountOf("item")] = 1
    to: Annotated[str, Ref(Domain.HOLDER, default="speaker")]


class TakeArguments(Arguments):
    """What to take, how many, and from whom (the person spoken with by default)."""

    item: Annotated[str, Ref(Domain.SPEAKER_ITEM, of="source")]
    count: Annotated[Amount, CountOf("item")] = 1
    source: Annotated[str, Ref(Domain.HOLDER, default="speaker")]


class TradeArguments(Arguments):
    """What the NPC gives and takes; the partner is the person spoken with by default."""

    give_item: Annotated[str, Ref(Domain.HELD_ITEM)]
    give_count: Annotated[Amount, CountOf("give_item")] = 1
    take_item: Annotated[str, Ref(Domain.SPEAKER_ITEM, of="partner")]
    take_count: Annotated[Amount, CountOf("take_item")] = 1
    partner: Annotated[str, Ref(Domain.HOLDER, default="speaker")]


class UseArguments(Arguments):
    """What to use, and on what or whom."""

    item: Annotated[str, Ref(Domain.USABLE_ITEM)]
    target: Annotated[str, Ref(Domain.TARGET)] = ""


class EquipArguments(Arguments):
    """What to equip."""

    item: Annotated[str, Ref(Domain.WEARABLE_ITEM)]


def _list(ctx: ToolContext, args: ListArguments) -> ToolResult:
    world, owner = ctx.world, ctx.world.name_of(args.owner)
    inventory = world.inventory(args.owner)
    if inventory is None:
        return refusal("inventory_unknown", f"What {owner} has is not known.")
    items = {item_id: count for item_id, count in inventory.items.items() if count}
    what = [wording.counted(count, world.name_of(item_id)) for item_id, count in items.items()]
    return ToolResult(
        ok=True,
        data={"owner": args.owner, "items": items, "equipped": dict(inventory.equipped)},
        text=wording.sentence(f"{owner} has {wording.listed(what)}"),
        variant="" if items else "empty",
    )


def _count(ctx: ToolContext, args: CountArguments) -> ToolResult:
    return _holding(ctx, args.item)


def _find(ctx: ToolContext, args: FindArguments) -> ToolResult:
    world = ctx.world
    inventory = world.inventory(ctx.npc_id)
    held = [item_id for item_id, count in (inventory.items.items() if inventory else ()) if count]
    names = {key: (item.name, key, *item.aliases) for key, item in world.items.items()}
    found = wording.best_match(args.name, {item_id: names[item_id] for item_id in held})
    if found is not None:
        return _holding(ctx, found)
    npc = world.name_of(ctx.npc_id)
    known = wording.best_match(args.name, names)
    if known is None:
        return refusal("unknown_item", f"{npc} knows of no such item.")
    return refusal("not_held", f"{npc} has no {world.name_of(known)}.", item=known)


def _holding(ctx: ToolContext, item_id: str) -> ToolResult:
    """How many of an item the NPC holds, as an answer."""
    world = ctx.world
    item = world.items[item_id]
    count = world.held(ctx.npc_id, item_id)
    text = f"{world.name_of(ctx.npc_id)} has {wording.counted(count, item.name)}"
    data = {"item": item_id, "name": item.name, "count": count}
    if item.price is not None and world.currency is not None:
        data["price"] = item.price
        text += f", worth {wording.counted(item.price, world.name_of(world.currency))} each"
    data["available"] = domains.available(ctx, item_id)
    variant = "" if count else "none"
    return ToolResult(ok=True, data=data, text=wording.sentence(text), variant=variant)


def _too_few(ctx: ToolContext, item_id: str, count: int) -> ToolResult | None:
    """The refusal to part with `count` of an item, if there are not as many to promise."""
    world = ctx.world
    free = domains.available(ctx, item_id)
    if free >= count:
        return None
    npc, name = world.name_of(ctx.npc_id), world.name_of(item_id)
    if not world.held(ctx.npc_id, item_id):
        return refusal("not_held", f"{npc} has no {name}.", item=item_id, available=0)
    text = f"{npc} has only {wording.counted(free, name)} to spare."
    return refusal("too_few", text, item=item_id, available=free)


def _other_lacks(ctx: ToolContext, holder_id: str, item_id: str, count: int) -> ToolResult | None:
    """The refusal to take `count` of an item that `holder_id` is known not to have."""
    limit = domains.count_limit(Domain.SPEAKER_ITEM, ctx, item_id, holder_id)
    if limit is None or limit >= count:
        return None
    holder, what = ctx.world.name_of(holder_id), wording.counted(limit, ctx.world.name_of(item_id))
    return refusal("speaker_lacks", f"{holder} has only {what}.", item=item_id, available=limit)


def _check_give(ctx: ToolContext, args: GiveArguments) -> ToolResult | None:
    return _too_few(ctx, args.item, args.count)


def _check_take(ctx: ToolContext, args: TakeArguments) -> ToolResult | None:
    return _other_lacks(ctx, args.source, args.item, args.count)


def value_of(world: World, item_id: str, count: int) -> int | None:
    """What `count` of an item are worth in the world's currency; None when it has no price."""
    if item_id == world.currency:
        return count
    item = world.item(item_id)
    return None if item is None or item.price is None else item.price * count


def _check_trade(ctx: ToolContext, args: TradeArguments) -> ToolResult | None:
    """Both sides must have what they give, and the NPC gives no more value than it takes.

    The rule counts only where both values are known; an author who wants generosity uses a gift, or
    leaves prices out.
    """
    missing = _too_few(ctx, args.give_item, args.give_count) or _other_lacks(
        ctx, args.partner, args.take_item, args.take_count
    )
    if missing:
        return missing
    given = value_of(ctx.world, args.give_item, args.give_count)
    taken = value_of(ctx.world, args.take_item, args.take_count)
    if given is None or taken is None or given <= taken:
        return None
    world = ctx.world
    what = wording.counted(args.give_count, world.name_of(args.give_item))
    offer = wording.counted(args.take_count, world.name_of(args.take_item))
    return refusal(
        "bad_deal",
        wording.sentence(f"{what} for {offer} is a bad deal: worth {given}, offered {taken}"),
        give_value=given,
        take_value=taken,
    )


def _describe_give(world: World, args: GiveArguments) -> Phrase:
    to = world.name_of(args.to)
    what = wording.counted(args.count, world.name_of(args.item))
    return Phrase(f"give {to} {what}", f"gave {to} {what}", f"giving {to} {what}")


def _describe_take(world: World, args: TakeArguments) -> Phrase:
    source = world.name_of(args.source)
    what = f"{wording.counted(args.count, world.name_of(args.item))} from {source}"
    return Phrase(f"take {what}", f"took {what}", f"taking {what}")


def _describe_trade(world: World, args: TradeArguments) -> Phrase:
    partner = world.name_of(args.partner)
    given = wording.counted(args.give_count, world.name_of(args.give_item))
    taken = wording.counted(args.take_count, world.name_of(args.take_item))
    what = f"{given} to {partner} for {taken}"
    return Phrase(f"trade {what}", f"traded {what}", f"trading {what}")


def _describe_use(world: World, args: UseArguments) -> Phrase:
    what = f"the {world.name_of(args.item)}"
    if args.target:
        what += f" on {world.name_of(args.target)}"
    return Phrase(f"use {what}", f"used {what}", f"using {what}")


def _describe_equip(world: World, args: EquipArguments) -> Phrase:
    what = f"the {world.name_of(args.item)}"
    return Phrase(f"equip {what}", f"equipped {what}", f"equipping {what}")


def _reserve_trade(args: TradeArguments) -> dict[str, int]:
    return {args.give_item: args.give_count}


def _reserve_one(args: UseArguments | EquipArguments) -> dict[str, int]:
    return {args.item: 1}


def _reserve_give(args: GiveArguments) -> dict[str, int]:
    return {args.item: args.count}


TOOLS = (
    Tool(
        name="inventory_list",
        kind=ToolKind.QUERY,
        description="List what someone carries.",
        arguments=ListArguments,
        schema=schema_of(ListArguments),
        run=_list,
    ),
    Tool(
        name="inventory_count",
        kind=ToolKind.QUERY,
        description="Count how many of an item you have, and its price.",
        arguments=CountArguments,
        schema=schema_of(CountArguments),
        run=_count,
    ),
    Tool(
        name="inventory_find",
        kind=ToolKind.QUERY,
        description="Look for an item in your inventory by its name.",
        arguments=FindArguments,
        schema=schema_of(FindArguments),
        run=_find,
    ),
    Tool(
        name="inventory_give",
        kind=ToolKind.ACTION,
        description="Give away an item you have.",
        arguments=GiveArguments,
        schema=schema_of(GiveArguments),
        check=_check_give,
        reserves=_reserve_give,
        describe=_describe_give,
        done_event="gave_item",
        is_instant=True,
        timeout_ms=10_000,
    ),
    Tool(
        name="inventory_take",
        kind=ToolKind.ACTION,
        description="Take an item that someone offers you.",
        arguments=TakeArguments,
        schema=schema_of(TakeArguments),
        check=_check_take,
        describe=_describe_take,
        done_event="took_item",
        is_instant=True,
        timeout_ms=10_000,
    ),
    Tool(
        name="inventory_trade",
        kind=ToolKind.ACTION,
        description="Trade an item you have for one the other has.",
        arguments=TradeArguments,
        schema=schema_of(TradeArguments),
        check=_check_trade,
        reserves=_reserve_trade,
        describe=_describe_trade,
        done_event="traded",
        is_instant=True,
        timeout_ms=10_000,
    ),
    Tool(
        name="inventory_use",
        kind=ToolKind.ACTION,
        description="Use an item you have, on something or someone if need be.",
        arguments=UseArguments,
        schema=schema_of(UseArguments),
        reserves=_reserve_one,
        describe=_describe_use,
        done_event="used_item",
        is_instant=True,
        timeout_ms=10_000,
    ),
    Tool(
        name="inventory_equip",
        kind=ToolKind.ACTION,
        description="Put on or take in hand an item you have.",
        arguments=EquipArguments,
        schema=schema_of(EquipArguments),
        reserves=_reserve_one,
        describe=_describe_equip,
        done_event="equipped_item",
        is_instant=True,
        timeout_ms=10_000,
    ),
)
