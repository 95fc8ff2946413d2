"""From a tool's schema to what is legal now, and back: checking the arguments that came.

`legal_schema` is what a grammar is built from; it stays within type, properties, required, enum,
minimum, maximum, minLength, maxLength, items, minItems and maxItems. `validate_arguments` checks
the same and more when a call is carried out, since authored calls pass no grammar and the world may
have changed since.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from npc_brain.plain_text import plain_text
from npc_brain.schema.marks import Domain, Ref, counted_by, ref_of
from npc_brain.tools import domains
from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolResult, refusal

MAX_TEXT_CHARS = 120
"""Of an open string whose schema sets no limit."""

MAX_UNKNOWN_COUNT = 99
"""The most that a count may be when the game has not told how many there are."""

_Schema = dict[str, Any]
_KEPT = frozenset(
    {"type", "description", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems",
     "maxItems"}
)  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}


def legal_schema(tool: Tool, ctx: ToolContext) -> _Schema | None:
    """The tool's schema narrowed to what exists now.

    None when a required argument has no legal value: then the tool is not legal. An optional
    argument without a legal value is left out.
    """
    return _narrowed_object(tool.schema, ctx)


def validate_arguments(
    tool: Tool, ctx: ToolContext, args: dict[str, Any]
) -> Arguments | ToolResult:
    """The arguments of a call, or the refusal of the first that is wrong.

    Defaults are filled in, and open texts made `plain_text`.
    """
    filled = _with_plain_text(tool.schema, _with_defaults(tool.schema, ctx, args))
    for fault in _faults(tool.schema, filled, ctx, filled, ""):
        return fault
    try:
        return tool.arguments.model_validate(filled)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return refusal("bad_arguments", f"{tool.name}: {where}: {first['msg']}.")


def _narrowed_object(schema: _Schema, ctx: ToolContext) -> _Schema | None:
    properties: dict[str, _Schema] = {}
    required = []
    for name, inner in schema.get("properties", {}).items():
        is_required = _is_required(schema, name, ctx)
        narrowed = _narrowed(inner, ctx, schema["properties"])
        if narrowed is not None:
            properties[name] = narrowed
            if is_required:
                required.append(name)
        elif is_required:
            return None
    return {
        "type": "object",
        **({"description": schema["description"]} if "description" in schema else {}),
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _is_required(schema: _Schema, name: str, ctx: ToolContext) -> bool:
    """Whether an object's property must be given; one with a default only if there is none now."""
    ref = ref_of(schema["properties"][name])
    if ref and ref.default:
        return _default(ref, ctx) is None
    return name in schema.get("required", ())


def _default(ref: Ref, ctx: ToolContext) -> str | None:
    value = ctx.npc_id if ref.default == "self" else ctx.speaker_id
    return value if value in domains.ids(ref.domain, ctx) else None


def _narrowed(schema: _Schema, ctx: ToolContext, siblings: _Schema) -> _Schema | None:
    """One argument's schema; None when it has no legal value."""
    if schema.get("type") == "object":
        return _narrowed_object(schema, ctx)
    narrowed = {key: value for key, value in schema.items() if key in _KEPT}
    if ref := ref_of(schema):
        narrowed["enum"] = domains.ids(ref.domain, ctx)
    elif (counted := counted_by(schema)) and (item := ref_of(siblings[counted])):
        narrowed["maximum"] = _most(item.domain, ctx)
        return narrowed if narrowed["maximum"] >= narrowed.get("minimum", 0) else None
    elif schema["type"] == "string" and "enum" not in schema:
        narrowed.setdefault("maxLength", MAX_TEXT_CHARS)
    elif schema["type"] == "array":
        items = _narrowed(schema["items"], ctx, siblings)
        if items is None:
            return None
        narrowed["items"] = items
    return None if narrowed.get("enum") == [] else narrowed


def _most(domain: Domain, ctx: ToolContext) -> int:
    """The highest count that is legal for any legal item."""
    limits = [
        domains.count_limit(domain, ctx, item_id, ctx.speaker_id)
        for item_id in domains.ids(domain, ctx)
    ]
    return max((MAX_UNKNOWN_COUNT if limit is None else limit for limit in limits), default=0)


def _with_defaults(schema: _Schema, ctx: ToolContext, args: dict[str, Any]) -> dict[str, Any]:
    filled = dict(args)
    for name, inner in schema.get("properties", {}).items():
        ref = ref_of(inner)
        if filled.get(name) == "" and (ref or "enum" in inner):
            del filled[name]
        if name not in filled and ref and ref.default:
            default = _default(ref, ctx)
            if default is not None:
                filled[name] = default
    return filled


def _with_plain_text(schema: _Schema, value: Any) -> Any:
    if isinstance(value, str):
        return value if ref_of(schema) or "enum" in schema else plain_text(value)
    if isinstance(value, list | tuple) and "items" in schema:
        return [_with_plain_text(schema["items"], item) for item in value]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {name: _with_plain_text(known.get(name, {}), inner) for name, inner in value.items()}
    return value


def _faults(
    schema: _Schema, value: Any, ctx: ToolContext, args: dict[str, Any], where: str
) -> Iterator[ToolResult]:
    """What is wrong with `value`, found at `where` in the arguments `args` of a call."""
    wanted = schema["type"]
    if not _is_of_type(value, wanted):
        yield _bad(where, f"wants {wanted}")
    elif wanted == "object":
        yield from _object_faults(schema, value, ctx, args, where)
    elif ref := ref_of(schema):
        holder = args.get(ref.of)
        holder = holder if isinstance(holder, str) else None
        if value not in domains.ids(ref.domain, ctx, holder):
            yield domains.unknown(ref.domain, ctx, value, holder)
    elif "enum" in schema and value not in schema["enum"]:
        yield _bad(where, "is none of the allowed values")
    elif wanted in ("integer", "number"):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high:
            yield _bad(where, "is out of range")
    elif wanted in ("string", "array"):
        suffix = "Length" if wanted == "string" else "Items"
        if not schema.get(f"min{suffix}", 0) <= len(value) <= _longest(schema, suffix, value):
            yield _bad(where, "has the wrong length")
        elif wanted == "array":
            for index, item in enumerate(value):
                yield from _faults(schema["items"], item, ctx, args, f"{where}[{index}]")


def _is_of_type(value: Any, wanted: str) -> bool:
    return isinstance(value, _TYPES[wanted]) and (
        wanted == "boolean" or value.__class__ is not bool
    )


def _longest(schema: _Schema, suffix: str, value: Any) -> int:
    unset = MAX_TEXT_CHARS if suffix == "Length" and "enum" not in schema else len(value)
    return int(schema.get(f"max{suffix}", unset))


def _object_faults(
    schema: _Schema, value: dict[str, Any], ctx: ToolContext, args: dict[str, Any], where: str
) -> Iterator[ToolResult]:
    properties = schema.get("properties", {})
    for name, inner in properties.items():
        path = f"{where}.{name}" if where else name
        if name in value:
            yield from _faults(inner, value[name], ctx, args, path)
        elif _is_required(schema, name, ctx):
            yield _bad(path, "is missing")
    if set(value) - set(properties):
        yield _bad(where, "has an argument that is not known")


def _bad(where: str, what: str) -> ToolResult:
    return refusal("bad_arguments", f"{where or 'The call'} {what}.")
