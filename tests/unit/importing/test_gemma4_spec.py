"""What a config.json says about Gemma 4's shape, and what the two published shapes are."""

from typing import Any

import pytest

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.gemma4.spec import Rope, spec_from_config
from tests.bench.random_model import SHAPES
from tests.gemma4_random import FULL, SLIDING, text_config

E4B, E2B = SHAPES["gemma-4-e4b"], SHAPES["gemma-4-e2b"]


def published_config(**changes: Any) -> dict[str, Any]:
    """The facts of google/gemma-4-E4B-it's config.json (E2B's by `changes`)."""
    config = text_config(
        ([SLIDING] * 5 + [FULL]) * 7,
        18,
        hidden=2560,
        intermediate=10240,
        heads=8,
        kv_heads=2,
        head_dims=(256, 512),
        window=512,
        vocab=262144,
    )
    config |= {"hidden_size_per_layer_input": 256, "max_position_embeddings": 131072}
    return {"model_type": "gemma4", "text_config": config | changes}


E2B_CHANGES: dict[str, Any] = {
    "layer_types": ([SLIDING] * 4 + [FULL]) * 7,
    "num_hidden_layers": 35,
    "num_kv_shared_layers": 20,
    "hidden_size": 1536,
    "intermediate_size": 6144,
    "num_key_value_heads": 1,
    "use_double_wide_mlp": True,
}


def test_configs_give_the_published_shapes() -> None:
    assert spec_from_config(published_config()) == E4B
    assert spec_from_config(published_config(**E2B_CHANGES)) == E2B


def test_cache_entries_and_who_shares_which() -> None:
    assert (E4B.num_layers, E4B.num_own) == (42, 24)
    assert (E2B.num_layers, E2B.num_own) == (35, 15)
    for spec, last_sliding, last_full in ((E4B, 22, 23), (E2B, 13, 14)):
        for layer, kind in enumerate(spec.layer_kinds):
            shared = last_full if kind == FULL else last_sliding
            assert spec.owner(layer) == (layer if layer < spec.num_own else shared)
    full = [layer for layer, kind in enumerate(E4B.layer_kinds) if kind == FULL]
    assert full == [5, 11, 17, 23, 29, 35, 41]
    assert E4B.ropes == {SLIDING: Rope(1e4), FULL: Rope(1e6, 0.25)}


def test_numbers_of_parameters() -> None:
    """Those that the published files have, without the per-layer table."""

    def total(matrices: dict[str, tuple[int, int]]) -> int:
        return sum(rows * columns for rows, columns in matrices.values())

    assert total(E4B.matrices()) + sum(E4B.vectors().values()) == pytest.approx(4.644e9, rel=1e-3)
    assert total(E2B.matrices()) + sum(E2B.vectors().values()) == pytest.approx(2.280e9, rel=1e-3)
    assert E2B.matrices()["layer.14.ffn_up"] == (6144, 1536)
    assert E2B.matrices()["layer.15.ffn_up"] == (12288, 1536)
    assert "layer.24.attn_k" not in E4B.matrices()
    assert E4B.matrices()["layer.23.attn_k"] == (1024, 2560)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"enable_moe_block": True}, "mixture of experts"),
        ({"attention_k_eq_v": True}, "values that are the keys"),
        ({"hidden_size_per_layer_input": 0}, "no per-layer embeddings"),
        ({"hidden_activation": "silu"}, "activation 'silu'"),
        ({"num_kv_shared_layers": 42}, "have keys and values of their own"),
        ({"layer_types": ["strange"] * 42}, "rope|strange"),
        ({"num_hidden_layers": 41}, "42 layer types for 41 layers"),
        ({"hidden_size": 2568}, "multiple of 32"),
        ({"rope_parameters": {}}, "KeyError"),
        ({"sliding_window": "wide"}, "ValueError"),
        ({"rms_norm_eps": 5e-324}, "a number is 5e-324"),
        ({"rms_norm_eps": 1e300}, "a number is 1e\\+300"),
    ],
)
def test_what_cannot_be_imported_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        spec_from_config(published_config(**changes))
