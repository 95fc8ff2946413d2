"""What the decoders of this package share: how much each slot holds, and what may be asked of it.

Knows no runtime.
"""

from collections.abc import Mapping, Sequence

from npc_brain.errors import InferenceError
from npc_brain.inference.decoder import Logits


class SlotDecoder:
    """Base of a `decoder.Decoder`: keeps `_lengths`, checks arguments before anything is computed.

    Attributes:
        vocab_size: See `decoder.Decoder`.
        num_slots: See `decoder.Decoder`.
        max_context: See `decoder.Decoder`.
    """

    def __init__(self, *, vocab_size: int, num_slots: int, max_context: int) -> None:
        self.vocab_size = vocab_size
        self.num_slots = num_slots
        self.max_context = max_context
        self._lengths = [0] * num_slots

    def length(self, slot: int) -> int:
        """Positions of `slot` that hold KV now."""
        return self._lengths[slot]

    def shortest(self, slot: int) -> int:
        """See `decoder.Decoder.shortest`; here nothing is dropped."""
        return 1

    def truncate(self, slot: int, length: int) -> None:
        """See `decoder.Decoder.truncate`."""
        self._check_held(slot, length, self._lengths[slot])
        self._lengths[slot] = length

    def _check_prefill(self, slot: int, token_ids: Sequence[int]) -> None:
        self._check_ids(token_ids)
        self._check_room(slot, len(token_ids))

    def _check_decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> None:
        if len(slots) != len(token_ids) or len(set(slots)) != len(slots) or not slots:
            raise InferenceError(f"got {len(token_ids)} tokens for slots {list(slots)}")
        self._check_ids(token_ids)
        for slot in slots:
            self._check_room(slot, 1)

    def _check_ids(self, token_ids: Sequence[int]) -> None:
        if not token_ids:
            raise InferenceError("got no tokens, wanted 1 or more")
        if min(token_ids) < 0 or max(token_ids) >= self.vocab_size:
            raise InferenceError(
                f"got token ids from {min(token_ids)} to {max(token_ids)}, "
                f"wanted 0 to {self.vocab_size - 1}"
            )

    def _check_room(self, slot: int, num_tokens: int) -> None:
        if self._lengths[slot] + num_tokens > self.max_context:
            raise InferenceError(
                f"slot {slot} holds {self._lengths[slot]} of {self.max_context} positions, "
                f"got {num_tokens} more",
                hint="shorten the prompt or start with a larger context",
            )

    def _check_held(self, slot: int, length: int, held: int) -> None:
        if not 0 <= length <= held:
            raise InferenceError(f"slot {slot}: got length {length}, wanted 0 to {held}")


def soft_rows(embeddings: Mapping[int, Logits], num_tokens: int, hidden: int) -> dict[int, Logits]:
    """Given embeddings by index of the token that they replace."""
    for start, rows in embeddings.items():
        if rows.ndim != 2 or rows.shape[1] != hidden or not 0 <= start <= num_tokens - len(rows):
            raise InferenceError(
                f"got embeddings {rows.dtype}{list(rows.shape)} for tokens {start} on, wanted "
                f"[n, {hidden}] within {num_tokens} tokens"
            )
    return {start + i: row for start, rows in embeddings.items() for i, row in enumerate(rows)}
