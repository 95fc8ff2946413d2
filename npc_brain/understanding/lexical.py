"""A sentence encoder without a model: hashed words, word pairs and letter groups.

Stands in where the sentence encoder's weights are absent. It sees spelling, not meaning: "Where is
the mill?" is near to "where's the mill" and far from "Which way to the mill?".

Source: feature hashing, Weinberger et al. 2009.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

from npc_brain.language.en.words import split_words

_WORD_WEIGHT = 1.0
_PAIR_WEIGHT = 0.8
_LETTERS_WEIGHT = 0.3
_NUM_LETTERS = 4


class LexicalEncoder:
    """An `Encoder` by spelling; stateless."""

    def __init__(self, size: int = 2048) -> None:
        """Sets the length of a vector; a power of two of at least 256 keeps collisions rare."""
        self._size = size

    def learn(self, texts: Sequence[str]) -> None:
        """Nothing to do: encoding a text again costs little."""

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32[text, size]: rows of length 1; the row of a text without words is all zeros."""
        vectors = np.zeros((len(texts), self._size), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for feature, weight in _features(text):
                code = crc32(feature.encode("utf-8", "replace"))
                row[code % self._size] += weight if code & 0x80000000 else -weight
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(lengths, 1e-12)
        return vectors


def _features(text: str) -> Iterator[tuple[str, float]]:
    words = ["<", *(word.lower for word in split_words(text)), ">"]
    for first, second in pairwise(words):
        if len(words) > 2:
            yield f"{first} {second}", _PAIR_WEIGHT
    for word in words[1:-1]:
        yield word, _WORD_WEIGHT
        padded = f"<{word}>"
        for start in range(len(padded) - _NUM_LETTERS + 1):
            yield padded[start : start + _NUM_LETTERS], _LETTERS_WEIGHT
