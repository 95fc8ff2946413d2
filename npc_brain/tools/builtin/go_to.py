"""Walking to a target."""

from npc_brain.tools.paths import TargetArguments, judged_path
from npc_brain.tools.spec import Phrase, Tool, ToolContext, ToolKind, ToolResult, refusal, schema_of
from npc_brain.world.world import World


def _check(ctx: ToolContext, args: TargetArguments) -> ToolResult | None:
    if ctx.world.nav is None:
        return None
    path = judged_path(ctx, args.target)
    if path is None or isinstance(path, ToolResult):
        return path
    near = 1 if args.target in ctx.world.entities and not path.nodes else 0
    if path.num_steps <= near:
        npc, name = ctx.world.name_of(ctx.npc_id), ctx.world.name_of(args.target)
        return refusal("already_there", f"{npc} is at {name} already.", target=args.target)
    return None


def _describe(world: World, args: TargetArguments) -> Phrase:
    name = world.name_of(args.target)
    return Phrase(f"go to {name}", f"arrived at {name}", f"on the way to {name}")


TOOL = Tool(
    name="go_to",
    kind=ToolKind.ACTION,
    description="Walk to a place, person or thing.",
    arguments=TargetArguments,
    schema=schema_of(TargetArguments),
    check=_check,
    is_search=True,
    describe=_describe,
    done_event="reached_goal",
    timeout_ms=120_000,
)
