"""Gemma 4's own notation: values, calls, results and declarations, as pieces of a prompt.

A piece is plain text or the id of a control token. Strings stand between two quote tokens and have
no escapes, keys are bare and sorted, numbers, `true`, `false` and `null` are as in JSON, and there
are no spaces: `call:give_item{count:2,item:<|"|>bread<|"|>}`.

Source: Google's "Gemma 4 prompt formatting" (ai.google.dev) and the chat template for E2B and E4B
in google-ai-edge/LiteRT-LM. Where the template writes an empty type (an enum without a type), the
declaration here says what the schema means.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.errors import InferenceError
from npc_brain.inference.chat import FunctionCall, FunctionSchema
from npc_brain.inference.tokenizer import Tokenizer
from npc_brain.schema.subset import type_of

Piece = str | int

_MAX_DECLARED_DEPTH = 8
_STRING = "\0"
_STRING_OR_KEY = re.compile(r"\0|(?<![^\0{}\[\],:])[^\0{}\[\],:]++(?=:)")


@dataclass(frozen=True, slots=True)
class Markers:
    """The control tokens of Gemma 4's format. Source: google/gemma-4-E4B-it, tokenizer.json."""

    bos: int
    turn: int
    turn_end: int
    think: int
    channel: int
    channel_end: int
    tool: int
    tool_end: int
    call: int
    call_end: int
    response: int
    response_end: int
    quote: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Markers":
        """Look them up; raises ModelError when the tokenizer lacks one."""
        texts = (
            "<bos> <|turn> <turn|> <|think|> <|channel> <channel|> <|tool> <tool|> <|tool_call> "
            '<tool_call|> <|tool_response> <tool_response|> <|"|>'
        )
        return cls(*map(tokenizer.control_id, texts.split()))


class Syntax:
    """Writes and reads the notation."""

    def __init__(self, markers: Markers) -> None:
        self._markers = markers

    def call(self, call: FunctionCall) -> list[Piece]:
        """A call with its markers."""
        body = self.value(call.arguments)
        return [self._markers.call, f"call:{call.name}", *body, self._markers.call_end]

    def response(self, name: str, text: str) -> list[Piece]:
        """The result of a call, which is a text, with its markers."""
        body = self.value({"value": text})
        return [self._markers.response, f"response:{name}", *body, self._markers.response_end]

    def value(self, value: Any, *, quotes_keys: bool = False) -> list[Piece]:
        """A JSON value; in schemas the template quotes the keys of what it does not know."""
        if isinstance(value, str):
            return [self._markers.quote, value, self._markers.quote]
        if isinstance(value, dict):
            entries = [
                [
                    *(self.value(key) if quotes_keys else [key]),
                    ":",
                    *self._nested(child, quotes_keys),
                ]
                for key, child in _sorted(value)
            ]
            return ["{", *_joined(entries), "}"]
        if isinstance(value, list | tuple):
            return ["[", *_joined(self._nested(child, quotes_keys) for child in value), "]"]
        return [json.dumps(value)]

    def _nested(self, value: Any, quotes_keys: bool) -> list[Piece]:
        return self.value(value, quotes_keys=quotes_keys)

    def declaration(self, function: FunctionSchema) -> list[Piece]:
        """What the model is told about a function, with its markers."""
        schema = function.parameters
        parameters: list[list[Piece]] = []
        if schema.get("properties"):
            parameters.append(["properties:", *self._properties(schema, 0)])
        if schema.get("required"):
            parameters.append(["required:", *self.value(schema["required"])])
        parameters.append(["type:", *self.value("OBJECT")])
        return [
            self._markers.tool,
            f"declaration:{function.name}{{description:",
            *self.value(function.description),
            ",parameters:{",
            *_joined(parameters),
            "}}",
            self._markers.tool_end,
        ]

    def _properties(self, schema: dict[str, Any], depth: int) -> list[Piece]:
        properties = schema.get("properties", {}) if depth < _MAX_DECLARED_DEPTH else {}
        entries = [[f"{key}:", *self._property(child, depth)] for key, child in _sorted(properties)]
        return ["{", *_joined(entries), "}"]

    def _property(self, schema: dict[str, Any], depth: int) -> list[Piece]:
        """One property: its description first, its type last."""
        kind = type_of(schema)
        parts: list[list[Piece]] = []
        if schema.get("description"):
            parts.append(["description:", *self.value(schema["description"])])
        if kind == "string" and schema.get("enum"):
            parts.append(["enum:", *self.value(schema["enum"])])
        elif kind == "array" and schema.get("items"):
            parts.append(["items:", *self._items(schema["items"], depth + 1)])
        elif kind == "object":
            parts.append(["properties:", *self._properties(schema, depth + 1)])
            if schema.get("required"):
                parts.append(["required:", *self.value(schema["required"])])
        parts.append(["type:", *self.value(kind.upper())])
        return ["{", *_joined(parts), "}"]

    def _items(self, schema: dict[str, Any], depth: int) -> list[Piece]:
        """The elements of an array: every keyword of their schema, sorted."""
        parts: list[list[Piece]] = []
        for key, child in _sorted({**schema, "type": type_of(schema)}):
            if key == "properties":
                parts.append(["properties:", *self._properties(schema, depth)])
            elif key == "type":
                parts.append(["type:", *self.value(child.upper())])
            elif child is not None:
                parts.append([f"{key}:", *self.value(child, quotes_keys=True)])
        return ["{", *_joined(parts), "}"]


def encode(pieces: Iterable[Piece], tokenizer: Tokenizer) -> list[int]:
    """The tokens of `pieces`; text between two control tokens is encoded as a whole."""
    token_ids: list[int] = []
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        token_ids += [*tokenizer.encode(text), piece]
        text = ""
    return token_ids + tokenizer.encode(text)


def read_call(token_ids: Sequence[int], tokenizer: Tokenizer, quote: int) -> FunctionCall:
    """The call that the tokens between two call markers spell.

    Works on token ids, since a string may hold any text, also the spelling of a marker. Raises
    InferenceError when it is no call.
    """
    structure, strings = "", []
    is_string = False
    begin = 0
    for end in [
        *(index for index, token in enumerate(token_ids) if token == quote),
        len(token_ids),
    ]:
        text = _text(token_ids[begin:end], tokenizer)
        if is_string:
            strings.append(text)
            structure += _STRING
        else:
            structure += text
        is_string = not is_string
        begin = end + 1
    head, brace, body = structure.partition("{")
    unread = iter(strings)

    def as_json(match: re.Match[str]) -> str:
        return json.dumps(next(unread) if match[0] == _STRING else match[0])

    try:
        arguments = json.loads(_STRING_OR_KEY.sub(as_json, brace + body))
    except ValueError as error:
        raise InferenceError(f"the model's call cannot be read: {structure!r}") from error
    return FunctionCall(head.removeprefix("call:"), arguments)


def _text(token_ids: Sequence[int], tokenizer: Tokenizer) -> str:
    return b"".join(map(tokenizer.token_bytes, token_ids)).decode("utf-8", "replace")


def _sorted(mapping: dict[str, Any]) -> list[tuple[str, Any]]:
    """Its items sorted by key without regard to case, as Jinja's `dictsort` does."""
    return sorted(mapping.items(), key=lambda item: item[0].lower())


def _joined(parts: Iterable[list[Piece]]) -> list[Piece]:
    joined: list[Piece] = []
    for part in parts:
        if joined:
            joined.append(",")
        joined += part
    return joined
