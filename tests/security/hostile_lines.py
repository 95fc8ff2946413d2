"""The corpus of hostile player lines, `hostile_text.yaml`, as values."""

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).with_name("hostile_text.yaml")
MAX_CHARS = 2000
"""Of a text in `npc.hear`; the kind `too_long` has more."""


@dataclass(frozen=True)
class HostileLine:
    """A line of the corpus; `kind` tells what is attempted."""

    kind: str
    template: str

    def against(self, secrets: Sequence[str]) -> str:
        """The line as it is said to an NPC with these secrets."""
        secret = secrets[0] if secrets else "Nothing."
        text = self.template.replace("$SECRET", secret)
        text = text.replace("$SHOUTED", secret.upper()).replace("$SPACED", " ".join(secret))
        return text if self.kind == "too_long" else text[:MAX_CHARS]


def hostile_lines() -> list[HostileLine]:
    """All of the corpus."""
    return list(_read(yaml.safe_load(CORPUS.read_text(encoding="utf-8"))))


def sample(num_of_each_kind: int, seed: int) -> list[HostileLine]:
    """So many lines of each kind, or all that there are, in a random order."""
    rng = random.Random(seed)
    by_kind: dict[str, list[HostileLine]] = {}
    for line in hostile_lines():
        by_kind.setdefault(line.kind, []).append(line)
    chosen = [
        line
        for lines in by_kind.values()
        for line in rng.sample(lines, min(num_of_each_kind, len(lines)))
    ]
    rng.shuffle(chosen)
    return chosen


_TAG = re.compile(r"<[|/!?\\\w\uff5c][^<>]{0,79}>|\[/?[A-Z][A-Z_]+\]|<\||\|>")
"""As chat formats mark up what is not text: `<|im_end|>`, `<end_of_turn>`, `</s>`, `[INST]`."""
_JOINERS = "\u200c\u200d"
"""Persian, Indic scripts and emoji are written with them."""


def is_plain(text: str) -> bool:
    """Whether a text has no markup of chat formats, no control and no hidden characters."""
    folded = text.translate({0xFF1C: "<", 0xFF1E: ">", 0xFF5C: "|"})
    hidden = (
        char not in _JOINERS and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        for char in text
    )
    return not _TAG.search(folded) and not any(hidden)


def _read(corpus: dict[str, list[Any]]) -> Iterator[HostileLine]:
    for kind, entries in corpus.items():
        for entry in entries:
            text = entry if isinstance(entry, str) else entry["text"] * entry["times"]
            yield HostileLine(kind, text)
