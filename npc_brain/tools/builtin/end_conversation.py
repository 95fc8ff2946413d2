"""Ending the conversation."""

from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolKind, ToolResult, schema_of


class EndArguments(Arguments):
    """None."""


def _run(ctx: ToolContext, args: EndArguments) -> ToolResult:
    text = f"{ctx.world.name_of(ctx.npc_id)} ended the conversation."
    return ToolResult(ok=True, text=text, ends_conversation=True)


TOOL = Tool(
    name="end_conversation",
    kind=ToolKind.DIALOGUE,
    description="End the conversation.",
    arguments=EndArguments,
    schema=schema_of(EndArguments),
    run=_run,
)
