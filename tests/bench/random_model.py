"""Full-size Gemma 4 models with random 4-bit weights, to measure what cannot be downloaded.

They say nothing, at exactly the speed and in the memory of the real ones.

Source of the shapes: config.json of google/gemma-4-E4B-it and google/gemma-4-E2B-it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from npc_brain.importing.architectures.gemma4.fill import ACCURACY_LEVEL, Gemma4Texts, fill_gemma4
from npc_brain.importing.architectures.gemma4.spec import (
    MAX_GEMMA4_CONTEXT,
    Gemma4Spec,
    LayerKind,
    Rope,
)
from npc_brain.importing.graph_builder import MatrixFormat
from npc_brain.importing.quantize import DEFAULT_BLOCK_SIZE, Floats, QuantizedMatrix
from npc_brain.inference.model_dir import Progress, resumable_directory

_PART_VALUES = 1 << 25


def _spec(
    pattern: tuple[LayerKind, ...],
    *,
    num_own: int,
    hidden: int,
    kv_heads: int,
    widths: tuple[int, int],
) -> Gemma4Spec:
    return Gemma4Spec(
        layer_kinds=pattern * 7,
        num_own=num_own,
        hidden=hidden,
        heads=8,
        kv_heads=kv_heads,
        head_dims={"sliding_attention": 256, "full_attention": 512},
        ropes={"sliding_attention": Rope(1e4), "full_attention": Rope(1e6, 0.25)},
        intermediate=widths[0],
        shared_intermediate=widths[1],
        window=512,
        vocab=262144,
        per_layer_width=256,
        per_layer_vocab=262144,
        context=MAX_GEMMA4_CONTEXT,
        norm_epsilon=1e-6,
        logit_cap=30.0,
    )


_FIVE: tuple[LayerKind, ...] = (*("sliding_attention",) * 4, "full_attention")
_SIX: tuple[LayerKind, ...] = (*("sliding_attention",) * 5, "full_attention")

SHAPES: dict[str, Gemma4Spec] = {
    "gemma-4-e4b": _spec(_SIX, num_own=24, hidden=2560, kv_heads=2, widths=(10240, 10240)),
    "gemma-4-e2b": _spec(_FIVE, num_own=15, hidden=1536, kv_heads=1, widths=(6144, 12288)),
}


def make_random_model(name: str, model_dir: Path, progress: Progress) -> None:
    """Make `model_dir` with the shape `SHAPES[name]`. Raises ModelError when the disk is full."""
    spec = SHAPES[name]
    with resumable_directory(model_dir) as staging:
        texts = Gemma4Texts(f"{name}-random", (1, 106, 50), source="random numbers", licence="")
        fill_gemma4(spec, RandomWeights(spec), staging, texts, progress)


class RandomWeights:
    """A `WeightSource` of noise that keeps activations finite."""

    def __init__(self, spec: Gemma4Spec, seed: int = 0) -> None:
        self.fingerprint = f"random {seed}"
        self.embedding_multiplier = spec.hidden**0.5
        self._rng = np.random.default_rng(seed)

    def format(self, name: str, rows: int, columns: int) -> MatrixFormat:
        """See `WeightSource.format`."""
        return MatrixFormat(4, DEFAULT_BLOCK_SIZE, accuracy_level=ACCURACY_LEVEL)

    def parts(self, name: str, rows: int, columns: int) -> Iterator[QuantizedMatrix | Floats]:
        """See `WeightSource.parts`."""
        step = max(1, _PART_VALUES // columns)
        num_blocks = columns // DEFAULT_BLOCK_SIZE
        for first in range(0, rows, step):
            count = min(step, rows - first)
            shape = (count, num_blocks, DEFAULT_BLOCK_SIZE // 2)
            codes = np.frombuffer(self._rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
            scales = self._rng.uniform(0.5, 1.5, (count, num_blocks)) * (columns**-0.5 / 5)
            yield QuantizedMatrix(4, DEFAULT_BLOCK_SIZE, codes, scales.astype(np.float32))

    def vector(self, name: str, size: int) -> Floats:
        """See `WeightSource.vector`."""
        is_small = "post_" in name
        return np.full(size, 0.3 if is_small else 1.0, np.float32)
