"""Tools of the game: reading what `tool.register` brings, and what the engine answers.

A schema must stay within what every backend can enforce while it generates; a keyword that would be
silently ignored is an error here, where the game's author sees it.
"""

import re
from typing import Any, Literal, get_args

from npc_brain.errors import ToolError
from npc_brain.plain_text import plain_text
from npc_brain.schema.marks import REF, Domain
from npc_brain.tools.spec import (
    Tool,
    ToolKind,
    ToolResult,
    refusal,
    usual_variant,
)
from npc_brain.vocabulary import GameToolKind

MAX_SCHEMA_DEPTH = 4
MAX_PROPERTIES = 16
MAX_ENUM = 512
MAX_TEXT_CHARS = 1000
MAX_ITEMS = 16

_NAME = re.compile(r"[a-z_]{1,48}")
_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
_ANNOTATIONS = frozenset({"description", "title", "default", "examples", "$schema"})
_Type = Literal["string", "integer", "number", "boolean", "array", "object"]
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


def custom_tool(
    name: str,
    description: str,
    parameters: dict[str, Any],
    kind: GameToolKind,
    timeout_ms: int,
    examples: tuple[str, ...] = (),
) -> Tool:
    """The tool that a game describes; the engine answers it or carries it out.

    Args:
        name: Matches `[a-z_]+`, at most 48 characters.
        description: For the model.
        parameters: JSON Schema of an object in the subset that can be enforced; `{}` is no
            arguments. `x-ref` on a string names a `Domain`.
        kind: Whether the engine answers (query) or acts (action).
        timeout_ms: How long the engine may take.
        examples: Things a player may say that ask for this tool.

    Raises:
        ToolError: BAD_TOOL naming the tool, the keyword and where it stands.
    """
    if not _NAME.fullmatch(name):
        raise ToolError(
            f"tool {name[:60]!r}: the name must match [a-z_]+, 48 characters at most",
            hint="for example open_gate",
        )
    schema = {"type": "object", "properties": {}, **parameters}
    if schema["type"] != "object":
        raise _fault(name, "", f"type {schema['type']!r}", "arguments are an object of properties")
    return Tool(
        name=name,
        kind=ToolKind(kind),
        description=description,
        schema=_Checker(name).checked(schema, "", 1),
        done_event=f"{name}_done" if kind == "action" else "",
        timeout_ms=timeout_ms,
        examples=tuple(examples),
    )


def engine_answer(tool: Tool, ok: bool, result: dict[str, Any], reason: str = "") -> ToolResult:
    """What the engine answered to a `tool.call`, as a result.

    A `text` in `result` is used as it is; otherwise the values are told one by one.
    """
    given = result.get("text")
    told = ", ".join(
        f"{key.replace('_', ' ')}: {value}"
        for key, value in result.items()
        if isinstance(value, str | int | float)
    )
    text = plain_text(given if isinstance(given, str) else told)
    if ok:
        return ToolResult(ok=True, data=result, text=text or "Done.", variant=usual_variant(result))
    why = reason.replace("_", " ") or "no answer"
    text = text or f"{tool.name.replace('_', ' ')} failed: {why}."
    return refusal(reason or "failed", text, **result)


def _fault(tool: str, where: str, what: str, hint: str) -> ToolError:
    place = f" at {where}" if where else ""
    return ToolError(f"tool {tool!r}: {what} cannot be used in parameters{place}", hint=hint)


