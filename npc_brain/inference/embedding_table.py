"""Rows of a token table, looked up in a memory-mapped file, so that it never becomes resident."""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from npc_brain import files
from npc_brain.errors import ModelError
from npc_brain.inference.model_dir import EmbeddingLayout, model_file

Floats = npt.NDArray[np.float32]

_RELEASE_AFTER_ROWS = 128
"""A page fault maps up to 64 kB around it: so many rows and scales make some 20 MB resident."""


class EmbeddingTable:
    """A read-only table float32[vocab, width], kept as blocks of 4 or 8 bits (or as float32)."""

    def __init__(self, model_dir: Path, layout: EmbeddingLayout, vocab: int, width: int) -> None:
        """Map the table. Raises ModelError when the file is too short for it, or lies outside."""
        path = model_file(model_dir, layout.path)
        num_blocks = width // layout.block_size
        self._layout, self._num_touched = layout, 0
        try:
            with files.open_regular(path) as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._codes = self._part(
                np.float32 if layout.bits == 32 else np.uint8,
                layout.codes_offset,
                (vocab, width * min(layout.bits, 8) // 8),
            )
            scales_shape = (vocab, 0 if layout.bits == 32 else num_blocks)
            self._scales = self._part(layout.scale_type, layout.scales_offset, scales_shape)
        except (OSError, ValueError) as error:
            raise ModelError(f"{path} does not hold the token table: {error}") from error

    def rows(self, token_ids: Sequence[int]) -> Floats:
        """float32[len(token_ids), width]. `token_ids` must lie in [0, vocab)."""
        ids = np.asarray(token_ids, np.intp)
        values = _decoded(self._codes[ids], self._layout.bits)
        multiplier = np.float32(self._layout.multiplier)
        if self._layout.bits == 32:
            values = values * multiplier
        else:
            blocks = values.reshape(len(ids), -1, self._layout.block_size)
            blocks *= (self._scales[ids].astype(np.float32) * multiplier)[..., None]
        self._release(len(ids))
        return values

    def _part(self, dtype: npt.DTypeLike, offset: int, shape: tuple[int, int]) -> npt.NDArray[Any]:
        count = shape[0] * shape[1]
        return np.frombuffer(self._map, dtype, count, offset if count else 0).reshape(shape)

    def _release(self, num_rows: int) -> None:
        """Now and then give back the pages that were touched; the system keeps them cached."""
        self._num_touched += num_rows
        if self._num_touched >= _RELEASE_AFTER_ROWS and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._num_touched = 0


def _decoded(codes: npt.NDArray[Any], bits: int) -> Floats:
    """Codes uint8[rows, width * bits / 8] (or float32[rows, width]) as float32[rows, width]."""
    if bits == 32:
        return codes.astype(np.float32, copy=False)
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(len(codes), -1)
    return codes.astype(np.float32) - np.float32(1 << (bits - 1))
