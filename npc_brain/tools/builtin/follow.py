"""Following a person."""

from typing import Annotated

from npc_brain.schema.marks import Domain, Ref
from npc_brain.tools.paths import judged_path
from npc_brain.tools.spec import (
    Arguments,
    Phrase,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    schema_of,
)
from npc_brain.world.world import World


class FollowArguments(Arguments):
    """Whom to follow; the person spoken with by default."""

    person: Annotated[str, Ref(Domain.PERSON, default="speaker")]


def _check(ctx: ToolContext, args: FollowArguments) -> ToolResult | None:
    if ctx.world.nav is None:
        return None
    path = judged_path(ctx, args.person)
    return path if isinstance(path, ToolResult) else None


def _describe(world: World, args: FollowArguments) -> Phrase:
    name = world.name_of(args.person)
    return Phrase(f"follow {name}", f"followed {name}", f"following {name}")


TOOL = Tool(
    name="follow",
    kind=ToolKind.ACTION,
    description="Follow a person.",
    arguments=FollowArguments,
    schema=schema_of(FollowArguments),
    check=_check,
    is_search=True,
    describe=_describe,
    done_event="stopped_following",
    timeout_ms=600_000,
)
