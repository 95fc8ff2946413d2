"""The graph of a decoder-only transformer out of ONNX Runtime's fused operators.

Inputs (batch rows are right-padded; row b brings `query_seqlens[b]` new tokens, 0 for an idle row):

- `inputs_embeds` float32[batch, width, hidden]
- `seqlens_k` int32[batch], positions that hold KV after the call, minus one
- `query_seqlens` int32[batch]
- `total_sequence_length` int32[], the KV capacity
- `logit_rows` int64[num_logits], rows of the flattened [batch * width] whose logits are wanted
- `past_key_values.N.key`, `.value` float32[batch, kv_heads, capacity, head_dim]

Outputs: `logits` float32[num_logits, vocab] and `present.N.key`, `.value`, to be bound to the same
memory as the past.

Source: Llama (Touvron et al. 2023), Gemma 3 technical report (2025); operators as documented in
ONNX Runtime's ContribOperators.
"""

import numpy as np
from onnx import TensorProto

from npc_brain.importing.decoder_spec import DecoderSpec, LayerSpec
from npc_brain.importing.graph_builder import MICROSOFT, GraphBuilder, Shape
from npc_brain.importing.quantize import Floats

FLOAT = TensorProto.FLOAT


def build_decoder(builder: GraphBuilder, spec: DecoderSpec) -> None:
    """Add the whole graph to `builder`.

    Its weights must be there under these names: `layer.N.NAME` of `layer_matrices` (quantised) and
    `layer_norms`, `output_norm`, and `output` (quantised [vocab, hidden]).
    """
    _DecoderGraph(builder, spec).build()


