"""Writes tiny GGUF files of architecture `gemma4` with random weights, as llama.cpp reads them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Type = gguf.GGMLQuantizationType
Floats = npt.NDArray[np.float32]

SLIDING, FULL = "sliding_attention", "full_attention"
CONTROLS = ["<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>", "<|tool_response>"]
CONTEXT = 128
_BLOCK_BYTES = {Type.Q4_K: 144, Type.Q5_K: 176, Type.Q6_K: 210}
_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
    "inp_gate": "per_layer_input_gate",
    "proj": "per_layer_projection",
    "post_norm": "post_per_layer_input_norm",
    "layer_output_scale": "layer_scalar",
    "token_embd": "embed_tokens",
    "per_layer_token_embd": "embed_tokens_per_layer",
    "per_layer_model_proj": "per_layer_model_projection",
    "per_layer_proj_norm": "per_layer_projection_norm",
    "output_norm": "norm",
}
"""What transformers calls the tensors."""


@dataclass
class Shape:
    """Sizes of a tiny model; all widths are multiples of 256, which K-quants need."""

    kinds: list[str] = field(default_factory=lambda: [SLIDING, SLIDING, FULL] * 2)
    num_shared: int = 3
    kv_heads: int = 2
    is_double_wide: bool = False
    window: int = 8
    hidden: int = 256
    inner: int = 256
    heads: int = 4
    width: int = 256
    head_dims: tuple[int, int] = (64, 128)

    @property
    def num_own(self) -> int:
        return len(self.kinds) - self.num_shared


@dataclass
class TinyGemma4:
    """What was written; `weights` are as the file holds them, by transformers' names."""

    path: Path
    shape: Shape
    tokens: list[str]
    weights: dict[str, Floats] = field(default_factory=dict)

    def text_config(self) -> dict[str, Any]:
        """For transformers."""
        shape = self.shape
        return {
            "vocab_size": len(self.tokens),
            "vocab_size_per_layer_input": len(self.tokens),
            "hidden_size": shape.hidden,
            "hidden_size_per_layer_input": shape.width,
            "intermediate_size": shape.inner,
            "num_hidden_layers": len(shape.kinds),
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "head_dim": shape.head_dims[0],
            "global_head_dim": shape.head_dims[1],
            "layer_types": shape.kinds,
            "num_kv_shared_layers": shape.num_shared,
            "use_double_wide_mlp": shape.is_double_wide,
            "sliding_window": shape.window,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-6,
            "final_logit_softcapping": 30.0,
            "rope_parameters": {
                SLIDING: {"rope_type": "default", "rope_theta": 1e4},
                FULL: {
                    "rope_type": "proportional",
                    "rope_theta": 1e6,
                    "partial_rotary_factor": 0.25,
                },
            },
            "tie_word_embeddings": True,
            "pad_token_id": 0,
        }


