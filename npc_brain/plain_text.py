"""Text that people may dictate, without what only machines read or nobody sees.

What is dropped: the markup of chat formats (anything like `<|im_end|>`, `</think>`, `<b>`,
`[INST]`), control characters, characters that turn or hide text (bidirectional overrides, zero
width, tags, fillers), halves of characters. What is kept: every script and emoji, and the joiners
that Persian, Indic scripts and emoji are written with. Nothing else is changed.

Works a character at a time, in linear time: text may come in pieces, and what may still become
markup is held back until that is decided.
"""

import re
import unicodedata

MAX_TAG_CHARS = 80
"""Longest markup; what stays open for longer is ordinary text."""
MAX_ATTRIBUTES_CHARS = 1000
"""Longest tag with attributes (`<tool_call name="…"`), which no ordinary text looks like."""

_OPENERS = {"<": "<", "\N{FULLWIDTH LESS-THAN SIGN}": "<", "[": "["}
_CLOSERS = {">": "<", "\N{FULLWIDTH GREATER-THAN SIGN}": "<", "]": "["}
_MARKS = "<>|\uff1c\uff1e\uff5c"
_TAG_START = re.compile(r"[A-Za-z_|/!?\\>\uff5c\uff1e]")
_TAGS = {
    "<": re.compile(r"[<\uff1c](?:[A-Za-z_|/!?\\\uff5c].*)?[>\uff1e]", re.DOTALL),
    "[": re.compile(r"\[/?[A-Z][A-Z_]+\]"),
}
_INSTRUCTION_START = re.compile(r"[A-Z/]")
_ATTRIBUTES = re.compile(r"""[<\uff1c][A-Za-z_][\w:.-]*\s+[\w:.-]+\s*=\s*["'].*""", re.DOTALL)
_BROKEN_OFF = re.compile(
    rf"[<\uff1c](?:[A-Za-z_|!?\\\uff5c]|/(?!\d))\S*|\[/?[A-Z_]+|{_ATTRIBUTES.pattern}", re.DOTALL
)
"""What is dropped at the end of a text although its own end never came."""
_COMPARED = re.compile(r"<[A-Za-z]\w*[.,;:!?)]*")
"""Not dropped there when it follows a word or number: `a<b`."""
_ORDINARY = re.compile(
    "[^\x00-\x1f<\\[\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f"
    "\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff"
    "\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uff1c\uffa0\ufff0-\uffff\U00010000-\U0001efff"
    "\U0001fb00-\U0010ffff]*"
)
"""Text with nothing in it to look at."""

_ZWNJ, _ZWJ = "\N{ZERO WIDTH NON-JOINER}", "\N{ZERO WIDTH JOINER}"
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_EMOJI_STYLES = "\ufe0e\ufe0f"
_JOINED_SCRIPTS = re.compile("[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ua840-\ua87f]")
"""Arabic and its kin, the Indic scripts, Tibetan, Burmese, Khmer, Mongolian, Phags-pa."""


def plain_text(text: str) -> str:
    """All of `text` that may be stored, prompted and said."""
    if _ORDINARY.fullmatch(text):
        return text
    stream = PlainTextStream()
    return stream.push(text) + stream.end()


def one_line(text: str, max_chars: int) -> str:
    """At most so many characters of a foreign text, for people: on one line, and all visible."""
    visible = (char if char.isprintable() else " " for char in text[: 4 * max_chars])
    return " ".join("".join(visible).split())[:max_chars]


