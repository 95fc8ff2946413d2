"""Function calls written as JSON between `<tool_call>` and `</tool_call>`, as plain text.

Shared by the formats of models without control tokens for calls. Source of the layout: the Hermes
function calling format (Nous Research, Hermes-Function-Calling), as also used by Qwen 2.5.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from npc_brain.inference.chat import (
    CallEvent,
    ChatEvent,
    FunctionCall,
    FunctionSchema,
    LineRule,
    Message,
)
from npc_brain.inference.formats.base import (
    MAX_CALLS_WRITTEN,
    ChatFormat,
    CompletionParser,
    LineBuffer,
    require_something,
)
from npc_brain.inference.grammar import line_terminal
from npc_brain.inference.tokenizer import Tokenizer

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_SAFE_ESCAPES = '"\\'


class JsonCallFormat(ChatFormat):
    """The part of a chat format that has to do with JSON calls."""

    def grammar(self, functions: Sequence[FunctionSchema], line: LineRule) -> str:
        """See `ChatFormat.grammar`."""
        require_something(functions, line)
        rules: list[str] = []
        if line.is_allowed:
            rules += [f"LINE: {line_terminal(line)}"]
        if functions:
            rules += _call_rules(functions)
        choices = ["LINE"] * line.is_allowed + ["calls"] * bool(functions)
        return "\n".join([f"start: {' | '.join(choices)}", *rules])

    def parser(self, line: LineRule) -> CompletionParser:
        """See `ChatFormat.parser`."""
        return JsonCallParser(self.tokenizer, line)


def _call_rules(functions: Sequence[FunctionSchema]) -> list[str]:
    names = " | ".join(f"call_{index}" for index in range(len(functions)))
    rules = [
        f'calls: call ("\\n" call){{0,{MAX_CALLS_WRITTEN - 1}}}',
        f'call: "{_OPEN}{{\\"name\\": \\"" ({names}) "}}{_CLOSE}"',
    ]
    for index, function in enumerate(functions):
        head = json.dumps(f'{function.name}", "arguments": ')
        rules += [
            f"call_{index}: {head} arguments_{index}",
            f"arguments_{index}: %json {json.dumps(json_schema(function))}",
        ]
    return rules


def json_schema(function: FunctionSchema) -> dict[str, Any]:
    """What llguidance makes a grammar of: the bounded schema, and how to write it (`x-guidance`).

    It writes the separators of `json.dumps`, and ASCII control characters in strings only when an
    enum has some. Raises InferenceError (`bad_tool`) when the schema cannot be enforced.
    """
    schema = function.bounded()
    options: dict[str, Any] = {
        "whitespace_flexible": False,
        "item_separator": ", ",
        "key_separator": ": ",
    }
    # llguidance drops a character of an enum's text when its escape is not allowed.
    if all(text.isprintable() for text in _choices(schema)):
        options["json_allowed_escapes"] = _SAFE_ESCAPES
    return {**schema, "x-guidance": options}


def _choices(schema: dict[str, Any]) -> Iterator[str]:
    yield from schema.get("enum", ())
    for inner in (*schema.get("properties", {}).values(), schema.get("items")):
        if inner:
            yield from _choices(inner)


class JsonCallParser(CompletionParser):
    """A line, or calls: whichever the completion's first character says."""

    def __init__(self, tokenizer: Tokenizer, line: LineRule) -> None:
        self._stream = tokenizer.stream()
        self._line = LineBuffer(line)
        self._calls_text: str | None = None
        self._has_begun = False

    @property
    def is_full(self) -> bool:  # type: ignore[override]
        """See `CompletionParser.is_full`."""
        return self._line.is_full

    def feed(self, token_id: int) -> list[ChatEvent]:
        """See `CompletionParser.feed`."""
        text = self._stream.push(token_id)
        if not text:
            return []
        if not self._has_begun:
            self._has_begun = True
            self._calls_text = "" if text.startswith("<") else None
        if self._calls_text is None:
            return self._line.push(text)
        self._calls_text += text
        return self._take_calls()

    def _take_calls(self) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        while self._calls_text is not None and _CLOSE in self._calls_text:
            body = self._calls_text.lstrip().removeprefix(_OPEN)
            try:
                value, end = json.JSONDecoder().raw_decode(body)
            except ValueError:  # the closing mark is inside a string that is not complete yet
                break
            if not body.startswith(_CLOSE, end):
                break
            self._calls_text = body[end + len(_CLOSE) :]
            events.append(CallEvent(FunctionCall(value["name"], value["arguments"])))
        return events


def declare(functions: Sequence[FunctionSchema]) -> str:
    """What the model is told about `functions`, as a part of the system text."""
    if not functions:
        return ""
    lines = [
        json.dumps(
            {
                "type": "function",
                "function": {
                    "name": function.name,
                    "description": function.description,
                    "parameters": function.parameters,
                },
            },
            ensure_ascii=False,
        )
        for function in functions
    ]
    example = json.dumps({"name": "NAME", "arguments": {"KEY": "VALUE"}})
    return "\n".join(
        [
            "You may call these functions:",
            "<tools>",
            *lines,
            "</tools>",
            f"To call one, answer only with: {_OPEN}{example}{_CLOSE}",
        ]
    )


def assistant_text(message: Message) -> str:
    """An assistant message as the model wrote it."""
    calls = "\n".join(f"{_OPEN}{_call_json(call)}{_CLOSE}" for call in message.calls)
    return "\n".join(part for part in (message.content, calls) if part)


def result_text(message: Message) -> str:
    """The result of a call, for the model."""
    result: dict[str, Any] = {"name": message.name, "content": message.content}
    return f"<tool_response>\n{json.dumps(result, ensure_ascii=False)}\n</tool_response>"


def _call_json(call: FunctionCall) -> str:
    return json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
