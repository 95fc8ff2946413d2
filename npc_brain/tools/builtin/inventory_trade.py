"""Giving items in return for others."""

from typing import Annotated

from npc_brain.language.en import wording
from npc_brain.schema.marks import CountOf, Domain, Ref
from npc_brain.tools.items import Amount, lacking, too_few
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


class TradeArguments(Arguments):
    """What the NPC gives and takes; the partner is the person spoken with by default."""

    give_item: Annotated[str, Ref(Domain.HELD_ITEM)]
    give_count: Annotated[Amount, CountOf("give_item")] = 1
    take_item: Annotated[str, Ref(Domain.SPEAKER_ITEM, of="partner")]
    take_count: Annotated[Amount, CountOf("take_item")] = 1
    partner: Annotated[str, Ref(Domain.HOLDER, default="speaker")]


def _check(ctx: ToolContext, args: TradeArguments) -> ToolResult | None:
    """Both sides must have what they give, and the NPC gives no more value than it takes.

    The rule counts only where both values are known; an author who wants generosity uses a gift, or
    leaves prices out.
    """
    missing = too_few(ctx, args.give_item, args.give_count) or lacking(
        ctx, args.partner, args.take_item, args.take_count
    )
    if missing:
        return missing
    given = _value(ctx.world, args.give_item, args.give_count)
    taken = _value(ctx.world, args.take_item, args.take_count)
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


def _value(world: World, item_id: str, count: int) -> int | None:
    """What `count` of an item are worth in the world's currency; None when it has no price."""
    if item_id == world.currency:
        return count
    item = world.item(item_id)
    return None if item is None or item.price is None else item.price * count


def _reserves(args: TradeArguments) -> dict[str, int]:
    return {args.give_item: args.give_count}


def _describe(world: World, args: TradeArguments) -> Phrase:
    partner = world.name_of(args.partner)
    given = wording.counted(args.give_count, world.name_of(args.give_item))
    taken = wording.counted(args.take_count, world.name_of(args.take_item))
    what = f"{given} to {partner} for {taken}"
    return Phrase(f"trade {what}", f"traded {what}", f"trading {what}")


TOOL = Tool(
    name="inventory_trade",
    kind=ToolKind.ACTION,
    description="Trade an item you have for one the other has.",
    arguments=TradeArguments,
    schema=schema_of(TradeArguments),
    check=_check,
    reserves=_reserves,
    describe=_describe,
    done_event="traded",
    is_instant=True,
    timeout_ms=10_000,
)
