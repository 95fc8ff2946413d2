"""The grammar of calls in Gemma 4's notation (see `gemma4_syntax`), from the functions' schemas.

Strings are what stands between two quote tokens, by token id: text that merely spells a marker is
text. Keys come in the order in which the model was shown them, sorted.
"""

import json
from collections.abc import Sequence
from typing import Any

from npc_brain.inference.chat import FunctionSchema
from npc_brain.schema.subset import length_range

_CHAR = r"[^\x00-\x1f\x7f]"


class CallRules:
    """Collects the Lark rules for calls."""

    def __init__(self, quote: int) -> None:
        self.rules: list[str] = []
        self._quote = f"<[{quote}]>"
        self._num_rules = 0

    def call(self, function: FunctionSchema) -> str:
        """The name of the rule for a function's name and arguments.

        Raises InferenceError (`bad_tool`) when the schema cannot be enforced.
        """
        return self._rule(f'"call:{function.name}" {self._object(function.bounded())}')

    def _rule(self, body: str) -> str:
        self._num_rules += 1
        name = f"rule_{self._num_rules}"
        self.rules.append(f"{name}: {body}")
        return name

    def _value(self, schema: dict[str, Any]) -> str:
        """An expression for what `schema` allows."""
        match schema["type"]:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._choice(schema["enum"]) if "enum" in schema else self._text(schema)
            case "boolean":
                return '("true" | "false")'
        return self._rule(f"%json {json.dumps(schema)}")

    def _choice(self, texts: Sequence[str]) -> str:
        return f"({self._quote} ({' | '.join(map(_literal, texts))}) {self._quote})"

    def _text(self, schema: dict[str, Any]) -> str:
        low, high = length_range(schema)
        if high == 0:
            return f"({self._quote} {self._quote})"
        self._num_rules += 1
        name = f"STRING_{self._num_rules}"
        self.rules.append(f"{name}: /{_CHAR}{{{max(low, 1)},{high}}}/")
        return f"({self._quote} {name}{'' if low else '?'} {self._quote})"

    def _array(self, schema: dict[str, Any]) -> str:
        low, high = length_range(schema)
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
        required = set(schema["required"])
        at_start = after_one = '"}"'
        for key in reversed(_sorted_keys(schema["properties"])):
            entry = f"{_literal(f'{key}:')} {self._value(schema['properties'][key])}"
            rest = self._rule(after_one)
            start = f"{entry} {rest}"
            after = f'"," {entry} {rest}'
            if key not in required:
                start += f" | {self._rule(at_start)}"
                after += f" | {rest}"
            at_start, after_one = start, after
        return f'("{{" ({at_start}))'


def _literal(text: str) -> str:
    """`text` as a Lark string."""
    return json.dumps(text, ensure_ascii=False)


def _sorted_keys(mapping: dict[str, Any]) -> list[str]:
    return sorted(mapping, key=str.lower)
