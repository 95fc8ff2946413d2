"""The grammar of calls in Gemma 4's notation (see `gemma4_syntax`), from the functions' schemas.

Strings are what stands between two quote tokens, by token id: text that merely spells a marker is
text. Keys come in the order in which the model was shown them, sorted.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.inference.chat import FunctionSchema
from npc_brain.inference.schema import bounded_schema, fits, resolve

_CHAR = r"[^\x00-\x1f\x7f]"


class CallRules:
    """Collects the Lark rules for calls."""

    def __init__(self, quote: int) -> None:
        self.rules: list[str] = []
        self._quote = f"<[{quote}]>"
        self._root: dict[str, Any] = {}
        self._name = ""
        self._of_ref: dict[str, str] = {}
        self._num_rules = 0

    def call(self, function: FunctionSchema) -> str:
        """The name of the rule for a function's name and arguments.

        Raises InferenceError (`bad_tool`) when the schema cannot be enforced.
        """
        self._root = bounded_schema(function.parameters, name=function.name)
        self._name = function.name
        self._of_ref = {}
        return self._rule(f'"call:{function.name}" {self._object(self._root)}')

    def _rule(self, body: str) -> str:
        name = self._reserve()
        self.rules.append(f"{name}: {body}")
        return name

    def _reserve(self) -> str:
        self._num_rules += 1
        return f"rule_{self._num_rules}"

    def _value(self, schema: dict[str, Any]) -> str:
        """An expression for what `schema` allows."""
        if "$ref" in schema:
            return self._reference(schema)
        if "anyOf" in schema:
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            return _either(self._value({**rest, **option}) for option in schema["anyOf"])
        if "const" in schema or "enum" in schema:
            rest = {k: v for k, v in schema.items() if k not in ("const", "enum")}
            values = [schema["const"]] if "const" in schema else schema["enum"]
            return self._literals([value for value in values if fits(value, rest, self._root)])
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return _either(self._of_kind(kind, schema) for kind in kinds)

    def _reference(self, schema: dict[str, Any]) -> str:
        """A rule for each definition, since definitions may refer to themselves."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._of_ref:
            self._of_ref[key] = self._reserve()
            body = self._value(resolve(schema, self._root))
            self.rules.append(f"{self._of_ref[key]}: {body}")
        return self._of_ref[key]

    def _of_kind(self, kind: str, schema: dict[str, Any]) -> str:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            return self._string(schema)
        if kind == "boolean":
            return '("true" | "false")'
        if kind == "null":
            return '"null"'
        keywords = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
        number = {"type": kind, **{key: schema[key] for key in keywords if key in schema}}
        return self._rule(f"%json {json.dumps(number)}")

    def _literals(self, values: Sequence[Any]) -> str:
        texts = [value for value in values if isinstance(value, str)]
        others = [_either([self._literal(value)]) for value in values if not isinstance(value, str)]
        spelled = " | ".join(_text(text) for text in texts if text)
        strings = [f"({self._quote} ({spelled}) {self._quote})"] if spelled else []
        empty = [f"({self._quote} {self._quote})"] if "" in texts else []
        if not (strings or empty or others):
            raise self._error("an enum has no value that fits")
        return _either([*strings, *empty, *others])

    def _literal(self, value: Any) -> str:
        if isinstance(value, str):
            return f"{self._quote} {_text(value)} {self._quote}" if value else f"{self._quote} " * 2
        if isinstance(value, list):
            return " ".join(['"["', ' "," '.join(map(self._literal, value)), '"]"'])
        if isinstance(value, dict):
            entries = [f"{_text(f'{k}:')} {self._literal(value[k])}" for k in _sorted_keys(value)]
            return " ".join(['"{"', ' "," '.join(entries), '"}"'])
        return _text(json.dumps(value))

    def _string(self, schema: dict[str, Any]) -> str:
        low, high = schema.get("minLength", 0), schema["maxLength"]
        terminal = f"/{_CHAR}{{{max(low, 1)},{high}}}/"
        if "pattern" in schema:
            low = max(low, 1 - fits("", schema, self._root))
            terminal += f" & {self._pattern(schema['pattern'])}"
        self._num_rules += 1
        name = f"STRING_{self._num_rules}"
        self.rules.append(f"{name}: {terminal}")
        return f"({self._quote} {name}{'' if low else '?'} {self._quote})"

    def _pattern(self, pattern: str) -> str:
        """A JSON Schema pattern, which is searched for, as an expression for the whole string."""
        core = pattern.removeprefix("^")
        is_open_left = core == pattern
        is_closed_right = core.endswith("$") and not core.endswith("\\$")
        core = core.removesuffix("$") if is_closed_right else core
        if core != pattern and _has_alternatives(core):
            raise self._error(f"pattern {pattern!r} anchors only some of its alternatives")
        escaped = re.sub(r"\\.|/", lambda match: match[0] if len(match[0]) > 1 else r"\/", core)
        left, right = "(?s:.*)" * is_open_left, "(?s:.*)" * (not is_closed_right)
        return f"/{left}({escaped}){right}/"

    def _array(self, schema: dict[str, Any]) -> str:
        low, high = schema.get("minItems", 0), schema["maxItems"]
        if high == 0:
            return '"[]"'
        item = self._rule(self._value(schema["items"]))
        more = f' ("," {item}){{{max(low - 1, 0)},{high - 1}}}' if high > 1 else ""
        filled = f"{item}{more}"
        return f'("[" {filled} "]")' if low else f'("[" ({filled})? "]")'

    def _object(self, schema: dict[str, Any]) -> str:
        """Properties in order; those that are not required may be left out.

        From the last to the first: what may follow when nothing stands before it, and what may
        follow when something does.
        """
        required = set(schema.get("required", []))
        at_start = after_one = '"}"'
        for key in reversed(_sorted_keys(schema["properties"])):
            entry = f"{_text(f'{key}:')} {self._value(schema['properties'][key])}"
            rest = self._rule(after_one)
            start = f"{entry} {rest}"
            after = f'"," {entry} {rest}'
            if key not in required:
                start += f" | {self._rule(at_start)}"
                after += f" | {rest}"
            at_start, after_one = start, after
        return f'("{{" ({at_start}))'

    def _error(self, problem: str) -> InferenceError:
        return InferenceError(f"the parameters of {self._name}: {problem}", code=ErrorCode.BAD_TOOL)


def _either(expressions: Any) -> str:
    return f"({' | '.join(expressions)})"


def _text(text: str) -> str:
    """`text` as a Lark string."""
    return json.dumps(text, ensure_ascii=False)


def _has_alternatives(pattern: str) -> bool:
    """Whether a regular expression has a `|` outside all groups and classes."""
    bare = re.sub(r"\\.|\[(\\.|[^\]])*\]", "", pattern)
    before = (bare[: match.start()] for match in re.finditer(r"\|", bare))
    return any(text.count("(") == text.count(")") for text in before)


def _sorted_keys(mapping: dict[str, Any]) -> list[str]:
    return sorted(mapping, key=str.lower)
