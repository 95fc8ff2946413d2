"""Writes tiny GGUF files with random weights, for tests of the importer and the decoder."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from npc_brain.importing.gguf_tokenizer import TokenType

Type = gguf.GGMLQuantizationType

CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, NUM_LAYERS = 64, 96, 4, 2, 7
WINDOW = 6
CONTEXT = 64
_SCALE = 0.15


def byte_level_vocabulary() -> tuple[list[str], list[str]]:
    """Tokens (controls, bytes, two merged ones) and merges of a GPT-2 kind of tokenizer."""
    characters = gguf_byte_characters()
    merged = ["th", "the"]
    return CONTROL_TOKENS + characters + merged, ["t h", "th e"]


def gguf_byte_characters() -> list[str]:
    """The printable character that stands for each byte in GPT-2's byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {byte: chr(byte) for byte in printable}
    names |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [names[byte] for byte in range(256)]


def write_tiny_gguf(
    path: Path,
    architecture: str,
    *,
    kind: Type = Type.Q8_0,
    seed: int = 0,
    extra: dict[str, Any] | None = None,
    is_tied: bool = True,
) -> Path:
    """Write a model of 7 layers whose matrices are quantised as `kind`.

    All but `llama` have a head size of their own and norms of queries and keys.

    The token table is Q8_0 whatever the kind, which is how published files have it. `extra` adds
    string or integer metadata, to make a file that the importer must refuse.
    """
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    head_dim = HIDDEN // HEADS if architecture == "llama" else 32
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(NUM_LAYERS)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(50000.0)
    if architecture != "llama":
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if architecture == "gemma3":
        writer.add_sliding_window(WINDOW)
    tokens, merges = byte_level_vocabulary()
    num_plain = len(tokens) - len(CONTROL_TOKENS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [TokenType.CONTROL] * len(CONTROL_TOKENS) + [TokenType.NORMAL] * num_plain
    )
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    for key, value in (extra or {}).items():
        writer.kv_data[0].pop(key, None)
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(key, value)

    def matrix(name: str, rows: int, columns: int, as_kind: Type = kind) -> None:
        values = (rng.standard_normal((rows, columns)) * _SCALE).astype(np.float32)
        data = gguf.quants.quantize(values, as_kind)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=as_kind)

    def norm(name: str, size: int) -> None:
        values = rng.uniform(0.5, 1.5, size).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)

    matrix("token_embd", len(tokens), HIDDEN, Type.Q8_0)
    if not is_tied:
        matrix("output", len(tokens), HIDDEN)
    norm("output_norm", HIDDEN)
    for index in range(NUM_LAYERS):
        block = f"blk.{index}"
        matrix(f"{block}.attn_q", HEADS * head_dim, HIDDEN)
        matrix(f"{block}.attn_k", KV_HEADS * head_dim, HIDDEN)
        matrix(f"{block}.attn_v", KV_HEADS * head_dim, HIDDEN)
        matrix(f"{block}.attn_output", HIDDEN, HEADS * head_dim)
        matrix(f"{block}.ffn_gate", INTERMEDIATE, HIDDEN)
        matrix(f"{block}.ffn_up", INTERMEDIATE, HIDDEN)
        matrix(f"{block}.ffn_down", HIDDEN, INTERMEDIATE)
        norm(f"{block}.attn_norm", HIDDEN)
        norm(f"{block}.ffn_norm", HIDDEN)
        if architecture != "llama":
            norm(f"{block}.attn_q_norm", head_dim)
            norm(f"{block}.attn_k_norm", head_dim)
        if architecture == "gemma3":
            norm(f"{block}.post_attention_norm", HIDDEN)
            norm(f"{block}.post_ffw_norm", HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
