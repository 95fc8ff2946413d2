"""Taking items that someone offers."""

from typing import Annotated

from npc_brain.language.en import wording
from npc_brain.schema.marks import CountOf, Domain, Ref
from npc_brain.tools.items import Amount, lacking
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


class TakeArguments(Arguments):
    """What to take, how many, and from whom (the person spoken with by default)."""

    item: Annotated[str, Ref(Domain.SPEAKER_ITEM, of="source")]
    count: Annotated[Amount, CountOf("item")] = 1
    source: Annotated[str, Ref(Domain.HOLDER, default="speaker")]


def _check(ctx: ToolContext, args: TakeArguments) -> ToolResult | None:
    return lacking(ctx, args.source, args.item, args.count)


def _describe(world: World, args: TakeArguments) -> Phrase:
    source = world.name_of(args.source)
    what = f"{wording.counted(args.count, world.name_of(args.item))} from {source}"
    return Phrase(f"take {what}", f"took {what}", f"taking {what}")


TOOL = Tool(
    name="inventory_take",
    kind=ToolKind.ACTION,
    description="Take an item that someone offers you.",
    arguments=TakeArguments,
    schema=schema_of(TakeArguments),
    check=_check,
    describe=_describe,
    done_event="took_item",
    is_instant=True,
    timeout_ms=10_000,
)