def write_gemma4_gguf(
    path: Path,
    shape: Shape | None = None,
    *,
    kind: Type = Type.F32,
    table_kind: Type | None = None,
    seed: int = 0,
    left_out: str = "",
    extra: dict[str, npt.NDArray[Any]] | None = None,
    settings: dict[str, int] | None = None,
) -> TinyGemma4:
    """Write a model whose matrices are stored as `kind` and its two tables as `table_kind`.

    `left_out` names a tensor to omit, `extra` holds float32 tensors to add, `settings` overrides
    integers below `gemma4.`: to make files that the importer must refuse.
    """
    shape = shape or Shape()
    made = TinyGemma4(path, shape, _tokens())
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "gemma4")
    _write_settings(writer, shape, settings or {})
    _write_vocabulary(writer, made.tokens)

    def add(name: str, data: npt.NDArray[Any], as_kind: Type, values: Floats) -> None:
        *block, part = name.split(".")
        prefix = f"layers.{block[1]}." if block else ""
        suffix = "" if part == "layer_output_scale" else ".weight"
        made.weights[f"{prefix}{_NAMES[part]}{suffix}"] = values
        if name != left_out:
            writer.add_tensor(f"{name}.weight", data, raw_dtype=as_kind)

    def matrix(name: str, rows: int, columns: int, as_kind: Type = kind) -> None:
        data = random_matrix(rng, rows, columns, as_kind)
        add(name, data, as_kind, gguf.quants.dequantize(data, as_kind).astype(np.float32))

    def vector(name: str, size: int, mean: float = 1.0) -> None:
        values = rng.normal(mean, 0.1, size).astype(np.float32)
        add(name, values, Type.F32, values)

    table_kind = table_kind or kind
    matrix("token_embd", len(made.tokens), shape.hidden, table_kind)
    matrix("per_layer_token_embd", len(made.tokens), len(shape.kinds) * shape.width, table_kind)
    matrix("per_layer_model_proj", len(shape.kinds) * shape.width, shape.hidden)
    vector("per_layer_proj_norm", shape.width)
    vector("output_norm", shape.hidden)
    writer.add_tensor("rope_freqs.weight", _rope_factors(shape))
    for index in range(len(shape.kinds)):
        _write_layer(shape, index, matrix, vector)
    for name, values in (extra or {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return made


def _write_layer(shape: Shape, index: int, matrix: Any, vector: Any) -> None:
    block, kind = f"blk.{index}", shape.kinds[index]
    size = shape.head_dims[kind == FULL]
    is_own = index < shape.num_own
    inner = shape.inner * (2 if shape.is_double_wide and not is_own else 1)
    vector(f"{block}.attn_norm", shape.hidden)
    matrix(f"{block}.attn_q", shape.heads * size, shape.hidden)
    vector(f"{block}.attn_q_norm", size, 0.5)
    if is_own:
        matrix(f"{block}.attn_k", shape.kv_heads * size, shape.hidden)
        matrix(f"{block}.attn_v", shape.kv_heads * size, shape.hidden)
        vector(f"{block}.attn_k_norm", size, 0.5)
    matrix(f"{block}.attn_output", shape.hidden, shape.heads * size)
    vector(f"{block}.post_attention_norm", shape.hidden, 0.4)
    vector(f"{block}.ffn_norm", shape.hidden)
    matrix(f"{block}.ffn_gate", inner, shape.hidden)
    matrix(f"{block}.ffn_up", inner, shape.hidden)
    matrix(f"{block}.ffn_down", shape.hidden, inner)
    vector(f"{block}.post_ffw_norm", shape.hidden, 0.4)
    matrix(f"{block}.inp_gate", shape.width, shape.hidden)
    matrix(f"{block}.proj", shape.hidden, shape.width)
    vector(f"{block}.post_norm", shape.hidden, 0.4)
    vector(f"{block}.layer_output_scale", 1)


def random_matrix(
    rng: np.random.Generator, rows: int, columns: int, kind: Type
) -> npt.NDArray[Any]:
    """Data of a matrix with values of a trained model's size; K-quants are random codes."""
    deviation = 1.2 / columns**0.5
    if kind not in _BLOCK_BYTES:
        values = rng.normal(0, deviation, (rows, columns)).astype(np.float32)
        data: npt.NDArray[Any] = gguf.quants.quantize(values, kind)
        return data
    size = _BLOCK_BYTES[kind]
    blocks = rng.integers(0, 256, (rows * columns // 256, size), dtype=np.uint8)
    half = np.float16
    if kind == Type.Q6_K:
        steps = np.full(len(blocks), deviation / 1300, half)
        blocks[:, 208:] = steps.view(np.uint8).reshape(-1, 2)
    else:  # scales of 6 bits average 32; offsets take away the mean of the codes
        mean = 7.5 if kind == Type.Q4_K else 15.5
        steps = np.full(len(blocks), deviation / (32 * mean), half)
        blocks[:, :2] = steps.view(np.uint8).reshape(-1, 2)
        blocks[:, 2:4] = (steps * half(mean)).view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


def _rope_factors(shape: Shape) -> Floats:
    half = shape.head_dims[1] // 2
    factors = np.full(half, 1e30, np.float32)
    factors[: half // 4] = 1
    return factors


def _write_settings(writer: gguf.GGUFWriter, shape: Shape, overrides: dict[str, int]) -> None:
    widths = [
        shape.inner * (2 if shape.is_double_wide and index >= shape.num_own else 1)
        for index in range(len(shape.kinds))
    ]
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(len(shape.kinds))
    writer.add_feed_forward_length(widths if shape.is_double_wide else shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_float32("gemma4.rope.freq_base_swa", 1e4)
    writer.add_uint32("gemma4.rope.dimension_count", shape.head_dims[1])
    writer.add_uint32("gemma4.rope.dimension_count_swa", shape.head_dims[0])
    writer.add_key_length(shape.head_dims[1])
    writer.add_value_length(shape.head_dims[1])
    writer.add_uint32("gemma4.attention.key_length_swa", shape.head_dims[0])
    writer.add_uint32("gemma4.attention.value_length_swa", shape.head_dims[0])
    writer.add_sliding_window(shape.window)
    writer.add_sliding_window_pattern([kind == SLIDING for kind in shape.kinds])
    writer.add_shared_kv_layers(shape.num_shared)
    writer.add_embedding_length_per_layer_input(shape.width)
    writer.add_final_logit_softcapping(30.0)
    for key, value in overrides.items():
        writer.kv_data[0].pop(f"gemma4.{key}", None)
        writer.add_uint32(f"gemma4.{key}", value)


def _tokens() -> list[str]:
    pieces = ["\u2581", *(chr(code) for code in range(33, 127)), "\n", "th", "the", "\u2581the"]
    return [*CONTROLS, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]


def _write_vocabulary(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    kinds = [gguf.TokenType.CONTROL] * len(CONTROLS)
    kinds += [gguf.TokenType.BYTE] * 256
    kinds += [gguf.TokenType.NORMAL] * (len(tokens) - len(kinds))
    writer.add_tokenizer_model("gemma4")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h", "th e", "\u2581 the"])
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
