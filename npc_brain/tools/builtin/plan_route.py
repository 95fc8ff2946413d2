"""The shortest way through several places."""

from typing import Annotated

from pydantic import Field

from npc_brain.language.en import wording
from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.paths import in_time, length, position_of, standing
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)


class RouteArguments(Arguments):
    """Where to go, in any order."""

    stops: Annotated[
        tuple[Annotated[str, Ref(Domain.TARGET)], ...], Field(min_length=2, max_length=6)
    ]


def _run(ctx: ToolContext, args: RouteArguments) -> ToolResult:
    world = ctx.world
    known = standing(ctx)
    if isinstance(known, ToolResult):
        return known
    navigator, here = known
    stops = list(dict.fromkeys(args.stops))
    positions = [position_of(world, stop) for stop in stops]
    order = navigator.route(here, positions, ctx.limit)
    if order is None:
        return refusal("unreachable", "Not all of these places can be reached.", stops=stops)
    steps, cost = 0, 0.0
    for index in order:
        path = navigator.path_to_reach(here, positions[index], ctx.limit)
        assert path is not None
        steps, cost, here = steps + path.num_steps, cost + path.cost, positions[index]
    ordered = [stops[index] for index in order]
    names = [world.name_of(stop) for stop in ordered]
    data = {"stops": ordered, "names": names, "steps": steps, "distance": round(cost, 2)}
    text = f"the shortest way is {', then '.join(names)}, {length(world, data)} in all"
    return ToolResult(ok=True, data=data, text=wording.sentence(text))


TOOL = Tool(
    name="plan_route",
    kind=ToolKind.QUERY,
    description="Plan the shortest way through several places, in the best order.",
    arguments=RouteArguments,
    schema=schema_of(RouteArguments),
    run=in_time(_run),
    needs_nav=True,
    timeout_ms=5_000,
)
