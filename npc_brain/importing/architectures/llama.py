"""Llama and what is built like it, such as SmolLM2.

Source: Llama (Touvron et al. 2023); names of metadata as in the `gguf` package.
"""

from typing import TYPE_CHECKING

from npc_brain.errors import ModelError
from npc_brain.importing.architecture import COMMON_END_TOKENS, Architecture
from npc_brain.importing.decoder_spec import DecoderSpec, LayerSpec, spec_from_gguf

if TYPE_CHECKING:
    from npc_brain.importing.gguf_file import GgufFile


def _spec(file: "GgufFile") -> DecoderSpec:
    heads, hidden = file.size("attention.head_count"), file.size("embedding_length")
    head_dim = file.size("rope.dimension_count", hidden // heads)
    scaling = file.setting("rope.scaling.type", str, "none")
    if head_dim * heads != hidden or scaling not in ("none", "linear"):
        raise ModelError(
            f"{file.path}: rotary dimensions {head_dim} of {hidden} / {heads}, "
            f"scaling {scaling!r}: not supported"
        )
    layer = LayerSpec(
        window=None,
        rope_theta=file.positive("rope.freq_base", 10000.0),
        rope_factor=file.positive("rope.scaling.factor", 1.0),
    )
    return spec_from_gguf(
        file,
        layers=(layer,) * file.num_layers(),
        kv_heads=file.size("attention.head_count_kv", heads),
        head_dim=head_dim,
        # GGUF keeps llama's queries and keys permuted so that neighbours turn together.
        is_rope_interleaved=True,
    )


ARCHITECTURE = Architecture(
    name="llama",
    end_tokens=(*COMMON_END_TOKENS, "<|im_end|>", "<|eot_id|>"),
    spec=_spec,
)
