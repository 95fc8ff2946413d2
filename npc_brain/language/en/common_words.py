"""Everyday English words that are near to other words in spelling.

Kept so that "have" is not taken for a misspelt "cave", nor "break" for "bread".
"""

from importlib.resources import files

COMMON_WORDS: frozenset[str] = frozenset(
    files(__package__).joinpath("common_words.txt").read_text("utf-8").split()
)
"""Lower case, base forms for the most part."""
