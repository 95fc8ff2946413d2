"""The graph of a Gemma 4 text model out of ONNX Runtime's fused operators.

Inputs are those of `decoder_graph`, and besides:

- `per_layer_rows` float32[batch, width, layers * per_layer_width], rows of the per-layer table
- `position_ids` int64[batch, width]
- `window_seqlens_k` int32[batch] and `window_total_sequence_length` int32[], for sliding layers:
  their KV buffers (`past_key_values.N.*` with the axis `window_capacity`) may have dropped leading
  positions, so they count on their own; keys are rotated by `position_ids` before they are stored
- `tail_columns` int64[tail_width], the last columns of [width] which layers without KV compute

`logit_rows` are rows of the flattened [batch * tail_width].

A layer without KV attends to what an earlier one has stored, and stores nothing. So nobody reads
what it computes for a prompt token whose logits are not wanted, and `tail_columns` leaves it out:
42 % of E4B's work on a prompt, 69 % of E2B's. Its attention gets empty keys and values and the
owner's buffers as the past; `query_seqlens` is not allowed there, so all rows must be full wherever
`tail_width` is more than 1.

Why not `sliding_window_cache` of GroupQueryAttention: after a chunk it keeps no more than the
window of the chunk's end, but the layers without KV need that of every query.

Source: Gemma4TextModel of transformers 5.23; operators as documented in ONNX Runtime's
ContribOperators.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec, LayerKind, Rope
from npc_brain.importing.graph_builder import MICROSOFT, GraphBuilder, Shape
from npc_brain.importing.quantize import Floats

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
SLIDING: LayerKind = "sliding_attention"


def build_gemma4(builder: GraphBuilder, spec: Gemma4Spec) -> None:
    """Add the whole graph to `builder`, where the weights that `spec` names are reserved."""
    _Gemma4Graph(builder, spec).build()


class _Gemma4Graph:
    def __init__(self, builder: GraphBuilder, spec: Gemma4Spec) -> None:
        self._builder = builder
        self._spec = spec
        self._kv: dict[int, list[str]] = {}
        self._kv_names: set[str] = set()
        self._positions = "position_ids"

    def build(self) -> None:
        spec, builder = self._spec, self._builder
        batch_width = ["batch", "width"]
        x = builder.input("inputs_embeds", FLOAT, [*batch_width, spec.hidden])
        per_layer_size = spec.num_layers * spec.per_layer_width
        builder.input("per_layer_rows", FLOAT, [*batch_width, per_layer_size])
        builder.input("position_ids", INT64, batch_width)
        builder.input("query_seqlens", INT32, ["batch"])
        for prefix in ("", "window_") if SLIDING in spec.layer_kinds else ("",):
            builder.input(f"{prefix}seqlens_k", INT32, ["batch"])
            builder.input(f"{prefix}total_sequence_length", INT32, [])
        builder.input("tail_columns", INT64, ["tail_width"])
        builder.input("logit_rows", INT64, ["num_logits"])
        self._constants()
        per_layer = self._per_layer_inputs(x)
        for index in range(spec.num_layers):
            if index == spec.num_own:
                x = builder.op("Gather", [x, "tail_columns"], axis=1)
                self._positions = builder.op("Gather", ["position_ids", "tail_columns"], axis=1)
            x = self._layer(x, per_layer[index], index)
        if spec.num_own == spec.num_layers:
            x = builder.op("Gather", [x, "tail_columns"], axis=1)
        self._logits(x)

    def _constants(self) -> None:
        spec, builder = self._spec, self._builder
        width, own = spec.per_layer_width, spec.num_own
        shared = spec.num_layers - own
        arrays: dict[str, npt.NDArray[Any]] = {
            "flat_shape": np.array([-1, spec.hidden], np.int64),
            "per_layer_shape": np.array([0, 0, spec.num_layers, width], np.int64),
            "per_layer_flat": np.array([0, 0, spec.num_layers * width], np.int64),
            "own_sizes": np.array([width] * own, np.int64),
            "shared_sizes": np.array([width] * shared, np.int64),
            "stage_sizes": np.array([width * own, width * shared], np.int64),
            "projection_scale": np.array(spec.hidden**-0.5, np.float32),
            "half_root": np.array(2**-0.5, np.float32),
        }
        for kind in sorted(set(spec.layer_kinds)):
            dim = spec.head_dims[kind]
            kv_size = spec.kv_heads * dim
            cos, sin = rope_tables(spec.context, dim, spec.ropes[kind])
            builder.weight(f"{kind}.cos", cos)
            builder.weight(f"{kind}.sin", sin)
            arrays |= {
                f"{kind}.ones": np.ones(dim, np.float32),
                f"{kind}.heads_shape": np.array([0, 0, -1, dim], np.int64),
                f"{kind}.q_shape": np.array([0, 0, spec.heads * dim], np.int64),
                f"{kind}.kv_shape": np.array([0, 0, kv_size], np.int64),
                f"{kind}.no_kv_shape": np.array([0, kv_size], np.int64),
            }
        for name, values in arrays.items():
            builder.constant(name, values)

    def _per_layer_inputs(self, x: str) -> list[str]:
        """What each layer adds for a token: float32[batch, width or tail, per_layer_width]."""
        spec, builder = self._spec, self._builder
        context = builder.matmul(x, "per_layer_model_proj")
        context = builder.op("Mul", [context, "projection_scale"])
        context = builder.op("Reshape", [context, "per_layer_shape"])
        context = self._norm(context, "per_layer_proj_norm")
        context = builder.op("Reshape", [context, "per_layer_flat"])
        both = builder.op("Add", [context, "per_layer_rows"])
        both = builder.op("Mul", [both, "half_root"])
        num_shared = spec.num_layers - spec.num_own
        parts = [both]
        if num_shared:
            own, shared = builder.new_names(2)
            builder.op("Split", [both, "stage_sizes"], outputs=[own, shared], axis=-1)
            parts = [own, builder.op("Gather", [shared, "tail_columns"], axis=1)]
        names: list[str] = []
        for part, sizes, count in zip(
            parts, ("own_sizes", "shared_sizes"), (spec.num_own, num_shared), strict=False
        ):
            layers = builder.new_names(count)
            builder.op("Split", [part, sizes], outputs=layers, axis=-1)
            names += layers
        return names

    def _layer(self, x: str, per_layer: str, index: int) -> str:
        builder = self._builder
        h = self._layer_norm(x, index, "attn_norm")
        attention = self._layer_norm(self._attention(h, index), index, "post_attention_norm")
        h, x = self._add_norm(x, attention, f"layer.{index}.ffn_norm")
        x = builder.op("Add", [x, self._layer_norm(self._mlp(h, index), index, "post_ffw_norm")])
        gate = builder.op("FastGelu", [self._matmul(x, index, "inp_gate")], domain=MICROSOFT)
        added = self._matmul(builder.op("Mul", [gate, per_layer]), index, "proj")
        x = builder.op("Add", [x, self._layer_norm(added, index, "post_norm")])
        return builder.op("Mul", [x, f"layer.{index}.layer_output_scale"])

    def _mlp(self, h: str, index: int) -> str:
        gate = self._matmul(h, index, "ffn_gate")
        gate = self._builder.op("FastGelu", [gate], domain=MICROSOFT)
        up = self._matmul(h, index, "ffn_up")
        return self._matmul(self._builder.op("Mul", [gate, up]), index, "ffn_down")

    def _attention(self, h: str, index: int) -> str:
        spec, builder = self._spec, self._builder
        kind = spec.layer_kinds[index]
        prefix = "window_" if kind == SLIDING else ""
        q = self._matmul(h, index, "attn_q")
        q = self._norm_heads(q, kind, f"layer.{index}.attn_q_norm", "q_shape")
        is_own = index < spec.num_own
        if is_own:
            k = self._matmul(h, index, "attn_k")
            k = self._norm_heads(k, kind, f"layer.{index}.attn_k_norm", "kv_shape")
            v = self._matmul(h, index, "attn_v")
            v = self._norm_heads(v, kind, f"{kind}.ones", "kv_shape")
            past, present = self._cache(index, kind, f"{prefix}capacity")
            self._kv[index] = present
        else:
            k = v = self._no_kv(kind)
            past, present = self._kv[spec.owner(index)], []
        (attended,) = builder.new_names(1)
        inputs = [q, k, v, *past, f"{prefix}seqlens_k", f"{prefix}total_sequence_length"]
        inputs += [f"{kind}.cos", f"{kind}.sin", self._positions]
        builder.op(
            "GroupQueryAttention",
            [*inputs, *[""] * 6, "query_seqlens"] if is_own else inputs,
            outputs=[attended, *present],
            domain=MICROSOFT,
            num_heads=spec.heads,
            kv_num_heads=spec.kv_heads,
            scale=1.0,
            do_rotary=1,
            local_window_size=spec.window if kind == SLIDING else -1,
        )
        return self._matmul(attended, index, "attn_output")

    def _cache(self, index: int, kind: LayerKind, capacity: str) -> tuple[list[str], list[str]]:
        """Declare the KV of a layer as inputs and outputs of the graph."""
        spec, builder = self._spec, self._builder
        shape: Shape = ["batch", spec.kv_heads, capacity, spec.head_dims[kind]]
        parts = ("key", "value")
        past = [builder.input(f"past_key_values.{index}.{part}", FLOAT, shape) for part in parts]
        present = [builder.output(f"present.{index}.{part}", FLOAT, shape) for part in parts]
        return past, present

    def _no_kv(self, kind: LayerKind) -> str:
        """float32[batch, 0, kv_heads * head_dim]."""
        name = f"{kind}.no_kv"
        if name not in self._kv_names:
            batch = self._builder.op("Shape", ["query_seqlens"])
            shape = self._builder.op("Concat", [batch, f"{kind}.no_kv_shape"], axis=0)
            self._builder.op("ConstantOfShape", [shape], outputs=[name])
            self._kv_names.add(name)
        return name

    def _norm_heads(self, x: str, kind: LayerKind, weight: str, shape: str) -> str:
        heads = self._builder.op("Reshape", [x, f"{kind}.heads_shape"])
        return self._builder.op("Reshape", [self._norm(heads, weight), f"{kind}.{shape}"])

    def _logits(self, x: str) -> None:
        spec, builder = self._spec, self._builder
        wanted = builder.op("Gather", [builder.op("Reshape", [x, "flat_shape"]), "logit_rows"])
        logits = builder.matmul(self._norm(wanted, "output_norm"), "output")
        if spec.logit_cap is None:
            builder.op("Identity", [logits], outputs=["logits"])
        else:
            cap = builder.constant("logit_cap", np.array(spec.logit_cap, np.float32))
            capped = builder.op("Tanh", [builder.op("Div", [logits, cap])])
            builder.op("Mul", [capped, cap], outputs=["logits"])
        builder.output("logits", FLOAT, ["num_logits", spec.vocab])

    def _matmul(self, x: str, index: int, name: str) -> str:
        return self._builder.matmul(x, f"layer.{index}.{name}")

    def _layer_norm(self, x: str, index: int, name: str) -> str:
        return self._norm(x, f"layer.{index}.{name}")

    def _norm(self, x: str, weight: str) -> str:
        return self._builder.rms_norm(x, weight, self._spec.norm_epsilon)

    def _add_norm(self, x: str, delta: str, weight: str) -> tuple[str, str]:
        return self._builder.add_rms_norm(x, delta, weight, self._spec.norm_epsilon)


def rope_tables(context: int, head_dim: int, rope: Rope) -> tuple[Floats, Floats]:
    """Cosines and sines, float32[context, head_dim / 2] each.

    Frequencies beyond `rope.fraction` are 0: those dimensions do not turn. The exponents run over
    the whole head all the same.

    Source: RoFormer (Su et al. 2021), equation 15; the "proportional" kind of transformers 5.23.
    """
    num_turning = int(rope.fraction * head_dim // 2)
    frequencies = np.zeros(head_dim // 2, np.float32)
    frequencies[:num_turning] = rope.theta ** -(np.arange(0, 2 * num_turning, 2) / head_dim)
    # The angles are rounded to float32, as where the model was trained.
    angles = np.outer(np.arange(context, dtype=np.float32), frequencies).astype(np.float64)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
