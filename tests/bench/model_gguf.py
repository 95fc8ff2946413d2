"""A random `gemma4` GGUF file in Q4_0, for llama.cpp as the peer of `bench model`.

Source: the tensor names and metadata of llama.cpp's gemma4 architecture, by the `gguf` package.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter

from npc_brain.importing.architectures.gemma4.fill import PER_LAYER_TABLE
from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec

_BLOCK_BYTES = 18
"""Of a Q4_0 block: a float16 scale and 32 codes."""


def write_random_gguf(spec: Gemma4Spec, path: Path) -> None:
    """Write a model of shape `spec`; the file appears when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    writer = GGUFWriter(partial, "gemma4")
    _add_metadata(writer, spec)
    matrices = spec.matrices() | {
        PER_LAYER_TABLE: (spec.per_layer_vocab, spec.num_layers * spec.per_layer_width)
    }
    tensors: list[tuple[str, tuple[int, ...], bool]] = []
    tensors += [(_gguf_name(name), shape, True) for name, shape in matrices.items()]
    tensors += [(_gguf_name(name), (size,), False) for name, size in spec.vectors().items()]
    full_dim = spec.head_dims["full_attention"]
    tensors.append(("rope_freqs.weight", (full_dim // 2,), False))
    for name, shape, is_quantized in tensors:
        num_bytes = shape[0] * (shape[1] // 32 * _BLOCK_BYTES if is_quantized else 4)
        kind = GGMLQuantizationType.Q4_0 if is_quantized else GGMLQuantizationType.F32
        writer.add_tensor_info(name, shape, np.dtype(np.float32), num_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(0)
    for name, shape, is_quantized in tensors:
        writer.write_tensor_data(_values(rng, spec, name, shape, is_quantized))
    writer.close()
    partial.rename(path)


def _add_metadata(writer: GGUFWriter, spec: Gemma4Spec) -> None:
    is_sliding = [kind == "sliding_attention" for kind in spec.layer_kinds]
    full, sliding = spec.head_dims["full_attention"], spec.head_dims["sliding_attention"]
    writer.add_block_count(spec.num_layers)
    writer.add_context_length(spec.context)
    writer.add_embedding_length(spec.hidden)
    own, shared = spec.num_own, spec.num_layers - spec.num_own
    writer.add_feed_forward_length([spec.intermediate] * own + [spec.shared_intermediate] * shared)
    writer.add_head_count(spec.heads)
    writer.add_head_count_kv(spec.kv_heads)
    writer.add_key_length(full)
    writer.add_value_length(full)
    writer.add_key_length_swa(sliding)
    writer.add_value_length_swa(sliding)
    writer.add_rope_dimension_count(full)
    writer.add_rope_dimension_count_swa(sliding)
    writer.add_rope_freq_base(spec.ropes["full_attention"].theta)
    writer.add_rope_freq_base_swa(spec.ropes["sliding_attention"].theta)
    writer.add_layer_norm_rms_eps(spec.norm_epsilon)
    writer.add_sliding_window(spec.window)
    writer.add_sliding_window_pattern(is_sliding)
    writer.add_shared_kv_layers(shared)
    writer.add_embedding_length_per_layer_input(spec.per_layer_width)
    if spec.logit_cap is not None:
        writer.add_final_logit_softcapping(spec.logit_cap)
    writer.add_vocab_size(spec.vocab)
    writer.add_tokenizer_model("none")


def _gguf_name(name: str) -> str:
    """Our names are GGUF's but for the layers' prefix and the tied table."""
    name = "token_embd" if name == "output" else name
    return f"{name.replace('layer.', 'blk.', 1) if name.startswith('layer.') else name}.weight"


def _values(
    rng: np.random.Generator,
    spec: Gemma4Spec,
    name: str,
    shape: tuple[int, ...],
    is_quantized: bool,
) -> npt.NDArray[Any]:
    if name == "rope_freqs.weight":
        num_turning = int(spec.ropes["full_attention"].fraction * shape[0])
        return np.where(np.arange(shape[0]) < num_turning, 1, 1e30).astype(np.float32)
    if not is_quantized:
        return np.full(shape, 0.3 if "post_" in name else 1.0, np.float32)
    rows, num_blocks = shape[0], shape[1] // 32
    blocks = np.frombuffer(rng.bytes(rows * num_blocks * _BLOCK_BYTES), np.uint8)
    blocks = blocks.reshape(-1, _BLOCK_BYTES).copy()
    scale = np.array([shape[1] ** -0.5 / 5], np.float16)
    blocks[:, :2] = scale.view(np.uint8)
    return blocks.reshape(rows, -1)
