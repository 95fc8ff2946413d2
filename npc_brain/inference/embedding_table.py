"""Rows of a token table, looked up in a memory-mapped file, so that it never becomes resident."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npc_brain.errors import ModelError
from npc_brain.inference.model_dir import EmbeddingLayout

_ZERO_POINT = 128


class EmbeddingTable:
    """A read-only table float32[vocab, hidden], kept as 8-bit blocks."""

    def __init__(self, model_dir: Path, layout: EmbeddingLayout, vocab: int, hidden: int) -> None:
        """Map the table. Raises ModelError when the file is too short for it."""
        path = model_dir / layout.path
        num_blocks = hidden // layout.block_size
        try:
            self._codes = np.memmap(
                path, np.uint8, "r", layout.codes_offset, (vocab, num_blocks, layout.block_size)
            )
            self._scales = np.memmap(
                path, np.float32, "r", layout.scales_offset, (vocab, num_blocks)
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} does not hold the token table: {error}") from error
        self._vocab, self._hidden = vocab, hidden
        self._multiplier = np.float32(layout.multiplier)

    def rows(self, token_ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """float32[len(token_ids), hidden]. `token_ids` must lie in [0, vocab)."""
        ids = np.asarray(token_ids, np.intp)
        values = self._codes[ids].astype(np.float32)
        values -= _ZERO_POINT
        values *= (self._scales[ids] * self._multiplier)[..., None]
        return values.reshape(len(ids), self._hidden)
