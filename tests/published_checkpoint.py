"""Writes tiny Gemma 4 checkpoints in the layout of the onnx-community exports, weights random.

Names, dtypes and operators are those of the published files (see the source of `published.py`); the
graphs are written here node by node and share no code with the importer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.tiny_gguf import byte_level_vocabulary

Variant = Literal["q4", "q4f16", "fp32"]
Floats = npt.NDArray[np.float32]

BLOCK = 32
IMAGE_ID, AUDIO_ID = 258, 259
VOCAB = 262
CONTEXT = 96

E4B_PATTERN = (["sliding_attention"] * 5 + ["full_attention"]) * 7
E2B_PATTERN = (["sliding_attention"] * 4 + ["full_attention"]) * 7


def tiny_config(
    layer_types: Sequence[str],
    *,
    num_shared: int,
    kv_heads: int = 2,
    window: int = 8,
    is_double_wide: bool = False,
    vocab: int = VOCAB,
) -> dict[str, Any]:
    """A `config.json` of Gemma 4 with small sizes."""
    text = {
        "model_type": "gemma4_text",
        "vocab_size": vocab,
        "vocab_size_per_layer_input": vocab,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": len(layer_types),
        "num_attention_heads": 4,
        "num_key_value_heads": kv_heads,
        "head_dim": 32,
        "global_head_dim": 64,
        "hidden_size_per_layer_input": 32,
        "num_kv_shared_layers": num_shared,
        "use_double_wide_mlp": is_double_wide,
        "layer_types": list(layer_types),
        "sliding_window": window,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh",
        "final_logit_softcapping": 30.0,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "attention_k_eq_v": False,
        "enable_moe_block": False,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "rope_parameters": {
            "full_attention": {
                "rope_type": "proportional",
                "rope_theta": 1e6,
                "partial_rotary_factor": 0.25,
            },
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    }
    return {"model_type": "gemma4", "tie_word_embeddings": True, "text_config": text}


@dataclass
class Checkpoint:
    """What was written.

    Attributes:
        weights: Every weight by its name below `model.language_model.`, as the graphs have it
            (quantised and back again), float32.
    """

    directory: Path
    config: dict[str, Any]
    variant: Variant
    weights: dict[str, Floats] = field(default_factory=dict)


def write_checkpoint(
    directory: Path, config: dict[str, Any], *, variant: Variant = "q4", seed: int = 0
) -> Checkpoint:
    """Write the files of a repository with the text model in one variant."""
    (directory / "onnx").mkdir(parents=True)
    checkpoint = Checkpoint(directory, config, variant)
    rng = np.random.default_rng(seed)
    text = config["text_config"]
    table = _write_embed_tokens(_Graph(checkpoint, "embed_tokens", rng), text)
    _Decoder(_Graph(checkpoint, "decoder_model_merged", rng), text, table).write()
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "generation_config.json").write_text('{"eos_token_id": [1, 106, 50]}')
    write_tokenizer(directory / "tokenizer.json")
    return checkpoint


def write_tokenizer(path: Path) -> None:
    """A byte-level tokenizer."""
    tokens, merges = byte_level_vocabulary()
    vocabulary = {token: index for index, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path))


class _Graph:
    """A graph under construction: weights go to a file beside it."""

    def __init__(self, checkpoint: Checkpoint, part: str, rng: np.random.Generator) -> None:
        suffix = "" if checkpoint.variant == "fp32" else f"_{checkpoint.variant}"
        self._path = checkpoint.directory / "onnx" / f"{part}{suffix}.onnx"
        self._weights = checkpoint.weights
        self._rng = rng
        self.is_quantised = checkpoint.variant != "fp32"
        self.numpy_type: Any = np.float16 if checkpoint.variant == "q4f16" else np.float32
        self.float_type = helper.np_dtype_to_tensor_dtype(np.dtype(self.numpy_type))
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._data = bytearray()
        self._count = 0

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, value: str, name: str, kind: int, shape: Sequence[int | str]) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def op(self, kind: str, inputs: Sequence[str], count: int = 1, **attributes: Any) -> Any:
        domain = "com.microsoft" if kind in _CONTRIB else ""
        names = [f"/{kind}_{self._count + i}" for i in range(count)]
        self._count += count
        self._nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names[0] if count == 1 else names

    def const(self, value: Any, dtype: Any = None) -> str:
        array = np.asarray(value, dtype or self.numpy_type)
        name = f"const_{len(self._initializers)}"
        self._initializers.append(onnx.numpy_helper.from_array(array, name))
        return name

    def external(self, name: str, array: npt.NDArray[Any]) -> str:
        offset = -(-len(self._data) // 64) * 64
        self._data += bytes(offset - len(self._data)) + np.ascontiguousarray(array).tobytes()
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            data_location=TensorProto.EXTERNAL,
        )
        entries = {"location": f"{self._path.name}_data", "offset": offset, "length": array.nbytes}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))
        self._initializers.append(tensor)
        return name

    def vector(self, name: str, size: int) -> str:
        """A norm's weight or a scalar, in the range that a trained model has it.

        Larger ones make a chaotic model: differences in the last bit grow with every layer.
        """
        ranges = [span for part, span in _RANGES.items() if part in name]
        values = self._rng.uniform(*(ranges or [(0.5, 1.5)])[0], size).astype(self.numpy_type)
        self._weights[f"{name}.weight"] = values.astype(np.float32)
        return self.external(f"{name}.weight", values)

    def random(self, rows: int, columns: int, scale: float = 0.15) -> Floats:
        return (self._rng.standard_normal((rows, columns)) * scale).astype(np.float32)

    def add_matrix(self, name: str, values: Floats) -> None:
        """A weight for `product` or `lookup`."""
        if self.is_quantised:
            self._quantised(name, values)
        else:
            self._weights[f"{name}.weight"] = values

    def _quantised(self, name: str, values: Floats) -> None:
        codes, scales, zeros = quantise_4_bits(values, self.numpy_type)
        restored = codes.astype(np.float32) - zeros[..., None]
        restored = restored * scales.astype(np.float32)[..., None]
        self._weights[f"{name}.weight"] = restored.reshape(values.shape)
        if zeros.shape[1] % 2:
            zeros = np.pad(zeros, ((0, 0), (0, 1)))
        self.external(f"{name}_quant", codes[..., 0::2] | (codes[..., 1::2] << 4))
        self.external(f"{name}_scales", scales)
        self.external(f"{name}_zp", zeros[:, 0::2] | (zeros[:, 1::2] << 4))

    def linear(self, x: str, name: str, rows: int, columns: int) -> str:
        self.add_matrix(name, self.random(rows, columns))
        return self.product(x, name, rows, columns)

    def product(self, x: str, name: str, rows: int, columns: int) -> str:
        if not self.is_quantised:
            weight = self.external(f"{name}.MatMul", self._weights[f"{name}.weight"].T)
            return str(self.op("MatMul", [x, weight]))
        return str(
            self.op(
                "MatMulNBits",
                [x, f"{name}_quant", f"{name}_scales", f"{name}_zp"],
                N=rows,
                K=columns,
                bits=4,
                block_size=BLOCK,
            )
        )

    def lookup(self, ids: str, name: str, table: Floats, multiplier: float) -> str:
        rows, columns = table.shape
        self.add_matrix(name, table)
        if self.is_quantised:
            # The table of codes is flat here: uint8[rows, columns / 2].
            (codes,) = (t for t in self._initializers if t.name == f"{name}_quant")
            del codes.dims[:]
            codes.dims.extend([rows, columns // 2])
            found = self.op(
                "GatherBlockQuantized",
                [f"{name}_quant", ids, f"{name}_scales", f"{name}_zp"],
                bits=4,
                block_size=BLOCK,
                gather_axis=0,
                quantize_axis=1,
            )
        else:
            rows_of = self.external(f"{name}.weight", table)
            found = self.op("Gather", [rows_of, ids])
        return str(self.op("Mul", [found, self.const(multiplier)]))

    def save(self) -> None:
        graph = helper.make_graph(
            self._nodes, "main_graph", self._inputs, self._outputs, self._initializers
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        self._path.write_bytes(model.SerializeToString())
        self._path.with_name(f"{self._path.name}_data").write_bytes(self._data)


_RANGES = {
    "layer_scalar": (0.9, 1.1),
    "q_norm": (0.3, 0.7),
    "k_norm": (0.3, 0.7),
    "post_": (0.05, 0.2),
}
_CONTRIB = ("MatMulNBits", "GatherBlockQuantized", "GroupQueryAttention", "RotaryEmbedding")


def quantise_4_bits(
    values: Floats, scale_type: Any
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Codes uint8[rows, blocks, 32], scales [rows, blocks] and zero points uint8[rows, blocks]."""
    blocks = values.reshape(len(values), -1, BLOCK)
    low, high = np.minimum(blocks.min(-1), 0), np.maximum(blocks.max(-1), 0)
    scales = ((high - low) / 15).astype(scale_type)
    steps = scales.astype(np.float32)
    zeros = np.clip(np.rint(-low / steps), 0, 15).astype(np.uint8)
    codes = np.clip(np.rint(blocks / steps[..., None]) + zeros[..., None], 0, 15)
    return codes.astype(np.uint8), scales, zeros


