"""Whether there is a way to a target."""

from npc_brain.language.en import wording
from npc_brain.tools.paths import TargetArguments, in_time, path_to
from npc_brain.tools.spec import Tool, ToolContext, ToolKind, ToolResult, schema_of


def _run(ctx: ToolContext, args: TargetArguments) -> ToolResult:
    path = path_to(ctx, args.target)
    name = ctx.world.name_of(args.target)
    if isinstance(path, ToolResult):
        if path.reason != "unreachable":
            return path
        data = {"target": args.target, "name": name, "reachable": False}
        return ToolResult(ok=True, data=data, text=path.text, variant="no")
    data = {"target": args.target, "name": name, "reachable": True}
    return ToolResult(ok=True, data=data, text=wording.sentence(f"{name} can be reached"))


TOOL = Tool(
    name="is_reachable",
    kind=ToolKind.QUERY,
    description="Tell whether one can get to a place, person or thing from here.",
    arguments=TargetArguments,
    schema=schema_of(TargetArguments),
    run=in_time(_run),
    needs_nav=True,
    timeout_ms=5_000,
    stand_ins=("find_path", "distance"),
)