class PlainTextStream:
    """Makes plain text of pieces; they add up to what `plain_text` makes of the whole."""

    def __init__(self) -> None:
        self._last = ""
        self._last_taken = ""
        self._joiner = ""
        self._kept: list[str] = []
        self._open: list[int] = []

    def push(self, text: str) -> str:
        """What is certain now that `text` has come."""
        if not self._kept and not self._joiner and text and _ORDINARY.fullmatch(text):
            self._last = self._last_taken = text[-1]
            return text
        for char in text:
            self._see(char)
        return self._take(self._open[0] if self._open else len(self._kept))

    def end(self) -> str:
        """What is left at the end of the text."""
        self._joiner = ""
        end = next((at for at in self._open if self._is_broken_off(at)), len(self._kept))
        del self._kept[end:]
        self._open.clear()
        return self._take(end)

    def _is_broken_off(self, at: int) -> bool:
        text = "".join(self._kept[at:])
        before = self._kept[at - 1] if at else self._last_taken
        is_compared = before.isalnum() and _COMPARED.fullmatch(text)
        return not is_compared and _BROKEN_OFF.fullmatch(text) is not None

    def _take(self, end: int) -> str:
        taken = "".join(self._kept[:end])
        self._last_taken = taken[-1:] or self._last_taken
        del self._kept[:end]
        self._open = [at - end for at in self._open]
        return taken

    def _see(self, char: str) -> None:
        """Pass on what is visible of `char`."""
        if char in (_ZWNJ, _ZWJ):
            self._joiner = char if self._last and _may_join(self._last, char) else ""
            return
        category = unicodedata.category(char)
        if category in ("Cc", "Zl", "Zp"):
            char = " "
        elif (
            category in ("Cf", "Cs")
            or char in _FILLERS
            or _is_noncharacter(char)
            or (
                _VARIATION.fullmatch(char)
                and not (char in _EMOJI_STYLES and _has_styles(self._last))
            )
        ):
            return
        joiner, self._joiner = self._joiner, ""
        if joiner and _may_join(char, joiner):
            self._keep(joiner)
        self._last = char
        self._keep(char)

    def _keep(self, char: str) -> None:
        """Keep `char`, unless it closes markup: then drop all of that."""
        kept = self._kept
        kept.append(char)
        if char in _OPENERS:
            self._open.append(len(kept) - 1)
        elif char in _CLOSERS:
            self._close(_CLOSERS[char])
        while self._open and len(kept) - self._open[0] > self._max_chars(self._open[0]):
            del self._open[0]
        self._drop_dead_ends()

    def _max_chars(self, at: int) -> int:
        """Of the markup that may begin there."""
        if len(self._kept) - at <= MAX_TAG_CHARS:
            return MAX_TAG_CHARS
        head = "".join(self._kept[at : at + MAX_TAG_CHARS])
        return MAX_ATTRIBUTES_CHARS if _ATTRIBUTES.match(head) else MAX_TAG_CHARS

    def _close(self, opener: str) -> None:
        kept = self._kept
        start = next((at for at in reversed(self._open) if _OPENERS[kept[at]] == opener), None)
        if start is None:
            return
        if _TAGS[opener].fullmatch("".join(kept[start:])):
            del kept[start:]
            while self._open and self._open[-1] >= start:
                self._open.pop()
        elif opener == "<":
            self._open.remove(start)

    def _drop_dead_ends(self) -> None:
        """Forget openers that the newest character keeps from becoming markup."""
        kept = self._kept
        at = len(kept) - 2
        if self._open and self._open[-1] == at + 1:
            return
        while self._open and self._open[-1] == at:
            start = _TAG_START if _OPENERS[kept[at]] == "<" else _INSTRUCTION_START
            if start.match(kept[at + 1]):
                return
            self._open.pop()
            at -= 1


def _may_join(char: str, joiner: str) -> bool:
    if _JOINED_SCRIPTS.match(char):
        return True
    return joiner == _ZWJ and (_has_styles(char) or char == "\ufe0f" or "🏻" <= char <= "🏿")


def _has_styles(char: str) -> bool:
    """Whether `char` may be drawn as a picture."""
    if not char or char in _MARKS:
        return False
    return unicodedata.category(char) in ("So", "Sm") or char in "#*0123456789‼⁉〰"


def _is_noncharacter(char: str) -> bool:
    return "\ufdd0" <= char <= "\ufdef" or ord(char) & 0xFFFE == 0xFFFE
