"""Reads a server's answer: pieces of a completion in, `ChatEvent`s out.

Keeps the promises of `chat.Backend` whatever comes: an answer is a line or calls, never both; a
line is clean and within its limits; a call is one that was offered and fits its schema.

When functions are offered the first sentence is held back until a second begins or the answer ends:
a model that says "I will fetch it" and then calls has called, and what it said is dropped, since
the line is made after the outcome is known. A call that comes after more was said is dropped. Text
that looks like a call without its marks is held back to its end, and then read as one if it is one.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.inference.chat import (
    CallEvent,
    ChatEvent,
    ChatRequest,
    FinishReason,
    FunctionSchema,
    TextDelta,
)
from npc_brain.inference.formats.base import MAX_CALLS_WRITTEN
from npc_brain.servers.arguments import ArgumentError, fit_call
from npc_brain.servers.free_text import FreeLine
from npc_brain.servers.gemma4_tolerant import read_answer, read_call
from npc_brain.servers.http import ServerError, error_text, read_json
from npc_brain.servers.pieces import MAX_CALL_CHARS, JsonAnswer, Piece, TextSplitter

_log = logging.getLogger(__name__)

_SENTENCE_AND_MORE = re.compile(r"[.!?…] ?\S|[。！？].", re.DOTALL)  # noqa: RUF001
_MAX_NAME_CHARS = 200
_MAX_UNFINISHED_CALLS = 32
_MAX_TEXT_CHARS = 8192
"""Of what is kept to look for calls without marks in it."""
_START_CHARS = 256
"""Of these, enough to tell whether the text begins like a call."""
_SLICE = 256
"""Characters taken in one go: one piece may have as many as a stream's line."""
MAX_TOKENS = 10_000_000
"""Largest token count that a server may report; no model's context is as long."""


@dataclass(slots=True)
class _CallInMaking:
    call_id: str
    name: str = ""
    arguments: str = ""


