"""The pathing tools: asking the way is a query, going there is an action of the engine.

In a world without nav the engine answers the queries and judges the actions.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools import wording
from npc_brain.tools.spec import (
    Arguments,
    Phrase,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)
from npc_brain.world.limit import SearchCutOff
from npc_brain.world.model import Entity, NavGraph, Place, Position
from npc_brain.world.navigation import Navigator, Path, direction
from npc_brain.world.world import World

MAX_LANDMARKS = 2
"""How many places along a path are named."""


class TargetArguments(Arguments):
    """A place, person or thing."""

    target: Annotated[str, Ref(Domain.TARGET)]


class TagArguments(Arguments):
    """A kind of place, person or thing."""

    tag: Annotated[str, Ref(Domain.TAG)]


class RouteArguments(Arguments):
    """Where to go, in any order."""

    stops: Annotated[
        tuple[Annotated[str, Ref(Domain.TARGET)], ...], Field(min_length=2, max_length=6)
    ]


class FollowArguments(Arguments):
    """Whom to follow; the person spoken with by default."""

    person: Annotated[str, Ref(Domain.PERSON, default="speaker")]


class NoArguments(Arguments):
    """None."""


def _find_path(ctx: ToolContext, args: TargetArguments) -> ToolResult:
    path = _path(ctx, args.target)
    if isinstance(path, ToolResult):
        return path
    data = _measures(ctx, args.target, path)
    landmarks = _landmarks(ctx.world, path, args.target)
    data["via"] = landmarks
    text = _where(ctx.world, data)
    if landmarks:
        text += f", past {wording.listed([ctx.world.name_of(place) for place in landmarks])}"
    return _measured(data, text)


def _distance(ctx: ToolContext, args: TargetArguments) -> ToolResult:
    path = _path(ctx, args.target)
    if isinstance(path, ToolResult):
        return path
    data = _measures(ctx, args.target, path)
    return _measured(data, _where(ctx.world, data))


def _is_reachable(ctx: ToolContext, args: TargetArguments) -> ToolResult:
    path = _path(ctx, args.target)
    name = ctx.world.name_of(args.target)
    if isinstance(path, ToolResult):
        if path.reason != "unreachable":
            return path
        data = {"target": args.target, "name": name, "reachable": False}
        return ToolResult(ok=True, data=data, text=path.text, variant="no")
    data = {"target": args.target, "name": name, "reachable": True}
    return ToolResult(ok=True, data=data, text=wording.sentence(f"{name} can be reached"))


def _nearest(ctx: ToolContext, args: TagArguments) -> ToolResult:
    world = ctx.world
    standing = _standing(ctx)
    if isinstance(standing, ToolResult):
        return standing
    navigator, start = standing
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
    data = {"tag": args.tag, **_measures(ctx, target.id, path)}
    text = f"the nearest {_words(args.tag)} is {target.name}, {_how_far(world, data)}"
    return _measured(data, text)


def _plan_route(ctx: ToolContext, args: RouteArguments) -> ToolResult:
    world = ctx.world
    standing = _standing(ctx)
    if isinstance(standing, ToolResult):
        return standing
    navigator, here = standing
    stops = list(dict.fromkeys(args.stops))
    positions = [_position(world, stop) for stop in stops]
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
    text = f"the shortest way is {', then '.join(names)}, {_length(world, data)} in all"
    return ToolResult(ok=True, data=data, text=wording.sentence(text))


def _check_go_to(ctx: ToolContext, args: TargetArguments) -> ToolResult | None:
    if ctx.world.nav is None:
        return None
    path = _judged(ctx, args.target)
    if path is None or isinstance(path, ToolResult):
        return path
    near = 1 if args.target in ctx.world.entities and not path.nodes else 0
    if path.num_steps <= near:
        npc, name = ctx.world.name_of(ctx.npc_id), ctx.world.name_of(args.target)
        return refusal("already_there", f"{npc} is at {name} already.", target=args.target)
    return None


def _check_follow(ctx: ToolContext, args: FollowArguments) -> ToolResult | None:
    if ctx.world.nav is None:
        return None
    path = _judged(ctx, args.person)
    return path if isinstance(path, ToolResult) else None


def _in_time(
    run: Callable[[ToolContext, Any], ToolResult],
) -> Callable[[ToolContext, Any], ToolResult]:
    """A query that says so when its search is cut off."""

    def tried(ctx: ToolContext, args: Any) -> ToolResult:
        try:
            return run(ctx, args)
        except SearchCutOff:
            return refusal("cut_off", "The way could not be worked out in time.")

    return tried


def _judged(ctx: ToolContext, target_id: str) -> Path | ToolResult | None:
    """Like `_path`; None when the search is cut off, and the game has to judge."""
    try:
        return _path(ctx, target_id)
    except SearchCutOff:
        return None


def _standing(ctx: ToolContext) -> tuple[Navigator, Position] | ToolResult:
    """The navigator and where the NPC is, or the refusal to say."""
    start = ctx.world.position_of(ctx.npc_id)
    navigator = ctx.world.navigator
    if start is None or navigator is None:
        npc = ctx.world.name_of(ctx.npc_id)
        return refusal("position_unknown", f"Where {npc} stands is not known.")
    return navigator, start


def _path(ctx: ToolContext, target_id: str) -> Path | ToolResult:
    standing = _standing(ctx)
    if isinstance(standing, ToolResult):
        return standing
    navigator, start = standing
    path = navigator.path_to_reach(start, _position(ctx.world, target_id), ctx.limit)
    if path is None:
        text = f"There is no way to {ctx.world.name_of(target_id)}."
        return refusal("unreachable", text, target=target_id)
    return path


def _position(world: World, target_id: str) -> Position:
    position = world.position_of(target_id)
    if position is None:
        raise KeyError(f"{target_id!r} is neither place nor entity: arguments were not validated")
    return position


def _measures(ctx: ToolContext, target_id: str, path: Path) -> dict[str, Any]:
    """What there is to say of a path to a target, for templates and prompts."""
    world = ctx.world
    start = _position(world, ctx.npc_id)
    return {
        "target": target_id,
        "name": world.name_of(target_id),
        "steps": path.num_steps,
        "distance": round(path.cost, 2),
        "direction": direction(start, _position(world, target_id)),
    }


def _measured(data: dict[str, Any], text: str) -> ToolResult:
    """The answer of a query that measured a path to one target."""
    variant = "" if data["steps"] else "here"
    return ToolResult(ok=True, data=data, text=wording.sentence(text), variant=variant)


def _where(world: World, data: dict[str, Any]) -> str:
    return f"{data['name']} is {_how_far(world, data)}"


def _how_far(world: World, data: dict[str, Any]) -> str:
    if data["direction"] == "here":
        return "right here"
    if data["steps"] == 0:
        return f"right beside, {data['direction']}"
    return f"{_length(world, data)} {data['direction']}"


def _length(world: World, data: dict[str, Any]) -> str:
    if isinstance(world.nav, NavGraph):
        return f"{data['distance']:.0f} metres"
    return "1 step" if data["steps"] == 1 else f"{data['steps']} steps"


def _landmarks(world: World, path: Path, target_id: str) -> list[str]:
    """The first places that the path leads through, between its ends."""
    between = {position: index for index, position in enumerate(path.waypoints[1:-1])}
    passed = sorted(
        (between[place.position], place.id)
        for place in world.places.values()
        if place.position in between and place.id != target_id
    )
    return [place_id for _, place_id in passed[:MAX_LANDMARKS]]


def _words(tag: str) -> str:
    return tag.replace("_", " ").replace("-", " ")


def _describe_go_to(world: World, args: TargetArguments) -> Phrase:
    name = world.name_of(args.target)
    return Phrase(f"go to {name}", f"arrived at {name}", f"on the way to {name}")


def _describe_follow(world: World, args: FollowArguments) -> Phrase:
    name = world.name_of(args.person)
    return Phrase(f"follow {name}", f"followed {name}", f"following {name}")


def _describe_stop(world: World, args: NoArguments) -> Phrase:
    return Phrase("stop", "stopped", "stopping")


TOOLS = (
    Tool(
        name="find_path",
        kind=ToolKind.QUERY,
        description="Find the way to a place, person or thing: direction, steps, landmarks.",
        arguments=TargetArguments,
        schema=schema_of(TargetArguments),
        run=_in_time(_find_path),
        needs_nav=True,
        timeout_ms=5_000,
    ),
    Tool(
        name="distance",
        kind=ToolKind.QUERY,
        description="Tell how far it is to a place, person or thing.",
        arguments=TargetArguments,
        schema=schema_of(TargetArguments),
        run=_in_time(_distance),
        needs_nav=True,
        timeout_ms=5_000,
    ),
    Tool(
        name="nearest",
        kind=ToolKind.QUERY,
        description="Find the nearest place, person or thing of a kind.",
        arguments=TagArguments,
        schema=schema_of(TagArguments),
        run=_in_time(_nearest),
        needs_nav=True,
        timeout_ms=5_000,
    ),
    Tool(
        name="is_reachable",
        kind=ToolKind.QUERY,
        description="Tell whether one can get to a place, person or thing from here.",
        arguments=TargetArguments,
        schema=schema_of(TargetArguments),
        run=_in_time(_is_reachable),
        needs_nav=True,
        timeout_ms=5_000,
    ),
    Tool(
        name="plan_route",
        kind=ToolKind.QUERY,
        description="Plan the shortest way through several places, in the best order.",
        arguments=RouteArguments,
        schema=schema_of(RouteArguments),
        run=_in_time(_plan_route),
        needs_nav=True,
        timeout_ms=5_000,
    ),
    Tool(
        name="go_to",
        kind=ToolKind.ACTION,
        description="Walk to a place, person or thing.",
        arguments=TargetArguments,
        schema=schema_of(TargetArguments),
        check=_check_go_to,
        is_search=True,
        describe=_describe_go_to,
        done_event="reached_goal",
        timeout_ms=120_000,
    ),
    Tool(
        name="follow",
        kind=ToolKind.ACTION,
        description="Follow a person.",
        arguments=FollowArguments,
        schema=schema_of(FollowArguments),
        check=_check_follow,
        is_search=True,
        describe=_describe_follow,
        done_event="stopped_following",
        timeout_ms=600_000,
    ),
    Tool(
        name="stop",
        kind=ToolKind.ACTION,
        description="Stop walking or following.",
        arguments=NoArguments,
        schema=schema_of(NoArguments),
        describe=_describe_stop,
        done_event="stopped",
        is_instant=True,
        timeout_ms=5_000,
    ),
)
