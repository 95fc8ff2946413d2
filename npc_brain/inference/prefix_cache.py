"""KV snapshots of prompt beginnings (personas), so that each is computed once.

Slots remember the conversation that they held last; this cache outlives that. It knows token ids
and sizes, nothing of what is inside a snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from npc_brain.inference.decoder import KVSnapshot

TokenArray = npt.NDArray[np.int64]


def common_prefix(left: TokenArray, right: TokenArray) -> int:
    """How many leading tokens two arrays share."""
    length = min(len(left), len(right))
    differs = left[:length] != right[:length]
    return int(differs.argmax()) if differs.any() else length


@dataclass(slots=True, eq=False)
class _Entry:
    token_ids: TokenArray
    snapshot: KVSnapshot


class PrefixCache:
    """The most recently used snapshots, up to `max_bytes` in all; one thread uses it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: list[_Entry] = []  # least recently used first

    @property
    def num_bytes(self) -> int:
        """Bytes held now."""
        return sum(entry.snapshot.num_bytes for entry in self._entries)

    def covers(self, token_ids: Sequence[int]) -> bool:
        """Whether a snapshot begins with all of `token_ids`."""
        wanted = np.asarray(token_ids, np.int64)
        return any(common_prefix(e.token_ids, wanted) == len(wanted) for e in self._entries)

    def longest(self, token_ids: TokenArray) -> tuple[int, KVSnapshot | None]:
        """The snapshot that can give the most leading tokens, and how many; counts as a use."""
        best_length, best = 0, None
        for entry in self._entries:
            length = common_prefix(entry.token_ids, token_ids)
            if length > best_length and length >= entry.snapshot.shortest:
                best_length, best = length, entry
        if best is None:
            return 0, None
        self._entries.remove(best)
        self._entries.append(best)
        return best_length, best.snapshot

    def add(self, token_ids: Sequence[int], snapshot: KVSnapshot) -> None:
        """Keep `snapshot` of `token_ids`; drops beginnings of it, then the least recently used."""
        if snapshot.num_bytes > self._max_bytes:
            return
        new = _Entry(np.asarray(token_ids, np.int64), snapshot)
        self._entries = [
            entry
            for entry in self._entries
            if common_prefix(entry.token_ids, new.token_ids) < len(entry.token_ids)
        ]
        self._entries.append(new)
        while self.num_bytes > self._max_bytes:
            self._entries.pop(0)

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
