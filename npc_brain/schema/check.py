"""Whether a value is what a schema allows; every other reader agrees with this one."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.schema.marks import REF, Schema
from npc_brain.schema.subset import length_range, number_range, type_of

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with a value.

    Attributes:
        path: Where, as `stops[1]` or `who.id`; empty for the value as a whole.
        problem: What, to be read after the place: "is out of range". Nothing of the value is in it.
        wanted: What would fit: "1 to 3"; empty where the problem says it all.
        schema: Of this place.
        value: What stands there; None when nothing does.
    """

    path: str
    problem: str
    wanted: str
    schema: Schema
    value: Any


IsKnown = Callable[[Schema, str], bool]
"""Whether an argument with a mark may have this id now."""


def first_fault(
    schema: Schema, value: Any, path: str = "", *, is_known: IsKnown = lambda _, __: True
) -> Fault | None:
    """The first thing that is wrong with a JSON value (lists may be tuples), or None.

    `path` is where the value stands. Ids are not looked up unless `is_known` does.
    """
    return next(_faults(schema, value, path, is_known), None)


def is_of_type(value: Any, wanted: str) -> bool:
    """Whether `value` is of one of the six types; a bool is no number, 1.0 is no integer."""
    if not isinstance(value, _TYPES[wanted]) or isinstance(value, bool) != (wanted == "boolean"):
        return False
    return not isinstance(value, str) or value.isascii() or not _SURROGATE.search(value)


def _faults(schema: Schema, value: Any, path: str, is_known: IsKnown) -> Iterator[Fault]:
    def fault(problem: str, wanted: str) -> Fault:
        return Fault(path, problem, wanted, schema, value)

    kind = type_of(schema)
    if not is_of_type(value, kind):
        yield fault(f"wants {kind}", _one_of(schema["enum"]) if "enum" in schema else kind)
    elif kind == "object":
        yield from _object_faults(schema, value, path, is_known)
    elif kind in ("integer", "number"):
        low, high = number_range(schema)
        if not low <= value <= high:
            yield fault("is out of range", f"{low} to {high}")
    elif REF in schema:
        if not is_known(schema, value):
            yield fault("is not known", "an id that exists")
    elif "enum" in schema:
        if value not in schema["enum"]:
            yield fault("is none of the allowed values", _one_of(schema["enum"]))
    elif kind in ("string", "array"):
        low, high = length_range(schema)
        if not low <= len(value) <= high:
            unit = "characters" if kind == "string" else "items"
            yield fault("has the wrong length", f"{low} to {high} {unit}")
        elif kind == "array":
            for index, item in enumerate(value):
                yield from _faults(schema["items"], item, f"{path}[{index}]", is_known)


def _one_of(choices: Sequence[str]) -> str:
    shown = [*map(repr, choices[:_MAX_SHOWN]), *["…"] * (len(choices) > _MAX_SHOWN)]
    return f"one of {', '.join(shown)}"


def _object_faults(
    schema: Schema, value: dict[str, Any], path: str, is_known: IsKnown
) -> Iterator[Fault]:
    properties = schema.get("properties", {})
    for name, inner in properties.items():
        where = f"{path}.{name}" if path else name
        if name in value:
            yield from _faults(inner, value[name], where, is_known)
        elif name in schema.get("required", ()):
            yield Fault(where, "is missing", "", inner, None)
    if value.keys() - properties.keys():
        known = f"one of {', '.join(properties)}" if properties else "no arguments"
        yield Fault(path, "has an argument that is not known", known, schema, value)
