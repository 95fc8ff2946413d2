"""Words of a player's text: splitting, plain spelling, numbers.

Knows no names and no meanings; those are in `understanding`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from npc_brain.language.en.common_words import COMMON_WORDS

MAX_CHARS = 1000
"""Read of one text, from its start; bounds the work that a player can cause."""

_WORD = re.compile(r"\d+|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_CLAUSE_END = re.compile(r"[.!?;\n]+[\s\"']*|(?<!\s)\s++[-\u2013\u2014]+\s+|\u2014")
_PART_END = re.compile(r",\s+|(?<!\s)\s++(?:and|but|so)\s+", re.IGNORECASE)
_SHORTEST_PART = 4
_SHORT_FORMS = {
    "4": "for", "2": "to",
    "aint": "is not", "ain't": "is not", "bc": "because", "cant": "can't", "coz": "because",
    "cos": "because", "cuz": "because", "cya": "goodbye", "dat": "that", "dis": "this",
    "dont": "don't", "dunno": "do not know", "foller": "follow", "gimme": "give me", "giv": "give",
    "gonna": "going to", "gotta": "have to", "gotcha": "i understand", "howdy": "hello",
    "hows": "how is", "im": "i am", "innit": "is it not", "ive": "i have", "l8r": "see you later",
    "lemme": "let me", "luv": "love", "nite": "night", "n": "and", "nope": "no", "outta": "out of",
    "pls": "please", "plz": "please", "r": "are", "sum": "some", "sup": "how are you",
    "teh": "the", "thats": "that is", "tho": "though", "thx": "thanks", "tnx": "thanks",
    "ty": "thank you", "u": "you", "ur": "your", "wanna": "want to", "wassup": "how are you",
    "wat": "what", "watcha": "what do you", "whatcha": "what do you", "whats": "what is",
    "wheres": "where is", "whos": "who is", "wot": "what", "wut": "what", "ya": "you",
    "yall": "you", "yep": "yes", "yer": "your", "yup": "yes",
    "art": "are", "anon": "soon", "aye": "yes", "canst": "can", "dost": "do", "doth": "does",
    "ere": "before", "fare": "go", "hast": "have", "hath": "has", "hither": "here", "hail": "hello",
    "methinks": "i think", "morrow": "morning", "nay": "no", "oft": "often", "prithee": "please",
    "shalt": "shall", "thee": "you", "thine": "your", "thither": "there", "thou": "you",
    "thy": "your", "tis": "it is", "twas": "it was", "verily": "truly", "whence": "from where",
    "wherefore": "why", "whither": "where", "wilt": "will", "wouldst": "would", "ye": "you",
    "yon": "that", "yonder": "over there",
}  # fmt: skip
"""Chat and archaic spellings that a sentence encoder trained on plain prose reads badly."""

_SHORTEST_BASE = 4
_LONG = 8
_SUFFIXES = ("s", "es", "ed", "ing", "er", "est", "ly", "y", "n't")

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
    "couple": 2, "pair": 2,
}  # fmt: skip
_SCALES = {"dozen": 12, "dozens": 12, "score": 20, "hundred": 100}
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Word:
    """A word or number of a text: `text[start:end]`, and its lower-case form."""

    lower: str
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """The words and digit runs of `text`, in order."""
    return [
        Word(match.group().casefold().replace("\u2019", "'"), match.start(), match.end())
        for match in _WORD.finditer(text)
    ]


def split_clauses(text: str) -> list[tuple[int, int]]:
    """The (start, end) of each sentence of `text` and of parts set off by dashes; none is blank."""
    cuts = [match.span() for match in _CLAUSE_END.finditer(text)]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(end for _, end in cuts), len(text)]
    return [(a, b) for a, b in zip(starts, ends, strict=True) if _WORD.search(text, a, b)]


def split_parts(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The (start, end) of what commas, "and", "but" and "so" set off in one clause of `text`.

    Only those of at least four words; empty where nothing sets anything off.
    """
    cuts = [match.span() for match in _PART_END.finditer(text, start, end)]
    starts = [start, *(after for _, after in cuts)]
    ends = [*(before for before, _ in cuts), end]
    spans = zip(starts, ends, strict=True) if cuts else ()
    return [(a, b) for a, b in spans if len(split_words(text[a:b])) >= _SHORTEST_PART]


def plain_form(words: Sequence[Word], index: int) -> str:
    """The plain spelling of one word: short and archaic forms spelt out.

    The digits 2 and 4 stand for "to" and "for" only before an article or a possessive.
    """
    lower = words[index].lower
    if lower.isdigit():
        follower = words[index + 1].lower if index + 1 < len(words) else ""
        if follower not in {"the", "a", "an", "my", "your", "ur", "teh", "me"}:
            return lower
    return _SHORT_FORMS.get(lower, lower)


