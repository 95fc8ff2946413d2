"""Remembering a text for later."""

from typing import Annotated

from pydantic import Field

from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolKind, ToolResult, schema_of


class RememberArguments(Arguments):
    """What to remember."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


def _run(ctx: ToolContext, args: RememberArguments) -> ToolResult:
    ctx.memory.remember(args.text, ctx.speaker_id)
    text = f"{ctx.world.name_of(ctx.npc_id)} will remember it."
    return ToolResult(ok=True, data={"text": args.text}, text=text)


TOOL = Tool(
    name="remember",
    kind=ToolKind.DIALOGUE,
    description="Remember something for later.",
    arguments=RememberArguments,
    schema=schema_of(RememberArguments),
    run=_run,
)
