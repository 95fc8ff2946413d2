"""Reads Gemma 4's calls from text that nobody constrained, with the faults that models make.

For servers that hand out the completion as text. A local model needs none of this: its grammar lets
no fault through, and its parser works on token ids (see `gemma4`). Each fault that is provided for
has a test that names where it was reported.

Takes time in proportion to the text, whatever stands in it.

What cannot be read as a call of an offered function is dropped: it is neither called nor spoken.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.inference.chat import FunctionCall, FunctionSchema
from npc_brain.inference.formats.base import MAX_CALLS_WRITTEN
from npc_brain.inference.grammar import clean_line
from npc_brain.servers.arguments import ArgumentError, fit_call

_MAX_DEPTH = 16
_QUOTE = '<|"|>'
_CALL_END = "<tool_call|>"
_CLOSING = re.compile(r"\s*<tool_call\|>")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_THOUGHT = re.compile(r"<\|channel>.*?(?:<channel\|>|\Z)", re.DOTALL)
_RESPONSE = re.compile(r"<\|tool_response>.*?(?:<tool_response\|>|\Z)", re.DOTALL)
_ATTEMPT = re.compile(
    r"(?P<mark><\|tool_call>)\s*+(?:call)?\s*+:?\s*+(?P<name>[\w.-]++)\s*+[{(]"
    r"|(?<![\w.-])(?:call\s*+)?:\s*+(?P<unmarked>[\w.-]++)[{(]"
    r"|^[ \t]*+(?P<bare>[\w.-]++)[{(]",
    re.MULTILINE,
)
_MARKUP = re.compile(
    r'<\|?(?:tool_call|tool_response|tool|turn|channel|think|image|audio|video|"|bos|eos|pad)\|?>'
)
_UNFINISHED_MARK = re.compile(r'<\|?[a-z_"]*\|?\Z')
_KEY = re.compile(r"""\s*(?:<\|"\|>|["'`])?([\w.-]+)(?:<\|"\|>|["'`])?\s*[:=]\s*""")
_NEXT_ENTRY = re.compile(rf",{_KEY.pattern}")
_END = re.compile(r"\s*(?:[}\])]|<tool_call\|>|\Z)")
_BARE_IN_LIST = re.compile(r'[,\]})]|<\|"\|>|<tool_call\|>|\Z')
_NOTHING = re.compile(r"\s*+\Z")
_QUOTES = re.compile(r'(?:<\|"\|>)*+')
_SCALARS = {"true": True, "false": False, "null": None, "none": None}
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a completion says: a line that may be spoken, and calls that fit their schemas."""

    line: str
    calls: tuple[FunctionCall, ...]


def read_answer(text: str, functions: Sequence[FunctionSchema], *, is_cut: bool = False) -> Answer:
    """The line and the calls in `text`; never raises.

    Args:
        text: The whole completion, with control tokens spelled out as far as the server does.
        functions: What was offered.
        is_cut: Whether the completion ended at its length limit; a call that is not closed is
            dropped then, else it is taken as far as it goes.
    """
    text = _without_thoughts(text)
    calls: list[FunctionCall] = []
    rest = ""
    names = {function.name for function in functions}
    position = 0
    while len(calls) < MAX_CALLS_WRITTEN:
        attempt = _next_attempt(text, position, names)
        if attempt is None:
            break
        rest += text[position : attempt.start()]
        found, position = _read_attempt(text, attempt, functions, is_cut)
        calls += [call for call in found if call not in calls]
        rest += " "
    rest += text[position:]
    if not calls:
        calls, rest = _bare_arguments(rest, functions)
    return Answer(_spoken(rest), tuple(calls[:MAX_CALLS_WRITTEN]))


def read_call(
    text: str, functions: Sequence[FunctionSchema], *, is_cut: bool = False
) -> FunctionCall | None:
    """The one call in what stood between two call markers; None when there is none that fits."""
    calls = read_answer(f"<|tool_call>{text}", functions, is_cut=is_cut).calls
    return calls[0] if calls else None


def _without_thoughts(text: str) -> str:
    """`text` without thoughts, also one whose begin is missing, and without invented results."""
    text = _THOUGHT.sub("", text)
    return _RESPONSE.sub("", text.rpartition("<channel|>")[2])


def _next_attempt(text: str, position: int, names: set[str]) -> re.Match[str] | None:
    """Where the next call is begun; without its marker only when the function was offered."""
    for match in _ATTEMPT.finditer(text, position):
        if match["mark"] or (match["unmarked"] or match["bare"]) in names:
            return match
    return None


def _read_attempt(
    text: str, attempt: re.Match[str], functions: Sequence[FunctionSchema], is_cut: bool
) -> tuple[list[FunctionCall], int]:
    """The call that begins at `attempt`, if it can be read, and where the text goes on."""
    name = attempt["name"] or attempt["unmarked"] or attempt["bare"]
    reader = _Reader(text, attempt.end() - 1)
    try:
        arguments = reader.value(in_list=False)
        if is_cut and not reader.is_closed:
            return [], len(text)
        call = fit_call(name, arguments, functions)
    except (_UnreadableError, ArgumentError):
        closing = text.find(_CALL_END, attempt.end())
        if closing >= 0:
            return [], closing + len(_CALL_END)
        return [], max(reader.position, _line_end(text, attempt))
    end = reader.position
    closed = _CLOSING.match(text, end)
    return [call], closed.end() if closed else end


def _line_end(text: str, attempt: re.Match[str]) -> int:
    """Where what can be no call any more ends: at its line's end, or with the text if marked."""
    end = -1 if attempt["mark"] else text.find("\n", attempt.end())
    return len(text) if end < 0 else end


def _bare_arguments(
    text: str, functions: Sequence[FunctionSchema]
) -> tuple[list[FunctionCall], str]:
    """A text that is nothing but `key: "value"`, where only one function has such an argument."""
    bare = text.strip().removeprefix("{")
    entry = _KEY.match(bare)
    if entry is None or bare[entry.end() : entry.end() + 1] not in tuple("\"'`<"):
        return [], text
    having = [f for f in functions if entry[1] in f.parameters.get("properties", {})]
    reader = _Reader("{" + bare, 0)
    try:
        arguments = reader.value(in_list=False)
        if len(having) == 1 and reader.is_at_end:
            return [fit_call(having[0].name, arguments, functions)], ""
    except (_UnreadableError, ArgumentError):
        pass
    return [], "" if having else text


def _spoken(text: str) -> str:
    return clean_line(_UNFINISHED_MARK.sub("", _MARKUP.sub(" ", text)))


class _UnreadableError(Exception):
    """What stands at the position is no value."""


class _Reader:
    """Reads values leniently, from a position on; each step takes at least one character."""

    def __init__(self, text: str, position: int) -> None:
        self._text = text
        self.position = position
        self._depth = 0
        self.is_closed = True

    is_closed: bool
    """Whether everything that was opened has been closed."""

    @property
    def is_at_end(self) -> bool:
        return _NOTHING.match(self._text, self.position) is not None

    def value(self, *, in_list: bool) -> Any:
        """The value at the position."""
        self._skip_space()
        text, position = self._text, self.position
        if text.startswith(_QUOTE, position):
            return self._string(_QUOTE, in_list)
        first = text[position : position + 1]
        if first in ("{", "("):
            return self._nested(self._object)
        if first == "[":
            return self._nested(self._array)
        if first in ('"', "'", "`") and first:
            return self._string(first, in_list)
        return self._bare(in_list)

    def _nested(self, read: Callable[[], Any]) -> Any:
        if self._depth == _MAX_DEPTH:
            raise _UnreadableError
        self._depth += 1
        self.position += 1
        value = read()
        self._depth -= 1
        return value

    def _object(self) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not self._closes("})"):
            key = _KEY.match(self._text, self.position)
            if key is None:
                raise _UnreadableError
            self.position = key.end()
            entries[key[1]] = self.value(in_list=False)
            self._skip(",")
        return entries

    def _array(self) -> list[Any]:
        items: list[Any] = []
        while not self._closes("]"):
            items.append(self.value(in_list=True))
            self._skip(",")
        return items

    def _closes(self, brackets: str) -> bool:
        """Whether what is open ends here: at its bracket, or because nothing more comes."""
        self._skip_space()
        if self._text[self.position : self.position + 1] in tuple(brackets):
            self.position += 1
            return True
        if self.is_at_end or self._text.startswith("<tool_call|>", self.position):
            self.is_closed = False
            return True
        return False

    def _string(self, quote: str, in_list: bool) -> str:
        """Up to a quote after which the value can be over; others belong to the text."""
        start = self.position + len(quote)
        end = last = self._find_quote(quote, start)
        while end >= 0 and not self._may_end_at(end + len(quote), in_list):
            last = self._last_of_run(end) if quote == _QUOTE else end
            end = self._find_quote(quote, last + len(quote))
        if end < 0 and quote != _QUOTE:
            native = self._text.find(_QUOTE, start)
            if native >= 0 and self._may_end_at(native + len(_QUOTE), in_list):
                self.position = native + len(_QUOTE)
                return self._content(quote, self._text[start:native])
        if end < 0:
            self.is_closed = self.is_closed and last >= 0
            end = last
        if end < 0:
            self.position = len(self._text)
            return self._content(quote, self._text[start:])
        self.position = end + len(quote)
        return self._content(quote, self._text[start:end])

    def _find_quote(self, quote: str, position: int) -> int:
        while (found := self._text.find(quote, position)) >= 0:
            start = found
            while start > 0 and self._text[start - 1] == "\\":
                start -= 1
            if quote == _QUOTE or (found - start) % 2 == 0:
                break
            position = found + 1
        return found

    def _last_of_run(self, position: int) -> int:
        """Where the last of the quote tokens is that follow one another; they end all or none."""
        return self._after_quotes(position) - len(_QUOTE)

    def _after_quotes(self, position: int) -> int:
        """Where quote tokens end, which may have leaked."""
        match = _QUOTES.match(self._text, position)
        return match.end() if match else position

    def _may_end_at(self, position: int, in_list: bool) -> bool:
        position = self._after_quotes(position)
        if _END.match(self._text, position):
            return True
        if in_list:
            return bool(re.compile(r"\s*,").match(self._text, position))
        return bool(re.compile(rf"\s*{_NEXT_ENTRY.pattern}").match(self._text, position))

    def _content(self, quote: str, text: str) -> str:
        """The text of a string: ordinary quotes have escapes, and no quote token is part of it."""
        self.position = self._after_quotes(self.position)
        if quote == _QUOTE:
            for other in ('"', "'", "`"):
                inner = text[1:-1]
                if len(text) > 1 and text[0] == text[-1] == other and other not in inner:
                    text = inner
        else:
            text = re.sub(
                r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL
            )
        return _MARKUP.sub('"', text).strip('"') if _QUOTE in text else text

    def _bare(self, in_list: bool) -> Any:
        """A value without quotes, perhaps a string whose opening quote is missing."""
        end = self._bare_end(in_list)
        text = self._text[self.position : end].strip()
        is_string = self._text.startswith(_QUOTE, end)
        if not text and not is_string:
            raise _UnreadableError
        self.position = end + len(_QUOTE) * is_string
        if is_string:
            return text
        if text.lower() in _SCALARS:
            return _SCALARS[text.lower()]
        if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text

    def _bare_end(self, in_list: bool) -> int:
        for match in _BARE_IN_LIST.finditer(self._text, self.position):
            if match[0] != "," or in_list or _NEXT_ENTRY.match(self._text, match.start()):
                return match.start()
        return len(self._text)

    def _skip(self, char: str) -> None:
        self._skip_space()
        if self._text.startswith(char, self.position):
            self.position += 1

    def _skip_space(self) -> None:
        while self._text[self.position : self.position + 1].isspace():
            self.position += 1
