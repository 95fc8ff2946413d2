"""8-bit block quantisation, in the layout of ONNX Runtime's MatMulNBits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK_SIZE = 32
"""Consecutive weights of a row that share a scale; also the block of GGUF's Q8_0."""

ZERO_POINT = 128
"""A code c stands for (c - 128) * scale."""

_MAX_CODE = 127


@dataclass(frozen=True, slots=True)
class BlockCodes:
    """A quantised matrix.

    Attributes:
        codes: uint8[rows, columns].
        scales: float32[rows, columns / BLOCK_SIZE].
    """

    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float32]


def quantize(weights: npt.NDArray[np.float32]) -> BlockCodes:
    """Round float32[rows, columns] to 8 bits, symmetric, one scale per block.

    Exact for what was Q8_0 or Q4_0-like before: see `_scales`. `columns` is a multiple of
    `BLOCK_SIZE`.
    """
    rows, columns = weights.shape
    blocks = weights.reshape(rows, columns // BLOCK_SIZE, BLOCK_SIZE)
    scales = _scales(blocks)
    inverse = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales > 0)
    codes = np.rint(blocks * inverse[..., None]) + ZERO_POINT
    return BlockCodes(codes.astype(np.uint8).reshape(rows, columns), scales)


def _scales(blocks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32[rows, blocks]: the largest magnitude becomes code 127."""
    return np.abs(blocks).max(axis=-1) / np.float32(_MAX_CODE)