def _write_embed_tokens(graph: _Graph, text: dict[str, Any]) -> Floats:
    """Write the graph of both tables; gives the token table before it was quantised."""
    hidden, layers = text["hidden_size"], text["num_hidden_layers"]
    width, vocab = text["hidden_size_per_layer_input"], text["vocab_size"]
    ids = graph.input("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"])
    table = graph.random(vocab, hidden, scale=0.3)
    x = graph.lookup(ids, "embed_tokens", table, hidden**0.5)
    is_media = graph.op(
        "Or",
        [
            graph.op("Equal", [ids, graph.const(IMAGE_ID, np.int64)]),
            graph.op("Equal", [ids, graph.const(AUDIO_ID, np.int64)]),
        ],
    )
    text_ids = graph.op("Where", [is_media, graph.const(0, np.int64), ids])
    per_layer_table = graph.random(vocab, layers * width, scale=0.3)
    rows = graph.lookup(text_ids, "embed_tokens_per_layer", per_layer_table, width**0.5)
    rows = graph.op("Reshape", [rows, graph.const([0, 0, layers, width], np.int64)])
    shape = ["batch_size", "sequence_length"]
    for value, name, rest in (
        (x, "inputs_embeds", [hidden]),
        (rows, "per_layer_inputs", [layers, width]),
    ):
        cast = graph.op("Cast", [value], to=TensorProto.FLOAT)
        graph.output(cast, name, TensorProto.FLOAT, [*shape, *rest])
    graph.save()
    return table


