r"""Makes a spoken line of what a model writes freely, as it comes.

Where a server cannot be given our grammar its text has to be cleaned afterwards: markup, stage
directions (`*smiles*` where a sentence begins, anything in brackets or braces), quotation marks,
control characters and emoji are dropped, white space becomes single spaces, and the line ends at a
line break, or at the limits of its `LineRule`. Nothing that was said is ever taken back.

How: each time text comes, the line is worked out anew from all of it, leaving out what is not
decided yet (an open bracket may still be closed), and what is new in it is said. That is plainer
than a state machine, and a line is short: text of which nothing comes to be said is looked at less
often, and ends the line when there is too much of it. Knows nothing of servers or tokens.
"""

import re
import unicodedata

from npc_brain.inference.chat import ChatEvent, LineRule
from npc_brain.inference.formats.base import LineBuffer
from npc_brain.inference.grammar import clean_line

_MAX_SPAN = 80
"""Longest tag or stage direction; what stays open for longer is ordinary text."""
_MAX_CALL = 1000
"""Longest tag with attributes, or object in braces: no sentence looks like them, calls do."""
_TAG = r"""<[A-Za-z_][\w:.-]*\s+[\w:.-]+\s*=\s*["']"""
_ASIDE = r"(?:^|(?<=[.!?…]\s))\*(?!\*)"
_OBJECT = r"\{[^{}]*+\}"
for _ in range(5):
    _OBJECT = rf"\{{(?:[^{{}}]|{_OBJECT}){{0,{_MAX_CALL}}}+\}}"
_SPAN = re.compile(
    rf"<[^<>]{{0,{_MAX_SPAN}}}>|{_TAG}[^<>]{{0,{_MAX_CALL}}}>|{_OBJECT}|```\w*+(?!\Z)"
    rf"|\([^()]{{0,{_MAX_SPAN}}}\)"
    rf"|\[[^\[\]]{{0,{_MAX_SPAN}}}\]"
    rf"|{_ASIDE}[^*]{{1,{_MAX_SPAN}}}\*"
    rf"|(?P<open>(?:<[^<>]{{0,{_MAX_SPAN}}}|\([^()]{{0,{_MAX_SPAN}}}|\[[^\[\]]{{0,{_MAX_SPAN}}}"
    rf"|{_TAG}[^<>]{{0,{_MAX_CALL}}}|\{{.{{0,{_MAX_CALL}}}|```\w*"
    rf"|{_ASIDE}[^*]{{0,{_MAX_SPAN}}})\Z)"
)
_BROKEN_OFF = re.compile(r"\*|<[/|\w]|\{|`")
"""What is not spoken even when its end never came: a stage direction, a tag, or a call."""
_UNPAIRED = str.maketrans("", "", '"“”«»„「」『』()')
_SPACE_BEFORE = re.compile(r" (?=[,.;:!?…])")
_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<![.!?…])[.!?…]++(?= )|[。！？]"  # noqa: RUF001
)
_SLICE = 256
"""Characters looked at in one go."""
_MAX_UNSAID = 1500
"""Characters that may come without anything being said: several stage directions, a table."""
_OPENING = "'‘’¿¡"  # noqa: RUF001
_GLUED = re.compile(r"\w+")


