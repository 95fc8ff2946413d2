"""Quantised matrices stand for the weights that they were made from."""

from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.importing.gguf_grid import grid_of
from npc_brain.importing.quantize import Grid, QuantizedMatrix, quantize

Type = gguf.GGMLQuantizationType
ROWS, COLUMNS = 8, 512


def weights_of(matrix: QuantizedMatrix) -> npt.NDArray[Any]:
    """What the runtime computes with; written from MatMulNBits' documentation."""
    codes = matrix.codes.astype(np.int64)
    if matrix.bits == 4:
        codes = np.stack([codes & 15, codes >> 4], axis=-1).reshape(*codes.shape[:2], -1)
    values: npt.NDArray[Any] = (codes - 2 ** (matrix.bits - 1)) * matrix.scales[..., None]
    if matrix.offsets is not None:
        values = values + matrix.offsets.T[..., None]
    return values.reshape(len(codes), -1)


def from_file(kind: Type, seed: int = 0) -> tuple[npt.NDArray[np.float32], Grid | None]:
    """Weights as a GGUF file of type `kind` would give them, and their grid.

    `gguf` cannot write K types: their blocks are random bytes with sane scales.
    """
    rng = np.random.default_rng(seed)
    num_values, num_bytes = gguf.GGML_QUANT_SIZES[kind]
    if kind in (Type.Q4_K, Type.Q6_K):
        shape = (ROWS * COLUMNS // num_values, num_bytes)
        blocks = rng.integers(0, 256, shape, dtype=np.uint8)
        scale = np.array([rng.uniform(0.001, 0.002)], np.float16).view(np.uint8)
        for start in (0, 2) if kind == Type.Q4_K else (208,):
            blocks[:, start : start + 2] = scale
        data = blocks.reshape(ROWS, -1)
    else:
        values = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
        data = gguf.quants.quantize(values, kind)
    return gguf.quants.dequantize(data, kind), grid_of(data, kind)


@pytest.mark.parametrize(
    ("bits", "kind"),
    [
        *((4, kind) for kind in (Type.Q4_0, Type.Q4_1, Type.Q4_K)),
        *((8, kind) for kind in (Type.Q5_0, Type.Q6_K, Type.Q8_0)),
    ],
)
def test_exact_for_types_with_a_grid(kind: Type, bits: int) -> None:
    weights, grid = from_file(kind)
    assert grid is not None
    matrix = quantize(weights, [grid])
    assert matrix.bits == bits
    np.testing.assert_allclose(weights_of(matrix), weights, atol=1e-5)


def test_q4_0_needs_no_offsets() -> None:
    weights, grid = from_file(Type.Q4_0)
    assert grid is not None
    assert quantize(weights, [grid]).offsets is None


@pytest.mark.parametrize("kind", [Type.F32, Type.F16, Type.BF16, Type.Q5_1, Type.Q5_K])
def test_types_without_a_grid(kind: Type) -> None:
    assert grid_of(np.zeros((1, 4096), np.uint8), kind) is None


def test_plain_weights_are_off_by_half_a_step_at_most() -> None:
    weights = from_file(Type.F32)[0]
    matrix = quantize(weights, [])
    error = np.abs(weights_of(matrix) - weights).reshape(ROWS, -1, matrix.block_size)
    assert matrix.bits == 8
    assert (error <= matrix.scales[..., None] * 0.5001).all()


def test_stacked_types_share_the_smaller_block() -> None:
    """q, k and v of one layer may come in types of their own."""
    parts = [from_file(kind) for kind in (Type.Q5_0, Type.Q8_0, Type.Q6_K)]
    weights = np.concatenate([weights for weights, _ in parts])
    matrix = quantize(weights, [grid for _, grid in parts if grid is not None])
    assert matrix.block_size == 16
    np.testing.assert_allclose(weights_of(matrix), weights, atol=1e-5)


def test_4_bits_beside_8_bits_become_8() -> None:
    parts = [from_file(Type.Q4_1), from_file(Type.Q8_0)]
    weights = np.concatenate([weights for weights, _ in parts])
    matrix = quantize(weights, [grid for _, grid in parts if grid is not None])
    assert matrix.bits == 8
    np.testing.assert_allclose(weights_of(matrix)[ROWS:], weights[ROWS:], atol=1e-5)
    np.testing.assert_allclose(weights_of(matrix)[:ROWS], weights[:ROWS], atol=0.02)


def test_constant_blocks() -> None:
    """Blocks whose step is 0: all values are the offset, or 0."""
    weights = np.zeros((1, 32), np.float32)
    np.testing.assert_array_equal(weights_of(quantize(weights, [])), weights)
    zero = np.zeros((1, 1), np.float32)
    grid = Grid(4, 32, zero, zero + 3)
    np.testing.assert_allclose(weights_of(quantize(weights + 3, [grid])), weights + 3)