class _Checker:
    """Reads a schema and gives back the part that counts."""

    def __init__(self, tool: str) -> None:
        self._tool = tool

    def checked(self, schema: Any, where: str, depth: int) -> dict[str, Any]:
        if not isinstance(schema, dict):
            raise _fault(self._tool, where, f"{type(schema).__name__}", "a schema is an object")
        if depth > MAX_SCHEMA_DEPTH:
            raise _fault(
                self._tool, where, "a deeper schema", f"nest at most {MAX_SCHEMA_DEPTH} levels"
            )
        wanted = schema.get("type", "string" if {"enum", REF} & schema.keys() else None)
        if not isinstance(wanted, str) or wanted not in get_args(_Type):
            types = ", ".join(get_args(_Type))
            raise _fault(self._tool, where, f"type {wanted!r}", f"use one of {types}")
        for keyword in schema:
            if keyword not in _KEYWORDS[wanted] | _ANNOTATIONS | {"type"}:
                hint = _HINTS.get(keyword, f"with type {wanted} use {_words(_KEYWORDS[wanted])}")
                raise _fault(self._tool, where, f"{keyword!r} with type {wanted}", hint)
        kept = {
            key: value
            for key, value in schema.items()
            if key in _KEYWORDS[wanted] or key == "description"
        }
        if not isinstance(kept.get("description", ""), str):
            raise _fault(self._tool, where, "a description that is no text", "use a string")
        return {"type": wanted, **kept, **getattr(self, f"_{wanted}")(kept, where, depth)}

    def _string(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        if REF in schema and schema[REF] not in list(Domain):
            domains = ", ".join(Domain)
            raise _fault(self._tool, where, f"{REF} {schema[REF]!r}", f"use one of {domains}")
        if "enum" in schema:
            values = schema["enum"]
            is_good = isinstance(values, list) and 0 < len(values) <= MAX_ENUM
            if not is_good or not all(isinstance(value, str) and value for value in values):
                raise _fault(
                    self._tool, where, "this enum", f"list 1 to {MAX_ENUM} strings, none empty"
                )
            if REF in schema:
                raise _fault(self._tool, where, "enum beside x-ref", "leave one of them out")
        self._bounds(schema, "minLength", "maxLength", where, highest=MAX_TEXT_CHARS)
        return {}

    def _integer(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        for key in ("minimum", "maximum"):
            if not isinstance(schema.get(key, 0), int) or isinstance(schema.get(key), bool):
                raise _fault(self._tool, where, f"{key} {schema[key]!r}", "use a whole number")
        return self._number(schema, where, depth)

    def _number(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        low, high = schema.get("minimum", -(2**53)), schema.get("maximum", 2**53)
        for key, value in (("minimum", low), ("maximum", high)):
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise _fault(self._tool, where, f"{key} {value!r}", "use a number")
        if not -(2**53) <= low <= high <= 2**53:
            raise _fault(
                self._tool, where, f"the range {low} to {high}", "minimum <= maximum, within 2^53"
            )
        return {}

    def _boolean(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        return {}

    def _array(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        if "items" not in schema:
            raise _fault(self._tool, where, "an array without items", "say what it is a list of")
        self._bounds(schema, "minItems", "maxItems", where, highest=MAX_ITEMS)
        return {
            "items": self.checked(schema["items"], f"{where}[]", depth + 1),
            "maxItems": schema.get("maxItems", MAX_ITEMS),
        }

    def _object(self, schema: dict[str, Any], where: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or len(properties) > MAX_PROPERTIES:
            raise _fault(
                self._tool, where, "these properties", f"an object of at most {MAX_PROPERTIES}"
            )
        for key in properties:
            if not isinstance(key, str) or not _PROPERTY.fullmatch(key):
                raise _fault(
                    self._tool, where, f"the name {str(key)[:60]!r}", "use letters, digits and _"
                )
        if not isinstance(required, list) or not all(name in [*properties] for name in required):
            raise _fault(self._tool, where, f"required {required!r}", "name properties that exist")
        if schema.get("additionalProperties", False) is not False:
            raise _fault(
                self._tool, where, "additionalProperties", "name every property, or leave it out"
            )
        return {
            "properties": {
                key: self.checked(inner, f"{where}.{key}" if where else key, depth + 1)
                for key, inner in properties.items()
            },
            "required": list(dict.fromkeys(required)),
            "additionalProperties": False,
        }

    def _bounds(
        self, schema: dict[str, Any], low_key: str, high_key: str, where: str, highest: int
    ) -> None:
        low, high = schema.get(low_key, 0), schema.get(high_key, highest)
        is_whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high))
        if not is_whole or not 0 <= low <= high <= highest:
            raise _fault(
                self._tool,
                where,
                f"{low_key} {low!r} with {high_key} {high!r}",
                f"0 <= {low_key} <= {high_key} <= {highest}",
            )


def _words(keywords: frozenset[str]) -> str:
    return ", ".join(sorted(keywords)) or "no further keyword"
