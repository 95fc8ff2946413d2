"""What a tool's arguments may be: the types, keywords and bounds that all readers understand.

A schema is JSON Schema with closed objects and one type in each place. A keyword that some reader
would ignore is refused when a tool is registered, where the game's author sees it: an ignored
keyword is a promise broken in silence.

Why not `jsonschema`: it would check values only, by a wider language than a grammar can enforce,
and knows neither marks nor what a model meant. Pydantic checks against its own models, not against
a schema that a game sends.
"""

import re
from typing import Any, NoReturn

from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.schema.marks import REF, Domain, Schema

MAX_DEPTH = 4
MAX_PROPERTIES = 16
MAX_ENUM = 512
MAX_TEXT_CHARS = 1000
MAX_ITEMS = 16
MAX_MAGNITUDE = 2**53
"""Of numbers: up to here JSON numbers are exact in every language."""
MIN_BOUND = 1e-6
"""Bounds of numbers are 0 or at least this far from it; grammars cannot spell smaller ones."""
OPEN_TEXT_CHARS = 120
"""Of a text whose schema sets no limit."""

_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
_ANNOTATIONS = frozenset({"type", "description", "title", "default", "examples", "$schema"})
_KEYWORDS: dict[str, frozenset[str]] = {
    "string": frozenset({"enum", "minLength", "maxLength", REF}),
    "integer": frozenset({"minimum", "maximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
_HINTS = {
    "pattern": "list the allowed values with enum, or check the text in the game",
    "format": "list the allowed values with enum, or check the text in the game",
    "const": "use an enum of one value",
    "anyOf": "give each form a tool or an optional argument of its own",
    "oneOf": "give each form a tool or an optional argument of its own",
    "allOf": "write the combined schema out",
    "$ref": "write the schema out in place",
    "$defs": "write the schema out in place",
    "exclusiveMinimum": "use minimum",
    "exclusiveMaximum": "use maximum",
    "uniqueItems": "refuse doubles in the game",
    "multipleOf": "use integers of the smaller unit",
}


class SchemaError(NpcBrainError):
    """A schema outside the subset; the message says what and where, without the tool."""

    default_code = ErrorCode.BAD_TOOL


def normal_form(schema: Schema, *, max_enum: int | None = MAX_ENUM) -> dict[str, Any]:
    """The part of an arguments' schema that counts; `{}` is no arguments.

    Every part has its type, objects are closed, arrays have a `maxItems` and open texts a
    `maxLength`; annotations but the description are left out.

    Args:
        schema: What a game sent, or what `narrow` made of it.
        max_enum: How many values an enum may list; None: any number, as a world may have.

    Raises:
        SchemaError: It is outside the subset.
    """
    schema = {"type": "object", "properties": {}, **schema}
    if schema["type"] != "object":
        _refuse("", f"type {schema['type']!r}", "arguments are an object of properties")
    return _normal(schema, "", 1, max_enum)


def bounded(schema: Schema) -> dict[str, Any]:
    """The normal form with the bounds of numbers spelled out and without descriptions: finite.

    Raises:
        SchemaError: It is outside the subset.
    """
    return _bounded(normal_form(schema, max_enum=None))


def type_of(schema: Schema) -> str:
    """One of the six types; a string's may be left out beside its enum or mark."""
    return str(schema.get("type", "string"))


def is_choice(schema: Schema) -> bool:
    """Whether its values are a list: given in `enum`, or what exists in the world."""
    return "enum" in schema or REF in schema


def number_range(schema: Schema) -> tuple[float, float]:
    """The lowest and the highest value of an integer or number."""
    return schema.get("minimum", -MAX_MAGNITUDE), schema.get("maximum", MAX_MAGNITUDE)


def length_range(schema: Schema) -> tuple[int, int]:
    """The least and the most characters of an open text, or items of an array."""
    if type_of(schema) == "array":
        return schema.get("minItems", 0), schema.get("maxItems", MAX_ITEMS)
    least = schema.get("minLength", 0)
    return least, schema.get("maxLength", max(least, OPEN_TEXT_CHARS))


def _normal(schema: Any, where: str, depth: int, max_enum: int | None) -> dict[str, Any]:
    if not isinstance(schema, dict):
        _refuse(where, type(schema).__name__, "a schema is an object")
    if depth > MAX_DEPTH:
        _refuse(where, "a deeper schema", f"nest at most {MAX_DEPTH} levels")
    kind = schema.get("type", "string" if is_choice(schema) else None)
    if not isinstance(kind, str) or kind not in _KEYWORDS:
        _refuse(where, f"type {kind!r}", f"use one of {', '.join(_KEYWORDS)}")
    for keyword in schema:
        if keyword in _KEYWORDS[kind] | _ANNOTATIONS:
            continue
        others = ", ".join(sorted(_KEYWORDS[kind])) or "no further keyword"
        hint = _HINTS.get(keyword, f"with type {kind} use {others}")
        _refuse(where, f"{keyword!r} with type {kind}", hint)
    kept = {k: v for k, v in schema.items() if k in _KEYWORDS[kind] or k == "description"}
    if not isinstance(kept.get("description", ""), str):
        _refuse(where, "a description that is no text", "use a string")
    if kind == "string":
        _check_string(kept, where, max_enum)
        if not is_choice(kept):
            kept["maxLength"] = length_range(kept)[1]
    elif kind in ("integer", "number"):
        _check_number(kept, where, is_whole=kind == "integer")
    elif kind == "array":
        if "items" not in kept:
            _refuse(where, "an array without items", "say what it is a list of")
        _check_lengths(kept, "minItems", "maxItems", where, MAX_ITEMS)
        kept["items"] = _normal(kept["items"], f"{where}[]", depth + 1, max_enum)
        kept["maxItems"] = length_range({**kept, "type": kind})[1]
    elif kind == "object":
        _check_object(kept, where)
        kept["properties"] = {
            name: _normal(inner, f"{where}.{name}" if where else name, depth + 1, max_enum)
            for name, inner in kept.get("properties", {}).items()
        }
        kept["required"] = list(dict.fromkeys(kept.get("required", ())))
        kept["additionalProperties"] = False
    return {"type": kind, **kept}


def _check_string(schema: Schema, where: str, max_enum: int | None) -> None:
    if REF in schema and schema[REF] not in list(Domain):
        _refuse(where, f"{REF} {schema[REF]!r}", f"use one of {', '.join(Domain)}")
    if "enum" in schema:
        values = schema["enum"]
        is_list = isinstance(values, list) and 0 < len(values) <= (max_enum or len(values))
        if not is_list or not all(isinstance(value, str) and value for value in values):
            _refuse(where, "this enum", f"list 1 to {max_enum} strings, none empty")
    _check_lengths(schema, "minLength", "maxLength", where, MAX_TEXT_CHARS)
    given = [key for key in ("enum", REF, "minLength", "maxLength") if key in schema]
    if is_choice(schema) and len(given) > 1:
        _refuse(where, f"{given[0]} beside {given[1]}", "leave one of them out")


def _check_number(schema: Schema, where: str, *, is_whole: bool) -> None:
    for key in schema.keys() & {"minimum", "maximum"}:
        value = schema[key]
        if not isinstance(value, int if is_whole else int | float) or isinstance(value, bool):
            _refuse(where, f"{key} {value!r}", f"use a {'whole ' * is_whole}number")
        if 0 < abs(value) < MIN_BOUND:
            _refuse(where, f"{key} {value!r}", f"use 0, or at least {MIN_BOUND}")
    low, high = number_range(schema)
    if not -MAX_MAGNITUDE <= low <= high <= MAX_MAGNITUDE:
        _refuse(where, f"the range {low} to {high}", "minimum <= maximum, within 2^53")


def _check_object(schema: Schema, where: str) -> None:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or len(properties) > MAX_PROPERTIES:
        _refuse(where, "these properties", f"an object of at most {MAX_PROPERTIES}")
    for name in properties:
        if not isinstance(name, str) or not _PROPERTY.fullmatch(name):
            _refuse(where, f"the name {str(name)[:60]!r}", "use letters, digits and _")
    if not isinstance(required, list) or not all(name in [*properties] for name in required):
        _refuse(where, f"required {required!r}", "name properties that exist")
    if schema.get("additionalProperties", False) is not False:
        _refuse(where, "additionalProperties", "name every property, or leave it out")


def _check_lengths(schema: Schema, least: str, most: str, where: str, limit: int) -> None:
    low, high = schema.get(least, 0), schema.get(most, limit)
    is_whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high))
    if not is_whole or not 0 <= low <= high <= limit:
        _refuse(
            where, f"{least} {low!r} with {most} {high!r}", f"0 <= {least} <= {most} <= {limit}"
        )


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in schema.items() if key != "description"}
    match schema["type"]:
        case "integer" | "number":
            schema["minimum"], schema["maximum"] = number_range(schema)
        case "array":
            schema["items"] = _bounded(schema["items"])
        case "object":
            properties = schema["properties"]
            schema["properties"] = {name: _bounded(inner) for name, inner in properties.items()}
    return schema


def _refuse(where: str, what: str, hint: str) -> NoReturn:
    place = f" at {where}" if where else ""
    raise SchemaError(f"{what} cannot be used in parameters{place}", hint=hint)
