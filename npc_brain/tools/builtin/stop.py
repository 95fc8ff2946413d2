"""Stopping to walk or follow."""

from npc_brain.tools.spec import Arguments, Phrase, Tool, ToolKind, schema_of
from npc_brain.world.world import World


class NoArguments(Arguments):
    """None."""


def _describe(world: World, args: NoArguments) -> Phrase:
    return Phrase("stop", "stopped", "stopping")


TOOL = Tool(
    name="stop",
    kind=ToolKind.ACTION,
    description="Stop walking or following.",
    arguments=NoArguments,
    schema=schema_of(NoArguments),
    describe=_describe,
    done_event="stopped",
    is_instant=True,
    timeout_ms=5_000,
)
