"""How far it is to a target."""

from npc_brain.tools.paths import TargetArguments, in_time, measured, measures, path_to, where
from npc_brain.tools.spec import Tool, ToolContext, ToolKind, ToolResult, schema_of


def _run(ctx: ToolContext, args: TargetArguments) -> ToolResult:
    path = path_to(ctx, args.target)
    if isinstance(path, ToolResult):
        return path
    data = measures(ctx, args.target, path)
    return measured(data, where(ctx.world, data))


TOOL = Tool(
    name="distance",
    kind=ToolKind.QUERY,
    description="Tell how far it is to a place, person or thing.",
    arguments=TargetArguments,
    schema=schema_of(TargetArguments),
    run=in_time(_run),
    needs_nav=True,
    timeout_ms=5_000,
    stand_ins=("find_path",),
)