class _DecoderGraph:
    def __init__(self, builder: GraphBuilder, spec: DecoderSpec) -> None:
        self._builder = builder
        self._spec = spec
        self._rope_names: dict[tuple[float, float], tuple[str, str]] = {}

    def build(self) -> None:
        spec, builder = self._spec, self._builder
        x = builder.input("inputs_embeds", FLOAT, ["batch", "width", spec.hidden])
        builder.input("seqlens_k", TensorProto.INT32, ["batch"])
        builder.input("query_seqlens", TensorProto.INT32, ["batch"])
        builder.input("total_sequence_length", TensorProto.INT32, [])
        builder.input("logit_rows", TensorProto.INT64, ["num_logits"])
        self._head_shapes()
        h = self._norm(x, "layer.0.attn_norm")
        for index, layer in enumerate(spec.layers):
            attention = self._attention(h, index, layer)
            h, x = self._add_norm(x, attention, f"layer.{index}.ffn_norm")
            mlp = self._mlp(h, index)
            is_last = index + 1 == len(spec.layers)
            h, x = self._add_norm(
                x, mlp, "output_norm" if is_last else f"layer.{index + 1}.attn_norm"
            )
        self._logits(h)

    def _logits(self, h: str) -> None:
        spec, builder = self._spec, self._builder
        flat_shape = builder.constant("flat_shape", np.array([-1, spec.hidden], np.int64))
        flat = builder.op("Reshape", [h, flat_shape])
        wanted = builder.op("Gather", [flat, "logit_rows"], axis=0)
        logits = builder.matmul(wanted, "output")
        builder.op("Identity", [logits], outputs=["logits"])
        builder.output("logits", FLOAT, ["num_logits", spec.vocab])

    def _attention(self, h: str, index: int, layer: LayerSpec) -> str:
        spec, builder = self._spec, self._builder
        cache_shape: Shape = ["batch", spec.kv_heads, "capacity", spec.head_dim]
        past = [
            builder.input(f"past_key_values.{index}.{part}", FLOAT, cache_shape)
            for part in ("key", "value")
        ]
        present = [
            builder.output(f"present.{index}.{part}", FLOAT, cache_shape)
            for part in ("key", "value")
        ]
        qkv = self._matmul(h, index, "qkv")
        inputs = self._normed_qkv(qkv, index) if spec.has_qk_norm else [qkv, "", ""]
        inputs += [*past, "seqlens_k", "total_sequence_length", *self._rope(layer)]
        inputs += [""] * (16 - len(inputs)) + ["query_seqlens"]
        (attended,) = builder.new_names(1)
        builder.op(
            "GroupQueryAttention",
            inputs,
            outputs=[attended, *present],
            domain=MICROSOFT,
            num_heads=spec.heads,
            kv_num_heads=spec.kv_heads,
            scale=spec.attention_scale,
            do_rotary=1,
            rotary_interleaved=int(spec.is_rope_interleaved),
            local_window_size=layer.window if layer.window is not None else -1,
        )
        out = self._matmul(attended, index, "attn_output")
        return self._norm(out, f"layer.{index}.post_attention_norm") if spec.has_post_norms else out

    def _normed_qkv(self, qkv: str, index: int) -> list[str]:
        q, k, v = self._builder.new_names(3)
        self._builder.op("Split", [qkv, "qkv_sizes"], outputs=[q, k, v], axis=-1)
        normed = []
        for value, part in ((q, "q"), (k, "k")):
            heads = self._builder.op("Reshape", [value, "heads_shape"])
            heads = self._norm(heads, f"layer.{index}.attn_{part}_norm")
            normed.append(self._builder.op("Reshape", [heads, f"{part}_shape"]))
        return [*normed, v]

    def _head_shapes(self) -> None:
        if not self._spec.has_qk_norm:
            return
        head_dim = self._spec.head_dim
        q_size, kv_size = self._spec.heads * head_dim, self._spec.kv_heads * head_dim
        for name, values in (
            ("qkv_sizes", [q_size, kv_size, kv_size]),
            ("heads_shape", [0, 0, -1, head_dim]),
            ("q_shape", [0, 0, q_size]),
            ("k_shape", [0, 0, kv_size]),
        ):
            self._builder.constant(name, np.array(values, np.int64))

    def _mlp(self, h: str, index: int) -> str:
        spec, builder = self._spec, self._builder
        gate = self._matmul(h, index, "ffn_gate")
        up = self._matmul(h, index, "ffn_up")
        if spec.activation == "silu":
            # x * sigmoid(alpha * x) is SiLU when alpha is 1, and this op is fused.
            gate = builder.op("QuickGelu", [gate], domain=MICROSOFT, alpha=1.0)
        else:
            gate = builder.op("FastGelu", [gate], domain=MICROSOFT)
        out = self._matmul(builder.op("Mul", [gate, up]), index, "ffn_down")
        return self._norm(out, f"layer.{index}.post_ffw_norm") if spec.has_post_norms else out

    def _matmul(self, x: str, index: int, name: str) -> str:
        return self._builder.matmul(x, f"layer.{index}.{name}")

    def _norm(self, x: str, weight: str) -> str:
        return self._builder.rms_norm(x, weight, self._spec.norm_epsilon)

    def _add_norm(self, x: str, delta: str, weight: str) -> tuple[str, str]:
        return self._builder.add_rms_norm(x, delta, weight, self._spec.norm_epsilon)

    def _rope(self, layer: LayerSpec) -> tuple[str, str]:
        key = (layer.rope_theta, layer.rope_factor)
        if key not in self._rope_names:
            names = (f"rope.{len(self._rope_names)}.cos", f"rope.{len(self._rope_names)}.sin")
            cos, sin = rope_tables(self._spec.context, self._spec.head_dim, layer)
            self._builder.weight(names[0], cos)
            self._builder.weight(names[1], sin)
            self._rope_names[key] = names
        return self._rope_names[key]


def rope_tables(context: int, head_dim: int, layer: LayerSpec) -> tuple[Floats, Floats]:
    """Cosines and sines, float32[context, head_dim / 2] each.

    Source: RoFormer (Su et al. 2021), equation 15.
    """
    exponents = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
    positions = np.arange(context, dtype=np.float64) / layer.rope_factor
    angles = np.outer(positions, layer.rope_theta**-exponents)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
