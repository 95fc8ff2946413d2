"""Which of some labelled example sentences a text is nearest to in meaning.

For authored triggers. The tool that a line asks for is the business of `choosing`, which weighs
many examples against each other; here the nearest one counts, so that an author can tell why.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from npc_brain.language.en.words import MAX_CHARS, in_plain_spelling, split_clauses, split_parts

FloatArray = npt.NDArray[np.float32]

MAX_CLAUSES = 8
"""Clauses looked at in one text, and parts of them: the last, where the request usually is."""
MAX_PIECES = 64
"""Of one text, in all that is compared of it; of ordinary lines one in a hundred has more. An
encoder takes about 0.1 ms for each."""
MAX_SPAN_PIECES = 24
"""Of a longer sentence the beginning and the end are compared."""

_PIECE = re.compile(r"[A-Za-z]{1,3}|\S")
"""About what an encoder's tokens are made of."""


class Encoder(Protocol):
    """Turns sentences into vectors whose dot product tells how alike they are."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """float32[text, size]; rows of length 1, or zero for a text that says nothing."""
        ...

    def learn(self, texts: Sequence[str]) -> None:
        """Have ready what `encode` gives for texts that stay; they may be kept between runs."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """What a text was taken for.

    Attributes:
        label: The label of the examples that it is like.
        score: How alike, about 0 to 1.
        margin: By how much the label beats the next one.
        start: First character of the part of the text that decided it.
        end: The character after that part.
    """

    label: str
    score: float
    margin: float
    start: int
    end: int


def spans_to_read(text: str) -> list[tuple[int, int]]:
    """The (start, end) of what to compare: all of `text`, its last clauses, and their parts.

    A preamble drowns a request when only the whole is read. Of a long text the last clause and the
    first are read, then others for as long as `MAX_PIECES` last. Empty for a text without words.
    """
    clauses = split_clauses(text[:MAX_CHARS])
    if not clauses:
        return []
    whole = (clauses[0][0], clauses[-1][1])
    last = clauses[-MAX_CLAUSES:]
    parts = [part for start, end in last for part in split_parts(text, start, end)]
    ranked = [whole, last[-1], clauses[0], *reversed(last), *parts[-MAX_CLAUSES:]]
    spans: list[tuple[int, int]] = []
    num_left = MAX_PIECES
    for span in dict.fromkeys(ranked):
        for start, end, num_pieces in _read(text, *span, is_whole=span is whole):
            if num_pieces <= num_left and (start, end) not in spans:
                spans.append((start, end))
                num_left -= num_pieces
    return spans


def _read(text: str, start: int, end: int, *, is_whole: bool) -> list[tuple[int, int, int]]:
    """What to read of a span, as (start, end, pieces): all of it, or both its ends."""
    pieces = [match.span() for match in _PIECE.finditer(text, start, end)]
    if len(pieces) <= MAX_SPAN_PIECES * (2 if is_whole else 1):
        return [(start, end, len(pieces))]
    ends = ((start, pieces[MAX_SPAN_PIECES - 1][1]), (pieces[-MAX_SPAN_PIECES][0], end))
    return [(a, b, MAX_SPAN_PIECES) for a, b in ends]


class MeaningMatcher:
    """Compares texts with labelled example sentences by the nearest one. Immutable."""

    def __init__(self, encoder: Encoder, examples: Mapping[str, Sequence[str]]) -> None:
        """Encodes the examples.

        Args:
            encoder: Makes the vectors.
            examples: Example sentences by label.
        """
        self._encoder = encoder
        self._labels = [label for label, sentences in examples.items() if sentences]
        sentences = [in_plain_spelling(s) for label in self._labels for s in examples[label]]
        counts = [len(examples[label]) for label in self._labels]
        self._starts = np.cumsum([0, *counts[:-1]])
        encoder.learn(sentences)
        self._examples = encoder.encode(sentences) if sentences else None

    def scores(self, text: str) -> dict[str, float]:
        """By label, the likeness (-1 to 1) of the nearest example to `text` or a clause of it.

        Empty for a text without words.
        """
        per_span = self._per_span(text, spans_to_read(text))
        if per_span is None:
            return {}
        return dict(zip(self._labels, map(float, per_span.max(axis=0)), strict=True))

    def best(self, text: str) -> Match | None:
        """The nearest label; None for a text without words, or when there are no examples."""
        spans = spans_to_read(text)
        per_span = self._per_span(text, spans)
        if per_span is None:
            return None
        row, column = np.unravel_index(per_span.argmax(), per_span.shape)
        score = float(per_span[row, column])
        others = np.delete(per_span.max(axis=0), column)
        margin = score - float(others.max()) if others.size else score
        return Match(self._labels[int(column)], score, margin, *spans[int(row)])

    def _per_span(self, text: str, spans: list[tuple[int, int]]) -> FloatArray | None:
        """float32[span, label], or None when there is nothing to compare."""
        if not spans or self._examples is None:
            return None
        vectors = self._encoder.encode([in_plain_spelling(text[start:end]) for start, end in spans])
        likeness: FloatArray = np.maximum.reduceat(vectors @ self._examples.T, self._starts, axis=1)
        return likeness
