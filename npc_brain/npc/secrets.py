"""Whether a text gives a secret away.

By likeness of letters only: it finds a secret that is repeated with small changes, not one that is
told in other words.
"""

import re
from collections.abc import Sequence

from rapidfuzz import fuzz

MIN_LIKENESS = 88.0
"""Percent of letters that agree between a secret and the part of a text most like it."""

_SHORTEST_FUZZY = 12
_SEPARATORS = re.compile(r"[\W_]+")


def spelled_secret(text: str, secrets: Sequence[str]) -> str | None:
    """The first of `secrets` that `text` spells out; None when it keeps them all."""
    plain = _plain(text)
    return next((secret for secret in secrets if _spells(plain, _plain(secret))), None)


def _plain(text: str) -> str:
    return _SEPARATORS.sub(" ", text.casefold()).strip()


def _spells(text: str, secret: str) -> bool:
    if not secret:
        return False
    if f" {secret} " in f" {text} ":
        return True
    if len(secret) < _SHORTEST_FUZZY or len(text) < 0.8 * len(secret):
        return False
    return fuzz.partial_ratio(secret, text) >= MIN_LIKENESS
