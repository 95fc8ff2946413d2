"""The shape of a decoder-only transformer that `decoder_graph` can build, and its weights' names.

The names are those of GGUF, where `layer.N` is `blk.N`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from npc_brain.importing.gguf_file import GgufFile

MAX_CONTEXT = 8192
"""Positions that an imported graph covers, however long the model was trained for: rotary tables
cost head_dim * 4 bytes a position, and no NPC needs more."""


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """What may differ from layer to layer.

    Attributes:
        window: Positions seen, counting the current one; None sees all.
        rope_theta: Base of the rotary frequencies.
        rope_factor: Positions are divided by it (linear scaling).
    """

    window: int | None
    rope_theta: float
    rope_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """A decoder's shape.

    Attributes:
        layers: One spec per layer.
        context: Positions that the rotary tables cover.
        is_rope_interleaved: Whether dimension 2k turns with 2k + 1 (else k with k + head_dim / 2).
        has_qk_norm: Whether queries and keys are normalised per head.
        has_post_norms: Whether attention and MLP outputs are normalised before they are added.
        activation: Of the gated MLP.
        attention_scale: Multiplies query times key.
        embedding_multiplier: Multiplies the rows of the token table.
    """

    layers: tuple[LayerSpec, ...]
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    context: int
    norm_epsilon: float
    attention_scale: float
    embedding_multiplier: float = 1.0
    is_rope_interleaved: bool = False
    has_qk_norm: bool = False
    has_post_norms: bool = False
    activation: Literal["silu", "gelu_tanh"] = "silu"


def layer_matrices(spec: DecoderSpec) -> dict[str, tuple[int, int]]:
    """Quantised matrices of a layer: name to (rows, columns). `qkv` is q, k, v stacked."""
    q_size, kv_size = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    return {
        "qkv": (q_size + 2 * kv_size, spec.hidden),
        "attn_output": (spec.hidden, q_size),
        "ffn_gate": (spec.intermediate, spec.hidden),
        "ffn_up": (spec.intermediate, spec.hidden),
        "ffn_down": (spec.hidden, spec.intermediate),
    }


def layer_norms(spec: DecoderSpec) -> dict[str, int]:
    """Norm weights of a layer: name to size."""
    norms = {"attn_norm": spec.hidden, "ffn_norm": spec.hidden}
    if spec.has_qk_norm:
        norms |= {"attn_q_norm": spec.head_dim, "attn_k_norm": spec.head_dim}
    if spec.has_post_norms:
        norms |= {"post_attention_norm": spec.hidden, "post_ffw_norm": spec.hidden}
    return norms


def spec_from_gguf(
    file: "GgufFile",
    *,
    layers: tuple[LayerSpec, ...],
    head_dim: int,
    attention_scale: float | None = None,
    **others: Any,
) -> DecoderSpec:
    """A spec with the sizes that GGUF files of every architecture give under the same keys.

    Args:
        file: Whose metadata is read.
        layers: See `DecoderSpec`.
        head_dim: See `DecoderSpec`.
        attention_scale: See `DecoderSpec`; 1 / sqrt(head_dim) by default.
        others: Further fields of `DecoderSpec`.

    Raises ModelError when one is missing or out of range.
    """
    return DecoderSpec(
        layers=layers,
        hidden=file.size("embedding_length"),
        intermediate=file.size("feed_forward_length"),
        heads=file.size("attention.head_count"),
        head_dim=head_dim,
        vocab=len(file.value("tokenizer.ggml.tokens", list)),
        context=min(file.size("context_length"), MAX_CONTEXT),
        norm_epsilon=file.positive("attention.layer_norm_rms_epsilon"),
        attention_scale=head_dim**-0.5 if attention_scale is None else attention_scale,
        **others,
    )
