"""What the NPC remembers of something."""

from typing import Annotated

from pydantic import Field

from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)


class RecallArguments(Arguments):
    """What to think of."""

    query: Annotated[str, Field(min_length=1, max_length=120)]


def _run(ctx: ToolContext, args: RecallArguments) -> ToolResult:
    memories = ctx.memory.recall(args.query)
    npc = ctx.world.name_of(ctx.npc_id)
    if not memories:
        return refusal("nothing_recalled", f"{npc} remembers nothing of that.")
    return ToolResult(
        ok=True, data={"memories": memories}, text=f"{npc} remembers: {'; '.join(memories)}"
    )


TOOL = Tool(
    name="recall",
    kind=ToolKind.DIALOGUE,
    description="Recall what you remember of something.",
    arguments=RecallArguments,
    schema=schema_of(RecallArguments),
    run=_run,
)
