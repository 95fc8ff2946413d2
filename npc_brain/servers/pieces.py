"""Takes streamed text apart: what is meant to be said, and calls that stand in it as markup.

Thoughts that a server did not separate are dropped. Knows text only; see `answer` for its use.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from npc_brain.servers.http import read_json

Kind = Literal["text", "json_call", "gemma4_call", "dropped"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text. Calls come whole, without their marks; text comes as it arrives."""

    kind: Kind
    text: str


_MARKS: tuple[tuple[str, str, Kind], ...] = (
    ("<think>", "</think>", "dropped"),
    ("<|channel>", "<channel|>", "dropped"),
    ("<|tool_response>", "<tool_response|>", "dropped"),
    ("<|tool_call>", "<tool_call|>", "gemma4_call"),
    ("<tool_call>", "</tool_call>", "json_call"),
)


MAX_CALL_CHARS = 32_768
"""Longest call in a text, and longest answer in JSON; longer ones are unreadable."""
_MAX_VALUES = 32
"""JSON values in one answer that are looked at."""


class TextSplitter:
    """Splits a text that comes piece by piece; keeps no more of it than is undecided."""

    def __init__(self) -> None:
        self._text = ""
        self._within: tuple[str, str, Kind] | None = None
        self._num_searched = 0
        """Characters in which the end of what it is within does not begin."""

    def push(self, text: str) -> list[Piece]:
        """The pieces that `text` completes."""
        self._text += text
        return list(self._take())

    def end(self) -> list[Piece]:
        """What is left when no more comes; a call may lack its closing mark."""
        text, self._text = self._text, ""
        kind: Kind = self._within[2] if self._within else "text"
        return [Piece(kind, text)] if text and kind != "dropped" else []

    def _take(self) -> Iterator[Piece]:
        while True:
            if self._within is not None:
                mark = self._within[1]
                end = self._text.find(mark, self._num_searched)
                if end < 0:
                    if self._within[2] == "dropped":
                        self._text = self._text[1 - len(mark) :]
                    elif len(self._text) > MAX_CALL_CHARS:
                        yield Piece(self._within[2], self._text)  # reported as unreadable
                        self._within = (*self._within[:2], "dropped")
                    self._num_searched = max(0, len(self._text) + 1 - len(mark))
                    return
                if self._within[2] != "dropped":
                    yield Piece(self._within[2], self._text[:end])
                self._text, self._within = self._text[end + len(mark) :], None
                self._num_searched = 0
            places = [(self._text.find(mark[0]), mark) for mark in _MARKS if mark[0] in self._text]
            if not places:
                end = len(self._text) - _num_held(self._text)
                if end:
                    yield Piece("text", self._text[:end])
                self._text = self._text[end:]
                return
            place, self._within = min(places)
            if place:
                yield Piece("text", self._text[:place])
            self._text = self._text[place + len(self._within[0]) :]


def _num_held(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a mark."""
    start = text.rfind("<")
    tail = text[start:] if start >= 0 else ""
    return len(tail) if tail and any(mark[0].startswith(tail) for mark in _MARKS) else 0


_STRING_PART = re.compile(r'(?:[^"\\]|\\(?:u[0-9a-fA-F]{4}|[^u]))*+', re.DOTALL)
_SAY_START = re.compile(r'(?:```(?:json)?\s*)?\{\s*"say"\s*:\s*"')
_START_CHARS = 256
"""In which a line in JSON must have begun."""
_JSON_START = re.compile(r"`|\{|$")


class JsonAnswer:
    """Reads `{"say": …}` as it comes, and `{"call": …}` when it is whole.

    A model that does not keep to JSON is taken to be speaking.
    """

    def __init__(self) -> None:
        self._text = ""
        self._num_said = 0
        self._num_read = 0
        """Characters of the text up to which the line has been read; 0 before it begins."""

    def push(self, text: str) -> str:
        """What is said now."""
        if len(self._text) <= MAX_CALL_CHARS:
            self._text = self._text + text if self._text else text.lstrip()
        is_json = _JSON_START.match(self._text)
        said = self._more() if is_json else self._text[self._num_said :]
        self._num_said += len(said)
        return said

    def calls(self) -> list[tuple[str, Any]]:
        """Names and arguments of the calls in the whole text. Raises ValueError if it is broken."""
        if self._num_said or not _JSON_START.match(self._text):
            return []
        rest = self._text.strip().removeprefix("```json").strip("`").strip()
        calls: list[tuple[str, Any]] = []
        for _ in range(_MAX_VALUES):
            if not rest:
                break
            try:
                _, end = json.JSONDecoder(strict=False).raw_decode(rest)
            except RecursionError as error:
                raise ValueError("it is nested too deep") from error
            value = read_json(rest[:end])
            rest = rest[end:].lstrip(" \r\n\t,")
            if isinstance(value, dict) and "say" not in value:
                name = value.get("call", value.get("name"))
                calls.append((str(name), value.get("arguments", {})))
        return calls

    def _more(self) -> str:
        """What can be read now of the line in JSON."""
        if not self._num_read:
            start = _SAY_START.match(self._text, 0, _START_CHARS)
            self._num_read = start.end() if start else 0
        part = _STRING_PART.match(self._text, self._num_read) if self._num_read else None
        if part is None or not part[0]:
            return ""
        said: str = read_json(f'"{part[0]}"')
        self._num_read = part.end()
        if "\ud800" <= said[-1] <= "\udbff":  # half a character
            self._num_read -= 1 if part[0][-1] == said[-1] else len("\\ud800")
            said = said[:-1]
        return said