class AnswerReader:
    """Reads one answer.

    Attributes:
        num_prompt_tokens, num_cached_tokens, num_completion_tokens: As the server counts them.
        has_called: Whether a `CallEvent` was given out.
    """

    def __init__(self, request: ChatRequest, *, is_json: bool = False, begun: str = "") -> None:
        """Read the answer to `request`; see `prompt.Prompt` for the rest."""
        self._request = request
        self._line = FreeLine(request.line, begun)
        self._call_start = _call_start(request.functions)
        self._text = ""
        self._splitter = TextSplitter()
        self._json = JsonAnswer() if is_json else None
        self._held: list[TextDelta] = []
        self._calls: dict[int, _CallInMaking] = {}
        self._problem = ""
        self._server_reason = ""
        self._has_said = False
        self._num_calls = 0
        self.num_prompt_tokens = 0
        self.num_cached_tokens = 0
        self.num_completion_tokens = 0

    @property
    def has_called(self) -> bool:
        """See the class."""
        return self._num_calls > 0

    @property
    def is_complete(self) -> bool:
        """Whether the server said that it is done, even if it does not close the stream."""
        return bool(self._server_reason)

    @property
    def needs_no_more(self) -> bool:
        """Whether what the server still generates would be thrown away."""
        return (self._has_said and self._line.has_ended) or self._line.is_hopeless

    def begin(self) -> list[ChatEvent]:
        """What can be said before the server has answered: the opener."""
        return self._say(self._line.begun)

    def feed(self, chunk: Mapping[str, Any]) -> list[ChatEvent]:
        """The events that a piece of the answer completes. Raises ServerError if it is an error."""
        if chunk.get("error"):
            raise ServerError(f"the server failed while it answered: {error_text(chunk)}")
        self._count(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return []
        delta = choice.get("delta") or choice.get("message") or {}
        events: list[ChatEvent] = []
        if isinstance(delta, dict):
            text = _text_of(delta.get("content"))
            if text:
                self.num_completion_tokens += not chunk.get("usage")
                events += self._take_text(text)
            parts = delta.get("tool_calls")
            for part in parts if isinstance(parts, list) else ():
                events += self._take_call_part(part)
        if choice.get("finish_reason"):
            self._server_reason = str(choice["finish_reason"])
        return events

    def finish(self) -> tuple[list[ChatEvent], FinishReason, str]:
        """The last events, how the answer ended, and what went wrong when that is `error`."""
        events: list[ChatEvent] = []
        is_cut = self._server_reason == "length"
        for piece in self._splitter.end():
            if piece.kind == "text" or not is_cut:
                events += self._take(piece)
        for index in sorted(self._calls):
            events += self._complete_call(index)
        if not (self._has_said or self.has_called):
            if self._json is not None:
                events += self._json_calls(is_cut=is_cut)
            else:
                events += self._unmarked_calls(is_cut=is_cut)
        if self.has_called:
            return events, "calls", ""
        is_ended = self._line.has_ended
        is_cut = is_cut and not is_ended
        if self._request.line.is_allowed:
            events += self._say(self._line.end(), is_last=True)
        if not (self.is_complete or is_ended):
            return events, "error", "the server ended its answer before the model had"
        if self._has_said:
            return events, "length" if self._line.is_full or is_cut else "stop", ""
        return events, "error", self._why_nothing(is_cut=is_cut)

    def _take_text(self, text: str) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        for start in range(0, len(text), _SLICE):
            if self.needs_no_more:
                break
            for piece in self._splitter.push(text[start : start + _SLICE]):
                events += self._take(piece)
        return events

    def _why_nothing(self, *, is_cut: bool) -> str:
        if self._problem:
            return self._problem
        if is_cut:
            return (
                f"the model used up its {self._request.max_tokens} tokens without saying anything; "
                "turn its thinking off at the server"
            )
        if not self._request.line.is_allowed:
            offered = ", ".join(function.name for function in self._request.functions)
            return f"the model called none of {offered}"
        return "the model said nothing that can be spoken"

    def _take(self, piece: Piece) -> list[ChatEvent]:
        if piece.kind == "json_call":
            return self._call_from_json(piece.text)
        if piece.kind == "gemma4_call":
            return self._call_from_gemma4(piece.text)
        if len(self._text) < _MAX_TEXT_CHARS:
            self._text = f"{self._text}{piece.text}".lstrip()
        text = piece.text if self._json is None else self._json.push(piece.text)
        if self.has_called or not self._request.line.is_allowed:
            return []
        return self._say(self._line.push(text))

    def _say(self, pieces: list[ChatEvent], *, is_last: bool = False) -> list[ChatEvent]:
        """`pieces` of the line, or nothing while the first sentence is held back."""
        self._held += [piece for piece in pieces if isinstance(piece, TextDelta)]
        if self._request.functions and not self._has_said and not is_last:
            text = "".join(piece.text for piece in self._held)
            may_be_call = self._json is None and self._call_start.match(self._text[:_START_CHARS])
            if may_be_call or not _SENTENCE_AND_MORE.search(text):
                return []
        held, self._held = self._held, []
        self._has_said = self._has_said or bool(held)
        return list(held)

    def _take_call_part(self, part: Any) -> list[ChatEvent]:
        """Put a streamed part of a call where it belongs; a new call completes those before it."""
        if not isinstance(part, dict) or not isinstance(part.get("function"), dict):
            return []
        events: list[ChatEvent] = []
        call_id = str(part.get("id") or "")
        index = part.get("index")
        if type(index) is not int:
            index = max(self._calls, default=0)
        call = self._calls.get(index)
        if call is not None and call_id and call.call_id and call.call_id != call_id:
            index, call = max(self._calls) + 1, None  # some servers count every call as the first
        if call is None:
            if len(self._calls) >= _MAX_UNFINISHED_CALLS:
                raise ServerError(f"the model made more than {_MAX_UNFINISHED_CALLS} calls")
            for other in sorted(self._calls):
                events += self._complete_call(other)
            call = self._calls[index] = _CallInMaking(call_id)
        function = part["function"]
        call.name += str(function.get("name") or "")
        arguments = function.get("arguments") or ""
        call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)
        if len(call.name) > _MAX_NAME_CHARS:
            raise ServerError("the name of a call is too long")
        if len(call.arguments) > MAX_CALL_CHARS:
            raise ServerError(f"the arguments of {call.name} are too long")
        return events

    def _complete_call(self, index: int) -> list[ChatEvent]:
        call = self._calls[index]
        if not call.name:  # given out already
            return []
        name, call.name = call.name, ""
        try:
            arguments = read_json(call.arguments or "{}")
        except ValueError:
            self._note(f"the model called {name} with {call.arguments[:80]!r}, which is no JSON")
            return []
        return self._call(name, arguments)

    def _json_calls(self, *, is_cut: bool) -> list[ChatEvent]:
        assert self._json is not None
        try:
            calls = self._json.calls()
        except ValueError:
            if not is_cut:
                self._note("the model answered with JSON that is broken")
            return []
        return [event for name, arguments in calls for event in self._call(name, arguments)]

    def _call_from_json(self, text: str) -> list[ChatEvent]:
        try:
            value = read_json(text)
            name, arguments = str(value["name"]), value.get("arguments", {})
        except (ValueError, TypeError, KeyError, AttributeError):
            self._note(f"the model made a call that cannot be read: {text[:80]!r}")
            return []
        return self._call(name, arguments)

    def _call_from_gemma4(self, text: str) -> list[ChatEvent]:
        call = read_call(text, self._request.functions)
        if call is None:
            self._note(f"the model made a call that cannot be used: {text[:80]!r}")
            return []
        return self._call(call.name, call.arguments)

    def _unmarked_calls(self, *, is_cut: bool) -> list[ChatEvent]:
        """Calls in what would otherwise be spoken: Gemma 4 leaves its marks out at times."""
        found = read_answer(self._text, self._request.functions, is_cut=is_cut).calls
        if not found and self._call_start.match(self._text):
            self._note(f"the model made a call that cannot be used: {self._text[:80]!r}")
            self._held.clear()
            self._line.has_ended = True
        return [event for call in found for event in self._call(call.name, call.arguments)]

    def _call(self, name: str, arguments: Any) -> list[ChatEvent]:
        if self._has_said:
            _log.warning("the model spoke and then made a call, which is dropped")
            return []
        if self._num_calls >= MAX_CALLS_WRITTEN:
            return []
        try:
            call = fit_call(name, arguments, self._request.functions)
        except ArgumentError as error:
            self._note(error.message)
            return []
        self._num_calls += 1
        self._held.clear()
        return [CallEvent(call)]

    def _note(self, problem: str) -> None:
        if not self._problem:
            _log.warning("the model made a call that cannot be used")
            self._problem = problem

    def _count(self, chunk: Mapping[str, Any]) -> None:
        usage = chunk.get("usage")
        if not isinstance(usage, dict):
            return
        self.num_prompt_tokens = _count(usage, "prompt_tokens", self.num_prompt_tokens)
        self.num_completion_tokens = _count(usage, "completion_tokens", self.num_completion_tokens)
        details = usage.get("prompt_tokens_details")
        if isinstance(details, dict):
            self.num_cached_tokens = _count(details, "cached_tokens", self.num_cached_tokens)


def _call_start(functions: Sequence[FunctionSchema]) -> re.Pattern[str]:
    """Matches a text that begins like a call of one of `functions`, or like its arguments."""
    names = "|".join(re.escape(function.name) for function in functions)
    keys = {key for each in functions for key in each.parameters.get("properties", {})}
    arguments = "|".join(map(re.escape, sorted(keys)))
    if not functions:
        return re.compile(r"(?!)")
    return re.compile(
        rf"\s*(?:call\s*)?:?\s*(?:{names})\s*[{{(]"
        rf"""|\s*\{{?\s*(?:{arguments or "(?!)"})\s*[:=]\s*["'`<]"""
    )


def _count(counts: Mapping[str, Any], key: str, otherwise: int) -> int:
    """A token count from a server; 0 when it cannot be one."""
    value = counts.get(key)
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else otherwise


def _text_of(content: Any) -> str:
    """The text of a `content`, which some servers make a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""
