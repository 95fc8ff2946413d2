"""What someone carries."""

from typing import Annotated

from npc_brain.language.en import wording
from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)


class ListArguments(Arguments):
    """Whose inventory; the NPC's own by default."""

    owner: Annotated[str, Ref(Domain.INVENTORY, default="self")]


def _run(ctx: ToolContext, args: ListArguments) -> ToolResult:
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


TOOL = Tool(
    name="inventory_list",
    kind=ToolKind.QUERY,
    description="List what someone carries.",
    arguments=ListArguments,
    schema=schema_of(ListArguments),
    run=_run,
)
