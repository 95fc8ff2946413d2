"""The graph of Gemma 4's audio tower, from log-mel features to rows that stand in for embeddings.

Inputs, named as in the published graphs, of one sound; padding must come last and is left out:

- `input_features` float32[1, frame, 128]
- `input_features_mask` bool[1, frame], False in padding

Output: `audio_features` float32[soft_token, text_hidden], a row for every 4 frames.

A token attends to itself and the `attention_context_left` - 2 before it. Tokens are taken in chunks
as long as that reach and one more, each against the chunk before and itself, so all that is needed
is a fixed pattern. What the reference clamps to +-1e10 on the way is not clamped here: float32 does
not need it.

Source: Gemma 4 model card; Gemma4AudioModel of transformers 5.23; Conformer (Gulati et al. 2020);
relative positions as in Transformer-XL (Dai et al. 2019, appendix B).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.gemma4.tower_builder import (
    BOOL,
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

NUM_MELS = 128

_TOWER = "model.audio_tower"
_MAX_TIMESCALE = 10_000.0
_MASKED = -1e9
_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "subsampling_conv_channels": (128, 32),
    "conv_kernel_size": 5,
    "residual_weight": 0.5,
    "attention_chunk_size": 12,
    "attention_context_left": 13,
    "attention_logit_cap": 50.0,
    "rms_norm_eps": 1e-6,
    "output_proj_dims": 1536,
}
"""What a config.json means where it says nothing: E2B's and E4B's tower."""


def build_audio_tower(
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
        config: `audio_config` of the checkpoint's `config.json`.
        text_hidden: Width of the text model's embeddings.
        weights: The checkpoint's tensors.
        bits: How matrices are stored.

    Raises:
        ModelError: The config is of another kind of tower, or a tensor is missing or misshapen.
    """
    config = with_defaults(config, _DEFAULTS)
    require(config, hidden_act="silu", attention_context_right=0)
    if config["attention_context_left"] != config["attention_chunk_size"] + 1:
        raise ModelError(
            f"config.json has attention_context_left = {config['attention_context_left']} and "
            f"attention_chunk_size = {config['attention_chunk_size']}, wanted one more than this"
        )
    _AudioTower(graph, config, weights, bits).build(text_hidden)


