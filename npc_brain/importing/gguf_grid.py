"""Steps and offsets of GGUF's block-quantised tensors, so that they can be kept exactly.

Source: the block structures in ggml-common.h, and the `gguf` package for the packed K scales.
"""

import gguf
import numpy as np
import numpy.typing as npt

from npc_brain.importing.quantize import Floats, Grid

_Type = gguf.GGMLQuantizationType
_Bytes = npt.NDArray[np.uint8]

_GRID_BITS = {
    _Type.Q4_0: (4, 32),
    _Type.Q4_1: (4, 32),
    _Type.Q4_K: (4, 32),
    _Type.Q5_0: (8, 32),
    _Type.Q6_K: (8, 16),
    _Type.Q8_0: (8, 32),
}
"""Types whose values we can meet exactly: to (bits, block_size) of `Grid`."""


def grid_of(data: _Bytes, kind: gguf.GGMLQuantizationType) -> Grid | None:
    """The grid that the values of a tensor lie on; None for types that have none of ours.

    `data` is uint8[rows, bytes], as `gguf` reads it; `kind` its type.
    """
    if kind not in _GRID_BITS:
        return None
    bits, block_size = _GRID_BITS[kind]
    blocks = data.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])
    steps = _half(blocks, 208 if kind == _Type.Q6_K else 0)
    offsets = np.zeros_like(steps)
    if kind == _Type.Q4_0:
        offsets = -8 * steps
    elif kind == _Type.Q4_1:
        offsets = _half(blocks, 2)
    elif kind == _Type.Q4_K:
        scales, minima = gguf.quants.Q4_K.get_scale_min(blocks[:, 4:16])
        steps, offsets = steps * scales, -_half(blocks, 2) * minima
    elif kind == _Type.Q6_K:
        steps = steps * blocks[:, 192:208].view(np.int8)
        offsets = np.zeros_like(steps)
    rows = len(data)
    return Grid(bits, block_size, steps.reshape(rows, -1), offsets.reshape(rows, -1))


def _half(blocks: _Bytes, start: int) -> Floats:
    """float32[blocks, 1]: the 16-bit float at byte `start` of each block."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view(np.float16).astype(np.float32)
