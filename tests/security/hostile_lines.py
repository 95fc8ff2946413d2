"""The corpus of hostile player lines, `hostile_text.yaml`, as values."""

import random
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


def _read(corpus: dict[str, list[Any]]) -> Iterator[HostileLine]:
    for kind, entries in corpus.items():
        for entry in entries:
            text = entry if isinstance(entry, str) else entry["text"] * entry["times"]
            yield HostileLine(kind, text)
