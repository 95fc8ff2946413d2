"""Whether the NPC holds what someone asked for by name."""

from typing import Annotated

from pydantic import Field

from npc_brain.language.en import wording
from npc_brain.tools.items import holding
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)


class FindArguments(Arguments):
    """What someone called the item."""

    name: Annotated[str, Field(min_length=1, max_length=60)]


def _run(ctx: ToolContext, args: FindArguments) -> ToolResult:
    world = ctx.world
    inventory = world.inventory(ctx.npc_id)
    held = [item_id for item_id, count in (inventory.items.items() if inventory else ()) if count]
    names = {key: (item.name, key, *item.aliases) for key, item in world.items.items()}
    found = wording.best_match(args.name, {item_id: names[item_id] for item_id in held})
    if found is not None:
        return holding(ctx, found)
    npc = world.name_of(ctx.npc_id)
    known = wording.best_match(args.name, names)
    if known is None:
        return refusal("unknown_item", f"{npc} knows of no such item.")
    return refusal("not_held", f"{npc} has no {world.name_of(known)}.", item=known)


TOOL = Tool(
    name="inventory_find",
    kind=ToolKind.QUERY,
    description="Look for an item in your inventory by its name.",
    arguments=FindArguments,
    schema=schema_of(FindArguments),
    run=_run,
    stand_ins=("inventory_count",),
)
