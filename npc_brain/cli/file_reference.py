"""The generated tables of docs/npc_files.md: every key of an NPC or world file.

What a key means is taken from the `Attributes:` section of its model's docstring or from the
description of its field, its type and default from the model itself.
"""

import inspect
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from npc_brain.npc import definition as d
from npc_brain.simulation import world_file as w
from npc_brain.simulation.conditions import Condition
from npc_brain.world.model import Cell, Count, Id, Item, Name, Place, Position, Scalar

TABLES: dict[str, type[BaseModel]] = {
    "file": d.NpcDefinition,
    "persona": d.Persona,
    "lines": d.Lines,
    "safety": d.Safety,
    "state": d.State,
    "transition": d.Transition,
    "heard": d.Heard,
    "world file": w.WorldFile,
    "terrain": w.Terrain,
    "item": Item,
    "place": Place,
    "thing": w.Thing,
    "character": w.Character,
    "door": w.Door,
    "rule": w.Rule,
    "condition": Condition,
    "quest": w.Quest,
    "quest step": w.QuestStep,
}
"""The tables by name, in the order of the page."""

_NAMED: dict[Any, str] = {
    d.Line: "a line",
    d.Alternatives: "a line, or a list of alternatives",
    d.Strings: "text, or a list of texts",
    d.StateName: "a name",
    d.Transitions: "a state, a transition, or a list of them",
    d.Effect: "an [effect](#effect)",
    Scalar: "text, number or true/false",
    Id: "an id",
    Count: "a count",
    Name: "a name (at most 80 characters)",
    Cell: "`[x, y]`",
    Position: "`[x, y]`",
}
"""What a writer calls the types that have a name of their own."""

_PLURAL = {
    "text": "texts",
    "an id": "ids",
    "a count": "counts",
    "a name": "names",
    "a name (at most 80 characters)": "names",
    "an [effect](#effect)": "[effects](#effect)",
}

_COMMON = {
    "id": "What other parts of the file call it.",
    "name": "What players read.",
    "description": "What it looks like; NPCs know this.",
    "position": "The cell where it is: column from the left, row from the top.",
}
"""Keys that mean the same wherever they occur."""

_ATTRIBUTE = re.compile(r"^    (\w+): (.*?)(?=^    \w+:|\Z)", re.MULTILINE | re.DOTALL)


def tables() -> dict[str, str]:
    """Each table in Markdown, by its name."""
    return {name: "\n".join(_rows(model)) for name, model in TABLES.items()}


def _rows(model: type[BaseModel]) -> Iterator[str]:
    meanings, hints = _meanings(model), get_type_hints(model, include_extras=True)
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        meaning = meanings.get(name) or field.description or _COMMON.get(name, "")
        value, default = _type(hints[name]), _default(field)
        if (model, name) == (d.NpcDefinition, "id"):
            default = "the file's name"
        yield f"| `{field.alias or name}` | {value} | {default} | {meaning} |"


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    _, _, section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    return {
        name: " ".join(text.split()).replace("|", r"\|")
        for name, text in _ATTRIBUTE.findall(section)
    }


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == () or value == {} or value == "" or isinstance(value, BaseModel):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(hint: Any) -> str:
    for named, text in _NAMED.items():
        if hint is named or hint == named:
            return text
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin is dict:
        return f"map of {_types(arguments[0])} to {_types(arguments[1])}"
    if origin is tuple:
        return f"list of {_types(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return _model(hint)
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
        hint, "map"
    )


def _types(hint: Any) -> str:
    one = _type(hint)
    return _PLURAL.get(one, one)


def _model(model: type[BaseModel]) -> str:
    for name, documented in TABLES.items():
        if model is documented:
            return f"[{name}](#{name.replace(' ', '-')})"
    return "map of " + ", ".join(f"`{name}`" for name in model.model_fields)
