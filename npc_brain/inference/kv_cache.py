"""The KV of all slots: buffers that a graph reads and appends to, and what they hold.

Knows no runtime. Layers that see all positions keep them all. Sliding layers see a window, so their
buffers are shorter: when one is full, its last positions move to the front and the others are gone.
Therefore a slot cannot always be cut back: see `shortest`.

Why not a ring: positions in order are what the attention operator takes, and moving the last 600 of
them once in 256 tokens costs next to nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from npc_brain.errors import InferenceError
from npc_brain.inference.decoder import KVSnapshot

KVArray = npt.NDArray[np.float32]
"""float32[slot, kv_head, position, head_dim]"""

_KEPT_BEYOND_WINDOW = 64
"""Positions that a sliding layer keeps besides its window, so that a slot can be cut back a little:
what another conversation may lose, see `slots`."""

_ROOM = 256
"""Positions a sliding layer can append before the next move."""


@dataclass(frozen=True, slots=True)
class KVShape:
    """One buffer of a layer: `is_windowed` ones belong to sliding layers."""

    kv_heads: int
    head_dim: int
    is_windowed: bool = False


class KVCache:
    """KV buffers by name, and how many positions each slot holds."""

    def __init__(
        self,
        shapes: Mapping[str, KVShape],
        *,
        num_slots: int,
        capacity: int,
        window: int | None,
        most_at_once: int,
    ) -> None:
        """Allocate everything.

        Args:
            shapes: By name of the buffer.
            num_slots: Lanes, 1 or more.
            capacity: Positions a slot holds.
            window: Positions that sliding layers see, counting the current one.
            most_at_once: Positions that are appended together at most.
        """
        self._kept = (window or 1) - 1 + _KEPT_BEYOND_WINDOW
        self.capacity = capacity
        self.window_capacity = min(capacity, self._kept + max(_ROOM, most_at_once))
        self._is_windowed = {name: shape.is_windowed for name, shape in shapes.items()}
        self._window = window or 1
        self.buffers: dict[str, KVArray] = {
            name: np.zeros((num_slots, s.kv_heads, self.capacity_of(name), s.head_dim), np.float32)
            for name, s in shapes.items()
        }
        self.lengths = [0] * num_slots
        self._dropped = [0] * num_slots

    def capacity_of(self, name: str) -> int:
        """Positions that buffer `name` holds."""
        return self.window_capacity if self._is_windowed[name] else self.capacity

    @property
    def num_bytes(self) -> int:
        """Memory of all buffers."""
        return sum(buffer.nbytes for buffer in self.buffers.values())

    def length_in_window(self, slot: int) -> int:
        """Positions of `slot` that the buffers of sliding layers hold."""
        return self.lengths[slot] - self._dropped[slot]

    def shortest(self, slot: int) -> int:
        """The least length above 0 that `slot` can be cut back to."""
        return _shortest(self._dropped[slot], self._window)

    def make_room(self, slot: int, count: int) -> None:
        """Move what sliding layers must keep to the front where `count` more would not fit."""
        held = self.length_in_window(slot)
        if held + count <= self.window_capacity:
            return
        kept = min(held, self._kept)
        for name, buffer in self.buffers.items():
            if self._is_windowed[name]:
                buffer[slot, :, :kept] = buffer[slot, :, held - kept : held].copy()
        self._dropped[slot] += held - kept

    def append(self, slot: int, count: int) -> None:
        """Count `count` positions that the graph has appended."""
        self.lengths[slot] += count

    def truncate(self, slot: int, length: int) -> None:
        """Forget all positions from `length` on. Raises InferenceError below `shortest`."""
        self._check(slot, length, self.lengths[slot], self.shortest(slot))
        self.lengths[slot] = length
        if length == 0:
            self._dropped[slot] = 0

    def snapshot(self, slot: int, length: int) -> KVSnapshot:
        """Copy out the first `length` positions, as far as they are held."""
        self._check(slot, length, self.lengths[slot], self.shortest(slot))
        first = self._dropped[slot] if length else 0
        buffers = {
            name: buffer[slot, :, : length - (first if self._is_windowed[name] else 0)].copy()
            for name, buffer in self.buffers.items()
        }
        return KVSnapshot(
            length,
            sum(buffer.nbytes for buffer in buffers.values()),
            buffers,
            shortest=_shortest(first, self._window),
        )

    def restore(self, slot: int, snapshot: KVSnapshot, length: int) -> None:
        """Replace what `slot` holds. Raises InferenceError below the snapshot's `shortest`."""
        self._check(slot, length, min(snapshot.num_tokens, self.capacity), snapshot.shortest)
        dropped = 0
        for name, buffer in self.buffers.items():
            held: KVArray = snapshot.data[name]
            missing = snapshot.num_tokens - held.shape[1] if length else 0
            buffer[slot, :, : length - missing] = held[:, : length - missing]
            dropped = max(dropped, missing)
        self.lengths[slot], self._dropped[slot] = length, dropped

    def _check(self, slot: int, length: int, longest: int, shortest: int) -> None:
        if not 0 <= length <= longest:
            raise InferenceError(f"slot {slot}: got length {length}, wanted 0 to {longest}")
        if 0 < length < shortest:
            raise InferenceError(
                f"slot {slot}: got length {length}, but sliding layers have dropped what is before "
                f"{shortest}",
                hint="empty the slot and prefill again",
            )


def _shortest(dropped: int, window: int) -> int:
    """After `dropped` positions are gone, the next token must not see any of them."""
    return dropped + window - 1 if dropped else 1