class FreeLine:
    """One spoken line, made of pieces of free text.

    Attributes:
        has_ended: Whether nothing more will be said: the model need not go on.
        is_full: Whether that is because of `max_chars`.
        is_hopeless: Whether that is because too much text came of which nothing can be said.
    """

    def __init__(self, rule: LineRule, begun: str = "") -> None:
        """Take what the line may be.

        Args:
            rule: Its limits and openers.
            begun: The opener with which the line has begun already; `push` may repeat it.
        """
        openers = (begun,) if begun else tuple(filter(None, map(clean_line, rule.openers)))
        self._openers = {opener: _plain(opener, is_whole=True) for opener in openers}
        self._max_sentences = rule.max_sentences
        self._buffer = LineBuffer(rule)
        self._raw = ""
        self._said = ""
        self._num_pushed = 0
        self._num_looked_at = 0
        self.has_ended = False
        self.is_hopeless = False
        self.begun = self._say(begun)
        """What to say before anything was pushed."""

    @property
    def is_full(self) -> bool:
        """See the class."""
        return self._buffer.is_full

    def push(self, text: str) -> list[ChatEvent]:
        """What can be said now that `text` has come."""
        events: list[ChatEvent] = []
        for start in range(0, len(text), _SLICE):
            if self.has_ended:
                break
            piece = text[start : start + _SLICE]
            self._raw += piece
            self._num_pushed += len(piece)
            num_unsaid = self._num_pushed - len(self._said)
            if num_unsaid > _SLICE and self._num_pushed < self._num_looked_at + _SLICE // 4:
                continue
            self._num_looked_at = self._num_pushed
            events += self._say(self._line(is_whole=False))
            if self._num_pushed - len(self._said) > _MAX_UNSAID:
                self.is_hopeless = self.has_ended = True
        return events

    def end(self) -> list[ChatEvent]:
        """What is left to say when no more text comes: at least an opener, if there is one."""
        if self.has_ended:
            return []
        events = self._say(self._line(is_whole=True))
        self.has_ended = True
        return events

    def _say(self, line: str) -> list[ChatEvent]:
        piece = line[len(self._said) :]
        self._said += piece
        events = self._buffer.push(piece) if piece else []
        self.has_ended = self.has_ended or self._buffer.is_full
        return events

    def _line(self, *, is_whole: bool) -> str:
        """The line as far as it is certain; a longer text gives a longer line."""
        text = ""
        for row in self._raw.splitlines(keepends=True):
            is_row_whole = is_whole or row.splitlines()[0] != row
            text = _plain(row, is_whole=is_row_whole)
            if text:
                self.has_ended = self.has_ended or (is_row_whole and not is_whole)
                is_whole = is_row_whole
                break
            if is_row_whole:
                self._raw = self._raw[len(row) :]  # nothing will ever be said of it
        opener, text = self._opened(text, is_whole=is_whole)
        return opener + self._limited(text) if opener is not None else ""

    def _opened(self, text: str, *, is_whole: bool) -> tuple[str | None, str]:
        """The opener and what follows it; None while it is not known which opener it is."""
        if not self._openers:
            return "", text
        if not is_whole and any(
            plain != text and plain.startswith(text) for plain in self._openers.values()
        ):
            return self._said or None, ""
        matching = [each for each, plain in self._openers.items() if text.startswith(plain)]
        if not matching:
            opener = next(iter(self._openers))
            return opener, f" {text}" if text else ""
        opener = max(matching, key=len)
        rest = text[len(self._openers[opener]) :]
        if opener[-1].isalnum():
            rest = _GLUED.sub("", rest, count=1) if _GLUED.match(rest) else rest
        elif rest and not rest.startswith(" "):
            rest = f" {rest}"
        return opener, rest

    def _limited(self, text: str) -> str:
        """`text` up to the end of its last allowed sentence."""
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        if 0 < self._max_sentences <= len(ends):
            self.has_ended = True
            return text[: ends[self._max_sentences - 1]]
        return text


def _plain(text: str, *, is_whole: bool) -> str:
    """`text` as it may be spoken, without what is not decided yet unless it `is_whole`."""

    def replace(match: re.Match[str]) -> str:
        is_text = is_whole and match["open"] and not _BROKEN_OFF.match(match["open"])
        return match["open"][1:] if is_text else " "

    text = _SPAN.sub(replace, text.lstrip())
    text = _SPACE_BEFORE.sub("", clean_line(text.translate(_UNPAIRED)))
    for index, char in enumerate(text):
        if unicodedata.category(char)[0] in "LN":
            is_opened = index > 0 and text[index - 1] in _OPENING
            return text[index - is_opened :]
    return ""
