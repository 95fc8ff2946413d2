"""Putting on an item, or taking it in hand."""

from typing import Annotated

from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.spec import Arguments, Phrase, Tool, ToolKind, schema_of
from npc_brain.world.world import World


class EquipArguments(Arguments):
    """What to equip."""

    item: Annotated[str, Ref(Domain.WEARABLE_ITEM)]


def _describe(world: World, args: EquipArguments) -> Phrase:
    what = f"the {world.name_of(args.item)}"
    return Phrase(f"equip {what}", f"equipped {what}", f"equipping {what}")


def _reserves(args: EquipArguments) -> dict[str, int]:
    return {args.item: 1}


TOOL = Tool(
    name="inventory_equip",
    kind=ToolKind.ACTION,
    description="Put on or take in hand an item you have.",
    arguments=EquipArguments,
    schema=schema_of(EquipArguments),
    reserves=_reserves,
    describe=_describe,
    done_event="equipped_item",
    is_instant=True,
    timeout_ms=10_000,
)
