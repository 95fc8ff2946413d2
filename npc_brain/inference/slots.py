"""Slots: which request has which decoding lane, and what KV each lane holds."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from npc_brain.inference.decoder import Decoder
from npc_brain.inference.prefix_cache import PrefixCache, TokenArray, common_prefix
from npc_brain.inference.request import GenerationRequest

_MAX_LOST_TOKENS = 64
_MIN_STABLE_TOKENS = 16


@dataclass(slots=True, eq=False)
class Slot:
    """One lane of the decoder.

    Attributes:
        token_ids: What the KV cache holds.
        todo: Tokens of the request that are decided but not in the KV cache yet.
    """

    index: int
    token_ids: list[int] = field(default_factory=list)
    todo: list[int] = field(default_factory=list)
    request: GenerationRequest | None = None
    last_used: int = 0

    def shared(self, token_ids: TokenArray) -> int:
        """How many leading tokens of `token_ids` the KV cache holds already."""
        return common_prefix(np.asarray(self.token_ids, np.int64), token_ids)


class SlotTable:
    """All slots of a decoder and the prefix cache beside them, for the inference thread only."""

    def __init__(self, decoder: Decoder, prefix_cache: PrefixCache) -> None:
        self._decoder = decoder
        self._prefix_cache = prefix_cache
        self._slots = [Slot(index) for index in range(decoder.num_slots)]
        self._num_uses = 0

    @property
    def has_idle(self) -> bool:
        """Whether a request can be admitted."""
        return any(slot.request is None for slot in self._slots)

    def active(self) -> Iterator[tuple[Slot, GenerationRequest]]:
        """The slots that work on a request, oldest request first."""
        for slot in sorted(self._slots, key=lambda slot: slot.last_used):
            if slot.request is not None:
                yield slot, slot.request

    def claim(self, request: GenerationRequest) -> Slot:
        """Give `request` an idle slot with as much of its prompt in KV as can be had.

        The longest beginning wins, from whatever slot or snapshot has it. It is used in place when
        that loses little of another conversation, else copied to the slot idle for longest.
        """
        prompt = np.asarray(request.prompt_ids, np.int64)
        idle = [slot for slot in self._slots if slot.request is None]
        oldest = min(idle, key=lambda slot: (bool(slot.token_ids), slot.last_used))
        usable = len(prompt) - 1  # the last token must be computed: its logits are wanted
        shared = {slot.index: self._num_shared(slot, prompt[:usable]) for slot in self._slots}
        source = max(self._slots, key=lambda slot: (shared[slot.index], slot.request is None))
        num_shared = shared[source.index]
        num_stored, snapshot = self._prefix_cache.longest(prompt[:usable])
        num_lost = len(source.token_ids) - num_shared
        can_be_in_place = source.request is None and num_lost <= _MAX_LOST_TOKENS
        if num_stored > num_shared and snapshot is not None:
            slot, num_cached = oldest, num_stored
            slot.token_ids = []  # should the copy fail, nobody knows what the KV holds
            self._decoder.restore(slot.index, snapshot, num_cached)
        elif num_shared == 0 or source is oldest or can_be_in_place:
            slot, num_cached = (source if num_shared else oldest), num_shared
            self._decoder.truncate(slot.index, num_cached)
        else:
            slot, num_cached = oldest, num_shared
            slot.token_ids = []
            copied = self._decoder.snapshot(source.index, num_cached)
            self._decoder.restore(slot.index, copied, num_cached)
        slot.token_ids = list(request.prompt_ids[:num_cached])
        slot.todo = list(request.prompt_ids[num_cached:])
        slot.request = request
        request.num_cached = num_cached
        self._touch(slot)
        return slot

    def keep_stable_prefix(self, slot: Slot, request: GenerationRequest) -> None:
        """Store the prompt's stable beginning in the prefix cache unless it is there.

        To be called when that beginning is in KV, before much more is.
        """
        num_stable = request.num_stable
        if num_stable < max(_MIN_STABLE_TOKENS, self._decoder.shortest(slot.index)):
            return
        stable = request.prompt_ids[: request.num_stable]
        if not self._prefix_cache.covers(stable):
            self._prefix_cache.add(stable, self._decoder.snapshot(slot.index, len(stable)))

    def release(self, slot: Slot) -> None:
        """Make `slot` idle; its KV stays for the next request that begins alike."""
        slot.request = None
        slot.todo = []
        self._touch(slot)

    def discard(self, slot: Slot) -> None:
        """Make `slot` idle and empty: after an error nobody knows what its KV holds."""
        slot.token_ids = []
        self.release(slot)
        self._decoder.truncate(slot.index, 0)

    def _num_shared(self, slot: Slot, prompt: TokenArray) -> int:
        """How many leading tokens of `prompt` the KV of `slot` can be cut back to."""
        num_shared = slot.shared(prompt)
        return num_shared if num_shared >= self._decoder.shortest(slot.index) else 0

    def _touch(self, slot: Slot) -> None:
        self._num_uses += 1
        slot.last_used = self._num_uses
