"""Small English: counted item names, lists, and finding an item by what someone called it.

Names come from the game and are used as written; only their number and the sentence's first letter
are changed.
"""

import re
from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz, process

_UNCOUNTED_WORDS = """
ale armour armor beer bread cheese cider cloth copper corn fish flour food fruit gold grain hay
honey iron leather mead meat milk money oil ore rice salt silk silver steel stew sugar tea
thread timber water wheat wine wood wool
"""
_UNCOUNTED = frozenset(_UNCOUNTED_WORDS.split())
_IRREGULAR = {"man": "men", "woman": "women", "foot": "feet", "tooth": "teeth", "goose": "geese",
              "mouse": "mice", "child": "children"}  # fmt: skip
_MIN_LIKENESS = 80.0
"""Of rapidfuzz's ratio, 0 to 100: lets a typo or two through in an ordinary word."""


def counted(count: int, name: str) -> str:
    """How one says it: "a loaf of bread", "2 loaves of bread", "5 gold", "no apples"."""
    if count == 1:
        head = _head(name)[1]
        if head.lower() in _UNCOUNTED:
            return f"1 {name}"
        return name if _has_article(name) else f"{_article(name)} {name}"
    bare = re.sub(r"^(an?|the) ", "", name, flags=re.IGNORECASE)
    return f"{count or 'no'} {plural(bare)}"


def plural(name: str) -> str:
    """The plural of an item's name: of its last word, or of the one before "of"."""
    before, head, after = _head(name)
    return before + _plural_word(head) + after


def listed(parts: Sequence[str]) -> str:
    """The parts as a list in a sentence: "a, b and c"; "nothing" when empty."""
    if not parts:
        return "nothing"
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def sentence(text: str) -> str:
    """`text` with a capital first letter and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def best_match(said: str, names: Mapping[str, Sequence[str]]) -> str | None:
    """The key of `names` that `said` most likely means, or None.

    Tolerates case, articles, plurals and small typos. `names` has one or more names for each key.
    """
    wanted = _plain(said)
    if not wanted:
        return None
    plain = [(key, _plain(name)) for key, group in names.items() for name in group]
    for key, name in plain:
        if name == wanted:
            return key
    for key, name in plain:
        if set(wanted.split()) <= set(name.split()) or set(name.split()) <= set(wanted.split()):
            return key
    found = process.extractOne(
        wanted, [name for _, name in plain], scorer=fuzz.ratio, score_cutoff=_MIN_LIKENESS
    )
    return plain[found[2]][0] if found else None


def _plain(name: str) -> str:
    words = re.findall(r"\w+", name.casefold().replace("'", "").replace("_", " "))
    return " ".join(_singular(word) for word in words if word not in ("a", "an", "the", "some"))


def _singular(word: str) -> str:
    """A stem good enough for comparing, not for reading."""
    for ending, stem in (("ies", "y"), ("ves", "f"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"),
                         ("shes", "sh"), ("ss", "ss"), ("s", "")):  # fmt: skip
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + stem
    return word


def _head(name: str) -> tuple[str, str, str]:
    """A name as (before, head noun, after)."""
    noun, of, rest = name.partition(" of ")
    before, space, head = noun.rpartition(" ")
    return before + space, head, of + rest


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in _UNCOUNTED or not lower.isalpha():
        return word
    if lower in _IRREGULAR:
        return word[0] + _IRREGULAR[lower][1:]
    if re.search(r"(s|x|z|ch|sh)$", lower):
        return word + "es"
    if re.search(r"[^aeiou]y$", lower):
        return word[:-1] + "ies"
    if re.search(r"(loa|lea|kni|wol|hal|shel|sta|scar|thie)fe?$", lower):
        return re.sub(r"fe?$", "ves", word)
    return word + "s"


def _has_article(name: str) -> bool:
    return re.match(r"(an?|the) ", name, re.IGNORECASE) is not None


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"
