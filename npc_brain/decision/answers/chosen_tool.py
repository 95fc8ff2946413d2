"""A tool that the sentence encoder chooses by what was said."""

from collections.abc import Sequence
from typing import Any

from npc_brain.decision.answer import Answer, Pass, Tell, Why
from npc_brain.decision.view import TurnView
from npc_brain.language.language import JUST_TALK
from npc_brain.schema.marks import ref_of
from npc_brain.tools.narrow import legal_schema
from npc_brain.tools.spec import Tool
from npc_brain.understanding.arguments import Missing, fill
from npc_brain.understanding.linking import Mention
from npc_brain.understanding.trading import Money
from npc_brain.world.world import World

SURE_MARGIN = 0.1
"""Of a tool choice by the encoder; below it, `tool_choice: both` leaves the choice to the model."""


async def chosen_tool(view: TurnView) -> Answer | Pass:
    """Use the tool that the text asks for, if the encoder is to choose and it asks for one."""
    names, chooser = view.tool_names, view.tool_chooser
    if not names or not view.text or chooser == "model":
        return Pass(why={"tool_choice": chooser, "tools": names})
    match = await view.models.choose_tool(
        view.npc, view.text, view.mentions, names, view.own_examples, view.world
    )
    min_margin = SURE_MARGIN if chooser == "both" else 0.0
    why: Why = {"tool": match.label, "margin": match.margin, "min_margin": min_margin}
    if match.label == JUST_TALK or match.margin < min_margin:
        return Pass(why=why)
    tool = view.context.tools.get(match.label)
    filled = await _read_arguments(view, tool, (match.start, match.end))
    if isinstance(filled, Missing):
        if not filled.mentioned_id:
            return Pass(why={**why, "missing": filled.parameter})
        filled = {**filled.filled, filled.parameter: filled.mentioned_id}
    outcome = await view.perform_chosen(tool, filled)
    return Tell(outcome, why=why)


async def _read_arguments(
    view: TurnView, tool: Tool, focus: tuple[int, int]
) -> dict[str, Any] | Missing:
    """What the text says of the arguments; of a tool that is not legal now, what it names."""
    context = view.tool_context

    def read() -> dict[str, Any] | Missing:
        legal = legal_schema(tool, context)
        if legal is None:
            return _named(tool, view.mentions)
        money = _money(context.world)
        return fill(tool.schema, legal, view.text, view.mentions, focus=focus, money=money)

    return await view.models.run(read, view.npc)


def _money(world: World) -> Money | None:
    if world.currency is None:
        return None
    prices = {i.id: i.price for i in world.items.values() if i.price is not None}
    return Money(world.currency, prices)


def _named(tool: Tool, mentions: Sequence[Mention]) -> dict[str, Any]:
    """The argument that a text names for a tool that is not legal now: the refusal speaks of it."""
    for name, schema in tool.schema.get("properties", {}).items():
        ref = ref_of(schema)
        if name in tool.schema.get("required", ()) and ref and "item" in ref.domain.kinds:
            item = next((mention.id for mention in mentions if mention.kind == "item"), None)
            return {name: item} if item else {}
    return {}
