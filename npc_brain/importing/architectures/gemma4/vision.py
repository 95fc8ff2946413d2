"""The graph of Gemma 4's vision tower, from pixels to rows that stand in for token embeddings.

Inputs, named as in the published graphs, of one picture; padding must come last and is left out:

- `pixel_values` float32[1, patch, 768], 0 to 1
- `pixel_position_ids` int64[1, patch, 2], column and row of each patch in row-major order; -1 in
  padding

Output: `image_features` float32[soft_token, text_hidden].

Why one picture at a time: rows of padding need a mask, and attention with a mask materialises all
pairs of patches (305 MB a layer at 280 soft tokens, 4.9 GB at 1120); without, it is done in tiles.

Source: Gemma 4 model card; Gemma4VisionModel and Gemma4MultimodalEmbedder of transformers 5.23.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from npc_brain.importing.architectures.gemma4.tower_builder import (
    FLOAT,
    INT64,
    MatrixBits,
    TowerBuilder,
    Weights,
    require,
    with_defaults,
)
from npc_brain.importing.graph_builder import GraphBuilder
from npc_brain.importing.quantize import Floats

_TOWER = "model.vision_tower"
_CHANNELS = 3
_DEFAULT_THETA = 100.0
_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 16,
    "num_attention_heads": 12,
    "head_dim": 64,
    "rms_norm_eps": 1e-6,
    "pooling_kernel_size": 3,
    "patch_size": 16,
    "position_embedding_size": 10240,
}
"""What a config.json means where it says nothing: E2B's and E4B's tower."""


def build_vision_tower(
    graph: GraphBuilder,
    config: Mapping[str, Any],
    text_hidden: int,
    weights: Weights,
    *,
    bits: MatrixBits,
) -> None:
    """Add the whole tower to `graph`.

    Args:
        graph: Empty.
        config: `vision_config` of the checkpoint's `config.json`.
        text_hidden: Width of the text model's embeddings.
        weights: The checkpoint's tensors.
        bits: How matrices are stored.

    Raises:
        ModelError: The config is of another kind of tower, or a tensor is missing or misshapen.
    """
    config = with_defaults(config, _DEFAULTS)
    require(
        config,
        hidden_activation="gelu_pytorch_tanh",
        num_key_value_heads=config["num_attention_heads"],
    )
    _VisionTower(graph, config, weights, bits).build(text_hidden)


class _VisionTower(TowerBuilder):
    def __init__(
        self, graph: GraphBuilder, config: Mapping[str, Any], weights: Weights, bits: MatrixBits
    ) -> None:
        super().__init__(graph, weights, bits)
        self._config = config
        self._hidden: int = config["hidden_size"]
        self._heads: int = config["num_attention_heads"]
        self._head_dim: int = config["head_dim"]
        self._epsilon: float = config["rms_norm_eps"]

    def build(self, text_hidden: int) -> None:
        patch_values = _CHANNELS * self._config["patch_size"] ** 2
        pixels = self.graph.input("pixel_values", FLOAT, [1, "patch", patch_values])
        positions = self.graph.input("pixel_position_ids", INT64, [1, "patch", 2])
        pixels, self._columns, self._rows = self._without_padding(pixels, positions)
        x = self._embedding(pixels, patch_values)
        self._cos, self._sin, self._swapped = self._rope()
        for index in range(self._config["num_hidden_layers"]):
            x = self._layer(x, f"{_TOWER}.encoder.layers.{index}")
        x = self._pooled(x)
        x = self.bare_norm(x, self._hidden, self._epsilon)
        projection = "model.embed_vision.embedding_projection.weight"
        x = self.linear(x, projection, text_hidden, self._hidden)
        self.output(x, "image_features", ["soft_token", text_hidden])

    def _without_padding(self, pixels: str, positions: str) -> tuple[str, str, str]:
        """The real patches, and their columns and rows int64[1, patch]."""
        zero = self.ints(0)
        columns = self.op("Gather", positions, self.constant(0, np.int64), axis=2)
        rows = self.op("Gather", positions, self.constant(1, np.int64), axis=2)
        is_real = self.op("Cast", self.op("GreaterOrEqual", columns, zero), to=INT64)
        count = self.op("ReduceSum", is_real, self.ints(0, 1), keepdims=0)
        count = self.reshape(count, 1)
        return (
            self.slice(pixels, zero, count, 1),
            self.slice(columns, zero, count, 1),
            self.slice(rows, zero, count, 1),
        )

    def _embedding(self, pixels: str, patch_values: int) -> str:
        """Patches from -1 to 1, projected, with an embedding of their column and their row."""
        centred = self.op("Sub", self.scale(pixels, 2.0), self.constant(1.0))
        name = f"{_TOWER}.patch_embedder"
        x = self.linear(centred, f"{name}.input_proj.weight", self._hidden, patch_values)
        num_positions = self._config["position_embedding_size"]
        tables = self.read(f"{name}.position_embedding_table", 2, num_positions, self._hidden)
        for index, places in enumerate((self._columns, self._rows)):
            table = self.weight(f"{name}.table.{index}", tables[index])
            x = self.op("Add", x, self.op("Gather", table, places, axis=0))
        return x

    def _rope(self) -> tuple[str, str, str]:
        """Cosines and sines float32[1, patch, 1, head_dim], and which dimension turns with which.

        The first half of a head turns with the column, the second with the row; in each half
        dimension k turns with k + head_dim / 4, and the sine of the former is negative.
        """
        quarter = self._head_dim // 4
        rope = self._config.get("rope_parameters") or {}
        theta = rope.get("rope_theta", _DEFAULT_THETA)
        exponents = np.arange(0, 2 * quarter, 2, dtype=np.float32) / np.float32(2 * quarter)
        frequencies = self.constant(1 / np.float32(theta) ** exponents)
        cosines, sines = [], []
        for places in (self._columns, self._rows):
            place = self.op("Unsqueeze", self.op("Cast", places, to=FLOAT), self.ints(2))
            angle = self.op("Mul", place, frequencies)
            cosines += [self.op("Cos", angle)] * 2
            sine = self.op("Sin", angle)
            sines += [self.op("Neg", sine), sine]
        cos = self.op("Unsqueeze", self.op("Concat", *cosines, axis=2), self.ints(2))
        sin = self.op("Unsqueeze", self.op("Concat", *sines, axis=2), self.ints(2))
        order = np.arange(4 * quarter).reshape(2, 2, quarter)[:, ::-1].reshape(-1)
        return cos, sin, self.constant(order, np.int64)

    def _layer(self, x: str, name: str) -> str:
        hidden, inner = self._hidden, self._config["intermediate_size"]
        attention = self._attention(self._norm(x, f"{name}.input_layernorm"), f"{name}.self_attn")
        x = self.op("Add", x, self._norm(attention, f"{name}.post_attention_layernorm"))
        h = self._norm(x, f"{name}.pre_feedforward_layernorm")
        gate = self.clipped_linear(h, f"{name}.mlp.gate_proj", inner, hidden)
        up = self.clipped_linear(h, f"{name}.mlp.up_proj", inner, hidden)
        h = self.op("Mul", self.op("FastGelu", gate, is_ours=True), up)
        h = self.clipped_linear(h, f"{name}.mlp.down_proj", hidden, inner)
        return self.op("Add", x, self._norm(h, f"{name}.post_feedforward_layernorm"))

    def _attention(self, h: str, name: str) -> str:
        inner = self._heads * self._head_dim
        q, k, v = (
            self.reshape(
                self.clipped_linear(h, f"{name}.{part}_proj", inner, self._hidden),
                0, 0, self._heads, self._head_dim,
            )
            for part in "qkv"
        )  # fmt: skip
        q = self._turned(self._norm(q, f"{name}.q_norm", self._head_dim))
        k = self._turned(self._norm(k, f"{name}.k_norm", self._head_dim))
        v = self.bare_norm(v, self._head_dim, self._epsilon)
        q, k, v = (self.reshape(part, 0, 0, inner) for part in (q, k, v))
        attended = self.op(
            "MultiHeadAttention", q, k, v, is_ours=True, num_heads=self._heads, scale=1.0
        )
        return self.clipped_linear(attended, f"{name}.o_proj", self._hidden, inner)

    def _turned(self, x: str) -> str:
        swapped = self.op("Gather", x, self._swapped, axis=3)
        return self.op("Add", self.op("Mul", x, self._cos), self.op("Mul", swapped, self._sin))

    def _pooled(self, x: str) -> str:
        """The mean of each square of patches, scaled: float32[soft_token, hidden].

        Patches come row by row, so a square is two axes of a reshaped array.
        """
        pool = self._config["pooling_kernel_size"]
        last_column = self.op("ReduceMax", self._columns, self.ints(0, 1), keepdims=0)
        num_columns = self.op("Add", last_column, self.constant(1, np.int64))
        squares = self.op("Div", num_columns, self.constant(pool, np.int64))
        shape = self.op(
            "Concat",
            self.ints(-1, pool), self.reshape(squares, 1), self.ints(pool, self._hidden),
            axis=0,
        )  # fmt: skip
        x = self.op("ReduceMean", self.op("Reshape", x, shape), self.ints(1, 3), keepdims=0)
        x = self.scale(self.reshape(x, -1, self._hidden), self._hidden**0.5)
        if self._config.get("standardize"):
            bias, scale = (self._vector(f"{_TOWER}.std_{part}") for part in ("bias", "scale"))
            x = self.op("Mul", self.op("Sub", x, bias), scale)
        return x

    def _vector(self, name: str) -> str:
        values: Floats = self.read(name, self._hidden)
        return self.weight(name, values)

    def _norm(self, x: str, name: str, size: int | None = None) -> str:
        return self.norm(x, f"{name}.weight", size or self._hidden, self._epsilon)
