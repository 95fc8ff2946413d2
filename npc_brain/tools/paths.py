"""What the tools of paths share: finding a path, and saying how long it is.

In a world without nav the engine answers the queries and judges the actions.
"""

from collections.abc import Callable
from typing import Annotated, Any

from npc_brain.language.en import wording
from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.spec import Arguments, ToolContext, ToolResult, refusal
from npc_brain.world.limit import SearchCutOff
from npc_brain.world.model import NavGraph, Position
from npc_brain.world.navigation import Navigator, Path, direction
from npc_brain.world.world import World


class TargetArguments(Arguments):
    """A place, person or thing."""

    target: Annotated[str, Ref(Domain.TARGET)]


def in_time(
    run: Callable[[ToolContext, Any], ToolResult],
) -> Callable[[ToolContext, Any], ToolResult]:
    """A query that says so when its search is cut off."""

    def tried(ctx: ToolContext, args: Any) -> ToolResult:
        try:
            return run(ctx, args)
        except SearchCutOff:
            return refusal("cut_off", "The way could not be worked out in time.")

    return tried


def standing(ctx: ToolContext) -> tuple[Navigator, Position] | ToolResult:
    """The navigator and where the NPC is, or the refusal to say."""
    start = ctx.world.position_of(ctx.npc_id)
    navigator = ctx.world.navigator
    if start is None or navigator is None:
        npc = ctx.world.name_of(ctx.npc_id)
        return refusal("position_unknown", f"Where {npc} stands is not known.")
    return navigator, start


def path_to(ctx: ToolContext, target_id: str) -> Path | ToolResult:
    """The path from the NPC to a target, or the refusal; raises SearchCutOff."""
    known = standing(ctx)
    if isinstance(known, ToolResult):
        return known
    navigator, start = known
    path = navigator.path_to_reach(start, position_of(ctx.world, target_id), ctx.limit)
    if path is None:
        text = f"There is no way to {ctx.world.name_of(target_id)}."
        return refusal("unreachable", text, target=target_id)
    return path


def judged_path(ctx: ToolContext, target_id: str) -> Path | ToolResult | None:
    """Like `path_to`; None when the search is cut off, and the game has to judge."""
    try:
        return path_to(ctx, target_id)
    except SearchCutOff:
        return None


def position_of(world: World, target_id: str) -> Position:
    """Where a place or entity is; raises KeyError where arguments were not validated."""
    position = world.position_of(target_id)
    if position is None:
        raise KeyError(f"{target_id!r} is neither place nor entity: arguments were not validated")
    return position


def measures(ctx: ToolContext, target_id: str, path: Path) -> dict[str, Any]:
    """What there is to say of a path to a target, for templates and prompts."""
    world = ctx.world
    start = position_of(world, ctx.npc_id)
    return {
        "target": target_id,
        "name": world.name_of(target_id),
        "steps": path.num_steps,
        "distance": round(path.cost, 2),
        "direction": direction(start, position_of(world, target_id)),
    }


def measured(data: dict[str, Any], text: str) -> ToolResult:
    """The answer of a query that measured the path to one target."""
    variant = "" if data["steps"] else "here"
    return ToolResult(ok=True, data=data, text=wording.sentence(text), variant=variant)


def where(world: World, data: dict[str, Any]) -> str:
    """`measures` as a clause: "the smithy is 12 steps east"."""
    return f"{data['name']} is {how_far(world, data)}"


def how_far(world: World, data: dict[str, Any]) -> str:
    """`measures` as a place: "12 steps east", "right here"."""
    if data["direction"] == "here":
        return "right here"
    if data["steps"] == 0:
        return f"right beside, {data['direction']}"
    return f"{length(world, data)} {data['direction']}"


def length(world: World, data: dict[str, Any]) -> str:
    """How long a path is: "12 steps", in a world with a graph "30 metres"."""
    if isinstance(world.nav, NavGraph):
        return f"{data['distance']:.0f} metres"
    return "1 step" if data["steps"] == 1 else f"{data['steps']} steps"
