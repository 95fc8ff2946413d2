"""Using an item."""

from typing import Annotated

from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.spec import Arguments, Phrase, Tool, ToolKind, schema_of
from npc_brain.world.world import World


class UseArguments(Arguments):
    """What to use, and on what or whom."""

    item: Annotated[str, Ref(Domain.USABLE_ITEM)]
    target: Annotated[str, Ref(Domain.TARGET)] = ""


def _describe(world: World, args: UseArguments) -> Phrase:
    what = f"the {world.name_of(args.item)}"
    if args.target:
        what += f" on {world.name_of(args.target)}"
    return Phrase(f"use {what}", f"used {what}", f"using {what}")


def _reserves(args: UseArguments) -> dict[str, int]:
    return {args.item: 1}


TOOL = Tool(
    name="inventory_use",
    kind=ToolKind.ACTION,
    description="Use an item you have, on something or someone if need be.",
    arguments=UseArguments,
    schema=schema_of(UseArguments),
    reserves=_reserves,
    describe=_describe,
    done_event="used_item",
    is_instant=True,
    timeout_ms=10_000,
)
