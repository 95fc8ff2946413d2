"""What a value of another spelling was meant to be, for models that nothing constrains.

`"3"` is taken for 3, `Iron Sword` for the id `iron_sword`. The result may still be wrong:
`check` says so.
"""

import re
from collections.abc import Sequence
from typing import Any

from npc_brain.schema.check import is_of_type
from npc_brain.schema.marks import Schema
from npc_brain.schema.subset import type_of

_INTEGER = re.compile(r"[+-]?\d{1,15}(\.0+)?")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")


def as_meant(schema: Schema, value: Any) -> Any:
    """`value` as `schema` wants it, wherever it can be read so; the rest of it as it is.

    Arguments that an object does not have are left out, as are nulls for those it can do without.
    """
    kind = type_of(schema)
    if "enum" in schema:
        return _chosen(schema["enum"], value)
    if kind == "array" and isinstance(value, str | int | float):
        value = [value]
    if kind == "array" and isinstance(value, list):
        return [as_meant(schema["items"], item) for item in value]
    if kind == "object" and isinstance(value, dict):
        required = schema.get("required", ())
        return {
            name: as_meant(inner, value[name])
            for name, inner in schema.get("properties", {}).items()
            if name in value and (value[name] is not None or name in required)
        }
    return value if is_of_type(value, kind) else _read_as(kind, value)


def _chosen(choices: Sequence[str], value: Any) -> Any:
    if value in choices:
        return value
    alike = [choice for choice in choices if _spelling(choice) == _spelling(value)]
    return alike[0] if len(alike) == 1 else value


def _read_as(kind: str, value: Any) -> Any:
    """A scalar read as another type; as it is when it is no such thing."""
    if isinstance(value, bool):
        return value
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), value)
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(float(text))
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    return value


def _spelling(value: Any) -> str:
    return re.sub(r"[\s_-]+", "_", str(value).strip().casefold())
