"""The generated tables of docs/npc_files.md: every key of an NPC file, taken from the models.

What a key means is taken from the `Attributes:` section of its model's docstring, its type and
default from the model itself.
"""

import inspect
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from npc_brain.errors import UsageError
from npc_brain.npc import definition as d
from npc_brain.world.model import Count, Id, Name, Scalar

TABLES: dict[str, type[BaseModel]] = {
    "file": d.NpcDefinition,
    "persona": d.Persona,
    "lines": d.Lines,
    "safety": d.Safety,
    "state": d.State,
    "transition": d.Transition,
    "heard": d.Heard,
}
"""The tables by name, in the order of the page."""

END = "<!-- end of generated part -->"

_NAMED: dict[Any, str] = {
    d.Line: "a line",
    d.Alternatives: "a line, or a list of alternatives",
    d.Strings: "text, or a list of texts",
    d.StateName: "a name",
    d.Transitions: "a state, a transition, or a list of them",
    d.Effect: "effect",
    Scalar: "text, number or true/false",
    Id: "an id",
    Count: "a count",
    Name: "a name of 1 to 80 characters",
    "State": "[state](#state)",
}
"""What a writer calls the types that have a name of their own."""

_ATTRIBUTE = re.compile(r"^    (\w+): (.*?)(?=^    \w+:|\Z)", re.MULTILINE | re.DOTALL)


def tables() -> dict[str, str]:
    """Each table in Markdown, by its name."""
    return {name: "\n".join(_rows(model)) for name, model in TABLES.items()}


def with_tables(page: str) -> str:
    """The page with each table between its markers brought up to date.

    Raises:
        UsageError: A table's markers are missing.
    """
    for name, table in tables().items():
        begin = f"<!-- generated: {name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(END)
        if not (found and closed):
            raise UsageError(f"the page has no {begin!r} followed by {END!r}")
        page = f"{before}{begin}\n\n{table}\n\n{END}{after}"
    return page


def _rows(model: type[BaseModel]) -> Iterator[str]:
    meanings = _meanings(model)
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        hint = inspect.get_annotations(model)[name]
        key = field.alias or name
        yield f"| `{key}` | {_type(hint)} | {_default(name, field)} | {meanings.get(name, '')} |"


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    _, _, section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    return {
        name: " ".join(text.split()).replace("|", r"\|")
        for name, text in _ATTRIBUTE.findall(section)
    }


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required" if name != "id" else "the file's name"
    value = field.get_default(call_default_factory=True)
    if value is None or value == () or value == {} or value == "" or isinstance(value, BaseModel):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(hint: Any) -> str:
    for named, text in _NAMED.items():
        if hint is named or hint == named:
            return text
    if isinstance(hint, ForwardRef):
        return _NAMED[hint.__forward_arg__]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return f"[{hint.__name__.lower()}](#{hint.__name__.lower()})"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
        hint, "map"
    )
