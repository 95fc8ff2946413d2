"""What an NPC says of a tool's outcome: the author's lines first, then those of the language.

An author's keys are `TOOL` when it went well, `TOOL_started` while a long action is under way, and
`TOOL_REASON`, then `TOOL_failed`, when it did not. Lines are templates; see `values_of`.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from npc_brain.language.en.wording import counted, listed, sentence
from npc_brain.language.language import language
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.effects import pick_line, render_line
from npc_brain.tools.spec import ToolResult
from npc_brain.world.model import Scalar
from npc_brain.world.world import World

STARTED = "started"
"""The `reason` of an action that goes on after the line is said."""


def values_of(result: ToolResult, args: Mapping[str, Any], world: World) -> dict[str, Scalar]:
    """The placeholders of a tool's outcome.

    Scalar fields of the arguments and of the result's data by their own names; for each id among
    them `NAME_name`; for a count of an item, how one says it, as `what` (`give_what`, `take_what`
    in a trade); lists in words, of `items` those with a price as `wares` too; `steps` in words as
    `how_far`; the outcome as one sentence as `fact`.
    """
    fields = {**args, **result.data}
    fields.pop("name", None)
    values: dict[str, Scalar] = {"fact": result.text}
    for key, value in fields.items():
        if isinstance(value, str):
            values[key] = value
            values[f"{key}_name"] = world.name_of(value)
        elif isinstance(value, bool | int | float):
            values[key] = value
        elif isinstance(value, list | tuple):
            values[key] = listed([world.name_of(str(part)) for part in value])
        elif key == "items" and isinstance(value, dict):
            values[key] = listed([counted(n, world.name_of(item)) for item, n in value.items()])
            values["wares"] = listed(
                [
                    counted(n, world.name_of(item))
                    for item, n in value.items()
                    if _is_sold(world, item)
                ]
            )
    if isinstance(fields.get("steps"), int):
        values["how_far"] = f"{fields['steps']} step{'' if fields['steps'] == 1 else 's'}"
    for prefix in ("", "give_", "take_"):
        item, count = fields.get(f"{prefix}item"), fields.get(f"{prefix}count", 1)
        if isinstance(item, str) and isinstance(count, int):
            values[f"{prefix}what"] = counted(count, world.name_of(item))
    return values


def _is_sold(world: World, item_id: str) -> bool:
    item = world.item(item_id)
    return item is not None and item.price is not None and item_id != world.currency


def _keys(result: ToolResult) -> tuple[str, ...]:
    """The keys of the lines that fit an outcome, the most particular first."""
    if not result.ok:
        return (result.reason, "failed")
    if result.reason == STARTED:
        return (STARTED,)
    return (result.variant, "done") if result.variant else ("done",)


def outcome_lines(
    definition: NpcDefinition,
    tool: str,
    result: ToolResult,
    values: Mapping[str, Scalar],
    *,
    for_model: bool = False,
) -> list[str]:
    """All lines that fit an outcome, filled in; never empty.

    With `for_model`, when a model will go on freely after the line, `lines.opener` comes first.
    """
    authored, words, keys = definition.lines, language(), _keys(result)
    authored_keys = [tool if key == "done" else f"{tool}_{key}" for key in keys]
    tables: list[tuple[Mapping[str, Sequence[str]], Sequence[str]]] = [
        (authored.outcome, authored_keys),
        (words.lines(tool), keys),
    ]
    if for_model:
        tables.insert(0, (authored.opener, authored_keys))
    for table, names in tables:
        for name in names:
            lines = [render_line(line, values) for line in table.get(name, ())]
            filled = [_capitalised(sentence(line)) for line in lines if line]
            if filled:
                return filled
    generic = words.talk.outcomes[keys[-1]]
    return [line for text in generic if (line := render_line(text, values))] or ["Done."]


def _capitalised(text: str) -> str:
    """With a capital after each sentence's end: names such as "the mill" may stand there."""
    return re.sub(r"(?<=[.!?] )[a-z]", lambda match: match[0].upper(), text)


def fallback_line(lines: tuple[str, ...], values: Mapping[str, Scalar], rng: random.Random) -> str:
    """An authored fallback line; the checks of NPC files make sure that there is one."""
    return pick_line(lines, values, rng) or "…"
