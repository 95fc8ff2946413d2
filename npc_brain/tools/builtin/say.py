"""Speaking: what a model does when it calls no tool."""

from typing import Annotated

from pydantic import Field

from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolKind, ToolResult, schema_of


class SayArguments(Arguments):
    """The spoken line."""

    text: Annotated[str, Field(min_length=1, max_length=400)]


def _run(ctx: ToolContext, args: SayArguments) -> ToolResult:
    text = f'{ctx.world.name_of(ctx.npc_id)} said: "{args.text}"'
    return ToolResult(ok=True, data={"text": args.text}, text=text)


TOOL = Tool(
    name="say",
    kind=ToolKind.DIALOGUE,
    description="Say something aloud.",
    arguments=SayArguments,
    schema=schema_of(SayArguments),
    run=_run,
    can_be_chosen=False,
)
