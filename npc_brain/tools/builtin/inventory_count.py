"""How many of an item the NPC holds."""

from typing import Annotated

from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.items import holding
from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolKind, ToolResult, schema_of


class CountArguments(Arguments):
    """Which item."""

    item: Annotated[str, Ref(Domain.ITEM)]


def _run(ctx: ToolContext, args: CountArguments) -> ToolResult:
    return holding(ctx, args.item)


TOOL = Tool(
    name="inventory_count",
    kind=ToolKind.QUERY,
    description="Count how many of an item you have, and its price.",
    arguments=CountArguments,
    schema=schema_of(CountArguments),
    run=_run,
    stand_ins=("inventory_find",),
)
