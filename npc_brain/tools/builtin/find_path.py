"""The way to a target, with landmarks."""

from npc_brain.language.en import wording
from npc_brain.tools.paths import TargetArguments, in_time, measured, measures, path_to, where
from npc_brain.tools.spec import Tool, ToolContext, ToolKind, ToolResult, schema_of
from npc_brain.world.navigation import Path
from npc_brain.world.world import World

MAX_LANDMARKS = 2
"""How many places along a path are named."""


def _run(ctx: ToolContext, args: TargetArguments) -> ToolResult:
    path = path_to(ctx, args.target)
    if isinstance(path, ToolResult):
        return path
    data = measures(ctx, args.target, path)
    landmarks = _landmarks(ctx.world, path, args.target)
    data["via"] = landmarks
    text = where(ctx.world, data)
    if landmarks:
        text += f", past {wording.listed([ctx.world.name_of(place) for place in landmarks])}"
    return measured(data, text)


def _landmarks(world: World, path: Path, target_id: str) -> list[str]:
    """The first places that the path leads through, between its ends."""
    between = {position: index for index, position in enumerate(path.waypoints[1:-1])}
    passed = sorted(
        (between[place.position], place.id)
        for place in world.places.values()
        if place.position in between and place.id != target_id
    )
    return [place_id for _, place_id in passed[:MAX_LANDMARKS]]


TOOL = Tool(
    name="find_path",
    kind=ToolKind.QUERY,
    description="Find the way to a place, person or thing: direction, steps, landmarks.",
    arguments=TargetArguments,
    schema=schema_of(TargetArguments),
    run=in_time(_run),
    needs_nav=True,
    timeout_ms=5_000,
    stand_ins=("distance",),
)
