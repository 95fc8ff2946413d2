"""The JSON Schemas that arguments of functions may have, and the bounds that decoding adds.

Every keyword below is enforced while the model writes. Anything else is refused when the function
is registered, not when it is called: a keyword that is ignored is a promise broken in silence.
"""

import re
from collections.abc import Iterator
from typing import Any

from llguidance import LLMatcher

from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.patterns import PatternError, compiled

_ANNOTATIONS = {"title", "description", "default", "examples", "$comment", "$schema", "deprecated"}
_ANYWHERE = {"type", "enum", "const", "anyOf", "$ref", "$defs"} | _ANNOTATIONS
_BY_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set[str](),
    "null": set[str](),
}
_MAX_DEPTH = 8
_MAX_STRING_CHARS = 400
_MAX_ARRAY_ITEMS = 32
_MAX_MAGNITUDE = 2_147_483_647

_SAFE_ESCAPES = '"\\'
_KEY = re.compile(r"[\w.-]+")
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def check_schema(parameters: dict[str, Any], *, name: str = "function") -> None:
    """Check that arguments of this schema can be enforced; call it when a function is registered.

    Raises InferenceError (`bad_tool`) that names the function, the place and the keyword.
    """
    bounded_schema(parameters, name=name)


def bounded_schema(parameters: dict[str, Any], *, name: str = "function") -> dict[str, Any]:
    """`parameters` made finite: what it allows is a finite subset of what the original allows.

    Objects are closed; strings get at most 400 characters, arrays 32 items, numbers a magnitude of
    at most 2147483647, unless the schema says less. It also tells llguidance (`x-guidance`) to
    write the separators of `json.dumps`, and ASCII control characters in strings only when an enum
    has some. Raises InferenceError like `check_schema`.
    """
    if parameters.get("type") != "object":
        raise _error(name, "", f"has type {parameters.get('type')!r}, wanted 'object'")
    schema = _bounded(parameters, name, "", 0)
    schema["x-guidance"] = _how_to_write(schema)
    problem = LLMatcher.validate_grammar(LLMatcher.grammar_from_json_schema(schema))
    if problem:
        raise _error(name, "", problem.split("\n", 1)[0])
    return schema


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """`schema` with what its `$ref` names among the `$defs` of `root` put in its place."""
    while "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    """Whether a JSON value is what `schema` allows, by the keywords that are enforced here.

    `root` holds the `$defs`; it is `schema` itself by default. Objects are closed.
    """
    root = schema if root is None else root
    schema = resolve(schema, root)
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if "enum" in schema and not any(_same(value, known) for known in schema["enum"]):
        return False
    if "anyOf" in schema and not any(fits(value, option, root) for option in schema["anyOf"]):
        return False
    kinds = schema.get("type", list(_BY_TYPE))
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if not any(_is_kind(value, kind) for kind in kinds):
        return False
    if isinstance(value, dict):
        return "properties" not in schema or _object_fits(value, schema, root)
    if isinstance(value, list):
        in_range = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return in_range and all(fits(child, schema.get("items", {}), root) for child in value)
    if isinstance(value, str):
        in_range = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return in_range and ("pattern" not in schema or compiled(schema["pattern"]).is_in(value))
    return value is None or isinstance(value, bool) or _number_fits(value, schema)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _is_kind(value: Any, kind: str) -> bool:
    return isinstance(value, _PYTHON_TYPES[kind]) and isinstance(value, bool) <= (kind == "boolean")


def _object_fits(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    properties = schema["properties"]
    return set(schema.get("required", [])) <= value.keys() <= properties.keys() and all(
        fits(child, properties[key], root) for key, child in value.items()
    )


def _number_fits(value: int | float, schema: dict[str, Any]) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and ("multipleOf" not in schema or value % schema["multipleOf"] == 0)
    )


def _how_to_write(schema: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "whitespace_flexible": False,
        "item_separator": ", ",
        "key_separator": ": ",
    }
    # llguidance drops a character of an enum's text when its escape is not allowed.
    if all(char.isprintable() for text in _literals(schema) for char in text):
        options["json_allowed_escapes"] = _SAFE_ESCAPES
    return options


def _literals(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from _literals(child)
    elif isinstance(value, list):
        for child in value:
            yield from _literals(child)


def _bounded(schema: Any, name: str, path: str, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise _error(name, path, f"is {schema!r}, wanted an object")
    if depth > _MAX_DEPTH:
        raise _error(name, path, f"is nested deeper than {_MAX_DEPTH} levels")
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    unknown_types = [kind for kind in types if kind not in _BY_TYPE]
    if unknown_types:
        raise _error(name, path, f"has type {unknown_types[0]!r}, wanted one of {list(_BY_TYPE)}")
    if not types and not schema.keys() & {"enum", "const", "anyOf", "$ref"}:
        raise _error(name, path, "has none of type, enum, const, anyOf, $ref")
    known = _ANYWHERE.union(*(_BY_TYPE[kind] for kind in types))
    for keyword in schema:
        if keyword not in known:
            raise _error(name, path, f"has keyword {keyword!r}, which cannot be enforced here")
    result = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    _bound_children(result, name, path, depth)
    if not schema.keys() & {"enum", "const"}:
        for kind in types:
            _bound_type(result, kind, name, path)
    return result


def _bound_children(schema: dict[str, Any], name: str, path: str, depth: int) -> None:
    for key in schema.get("properties", ()):
        if not _KEY.fullmatch(key):
            raise _error(name, path, f"has property {key!r}, wanted letters, digits and _ . -")
    for key in ("properties", "$defs"):
        if key in schema:
            schema[key] = {
                child: _bounded(value, name, f"{path}/{child}", depth + 1)
                for child, value in schema[key].items()
            }
    if "items" in schema:
        schema["items"] = _bounded(schema["items"], name, f"{path}/items", depth + 1)
    if "anyOf" in schema:
        schema["anyOf"] = [_bounded(option, name, path, depth + 1) for option in schema["anyOf"]]


def _bound_type(schema: dict[str, Any], kind: str, name: str, path: str) -> None:
    if kind == "object":
        if schema.get("additionalProperties", False) is not False:
            raise _error(name, path, "has 'additionalProperties', but objects are closed here")
        schema.setdefault("properties", {})
        schema["additionalProperties"] = False
    elif kind == "array":
        if "items" not in schema:
            raise _error(name, path, "is an array without 'items'")
        schema["maxItems"] = min(
            schema.get("maxItems", _MAX_ARRAY_ITEMS),
            max(_MAX_ARRAY_ITEMS, schema.get("minItems", 0)),
        )
    elif kind == "string":
        try:
            compiled(schema.get("pattern", ""))
        except PatternError as error:
            problem = f"has a regex that cannot be used: {error.message}"
            raise _error(name, path, problem) from error
        schema["maxLength"] = min(
            schema.get("maxLength", _MAX_STRING_CHARS),
            max(_MAX_STRING_CHARS, schema.get("minLength", 0)),
        )
    elif kind in ("integer", "number"):
        if "exclusiveMinimum" not in schema:
            schema["minimum"] = max(schema.get("minimum", -_MAX_MAGNITUDE), -_MAX_MAGNITUDE)
        if "exclusiveMaximum" not in schema:
            schema["maximum"] = min(schema.get("maximum", _MAX_MAGNITUDE), _MAX_MAGNITUDE)


def _error(name: str, path: str, problem: str) -> InferenceError:
    where = f" at {path}" if path else ""
    return InferenceError(
        f"the parameters of {name}{where}: {problem}",
        code=ErrorCode.BAD_TOOL,
        hint="use closed objects, arrays with items, strings, numbers, enum, const and anyOf",
    )
