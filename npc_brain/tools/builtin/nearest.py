"""The nearest place, person or thing of a kind."""

from typing import Annotated

from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.paths import how_far, in_time, measured, measures, standing
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)
from npc_brain.world.model import Entity, Place


class TagArguments(Arguments):
    """A kind of place, person or thing."""

    tag: Annotated[str, Ref(Domain.TAG)]


def _run(ctx: ToolContext, args: TagArguments) -> ToolResult:
    world = ctx.world
    known = standing(ctx)
    if isinstance(known, ToolResult):
        return known
    navigator, start = known
    tagged: list[Place | Entity] = [
        *(place for place in world.places.values() if args.tag in place.tags),
        *(
            entity
            for entity in world.entities.values()
            if args.tag in entity.tags and entity.id != ctx.npc_id
        ),
    ]
    index = navigator.nearest(start, [target.position for target in tagged], ctx.limit)
    if index is None:
        return refusal("unreachable", f"There is no way to any {_words(args.tag)}.", tag=args.tag)
    target = tagged[index]
    path = navigator.path_to_reach(start, target.position, ctx.limit)
    assert path is not None
    data = {"tag": args.tag, **measures(ctx, target.id, path)}
    text = f"the nearest {_words(args.tag)} is {target.name}, {how_far(world, data)}"
    return measured(data, text)


def _words(tag: str) -> str:
    return tag.replace("_", " ").replace("-", " ")


TOOL = Tool(
    name="nearest",
    kind=ToolKind.QUERY,
    description="Find the nearest place, person or thing of a kind.",
    arguments=TagArguments,
    schema=schema_of(TagArguments),
    run=in_time(_run),
    needs_nav=True,
    timeout_ms=5_000,
    stand_ins=("find_path",),
)
