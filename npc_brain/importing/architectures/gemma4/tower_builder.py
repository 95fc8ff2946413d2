"""What the graphs of Gemma 4's vision and audio towers have in common.

Adds to `GraphBuilder` the layers that both are made of, with weights taken from a checkpoint by
their names there. Knows neither tower.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from npc_brain.errors import ModelError
from npc_brain.importing.graph_builder import MICROSOFT, GraphBuilder
from npc_brain.importing.quantize import Floats, quantize
from npc_brain.inference.model_dir import MAX_SIZE

Weights = Mapping[str, Floats]
"""A checkpoint's tensors by name, as float32; reading one may load it from a file just then."""

MatrixBits = Literal[8, 16, 32]
"""How matrices are stored: 8-bit blocks (which also compute in 8 bits), float16 or float32."""

FLOAT = 1  # TensorProto.FLOAT
INT64 = 7  # TensorProto.INT64
BOOL = 9  # TensorProto.BOOL


class TowerBuilder:
    """Builds a tower's graph. Methods take value names and return that of their result."""

    def __init__(self, graph: GraphBuilder, weights: Weights, bits: MatrixBits) -> None:
        self.graph = graph
        self._weights = weights
        self._bits = bits
        self._num_constants = 0
        self._ones: dict[int, str] = {}

    def read(self, name: str, *shape: int) -> Floats:
        """A tensor; raises ModelError when it is missing or not of that shape."""
        if name not in self._weights:
            raise ModelError(
                f"the checkpoint lacks the tensor {name}",
                hint="download the whole checkpoint again; a text-only one cannot see or hear",
            )
        values = self._weights[name]
        if values.shape != shape:
            raise ModelError(f"{name}: got the shape {values.shape}, wanted {shape}")
        return values

    def op(self, kind: str, *inputs: str, is_ours: bool = False, **attributes: Any) -> str:
        """Add a node; `is_ours` for an operator of ONNX Runtime's own."""
        domain = MICROSOFT if is_ours else ""
        return self.graph.op(kind, inputs, domain=domain, **attributes)

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """A small constant under a name of our own."""
        self._num_constants += 1
        return self.graph.constant(f"c{self._num_constants}", np.asarray(values, dtype))

    def ints(self, *values: int) -> str:
        """int64[len(values)]: a shape, or axes."""
        return self.constant(values, np.int64)

    def weight(self, name: str, values: Floats) -> str:
        """A float32 constant in the weights file."""
        self.graph.weight(name, values)
        return name

    def reshape(self, x: str, *shape: int) -> str:
        """`x` in another shape: 0 keeps a dimension, -1 is what is left."""
        return self.op("Reshape", x, self.ints(*shape))

    def slice(self, x: str, start: str, end: str, axis: int) -> str:
        """`x` from `start` to `end` (both int64[1]) of an axis."""
        return self.op("Slice", x, start, end, self.ints(axis))

    def scale(self, x: str, factor: float) -> str:
        """`x` times a number."""
        return self.op("Mul", x, self.constant(factor))

    def linear(self, x: str, name: str, rows: int, columns: int) -> str:
        """float[..., columns] to float[..., rows], without bias."""
        matrix = self.read(name, rows, columns)
        if self._bits == 8:
            self.graph.quantized_weight(name, quantize(matrix, [], bits=8))
            return self.graph.matmul(x, name)
        if self._bits == 32:
            return self.op("MatMul", x, self.weight(name, np.ascontiguousarray(matrix.T)))
        self.graph.weight(name, np.ascontiguousarray(matrix.T).astype(np.float16))
        return self.op("MatMul", x, self.op("Cast", name, to=FLOAT))

    def clipped_linear(self, x: str, name: str, rows: int, columns: int) -> str:
        """`linear` whose input and output are clipped to the checkpoint's bounds, if it has any."""
        x = self._clip(x, f"{name}.input")
        return self._clip(self.linear(x, f"{name}.linear.weight", rows, columns), f"{name}.output")

    def norm(self, x: str, name: str, size: int, epsilon: float) -> str:
        """RMSNorm over the last axis."""
        return self._rms_norm(x, self.weight(name, self.read(name, size)), epsilon)

    def bare_norm(self, x: str, size: int, epsilon: float) -> str:
        """RMSNorm without a weight."""
        if size not in self._ones:
            self._ones[size] = self.constant(np.ones(size))
        return self._rms_norm(x, self._ones[size], epsilon)

    def output(self, x: str, name: str, shape: Sequence[int | str]) -> None:
        """Make `x` the graph's output `name`."""
        self.graph.op("Identity", [x], outputs=[name])
        self.graph.output(name, FLOAT, shape)

    def _rms_norm(self, x: str, weight: str, epsilon: float) -> str:
        return self.op(
            "SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=epsilon, stash_type=1
        )

    def _clip(self, x: str, name: str) -> str:
        low, high = (float(self._weights.get(f"{name}_{end}", default))
                     for end, default in (("min", -np.inf), ("max", np.inf)))  # fmt: skip
        if np.isinf([low, high]).all():
            return x
        return self.op("Clip", x, self.constant(low), self.constant(high))


def with_defaults(config: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A tower's config with `defaults` for what it does not tell.

    Raises ModelError unless each value is of its default's type, and of a size that a tower has.
    """
    if not isinstance(config, Mapping):
        raise ModelError(f"config.json describes a tower as {config!r:.80}, wanted an object")
    whole = {**defaults, **config}
    for key, default in defaults.items():
        values = whole[key] if isinstance(default, tuple) else [whole[key]]
        kind = (int, float) if isinstance(default, float) else int
        is_right = isinstance(values, list | tuple) and all(
            isinstance(v, kind) and type(v) is not bool and 0 < v <= MAX_SIZE for v in values
        )
        if not is_right or (isinstance(default, tuple) and len(values) != len(default)):
            raise ModelError(f"config.json has {key} = {whole[key]!r:.80}, wanted like {default!r}")
    return whole


def require(config: Mapping[str, Any], **wanted: Any) -> None:
    """Raise ModelError when a config tells something else than what is built here."""
    for key, value in wanted.items():
        if config.get(key, value) != value:
            raise ModelError(
                f"config.json has {key} = {config[key]!r}, wanted {value!r}",
                hint="this is not Gemma 4 E2B or E4B, or it is a newer variant",
            )
