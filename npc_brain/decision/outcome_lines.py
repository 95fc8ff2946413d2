"""What an NPC says of a tool's outcome: the author's lines first, then plain English defaults.

Keys are `TOOL` when it went well, `TOOL_started` while a long action is under way, and
`TOOL_REASON`, then `TOOL_failed`, when it did not. Lines are templates; see `values_of`.
"""

import random
import re
from collections.abc import Mapping
from typing import Any

from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.effects import pick_line, render_line
from npc_brain.tools.spec import ToolResult
from npc_brain.tools.wording import counted, listed, sentence
from npc_brain.world.model import Scalar
from npc_brain.world.world import World

STARTED = "started"
"""The `reason` of an action that goes on after the line is said."""

DEFAULT_LINES: Mapping[str, tuple[str, ...]] = {
    "inventory_list": ("I have {items}.", "Let me see: {items}."),
    "inventory_list_empty": ("I have nothing at all, I'm afraid.",),
    "inventory_count": ("I have {what}.", "That would be {what}."),
    "inventory_count_none": ("I have no {item_name}, I'm afraid.",),
    "inventory_find": ("Yes, I have {what}.", "I do: {what}."),
    "inventory_find_unknown_item": ("I don't know of any such thing.",),
    "inventory_find_failed": ("No {item_name} here, I'm afraid.", "I have none, I'm afraid."),
    "inventory_give": ("Here you are: {what}.", "Take it: {what}."),
    "inventory_give_too_few": ("I can't spare that many.",),
    "inventory_give_promised": ("That one is promised to someone already.",),
    "inventory_give_failed": ("I have no {item_name} to give.", "I can't give you that."),
    "inventory_take": ("Thank you. I'll take {what}.",),
    "inventory_take_failed": ("You have nothing like that to give me.",),
    "inventory_trade": ("Done: {give_what} for {take_what}.", "A deal: {give_what} is yours."),
    "inventory_trade_bad_deal": ("That's no fair price. No deal.",),
    "inventory_trade_speaker_lacks": ("You don't have that on you. No deal.",),
    "inventory_trade_not_held": ("I don't have that to sell.",),
    "inventory_trade_failed": ("No deal.",),
    "inventory_use": ("There, I've used {item_name}.",),
    "inventory_use_failed": ("I can't use that.",),
    "inventory_equip": ("There, I'm wearing {item_name}.",),
    "inventory_equip_failed": ("I can't put that on.",),
    "find_path": ("{target_name} is {how_far} {direction} of here.",),
    "find_path_here": ("You're as good as there: {target_name} is right here.",),
    "find_path_failed": ("There's no way to {target_name} from here.",),
    "distance": ("It's {how_far} to {target_name}, {direction} of here.",),
    "distance_here": ("{target_name} is right here.",),
    "distance_failed": ("There's no way to {target_name} from here.",),
    "nearest": ("The nearest is {target_name}, {how_far} {direction} of here.",),
    "nearest_here": ("The nearest is {target_name}, right here.",),
    "nearest_failed": ("There's none that I could lead you to.",),
    "is_reachable": ("Yes, you can get to {target_name}.",),
    "is_reachable_no": ("No, there's no way to {target_name}.",),
    "is_reachable_failed": ("That I couldn't say.",),
    **dict.fromkeys(
        (f"{tool}_cut_off" for tool in ("find_path", "distance", "nearest", "plan_route")),
        ("That I can't work out from here.",),
    ),
    "plan_route": ("I'd go like this: {stops}. {how_far} in all.",),
    "plan_route_failed": ("You can't reach all of those from here.",),
    "go_to_started": ("I'm on my way to {target_name}.", "Off to {target_name}, then."),
    "go_to": ("Here I am: {target_name}.",),
    "go_to_already_there": ("I'm there already.",),
    "go_to_unreachable": ("There's no way to {target_name} from here.",),
    "go_to_failed": ("I couldn't get to {target_name}.",),
    "follow_started": ("Lead on, I'm right behind you.",),
    "follow": ("Here we are, then.",),
    "follow_failed": ("I can't follow you there.",),
    "stop": ("I'll stay right here.",),
    "stop_failed": ("I wasn't doing anything.",),
    "emote": ("There.", "Like this."),
    "offer_choices": ("Well, what will it be?",),
    "remember": ("I'll remember that.",),
    "recall": ("I remember: {memories}.",),
    "recall_failed": ("I don't remember anything about that.",),
    "end_conversation": ("Farewell.", "Until next time."),
}
GENERIC_OK = ("{fact}",)
GENERIC_STARTED = ("I'll see to it.",)
GENERIC_FAILED = ("I can't do that.",)


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


def keys_of(tool: str, result: ToolResult) -> tuple[str, ...]:
    """The wording keys of an outcome, the most particular first."""
    if not result.ok:
        return (f"{tool}_{result.reason}", f"{tool}_failed")
    if result.reason == STARTED:
        return (f"{tool}_{STARTED}",)
    return (f"{tool}_{result.variant}", tool) if result.variant else (tool,)


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
    authored = definition.lines
    tables = ([authored.opener] if for_model else []) + [authored.outcome, DEFAULT_LINES]
    for table in tables:
        for key in keys_of(tool, result):
            lines = [render_line(line, values) for line in table.get(key, ())]
            filled = [_capitalised(sentence(line)) for line in lines if line]
            if filled:
                return filled
    generic = GENERIC_FAILED
    if result.ok:
        generic = GENERIC_STARTED if result.reason == STARTED else GENERIC_OK
    return [line for text in generic if (line := render_line(text, values))] or ["Done."]


def _capitalised(text: str) -> str:
    """With a capital after each sentence's end: names such as "the mill" may stand there."""
    return re.sub(r"(?<=[.!?] )[a-z]", lambda match: match[0].upper(), text)


def fallback_line(lines: tuple[str, ...], values: Mapping[str, Scalar], rng: random.Random) -> str:
    """An authored fallback line; the checks of NPC files make sure that there is one."""
    return pick_line(lines, values, rng) or "…"