class _AudioTower(TowerBuilder):
    def __init__(
        self, graph: GraphBuilder, config: Mapping[str, Any], weights: Weights, bits: MatrixBits
    ) -> None:
        super().__init__(graph, weights, bits)
        self._config = config
        self._hidden: int = config["hidden_size"]
        self._heads: int = config["num_attention_heads"]
        self._head_dim = self._hidden // self._heads
        self._chunk: int = config["attention_chunk_size"]
        self._epsilon: float = config["rms_norm_eps"]

    def build(self, text_hidden: int) -> None:
        features = self.graph.input("input_features", FLOAT, [1, "frame", NUM_MELS])
        mask = self.graph.input("input_features_mask", BOOL, [1, "frame"])
        x = self._subsampled(self._without_padding(features, mask))
        self._length = self.op("Shape", x, start=0, end=1)
        self._padding = self._chunk_padding()
        self._is_seen = self._pattern()
        for index in range(self._config["num_hidden_layers"]):
            x = self._layer(x, f"{_TOWER}.layers.{index}")
        size = self._config["output_proj_dims"]
        x = self.linear(x, f"{_TOWER}.output_proj.weight", size, self._hidden)
        bias = f"{_TOWER}.output_proj.bias"
        x = self.op("Add", x, self.weight(bias, self.read(bias, size)))
        x = self.bare_norm(x, size, self._epsilon)
        x = self.linear(x, "model.embed_audio.embedding_projection.weight", text_hidden, size)
        self.output(x, "audio_features", ["soft_token", text_hidden])

    def _without_padding(self, features: str, mask: str) -> str:
        is_real = self.op("Cast", mask, to=INT64)
        count = self.reshape(self.op("ReduceSum", is_real, self.ints(0, 1), keepdims=0), 1)
        return self.slice(features, self.ints(0), count, 1)

    def _subsampled(self, features: str) -> str:
        """Two convolutions, each halving time and mels: float32[soft_token, hidden]."""
        x = self.op("Unsqueeze", features, self.ints(1))
        num_inputs = 1
        for index, channels in enumerate(self._config["subsampling_conv_channels"]):
            name = f"{_TOWER}.subsample_conv_projection.layer{index}"
            kernel = f"{name}.conv.weight"
            self.weight(kernel, self.read(kernel, channels, num_inputs, 3, 3))
            x = self.op("Conv", x, kernel, strides=[2, 2], pads=[1, 1, 1, 1])
            x = self.op("Transpose", x, perm=[0, 2, 3, 1])  # [1, time, mel, channel]
            scale = self.weight(f"{name}.norm.weight", self.read(f"{name}.norm.weight", channels))
            x = self.op("LayerNormalization", x, scale, axis=-1, epsilon=self._epsilon)
            x = self.op("Relu", x)
            if index == 0:
                x = self.op("Transpose", x, perm=[0, 3, 1, 2])
            num_inputs = channels
        size = NUM_MELS // 4 * num_inputs
        name = f"{_TOWER}.subsample_conv_projection.input_proj_linear.weight"
        return self.linear(self.reshape(x, -1, size), name, self._hidden, size)

    def _chunk_padding(self) -> str:
        """int64[4] for Pad: rows to add to [soft_token, hidden] to make whole chunks."""
        chunk = self.ints(self._chunk)
        missing = self.op("Mod", self.op("Neg", self._length), chunk)  # of the divisor's sign
        return self.op("Concat", self.ints(0, 0), missing, self.ints(0), axis=0)

    def _pattern(self) -> str:
        """bool[chunks, 1, chunk, 2 * chunk]: which tokens a token sees.

        In a chunk and the one before it, the last `chunk` tokens up to itself; the first chunk has
        none before it.
        """
        query, key = np.arange(self._chunk)[:, None], np.arange(2 * self._chunk)
        distance = query + self._chunk - key
        in_reach = (distance >= 0) & (distance < self._chunk)
        num_chunks = self.op(
            "Div",
            self.op("Add", self._length, self.ints(self._chunk - 1)),
            self.ints(self._chunk),
        )
        zero, one = (self.constant(value, np.int64) for value in (0, 1))
        chunks = self.op("Range", zero, self.op("Squeeze", num_chunks), one)
        is_later = self.op("Greater", self.op("Reshape", chunks, self.ints(-1, 1, 1, 1)), zero)
        is_present = self.op("Or", is_later, self.constant(key >= self._chunk, np.bool_))
        return self.op("And", is_present, self.constant(in_reach, np.bool_))

    def _layer(self, x: str, name: str) -> str:
        x = self._feed_forward(x, f"{name}.feed_forward1")
        h = self._norm(x, f"{name}.norm_pre_attn")
        h = self._attention(h, f"{name}.self_attn")
        x = self.op("Add", x, self._norm(h, f"{name}.norm_post_attn"))
        x = self._convolution(x, f"{name}.lconv1d")
        x = self._feed_forward(x, f"{name}.feed_forward2")
        return self._norm(x, f"{name}.norm_out")

    def _feed_forward(self, x: str, name: str) -> str:
        inner = 4 * self._hidden
        h = self._norm(x, f"{name}.pre_layer_norm")
        h = self._silu(self.clipped_linear(h, f"{name}.ffw_layer_1", inner, self._hidden))
        h = self.clipped_linear(h, f"{name}.ffw_layer_2", self._hidden, inner)
        h = self._norm(h, f"{name}.post_layer_norm")
        return self.op("Add", x, self.scale(h, self._config["residual_weight"]))

    def _convolution(self, x: str, name: str) -> str:
        """Gated, each channel by itself, looking back only."""
        hidden, width = self._hidden, self._config["conv_kernel_size"]
        h = self._norm(x, f"{name}.pre_layer_norm")
        h = self.clipped_linear(h, f"{name}.linear_start", 2 * hidden, hidden)
        value, gate = self.graph.new_names(2)
        self.graph.op("Split", [h], outputs=[value, gate], axis=-1, num_outputs=2)
        h = self.op("Mul", value, self.op("Sigmoid", gate))
        kernel = f"{name}.depthwise_conv1d.weight"
        self.weight(kernel, self.read(kernel, hidden, 1, width))
        h = self.op("Unsqueeze", self.op("Transpose", h, perm=[1, 0]), self.ints(0))
        h = self.op("Conv", h, kernel, group=hidden, pads=[width - 1, 0])
        h = self.op("Transpose", self.op("Squeeze", h, self.ints(0)), perm=[1, 0])
        h = self._silu(self._norm(h, f"{name}.conv_norm"))
        return self.op("Add", x, self.clipped_linear(h, f"{name}.linear_end", hidden, hidden))

    def _attention(self, h: str, name: str) -> str:
        hidden = self._hidden
        q, k, v = (self.clipped_linear(h, f"{name}.{part}_proj", hidden, hidden) for part in "qkv")
        q = self.op("Mul", q, self._query_scale(name))
        q, k, v = (self._in_chunks(part) for part in (q, k, v))
        q = self.op("Transpose", q, perm=[0, 2, 1, 3])  # [chunk, head, query, dim]
        k = self.op("Transpose", self._with_previous(k), perm=[0, 2, 3, 1])
        v = self.op("Transpose", self._with_previous(v), perm=[0, 2, 1, 3])
        logits = self.op("Add", self.op("MatMul", q, k), self._position_logits(q, name))
        cap = self._config["attention_logit_cap"]
        logits = self.scale(self.op("Tanh", self.scale(logits, 1 / cap)), cap)
        logits = self.op("Where", self._is_seen, logits, self.constant(_MASKED))
        attended = self.op("MatMul", self.op("Softmax", logits, axis=-1), v)
        attended = self.op("Transpose", attended, perm=[0, 2, 1, 3])
        attended = self.reshape(attended, -1, hidden)
        attended = self.slice(attended, self.ints(0), self._length, 0)
        return self.clipped_linear(attended, f"{name}.post", hidden, hidden)

    def _query_scale(self, name: str) -> str:
        """float32[hidden]: the scales of queries and of keys in one."""
        raw = self.read(f"{name}.per_dim_scale", self._head_dim).astype(np.float64)
        scale = np.log1p(np.exp(raw)) / (math.log(2) * self._head_dim**0.5) * _KEY_SCALE
        return self.constant(np.tile(scale, self._heads))

    def _position_logits(self, q: str, name: str) -> str:
        """What a query makes of distances: float32[chunk, head, query, 2 * chunk].

        Row `query` of the product with distances chunk to 0 starts `query` keys further right; a
        row that is one longer than what it is cut to does that.
        """
        chunk, keys = self._chunk, 2 * self._chunk
        relative = self.constant(self._relative_keys(name) / _KEY_SCALE)
        logits = self.op("MatMul", q, relative)  # [chunk, head, query, chunk + 1]
        padding = self.ints(0, 0, 0, 0, 0, 0, 0, keys + 1 - (chunk + 1))
        logits = self.reshape(self.op("Pad", logits, padding), 0, 0, chunk * (keys + 1))
        logits = self.slice(logits, self.ints(0), self.ints(chunk * keys), 2)
        return self.reshape(logits, 0, 0, chunk, keys)

    def _relative_keys(self, name: str) -> Floats:
        """float32[head, head_dim, chunk + 1], for distances from `chunk` down to 0."""
        half = self._hidden // 2
        step = math.log(_MAX_TIMESCALE) / max(half - 1, 1)
        distances = np.arange(self._chunk, -1, -1, dtype=np.float64)
        angles = np.outer(distances, np.exp(-step * np.arange(half)))
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        matrix = self.read(f"{name}.relative_k_proj.weight", self._hidden, self._hidden)
        keys = (waves @ matrix.T.astype(np.float64)).reshape(-1, self._heads, self._head_dim)
        return keys.transpose(1, 2, 0).astype(np.float32)

    def _in_chunks(self, x: str) -> str:
        """float32[chunks, chunk, head, head_dim], zeros after the last token."""
        padded = self.op("Pad", x, self._padding)
        return self.reshape(padded, -1, self._chunk, self._heads, self._head_dim)

    def _with_previous(self, chunks: str) -> str:
        """Each chunk after the one before it: float32[chunks, 2 * chunk, head, head_dim]."""
        shifted = self.op("Pad", chunks, self.ints(1, 0, 0, 0, 0, 0, 0, 0))
        previous = self.slice(shifted, self.ints(0), self.ints(-1), 0)
        return self.op("Concat", previous, chunks, axis=1)

    def _silu(self, x: str) -> str:
        return self.op("QuickGelu", x, is_ours=True, alpha=1.0)

    def _norm(self, x: str, name: str) -> str:
        return self.norm(x, f"{name}.weight", self._hidden, self._epsilon)


_KEY_SCALE = math.log(1 + math.e) / math.log(2)
