"""Hypothesis strategies for message bodies, read from their models' JSON Schemas."""

from typing import Any

from hypothesis import strategies as st

from npc_brain.plain_text import plain_text
from npc_brain.protocol.messages import Body

INTEGERS = st.integers(-(2**63), 2**64 - 1)
DATA: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
"""Whatever a free-form field may hold."""

Schema = dict[str, Any]


def bodies(model: type[Body]) -> st.SearchStrategy[Body]:
    """Every kind of valid body of a message type."""
    schema = model.model_json_schema(by_alias=True)
    return _values(schema, schema.get("$defs", {})).map(model.model_validate)


def _values(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _values(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return st.one_of([_values(part, definitions) for part in schema[union]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "object":
            return _objects(schema, definitions)
        case "array":
            return _arrays(schema, definitions)
        case "string":
            return _strings(schema)
        case "integer":
            return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**64 - 1))
        case "number":
            return _numbers(schema)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return DATA


def _objects(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        values = schema.get("additionalProperties", True)
        names = schema.get("propertyNames") or {"type": "string", "maxLength": 20}
        if "patternProperties" in schema:
            [(pattern, values)] = schema["patternProperties"].items()
            names = {"type": "string", "pattern": pattern}
        return st.dictionaries(
            _values({"type": "string"} | names, definitions),
            DATA if values is True else _values(values, definitions),
            max_size=3,
        )
    required = set(schema.get("required", ()))
    required |= {name for name, part in schema["properties"].items() if "const" in part}
    parts = {name: _values(part, definitions) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def _arrays(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*[_values(part, definitions) for part in schema["prefixItems"]])
    return st.lists(_values(schema["items"], definitions), max_size=3)


def _strings(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.get("format") in ("binary", "base64url"):
        return st.binary(max_size=300)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(plain_text)
    return st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 40))


def _numbers(schema: Schema) -> st.SearchStrategy[Any]:
    lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
    return st.floats(
        lowest,
        schema.get("maximum"),
        exclude_min="exclusiveMinimum" in schema,
        allow_nan=False,
        allow_infinity=False,
    )
