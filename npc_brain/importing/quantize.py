"""Quantised matrices in the layout of ONNX Runtime's MatMulNBits, true to the file they come from.

Small models feel every rounding: requantising SmolLM2's 4-bit weights for MatMulNBits' own 4-bit
format costs a fifth of its top-1 choices, and rounding activations to 8 bits (accuracy_level 4) in
blocks of 32 is as large an error as llama.cpp's own. So 4-bit weights are kept exactly, with the
offsets MatMulNBits lacks as a second, small product, and meet float32 activations; all others
become 8-bit codes, exactly where the file has 8 bits or fewer without offsets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

DEFAULT_BLOCK_SIZE = 32
_MAX_CODE = 127


@dataclass(frozen=True, slots=True)
class Grid:
    """How weights were quantised: value = level * step + offset in each block of a row.

    Attributes:
        bits: Of a level: 4 (levels 0 to 15, 32 to a block) or 8 (anything up to -128 to 127).
        block_size: Consecutive weights of a row that share a step.
        steps: float32[rows, blocks], of any sign.
        offsets: float32[rows, blocks]; 0 where `bits` is 8.
    """

    bits: int
    block_size: int
    steps: Floats
    offsets: Floats


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """A matrix [rows, columns], cut along its rows into blocks.

    A weight is (code - 2 ** (bits - 1)) * scale, plus its block's offset where there are offsets.

    Attributes:
        codes: uint8[rows, blocks, block_size * bits / 8]; of two 4-bit codes the low one is first.
        scales: float32[rows, blocks].
        offsets: float32[blocks, rows], or None when all are 0.
    """

    bits: int
    block_size: int
    codes: npt.NDArray[np.uint8]
    scales: Floats
    offsets: Floats | None = None


def quantize(weights: Floats, grids: Sequence[Grid], *, bits: int | None = None) -> QuantizedMatrix:
    """Quantise float32[rows, columns], which `grids` describe from the first row to the last.

    Without grids the weights are rounded to 8 bits in blocks of `DEFAULT_BLOCK_SIZE`. `bits` 8
    rules out 4.
    """
    if bits != 8 and grids and all(grid.bits == 4 for grid in grids):
        steps = np.concatenate([grid.steps for grid in grids])
        return _keep_4_bits(weights, steps, np.concatenate([grid.offsets for grid in grids]))
    return _round_to_8_bits(weights, grids)


def round_to_4_bits(weights: Floats, block_size: int = DEFAULT_BLOCK_SIZE) -> QuantizedMatrix:
    """Quantise float32[rows, columns] to 16 levels, without offsets.

    The value of greatest magnitude in a block is met exactly and becomes code 0, whatever its sign:
    the rule of GGUF's Q4_0, so that weights trained for that grid (QAT) are kept.

    Source: `quantize_row_q4_0_ref` of ggml.
    """
    blocks = _blocks(weights, block_size)
    low, high = blocks.min(axis=-1), blocks.max(axis=-1)
    scales = np.where(-low >= high, low, high) / np.float32(-8)
    codes = blocks * _inverse(scales)[..., None]
    codes += np.float32(8.5)
    levels = np.minimum(codes, np.float32(15.5)).astype(np.uint8)  # cuts off: 8.5 rounds
    return QuantizedMatrix(4, block_size, levels[..., 0::2] | (levels[..., 1::2] << 4), scales)


def _keep_4_bits(weights: Floats, steps: Floats, offsets: Floats) -> QuantizedMatrix:
    blocks = _blocks(weights, DEFAULT_BLOCK_SIZE)
    levels = np.rint((blocks - offsets[..., None]) * _inverse(steps)[..., None]).astype(np.uint8)
    rest = offsets + 8 * steps
    return QuantizedMatrix(
        bits=4,
        block_size=DEFAULT_BLOCK_SIZE,
        codes=levels[..., 0::2] | (levels[..., 1::2] << 4),
        scales=steps,
        offsets=np.ascontiguousarray(rest.T) if rest.any() else None,
    )


def _round_to_8_bits(weights: Floats, grids: Sequence[Grid]) -> QuantizedMatrix:
    block_size = min([grid.block_size for grid in grids], default=DEFAULT_BLOCK_SIZE)
    blocks = _blocks(weights, block_size)
    scales = np.abs(blocks).max(axis=-1) / np.float32(_MAX_CODE)
    first = 0
    for grid in grids:
        last = first + len(grid.steps)
        if not grid.offsets.any():
            scales[first:last] = np.repeat(grid.steps, grid.block_size // block_size, axis=1)
        first = last
    codes = np.rint(blocks * _inverse(scales)[..., None]) + 128
    return QuantizedMatrix(8, block_size, codes.astype(np.uint8), scales)


def _blocks(weights: Floats, block_size: int) -> Floats:
    rows, columns = weights.shape
    return weights.reshape(rows, columns // block_size, block_size)


def _inverse(steps: Floats) -> Floats:
    return np.divide(1, steps, out=np.zeros_like(steps), where=steps != 0)