class _Decoder:
    def __init__(self, graph: _Graph, text: dict[str, Any], table: Floats) -> None:
        self._graph, self._text, self._table = graph, text, table
        self._hidden, self._heads = text["hidden_size"], text["num_attention_heads"]
        self._kv_heads = text["num_key_value_heads"]
        self._kinds = text["layer_types"]
        self._num_own = len(self._kinds) - text["num_kv_shared_layers"]
        self._dims = {
            "sliding_attention": text["head_dim"],
            "full_attention": text["global_head_dim"],
        }
        self._ropes: dict[str, tuple[str, str]] = {}
        self._shared: dict[str, tuple[str, str]] = {}

    def write(self) -> None:
        g, text = self._graph, self._text
        rows = ["batch_size", "sequence_length"]
        layers, width = text["num_hidden_layers"], text["hidden_size_per_layer_input"]
        x = g.input("inputs_embeds", TensorProto.FLOAT, [*rows, self._hidden])
        per_layer = g.input("per_layer_inputs", TensorProto.FLOAT, [*rows, layers, width])
        mask = g.input("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"])
        self._positions = g.input("position_ids", TensorProto.INT64, rows)
        keep = g.input("num_logits_to_keep", TensorProto.INT64, [])
        x = g.op("Cast", [x], to=g.float_type)
        per_layer = self._combine(x, g.op("Cast", [per_layer], to=g.float_type))
        self._make_masks(mask)
        for kind in self._dims:
            self._ropes[kind] = self._rope_caches(kind)
        for index in range(layers):
            x = self._layer(x, index, per_layer)
        x = g.op("Slice", [x, *self._last(keep)])
        x = self._norm(x, "norm", self._hidden)
        # Published decoders hold a copy of the token table as their output matrix.
        g.add_matrix("lm_head", self._table)
        x = g.product(x, "lm_head", text["vocab_size"], self._hidden)
        cap = g.const(text["final_logit_softcapping"])
        x = g.op("Mul", [g.op("Tanh", [g.op("Div", [x, cap])]), cap])
        x = g.op("Cast", [x], to=TensorProto.FLOAT)
        g.output(x, "logits", TensorProto.FLOAT, ["batch_size", "kept", text["vocab_size"]])
        g.save()

    def _combine(self, x: str, rows: str) -> str:
        """Per-layer inputs: the context's projection, normed, and the token's row."""
        g, text = self._graph, self._text
        layers, width = text["num_hidden_layers"], text["hidden_size_per_layer_input"]
        context = g.linear(x, "per_layer_model_projection", layers * width, self._hidden)
        context = g.op("Mul", [context, g.const(self._hidden**-0.5)])
        context = g.op("Reshape", [context, g.const([0, 0, layers, width], np.int64)])
        context = self._norm(context, "per_layer_projection_norm", width)
        return str(g.op("Mul", [g.op("Add", [context, rows]), g.const(2**-0.5)]))

    def _layer(self, x: str, index: int, per_layer: str) -> str:
        g, text, name = self._graph, self._text, f"layers.{index}"
        width = text["hidden_size_per_layer_input"]
        is_wide = text["use_double_wide_mlp"] and index >= self._num_own
        inner = text["intermediate_size"] * (2 if is_wide else 1)
        h = self._norm(x, f"{name}.input_layernorm", self._hidden)
        h = self._attention(h, index)
        h = self._norm(h, f"{name}.post_attention_layernorm", self._hidden)
        x = g.op("Add", [x, h])
        h = self._norm(x, f"{name}.pre_feedforward_layernorm", self._hidden)
        gate = self._gelu(g.linear(h, f"{name}.mlp.gate_proj", inner, self._hidden))
        up = g.linear(h, f"{name}.mlp.up_proj", inner, self._hidden)
        h = g.linear(g.op("Mul", [gate, up]), f"{name}.mlp.down_proj", self._hidden, inner)
        h = self._norm(h, f"{name}.post_feedforward_layernorm", self._hidden)
        x = g.op("Add", [x, h])
        own = g.op("Gather", [per_layer, g.const(index, np.int64)], axis=2)
        h = self._gelu(g.linear(x, f"{name}.per_layer_input_gate", width, self._hidden))
        h = g.linear(g.op("Mul", [h, own]), f"{name}.per_layer_projection", self._hidden, width)
        h = self._norm(h, f"{name}.post_per_layer_input_norm", self._hidden)
        scalar = g.vector(f"{name}.layer_scalar", 1)
        return str(g.op("Mul", [g.op("Add", [x, h]), scalar]))

    def _attention(self, h: str, index: int) -> str:
        g, kind = self._graph, self._kinds[index]
        name, size = f"layers.{index}.self_attn", self._dims[self._kinds[index]]
        q = self._heads_of(h, f"{name}.q", self._heads, size)
        if index >= self._num_own:
            q = self._rotate(q, kind, self._heads)
            attended = self._plain_attention(q, *self._shared[kind], kind)
        else:
            shape = ["batch_size", self._kv_heads, "past_sequence_length", size]
            past = [
                g.input(f"past_key_values.{index}.{part}", g.float_type, shape)
                for part in ("key", "value")
            ]
            k = self._heads_of(h, f"{name}.k", self._kv_heads, size)
            v = g.linear(h, f"{name}.v_proj", self._kv_heads * size, self._hidden)
            v = self._unweighted_norm(v, self._kv_heads, size)
            own = self._sliding if kind == "sliding_attention" else self._full
            attended, *present = own(q, k, v, past, size)
            self._shared[kind] = (present[0], present[1])
            shape = ["batch_size", self._kv_heads, "total_sequence_length", size]
            for part, value in zip(("key", "value"), present, strict=True):
                g.output(value, f"present.{index}.{part}", g.float_type, shape)
        return g.linear(attended, f"{name}.o_proj", self._hidden, self._heads * size)

    def _sliding(self, q: str, k: str, v: str, past: list[str], size: int) -> list[str]:
        inputs = [q, k, v, *past, self._seqlens, self._total, *self._ropes["sliding_attention"]]
        return list(
            self._graph.op(
                "GroupQueryAttention",
                inputs,
                count=3,
                num_heads=self._heads,
                kv_num_heads=self._kv_heads,
                scale=1.0,
                do_rotary=1,
                local_window_size=self._text["sliding_window"],
            )
        )

    def _full(self, q: str, k: str, v: str, past: list[str], size: int) -> list[str]:
        kind = "full_attention"
        q, k = self._rotate(q, kind, self._heads), self._rotate(k, kind, self._kv_heads)
        present = [
            self._graph.op("Concat", [old, self._split(new, self._kv_heads, size)], axis=2)
            for old, new in zip(past, (k, v), strict=True)
        ]
        return [self._plain_attention(q, present[0], present[1], kind), *present]

    def _plain_attention(self, q: str, k: str, v: str, kind: str) -> str:
        """Softmax of products, the heads of keys and values repeated."""
        g, size = self._graph, self._dims[kind]
        q = self._split(q, self._heads, size)
        k, v = (self._repeat(part, size) for part in (k, v))
        scores = g.op("MatMul", [q, g.op("Transpose", [k], perm=[0, 1, 3, 2])])
        weights = g.op("Softmax", [g.op("Add", [scores, self._masks[kind]])], axis=-1)
        out = g.op("Transpose", [g.op("MatMul", [weights, v])], perm=[0, 2, 1, 3])
        return str(g.op("Reshape", [out, g.const([0, 0, self._heads * size], np.int64)]))

    def _repeat(self, kv: str, size: int) -> str:
        g, group = self._graph, self._heads // self._kv_heads
        kv = g.op("Unsqueeze", [kv, g.const([2], np.int64)])
        kv = g.op("Tile", [kv, g.const([1, 1, group, 1, 1], np.int64)])
        return str(g.op("Reshape", [kv, g.const([0, self._heads, -1, size], np.int64)]))

    def _split(self, x: str, heads: int, size: int) -> str:
        g = self._graph
        x = g.op("Reshape", [x, g.const([0, 0, heads, size], np.int64)])
        return str(g.op("Transpose", [x], perm=[0, 2, 1, 3]))

    def _rotate(self, x: str, kind: str, heads: int) -> str:
        inputs = [x, self._positions, *self._ropes[kind]]
        return str(self._graph.op("RotaryEmbedding", inputs, num_heads=heads))

    def _heads_of(self, h: str, name: str, heads: int, size: int) -> str:
        """Projected and normed per head."""
        g = self._graph
        x = g.linear(h, f"{name}_proj", heads * size, self._hidden)
        x = g.op("Reshape", [x, g.const([0, 0, heads, size], np.int64)])
        x = self._norm(x, f"{name}_norm", size)
        return str(g.op("Reshape", [x, g.const([0, 0, heads * size], np.int64)]))

    def _unweighted_norm(self, x: str, heads: int, size: int) -> str:
        g = self._graph
        x = g.op("Reshape", [x, g.const([0, 0, heads, size], np.int64)])
        ones = g.const(np.ones(size))
        x = g.op("SimplifiedLayerNormalization", [x, ones], axis=-1, epsilon=1e-6, stash_type=1)
        return str(g.op("Reshape", [x, g.const([0, 0, heads * size], np.int64)]))

    def _norm(self, x: str, name: str, size: int) -> str:
        weight = self._graph.vector(name, size)
        inputs = [x, weight]
        return str(
            self._graph.op(
                "SimplifiedLayerNormalization", inputs, axis=-1, epsilon=1e-6, stash_type=1
            )
        )

    def _gelu(self, x: str) -> str:
        return str(self._graph.op("Gelu", [x], approximate="tanh"))

    def _make_masks(self, mask: str) -> None:
        """Lengths for GroupQueryAttention, and a bias of 0 or a large negative for the others."""
        g = self._graph
        one = g.const([1], np.int64)
        last = g.op("Sub", [g.op("ReduceSum", [mask, one], keepdims=0), one])
        self._seqlens = g.op("Cast", [last], to=TensorProto.INT32)
        total = g.op("Gather", [g.op("Shape", [mask]), g.const(1, np.int64)])
        self._total = g.op("Cast", [total], to=TensorProto.INT32)
        zero, step = g.const(0, np.int64), g.const(1, np.int64)
        keys = g.op("Range", [zero, total, step])
        queries = g.op("Unsqueeze", [self._positions, g.const([1, 3], np.int64)])
        distance = g.op("Sub", [queries, keys])
        is_past = g.op("GreaterOrEqual", [distance, zero])
        window = g.const(self._text["sliding_window"], np.int64)
        is_near = g.op("And", [is_past, g.op("Less", [distance, window])])
        seen, hidden = g.const(0.0), g.const(-1e4)
        self._masks = {
            "full_attention": g.op("Where", [is_past, seen, hidden]),
            "sliding_attention": g.op("Where", [is_near, seen, hidden]),
        }

    def _last(self, keep: str) -> list[str]:
        """Slice arguments: the last `keep` rows, all when it is 0."""
        g = self._graph
        axes, end = g.const([1], np.int64), g.const([2**62], np.int64)
        start = g.op("Reshape", [g.op("Neg", [keep]), g.const([1], np.int64)])
        return [start, end, axes]

    def _rope_caches(self, kind: str) -> tuple[str, str]:
        """Full-length cosines and sines; frequencies that do not turn are there as 0."""
        size, rope = self._dims[kind], self._text["rope_parameters"][kind]
        turning = int(rope.get("partial_rotary_factor", 1.0) * size / 2)
        frequencies = np.zeros(size // 2)
        frequencies[:turning] = rope["rope_theta"] ** (-2 * np.arange(turning) / size)
        angles = np.outer(np.arange(self._text["max_position_embeddings"]), frequencies)
        kinds = (("cos", np.cos(angles)), ("sin", np.sin(angles)))
        cos, sin = (
            self._graph.external(f"{name}_cache.{kind}", values.astype(self._graph.numpy_type))
            for name, values in kinds
        )
        return cos, sin