def in_plain_spelling(text: str) -> str:
    """`text` with short and archaic forms spelt out: "wheres thy ale" is "where is your ale"."""
    words = split_words(text)
    parts, at = [], 0
    for index, word in enumerate(words):
        plain = plain_form(words, index)
        if plain != word.lower:
            parts += [text[at : word.start], plain]
            at = word.end
    return "".join([*parts, text[at:]])


def stem(word: str) -> str:
    """A key that is the same for singular and plural of most nouns; not itself a word."""
    word = word.removesuffix("'s").removesuffix("'")
    if len(word) > 3:
        if word.endswith("ves"):
            return word[:-3] + "f"
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
            return word[:-2]
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    if len(word) > 3 and word.endswith(("fe", "oe")):
        return word[:-1]
    return word


class Speller:
    """Finds the word of a vocabulary that a misspelt word was meant to be."""

    def __init__(self, vocabulary: Iterable[str], *, shortest: int = 4) -> None:
        """Prepares the search.

        Args:
            vocabulary: Words that may have been meant, lower case. `COMMON_WORDS` and their plain
                inflections are never taken for a misspelling of them.
            shortest: Letters of the shortest word that can be misspelt.
        """
        self._vocabulary = frozenset(vocabulary)
        self._shortest = shortest
        self._by_length: dict[int, list[str]] = defaultdict(list)
        self._long_by_start: dict[tuple[int, str], list[str]] = defaultdict(list)
        for word in sorted(self._vocabulary):
            if len(word) >= shortest:
                self._by_length[len(word)].append(word)
            if len(word) >= max(shortest, _LONG):
                self._long_by_start[len(word), word[0]].append(word)

    def __contains__(self, word: str) -> bool:
        return word in self._vocabulary

    def effort(self, word: str) -> int:
        """With how many words, at most, `meant` compares one that is not in the vocabulary."""
        return sum(len(self._by_length.get(len(word) + n, ())) for n in range(-2, 3))

    def meant(self, word: str) -> tuple[str, float] | None:
        """The vocabulary's word that `word` stands for and how sure that is (0 to 1).

        1 for the word itself. Otherwise one slip (a letter more, less, changed, or two swapped) is
        forgiven, two in a word of 8 letters or more whose first letter is right.
        """
        if word in self._vocabulary:
            return word, 1.0
        if len(word) < self._shortest or "'" in word or self._is_known(word):
            return None
        near = [each for n in (-1, 0, 1) for each in self._by_length.get(len(word) + n, ())]
        found = process.extractOne(word, near, scorer=OSA.distance, score_cutoff=1)
        if found is None:
            lengths = range(len(word) - 2, len(word) + 3)
            long = [each for n in lengths for each in self._long_by_start.get((n, word[0]), ())]
            found = process.extractOne(word, long, scorer=OSA.distance, score_cutoff=2)
        if found is None:
            return None
        target, slips, _ = found
        return target, 1.0 - slips / len(target)

    def _is_known(self, word: str) -> bool:
        """Whether `word` is a correct word or an inflection of one."""
        bases = [word.removesuffix(suffix) for suffix in _SUFFIXES if word.endswith(suffix)]
        long = [base for base in bases if len(base) >= _SHORTEST_BASE]
        forms = (word, stem(word), *long, *(f"{base}e" for base in bases))
        return any(form in COMMON_WORDS for form in forms)


def find_counts(words: Sequence[Word]) -> list[tuple[int, int, int]]:
    """The numbers among `words` as (first index, index after, value); "a dozen" is one of them."""
    found = []
    index = 0
    while index < len(words):
        end, value = _read_number(words, index)
        if end > index:
            found.append((index, end, value))
        index = max(end, index + 1)
    return found


def find_count(text: str) -> int | None:
    """The first number in `text`, in digits or English words; None when there is none.

    "a dozen" is 12, "a couple" 2; a bare "a" or "an" is no number.
    """
    counts = find_counts(split_words(text))
    return counts[0][2] if counts else None


def _read_number(words: Sequence[Word], index: int) -> tuple[int, int]:
    """(index after the number that starts at `index`, its value); the same index if none does."""
    lower = words[index].lower
    if lower.isdecimal():
        if len(lower) > _MAX_DIGITS or plain_form(words, index) != lower:
            return index, 0
        return index + 1, int(lower)
    if lower == "half" and [word.lower for word in words[index + 1 : index + 3]] == ["a", "dozen"]:
        return index + 3, 6
    start = index + 1 if lower == "a" else index
    end, total, group = start, 0, 0
    while end < len(words):
        lower = words[end].lower
        if lower == "thousand":
            total, group = total + max(group, 1) * 1000, 0
        elif lower in _SCALES:
            group = max(group, 1) * _SCALES[lower]
        elif lower in _UNITS and (end == start or _goes_on(group, _UNITS[lower])):
            group += _UNITS[lower]
        else:
            break
        end += 1
    return (end, total + group) if end > start else (index, 0)


def _goes_on(group: int, unit: int) -> bool:
    """Whether "twenty" goes on with "five", "hundred" with "twelve"."""
    return group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and 0 < unit < 10)
