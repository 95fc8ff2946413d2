"""The generated tables of protocol.md: messages, their fields, shared types, error codes."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from npc_brain.errors import ErrorCode
from npc_brain.protocol.codec import DEFAULT_LIMITS, MAX_CONTAINER_LENGTH, MAX_VALUES
from npc_brain.protocol.messages import MESSAGES, Body, Direction

Schema = dict[str, Any]

_ID = r"^[A-Za-z0-9_.:/\-]{1,64}$"
_NAME = r"^[^\x00-\x1f\x7f<>{}\[\]|]{1,80}$"


def tables() -> dict[str, str]:
    """Each generated part of protocol.md, in Markdown, by its name."""
    return {
        "engine to sidecar": _messages(Direction.INBOUND),
        "sidecar to engine": _messages(Direction.OUTBOUND),
        "shared types": _shared_types(),
        "limits": _limits(),
        "error codes": _error_codes(),
    }


def _messages(direction: Direction) -> str:
    return "\n\n".join(_message(model) for model in MESSAGES[direction].values())


def _message(model: type[Body]) -> str:
    about = " About an NPC: carries `npc_id`." if model.is_about_npc else ""
    head = f"### `{model.type}`\n\n{_doc(model.__doc__)}{about}"
    fields = _fields(model.model_json_schema(by_alias=True))
    return f"{head}\n\n{fields}" if fields else f"{head}\n\nThe body is empty."


def _shared_types() -> str:
    definitions: dict[str, Schema] = {}
    for models in MESSAGES.values():
        for model in models.values():
            definitions |= model.model_json_schema(by_alias=True).get("$defs", {})
    return "\n\n".join(
        f"### {name}\n\n{_doc(schema.get('description'))}\n\n{_fields(schema)}"
        for name, schema in sorted(definitions.items())
    )


def _fields(schema: Schema) -> str:
    if not schema.get("properties"):
        return ""
    required = set(schema.get("required", ()))
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for name, part in schema["properties"].items():
        if name in required or "const" in part:
            default = "required"
        elif part.get("default") is None:
            default = "absent"
        else:
            default = f"`{_literal(part['default'])}`"
        rows.append(f"| `{name}` | {_type(part)} | {default} | {_doc(part.get('description'))} |")
    return "\n".join(rows)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_type(p) for p in schema[union] if p.get("type") != "null")
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("format") in ("binary", "base64url"):
        return "bin"
    match schema.get("type"):
        case "object":
            return _map_type(schema)
        case "array":
            return _array_type(schema)
        case "string":
            return _text_type(schema)
        case "integer":
            return "int" + _bounds(schema)
        case "number":
            return "float" + _bounds(schema)
        case "boolean":
            return "bool"
    return "any"


def _map_type(schema: Schema) -> str:
    if "patternProperties" in schema:
        [(pattern, value)] = schema["patternProperties"].items()
        return f"map of {_text_type({'pattern': pattern})} to {_type(value)}"
    value = schema.get("additionalProperties", True)
    return "map" if value is True else f"map of text to {_type(value)}"


def _array_type(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(_type(part) for part in schema['prefixItems'])}]"
    most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
    return f"array of {_type(schema['items'])}{most}"


def _text_type(schema: Schema) -> str:
    if "pattern" in schema:
        pattern = str(schema["pattern"])
        named = {_ID: "id", _NAME: "name"}
        return named.get(pattern, "text `" + pattern.replace("|", r"\|") + "`")
    if "maxLength" in schema:
        return f"text of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return "text"


def _bounds(schema: Schema) -> str:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f" > {schema['exclusiveMinimum']:g}"
    if lowest is None:
        return ""
    if highest == 2**63 - 1:
        return f" ≥ {lowest}"
    return f" {lowest} to {highest}"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) and not any(value.values()):
        return "{}"
    return '""' if value == "" else str(value)


def _doc(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split())


def _limits() -> str:
    rows = ["| what | at most |", "|---|---|"]
    for name, value in DEFAULT_LIMITS.model_dump().items():
        rows.append(f"| `limits.{name}` (the value in use is in `welcome`) | {value} |")
    rows.append(f"| entries of one array or map | {MAX_CONTAINER_LENGTH} |")
    rows.append(f"| values in one message (each map key and each item counts) | {MAX_VALUES} |")
    return "\n".join(rows)


def _error_codes() -> str:
    rows = ["| code | meaning |", "|---|---|"]
    rows += [f"| `{code}` | {meaning} |" for code, meaning in _documented_codes()]
    return "\n".join(rows)


def _documented_codes() -> Iterator[tuple[str, str]]:
    """Each code with the docstring below it, which Python itself does not keep."""
    [enum] = ast.parse(textwrap.dedent(inspect.getsource(ErrorCode))).body
    assert isinstance(enum, ast.ClassDef)
    for member, doc in zip(enum.body, enum.body[1:], strict=False):
        match member, doc:
            case (
                ast.Assign(value=ast.Constant(value=str(code))),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                yield code, _doc(meaning)
