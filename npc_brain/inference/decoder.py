"""The narrow waist of inference: token ids in, logits out, KV kept in slots.

The engine loop schedules; a decoder computes. `OnnxDecoder` runs the graphs that our importers
write, `PublishedDecoder` those of the onnx-community exports; tests put random logits in their
place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

PREFILL_CHUNK = 128
"""Most prompt tokens in one call, and between two looks at cancels and deadlines. Larger chunks
gain nothing (SmolLM2-135M: 32 to 512 tokens differ by less than a third) and need more memory."""

Logits = npt.NDArray[np.float32]
"""float32[row, vocab]"""


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    """How a decoder is run.

    Attributes:
        num_slots: Completions that run together, 1 or more; each has its own KV cache.
        max_context: Positions a slot holds, prompt and completion together; cut to what the model
            supports.
        num_threads: Threads of the runtime; 0 takes one per physical core.
        is_spinning: Whether idle threads wait busily: about a fifth faster when nothing else runs,
            half as fast beside one busy program such as a game.
        provider: What computes; see `providers.open_session`.
    """

    num_slots: int = 1
    max_context: int = 2048
    num_threads: int = 0
    is_spinning: bool = False
    provider: str = "cpu"


ONE_SLOT = DecoderOptions()


@dataclass(frozen=True, slots=True)
class KVSnapshot:
    """The KV of a slot's first `num_tokens` positions; opaque to all but its decoder.

    `shortest` is the least length above 0 that can be restored.
    """

    num_tokens: int
    num_bytes: int
    data: Any
    shortest: int = 1


class Decoder(Protocol):
    """A decoder-only transformer with `num_slots` lanes; one thread uses it at a time."""

    vocab_size: int
    num_slots: int
    max_context: int
    """Positions a slot can hold."""

    def length(self, slot: int) -> int:
        """Positions of `slot` that hold KV now."""
        ...

    def shortest(self, slot: int) -> int:
        """The least length above 0 that `slot` can be cut back to, or copied out with.

        1, unless layers with a sliding window have dropped leading positions.
        """
        ...

    def prefill(
        self,
        slot: int,
        token_ids: Sequence[int],
        *,
        all_logits: bool = False,
        embeddings: Mapping[int, Logits] | None = None,
    ) -> Logits:
        """Append `token_ids` (1 or more) to `slot`.

        `embeddings` maps an index into `token_ids` to float32[n, hidden] rows that take the place
        of the embeddings of the n tokens from there on: what an image or a sound was encoded to.

        Returns float32[1, vocab], the logits after the last token, or with `all_logits`
        float32[len(token_ids), vocab]. The array is the caller's to keep.
        Raises InferenceError when the slot would overflow or the runtime fails.
        """
        ...

    def decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> Logits:
        """Append one token to each of `slots` (distinct) in one batch step.

        Returns float32[len(slots), vocab]; a buffer that the next call overwrites.
        """
        ...

    def truncate(self, slot: int, length: int) -> None:
        """Forget all positions of `slot` from `length` on; costs nothing.

        Raises InferenceError when `length` is above 0 and below `shortest`.
        """
        ...

    def snapshot(self, slot: int, length: int) -> KVSnapshot:
        """Copy out the KV of the first `length` positions of `slot`."""
        ...

    def restore(self, slot: int, snapshot: KVSnapshot, length: int) -> None:
        """Replace the content of `slot` by the first `length` positions of `snapshot`."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
