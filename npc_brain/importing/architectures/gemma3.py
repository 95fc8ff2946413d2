"""Gemma 3, text only.

Source: Gemma 3 technical report (2025); names of metadata as in the `gguf` package.
"""

from typing import TYPE_CHECKING

from npc_brain.errors import ModelError
from npc_brain.importing.architecture import COMMON_END_TOKENS, Architecture
from npc_brain.importing.decoder_spec import DecoderSpec, LayerSpec, spec_from_gguf

if TYPE_CHECKING:
    from npc_brain.importing.gguf_file import GgufFile

_GLOBAL_EVERY = 6
"""Five local layers for every global one."""
_LAYERS_27B = 62


def _spec(file: "GgufFile") -> DecoderSpec:
    num_layers, heads = file.num_layers(), file.size("attention.head_count")
    hidden, head_dim = file.size("embedding_length"), file.size("attention.key_length")
    if file.size("attention.value_length") != head_dim:
        raise ModelError(f"{file.path}: keys and values differ in length: not supported")
    sees_all = LayerSpec(
        window=None,
        rope_theta=file.positive("rope.freq_base", 1e6),
        rope_factor=file.positive("rope.scaling.factor", 1.0),
    )
    sees_window = LayerSpec(
        window=file.size("attention.sliding_window"),
        rope_theta=file.positive("rope.local.freq_base", 10000.0),
    )
    is_global = [(index + 1) % _GLOBAL_EVERY == 0 for index in range(num_layers)]
    return spec_from_gguf(
        file,
        layers=tuple(sees_all if sees else sees_window for sees in is_global),
        kv_heads=file.size("attention.head_count_kv"),
        head_dim=head_dim,
        attention_scale=(hidden / heads if num_layers == _LAYERS_27B else head_dim) ** -0.5,
        embedding_multiplier=hidden**0.5,
        has_qk_norm=True,
        has_post_norms=True,
        activation="gelu_tanh",
    )


ARCHITECTURE = Architecture(
    name="gemma3",
    chat_format=lambda tokens: "gemma3",
    end_tokens=(*COMMON_END_TOKENS, "<end_of_turn>"),
    spec=_spec,
)
