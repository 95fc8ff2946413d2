"""Finds mentions of known ids (places, items, people) in what a player typed.

Tolerant of case, plurals, word order ("the key to the cellar"), and slips ("smtihy", "hammr"). It
knows names, not what the things are or whether they can be had.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from npc_brain.language.en.words import MAX_CHARS, Speller, Word, split_words, stem

_FILLERS = frozenset({
    "a", "an", "the", "of", "to", "for", "from", "my", "your", "his", "her", "our", "their",
    "some", "this", "that",
})  # fmt: skip
_PREPOSITIONS = frozenset({"to", "at", "from", "by", "near", "with", "into", "inside", "of"})
_ARTICLES = frozenset({
    "a", "an", "the", "this", "these", "those", "my", "your", "his", "her", "our", "their",
    "nearest", "closest", "next", "which", "any", "some",
})  # fmt: skip
_DOUBLE_MEANINGS = frozenset({
    "well", "will", "may", "can", "mark", "bill", "hope", "rose", "spring", "lead", "match",
    "down", "bow", "might", "still", "fair", "mine", "bar", "back", "post", "stand", "rest",
    "light", "duck", "watch", "ring", "right", "pass", "guard", "seal", "shop",
})  # fmt: skip
"""Common words that are a name only after an article or preposition: "the well", not "Well, …"."""

_GENERIC = frozenset({
    "bag", "bottle", "bowl", "box", "bunch", "cup", "door", "hall", "house", "man", "pair", "piece",
    "place", "road", "room", "sack", "set", "shop", "street", "way", "woman",
})  # fmt: skip
"""Words that do not stand for a longer name: "the road" is not "the high road"."""

_PARTIAL_SCORE = 0.9
MAX_NAMESAKES = 256
"""Things that one word is taken to name: "house" may stand for every house of a city."""
MAX_MENTIONS = 512
"""Things that one text is taken to name."""
MAX_MISSPELT = 32
"""Unknown words of one text that are compared with known ones."""
MAX_COMPARED = 100_000
"""Known words that those of one text are compared with, which takes about 10 ms."""


@dataclass(frozen=True, slots=True)
class Named:
    """Something that has an id and names.

    Attributes:
        kind: What it is, for the caller: `item`, `place`, `person`, `tag` …
        names: Its name and aliases.
    """

    id: str
    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """A part of a text that names something.

    Attributes:
        start: First character.
        end: The character after the last.
        score: 0 to 1; 1 is the exact name, less for a part of it or a misspelling.
    """

    id: str
    kind: str
    start: int
    end: int
    score: float


class EntityLinker:
    """Finds mentions of a fixed set of names. Immutable; make a new one when names change."""

    def __init__(self, named: Iterable[Named]) -> None:
        """Compiles the names of what can be mentioned."""
        self._entries: dict[tuple[str, ...], list[tuple[Named, float]]] = defaultdict(list)
        for entity in named:
            for name in entity.names:
                self._add(entity, name)
        for entries in self._entries.values():
            entries.sort(key=lambda entry: -entry[1])
        self._longest = max(map(len, self._entries), default=0)
        self._speller = Speller({word for key in self._entries for word in key})

    def find(self, text: str) -> list[Mention]:
        """The mentions in `text`, in order; the longest name wins where names overlap.

        Several mentions share a span when several ids have that name. Reads the first `MAX_CHARS`.
        """
        words = split_words(text[:MAX_CHARS])
        stems, scores = self._read(words)
        content = [n for n, word in enumerate(words) if word.lower not in _FILLERS]
        taken: set[int] = set()
        mentions: list[Mention] = []
        for length in range(max(self._longest, 2), 0, -1):
            for first in range(len(content) - length + 1):
                window = content[first : first + length]
                span = range(window[0], window[-1] + 1)
                if len(mentions) >= MAX_MENTIONS:
                    break
                if taken.isdisjoint(span) and _is_one_phrase(text, words, span):
                    found = self._lookup(text, words, stems, scores, window)
                    mentions += found
                    taken.update(span if found else ())
        return sorted(mentions, key=lambda mention: (mention.start, -mention.score, mention.id))

    def _add(self, entity: Named, name: str) -> None:
        parts = [_content_stems(part) for part in name.casefold().split(" of ")]
        whole = [word for part in parts for word in part]
        keys = {_key(whole): 1.0}
        if len(whole) > 1:
            for part in parts:
                for word in part if entity.kind == "person" else part[-1:]:
                    if word not in _GENERIC:
                        keys.setdefault((word,), _PARTIAL_SCORE)
        for key, score in keys.items():
            entries = self._entries[key]
            if not entries or entries[-1][0] is not entity:
                entries.append((entity, score))
            elif entries[-1][1] < score:
                entries[-1] = (entity, score)

    def _read(self, words: Sequence[Word]) -> tuple[list[str], list[float]]:
        """The stem that each word was meant to be, and how sure that is."""
        stems, scores = [], []
        num_left, num_comparisons_left = MAX_MISSPELT, MAX_COMPARED
        meanings: dict[str, tuple[str, float] | None] = {}
        for word in words:
            lower = word.lower
            if lower not in meanings:
                meanings[lower] = None
                is_known = stem(lower) in self._speller
                effort = 0 if is_known else 2 * self._speller.effort(lower)
                if not lower.isdecimal() and (
                    is_known or (num_left and effort <= num_comparisons_left)
                ):
                    num_left -= not is_known
                    num_comparisons_left -= effort
                    meanings[lower] = self._speller.meant(stem(lower)) or self._speller.meant(lower)
            meant = meanings[lower]
            stems.append(meant[0] if meant else stem(word.lower))
            scores.append(meant[1] if meant else 1.0)
        return stems, scores

    def _lookup(
        self,
        text: str,
        words: Sequence[Word],
        stems: Sequence[str],
        scores: Sequence[float],
        window: Sequence[int],
    ) -> list[Mention]:
        entries = self._entries.get(_key([stems[n] for n in window]), [])
        if not entries and len(window) == 2:
            joined = "".join(words[n].lower for n in window)
            entries = self._entries.get((stem(joined),), [])
        if len(window) == 1:
            usable = (e for e in entries if _is_name(text, words, window[0], e[0].kind))
            entries = list(islice(usable, MAX_NAMESAKES))
        if not entries:
            return []
        start, end = words[window[0]].start, words[window[-1]].end
        slips = min(scores[n] for n in window)
        best = entries[0][1]
        return [
            Mention(entity.id, entity.kind, start, end, score * slips)
            for entity, score in entries[:MAX_NAMESAKES]
            if score == best
        ]


def _content_stems(name: str) -> list[str]:
    words = split_words(name)
    content = [word for word in words if word.lower not in _FILLERS] or words
    return [stem(word.lower) for word in content]


def _key(stems: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(stems))


def _is_one_phrase(text: str, words: Sequence[Word], span: range) -> bool:
    """Whether nothing but spaces and hyphens lies between the words."""
    gaps = (text[words[n].end : words[n + 1].start] for n in span[:-1])
    return all(not gap.strip(" -\t") for gap in gaps)


def _is_name(text: str, words: Sequence[Word], index: int, kind: str) -> bool:
    """Whether a word with another common meaning is used as a name here."""
    word = words[index]
    if word.lower not in _DOUBLE_MEANINGS or len(words) == 1:
        return True
    if index == 0:
        return False
    before = words[index - 1].lower
    if kind == "person":
        return before in _PREPOSITIONS or text[word.start : word.end].istitle()
    return before in _PREPOSITIONS or before in _ARTICLES
