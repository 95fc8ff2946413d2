"""Fits arguments that a model wrote freely to a function's schema, or says why they do not fit.

For servers that do not constrain what they generate. A value of another spelling (`"3"` for 3,
`Iron Sword` for the id `iron_sword`) is taken for what was meant; a value that the schema forbids
never passes. Handles the keywords that `schema.check_schema` lets through.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from npc_brain.errors import InferenceError
from npc_brain.inference.chat import FunctionCall, FunctionSchema
from npc_brain.patterns import compiled

_MAX_DEPTH = 16

Schema = Mapping[str, Any]


class ArgumentError(InferenceError):
    """A call that does not fit what was offered; the message says in what."""


def fit_call(name: str, arguments: Any, functions: Sequence[FunctionSchema]) -> FunctionCall:
    """The call of one of `functions` that a model meant.

    Arguments that the function does not have are left out, as are nulls for those it can do
    without. Raises ArgumentError when the function is not offered or the arguments do not fit.
    """
    function = next((each for each in functions if each.name == name), None)
    if function is None:
        offered = ", ".join(each.name for each in functions) or "none"
        raise ArgumentError(f"the model called {name[:80]!r}, offered are {offered}")
    definitions = function.parameters.get("$defs", {})
    fitted = _Fitting(name, definitions).fit(function.parameters, arguments, "", 0)
    return FunctionCall(name, fitted)


class _Fitting:
    def __init__(self, name: str, definitions: Mapping[str, Schema]) -> None:
        self._name = name
        self._definitions = definitions

    def fit(self, schema: Schema, value: Any, path: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise self._error(path, "is nested too deep")
        if "$ref" in schema:
            target = schema["$ref"].rpartition("/")[2]
            return self.fit(self._definitions[target], value, path, depth + 1)
        if "anyOf" in schema:
            return self._fit_any(schema, value, path, depth)
        if "const" in schema or "enum" in schema:
            return self._fit_choice(schema, value, path)
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        kind, value = self._convert(kinds, value, path)
        if kind == "object":
            return self._fit_object(schema, value, path, depth)
        if kind == "array":
            return self._fit_array(schema, value, path, depth)
        if kind == "string":
            self._check_string(schema, value, path)
        elif kind in ("integer", "number"):
            self._check_number(schema, value, path)
        return value

    def _fit_any(self, schema: Schema, value: Any, path: str, depth: int) -> Any:
        problems = []
        for option in schema["anyOf"]:
            try:
                return self.fit(option, value, path, depth + 1)
            except ArgumentError as error:
                problems.append(error)
        raise problems[0] if problems else self._error(path, "cannot have any value")

    def _fit_choice(self, schema: Schema, value: Any, path: str) -> Any:
        choices = [schema["const"]] if "const" in schema else schema["enum"]
        for choice in choices:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return choice
        alike = [choice for choice in choices if _spelling(choice) == _spelling(value)]
        if len(alike) == 1:
            return alike[0]
        shown = ", ".join(map(repr, choices[:8])) + (", …" if len(choices) > 8 else "")
        raise self._error(path, f"is {_shown(value)}, wanted one of {shown}")

    def _convert(self, kinds: Sequence[str], value: Any, path: str) -> tuple[str, Any]:
        """The kind of `kinds` that `value` is, or can be read as."""
        for kind in kinds:
            if _is_kind(kind, value):
                return kind, int(value) if kind == "integer" else value
        for kind in kinds:
            read = _read_as(kind, value)
            if read is not None:
                return kind, read
        raise self._error(path, f"is {_shown(value)}, wanted {' or '.join(kinds)}")

    def _fit_object(
        self, schema: Schema, value: Mapping[str, Any], path: str, depth: int
    ) -> dict[str, Any]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required = schema.get("required", ())
        fitted = {}
        for key, child in properties.items():
            where = f"{path}.{key}" if path else key
            if key in required and key not in value:
                raise self._error(where, "is missing")
            if key in value and (value[key] is not None or key in required):
                fitted[key] = self.fit(child, value[key], where, depth + 1)
        return fitted

    def _fit_array(self, schema: Schema, value: Sequence[Any], path: str, depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        if not least <= len(value) <= most:
            raise self._error(path, f"has {len(value)} items, wanted {least} to {most}")
        return [
            self.fit(schema["items"], item, f"{path}[{index}]", depth + 1)
            for index, item in enumerate(value)
        ]

    def _check_string(self, schema: Schema, value: str, path: str) -> None:
        least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise self._error(path, "is no Unicode")
        if not least <= len(value) <= most:
            raise self._error(path, f"has {len(value)} characters, wanted {least} to {most}")
        if "pattern" in schema and not compiled(schema["pattern"]).is_in(value):
            raise self._error(path, f"is {_shown(value)}, wanted a match of {schema['pattern']}")

    def _check_number(self, schema: Schema, value: float, path: str) -> None:
        is_fitting = (
            -(2**63) <= value < 2**63  # what the wire carries; false for NaN
            and schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
            and value > schema.get("exclusiveMinimum", -math.inf)
            and value < schema.get("exclusiveMaximum", math.inf)
        )
        bounds = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        if not is_fitting:
            wanted = ", ".join(f"{key} {schema[key]}" for key in bounds if key in schema)
            raise self._error(path, f"is {value}, wanted {wanted or 'a number of 64 bits'}")
        if "multipleOf" in schema and value % schema["multipleOf"]:
            raise self._error(path, f"is {value}, wanted a multiple of {schema['multipleOf']}")

    def _error(self, path: str, problem: str) -> ArgumentError:
        where = f"its argument {path}" if path else "what it is given"
        return ArgumentError(f"the model called {self._name}, but {where} {problem}")


def _is_kind(kind: str, value: Any) -> bool:
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    classes: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "number": (int, float),
        "null": type(None),
    }
    return isinstance(value, classes[kind])


def _read_as(kind: str, value: Any) -> Any:
    """`value` read as another kind of scalar, or None when it is no such thing."""
    if kind == "array" and isinstance(value, str | int | float):
        return [value]
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower())
    if kind == "integer" and re.fullmatch(r"[+-]?\d{1,15}(\.0+)?", text):
        return int(float(text))
    if kind == "number" and re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", text):
        return float(text)
    return None


def _spelling(value: Any) -> str:
    return re.sub(r"[\s_-]+", "_", str(value).strip().casefold())


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
