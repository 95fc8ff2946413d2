"""Giving away items."""

from typing import Annotated

from npc_brain.language.en import wording
from npc_brain.schema.marks import CountOf, Domain, Ref
from npc_brain.tools.items import Amount, too_few
from npc_brain.tools.spec import (
    Arguments,
    Phrase,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    schema_of,
)
from npc_brain.world.world import World


class GiveArguments(Arguments):
    """What to give, how many, and to whom (the person spoken with by default)."""

    item: Annotated[str, Ref(Domain.HELD_ITEM)]
    count: Annotated[Amount, CountOf("item")] = 1
    to: Annotated[str, Ref(Domain.HOLDER, default="speaker")]


def _check(ctx: ToolContext, args: GiveArguments) -> ToolResult | None:
    return too_few(ctx, args.item, args.count)


def _reserves(args: GiveArguments) -> dict[str, int]:
    return {args.item: args.count}


def _describe(world: World, args: GiveArguments) -> Phrase:
    to = world.name_of(args.to)
    what = wording.counted(args.count, world.name_of(args.item))
    return Phrase(f"give {to} {what}", f"gave {to} {what}", f"giving {to} {what}")


TOOL = Tool(
    name="inventory_give",
    kind=ToolKind.ACTION,
    description="Give away an item you have.",
    arguments=GiveArguments,
    schema=schema_of(GiveArguments),
    check=_check,
    reserves=_reserves,
    describe=_describe,
    done_event="gave_item",
    is_instant=True,
    timeout_ms=10_000,
)
