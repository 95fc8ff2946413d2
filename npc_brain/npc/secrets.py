"""Whether a text gives a secret away, while it is being said.

By likeness of letters only: it finds a secret that is repeated with small changes, not one that is
put in other words. Case, accents, separators and letters that look alike make no difference; only
what is written in digits alone is a number, and spells no short secret that has none.

How: the letters of the text are aligned with those of each secret as they come (Smith and Waterman,
"Identification of Common Molecular Subsequences", 1981): a letter that agrees scores 1, one that
differs, is missing or too many costs 1. A stretch that scores `MIN_SHARE` of a secret's letters
gives it away. Each letter costs the same few numpy operations, so the time is linear.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

import numpy as np

MIN_SHARE = 0.65
"""Share of a secret's letters that a stretch of text must match, less its mistakes, to spell it."""
MAX_LOOSE_LETTERS = 4
"""Letters of a secret that may be said before the rest is held back."""

_SHORTEST_LOOSE = 12
"""Secrets with fewer letters must be spelled exactly, in words of their own; all is held back."""
_ONE = 1 << 24
"""A score of 1. The bits below it tell where a stretch began, so that the best knows its start."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Scripts that put no spaces between words."""
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһӏвкмнтαορνικτυχεμηᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ\u0131\u0251\u0261l01345789",
    "aeopcyxijsdhibkmhtaopviktuxeunabcdefghijkimnoprstuvwyziagioieastbg",
)
"""Cyrillic and Greek, small capitals, and the digits that stand for letters. `i`, `l` and `1` are
one letter: in many fonts so are the capital and the small one."""


def spelled_secret(text: str, secrets: Iterable[str]) -> str | None:
    """One of `secrets` that `text` spells out; None when there is none."""
    return Secrets(secrets).spelled(text)


class Secrets:
    """What an NPC must not give away, in any line: not even in one that its author wrote."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets; those without a letter are none."""
        folded = {secret: "".join(map(_letters, secret)) for secret in secrets}
        self.texts = tuple(secret for secret, letters in folded.items() if letters)
        rows = [folded[secret] for secret in self.texts]
        width = max(map(len, rows), default=0)
        self.codes = np.full((len(rows), width), -1, np.int64)
        self.needed = np.zeros(len(rows), np.int64)
        self.held_from = np.zeros((len(rows), width), np.int64)
        self.is_numeric = [any(map(str.isdecimal, secret)) for secret in self.texts]
        self.is_short = np.array([len(row) < _SHORTEST_LOOSE for row in rows], bool)
        for n, row in enumerate(rows):
            self.codes[n, : len(row)] = [ord(letter) for letter in row]
            self.needed[n] = _ONE * (
                len(row) if self.is_short[n] else int(np.ceil(MIN_SHARE * len(row)))
            )
            self.held_from[n] = (
                _ONE * np.arange(1, width + 1)
                if self.is_short[n]
                else _ONE * (MAX_LOOSE_LETTERS + 1)
            )
        self._pairs = [
            (row, frozenset(map("".join, pairwise(row))), needed // _ONE, is_short)
            for row, needed, is_short in zip(
                rows, self.needed.tolist(), self.is_short.tolist(), strict=True
            )
        ]

    def spelled(self, text: str) -> str | None:
        """The secret that `text` spells out; None when there is none."""
        if not self.texts or not self._may_be_in("".join(map(_letters, text))):
            return None
        watch = SecretWatch(self)
        watch.feed(text)
        return watch.end()

    def _may_be_in(self, letters: str) -> bool:
        """False for most texts without a secret, at a small part of the cost of a watch.

        Each mistake parts at most one pair of neighbours, so a stretch that tells a secret has at
        least as many of its pairs as it needs to score, less one.
        """
        for row, pairs, needed, is_short in self._pairs:
            if is_short:
                if row in letters:
                    return True
                continue
            hits = [pair in pairs for pair in map("".join, pairwise(letters))]
            width = 2 * len(row)
            num_hits = sum(hits[:width])
            if num_hits >= needed - 1:
                return True
            for left, came in zip(hits, hits[width:], strict=False):
                num_hits += came - left
                if num_hits >= needed - 1:
                    return True
        return False


class SecretWatch:
    """Watches one text for secrets as it comes.

    Attributes:
        found: The secret that was given away; final.
        num_held: How many characters at the end of the text belong to what may become a secret.
    """

    def __init__(self, secrets: Secrets) -> None:
        self.found: str | None = None
        self.num_held = 0
        self._secrets = secrets
        self._scores = np.full(secrets.codes.shape, _ONE - 1, np.int64)
        self._columns = _ONE * np.arange(secrets.codes.shape[1], dtype=np.int64)
        self._places: list[int] = []
        self._is_first: list[bool] = []
        self._is_digit: list[bool] = []
        self._num_chars = 0
        self._is_between = True
        self._start: int | None = None
        """The letter with which the longest stretch begins that may become a secret."""
        self._complete: str | None = None
        """A short secret that has been spelled if its word ends here."""

    def feed(self, text: str) -> None:
        """Watch the next piece of the text."""
        if not self._secrets.texts:
            return
        for char in text:
            letters = _letters(char)
            if letters:
                is_unspaced = _UNSPACED.match(char) is not None
                if self._complete and is_unspaced:
                    self.found = self.found or self._complete
                for n, letter in enumerate(letters):
                    self._places.append(self._num_chars)
                    self._is_first.append(n == 0 and (self._is_between or is_unspaced))
                    self._is_digit.append(char.isdecimal())
                    self._align(ord(letter))
                self._is_between = is_unspaced
            elif unicodedata.category(char)[0] != "M":
                self.found = self.found or self._complete
                self._is_between = True
            self._num_chars += 1
            if self.num_held or self._start is not None:
                start = self._start
                self.num_held = 0 if start is None else self._num_chars - self._places[start]
            if self.found:
                return

    def end(self) -> str | None:
        """The text is complete: the secret that it gives away, if any."""
        self.found = self.found or self._complete
        return self.found

    def _align(self, code: int) -> None:
        secrets, here = self._secrets, len(self._places) - 1
        fresh = _ONE - 1 - here
        steps = np.where(secrets.codes == code, _ONE, -_ONE)
        scores = steps + fresh
        np.maximum(scores[:, 1:], self._scores[:, :-1] + steps[:, 1:], out=scores[:, 1:])
        np.maximum(scores, self._scores - _ONE, out=scores)
        scores += self._columns
        np.maximum.accumulate(scores, axis=1, out=scores)
        scores -= self._columns
        scores[scores < _ONE] = fresh - 1
        self._scores = scores
        self._judge(scores)

    def _judge(self, scores: np.ndarray) -> None:
        secrets = self._secrets
        rows, columns = np.nonzero(scores >= secrets.held_from)
        self._start = self._complete = None
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            score = int(scores[row, column])
            start = _ONE - 1 - score % _ONE
            is_short = bool(secrets.is_short[row])
            if is_short and not self._is_first[start]:
                continue
            if self._start is None or start < self._start:
                self._start = start
            if score >= secrets.needed[row]:
                if is_short:
                    is_number = all(self._is_digit[start:])
                    if secrets.is_numeric[row] or not is_number:
                        self._complete = secrets.texts[row]
                else:
                    self.found = self.found or secrets.texts[row]


@lru_cache(8192)
def _letters(char: str) -> str:
    """The letters and digits that `char` is read as: none, one, or a few."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(filter(str.isalnum, plain.translate(_LOOKALIKES)))
