"""Answers that the player can choose from."""

from typing import Annotated

from pydantic import Field

from npc_brain.language.en import wording
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    schema_of,
)


class ChoicesArguments(Arguments):
    """What the player can answer."""

    options: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=80)], ...],
        Field(min_length=2, max_length=4),
    ]


def _run(ctx: ToolContext, args: ChoicesArguments) -> ToolResult:
    if len(set(args.options)) < len(args.options):
        return refusal("bad_arguments", "The options must differ.")
    quoted = [f'"{option}"' for option in args.options]
    text = f"{ctx.world.name_of(ctx.npc_id)} offered {wording.listed(quoted)}."
    return ToolResult(
        ok=True, data={"choices": list(args.options)}, text=text, choices=args.options
    )


TOOL = Tool(
    name="offer_choices",
    kind=ToolKind.DIALOGUE,
    description="Offer the player a few answers to choose from.",
    arguments=ChoicesArguments,
    schema=schema_of(ChoicesArguments),
    run=_run,
)
