"""From what an argument refers to, to the values that are legal now.

A grammar is built from the narrowed schema; it has no marks and is within the subset.
"""

from typing import Any, Protocol

from npc_brain.schema.marks import Domain, Ref, Schema, counted_by, ref_of
from npc_brain.schema.subset import length_range

_KEPT = frozenset(
    {"type", "description", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems",
     "maxItems"}
)  # fmt: skip


class Known(Protocol):
    """What exists now, for whoever acts."""

    def ids(self, domain: Domain) -> list[str]:
        """The ids of a domain."""
        ...

    def most(self, domain: Domain) -> int:
        """The highest count that is legal for any item of a domain."""
        ...

    def default(self, ref: Ref) -> str | None:
        """The id that is meant when an argument is missing; None when there is none to mean."""
        ...


def narrowed(schema: Schema, known: Known) -> dict[str, Any] | None:
    """The arguments' schema narrowed to what exists.

    None when a required argument has no legal value. An optional argument without a legal value is
    left out; one with a default is required only if there is nobody to mean now.
    """
    properties: dict[str, Any] = {}
    required = []
    for name, inner in schema.get("properties", {}).items():
        ref = ref_of(inner)
        is_required = (
            known.default(ref) is None
            if ref and ref.default
            else (name in schema.get("required", ()))
        )
        part = _narrowed(inner, known, schema["properties"])
        if part is not None:
            properties[name] = part
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


def with_defaults(schema: Schema, args: dict[str, Any], known: Known) -> dict[str, Any]:
    """The arguments of a call with what is meant where nothing is said; empty is nothing."""
    filled = dict(args)
    for name, inner in schema.get("properties", {}).items():
        ref = ref_of(inner)
        if filled.get(name) == "" and (ref or "enum" in inner):
            del filled[name]
        if name not in filled and ref and ref.default:
            default = known.default(ref)
            if default is not None:
                filled[name] = default
    return filled


def _narrowed(schema: Schema, known: Known, siblings: Schema) -> dict[str, Any] | None:
    """One argument's schema; None when it has no legal value."""
    if schema["type"] == "object":
        return narrowed(schema, known)
    part = {key: value for key, value in schema.items() if key in _KEPT}
    if ref := ref_of(schema):
        part["enum"] = known.ids(ref.domain)
    elif (counted := counted_by(schema)) and (item := ref_of(siblings[counted])):
        part["maximum"] = known.most(item.domain)
        return part if part["maximum"] >= part.get("minimum", 0) else None
    elif schema["type"] == "string" and "enum" not in schema:
        part["maxLength"] = length_range(schema)[1]
    elif schema["type"] == "array":
        items = _narrowed(schema["items"], known, siblings)
        if items is None:
            return None
        part["items"] = items
    return None if part.get("enum") == [] else part
