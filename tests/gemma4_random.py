"""Random Gemma 4 text models: configs like E4B's and E2B's in small, and checkpoints of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models

from npc_brain.importing.architectures.gemma4.spec import spec_from_config

SLIDING, FULL = "sliding_attention", "full_attention"
E4B_LIKE = ([SLIDING] * 5 + [FULL]) * 2
E2B_LIKE = ([SLIDING] * 4 + [FULL]) * 3


def text_config(
    layer_types: list[str],
    num_shared: int,
    *,
    hidden: int = 64,
    intermediate: int = 96,
    heads: int = 4,
    kv_heads: int = 2,
    head_dims: tuple[int, int] = (32, 64),
    window: int = 8,
    is_double_wide: bool = False,
    vocab: int = 160,
    per_layer_vocab: int | None = None,
    fraction: float = 0.25,
    logit_cap: float | None = 30.0,
) -> dict[str, Any]:
    """A `text_config` of a config.json."""
    return {
        "model_type": "gemma4_text",
        "vocab_size": vocab,
        "vocab_size_per_layer_input": per_layer_vocab or vocab,
        "hidden_size": hidden,
        "hidden_size_per_layer_input": 32,
        "intermediate_size": intermediate,
        "num_hidden_layers": len(layer_types),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dims[0],
        "global_head_dim": head_dims[1],
        "layer_types": layer_types,
        "num_kv_shared_layers": num_shared,
        "use_double_wide_mlp": is_double_wide,
        "sliding_window": window,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh",
        "final_logit_softcapping": logit_cap,
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 10000.0},
            FULL: {
                "rope_type": "proportional",
                "rope_theta": 1000000.0,
                "partial_rotary_factor": fraction,
            },
        },
        "enable_moe_block": False,
        "attention_k_eq_v": False,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 1,
    }


def random_config(rng: np.random.Generator) -> dict[str, Any]:
    """Anything that the architecture allows, in small."""
    num_layers = int(rng.integers(3, 9))
    kinds = [str(kind) for kind in rng.choice([SLIDING, FULL], num_layers, p=[0.7, 0.3])]
    kinds[-1] = FULL
    needed = {kind: kinds.index(kind) for kind in set(kinds)}
    kv_heads = int(rng.choice([1, 2]))
    return text_config(
        kinds,
        int(rng.integers(0, num_layers - max(needed.values()))),
        hidden=32 * int(rng.integers(1, 4)),
        intermediate=32 * int(rng.integers(1, 5)),
        heads=kv_heads * int(rng.choice([1, 2, 4])),
        kv_heads=kv_heads,
        head_dims=(32 * int(rng.integers(1, 3)), 32 * int(rng.integers(1, 4))),
        window=int(rng.choice([1, 2, 5, 16, 200])),
        is_double_wide=bool(rng.integers(2)),
        per_layer_vocab=int(rng.choice([160, 192])),
        fraction=float(rng.choice([0.25, 0.5, 1.0])),
        logit_cap=30.0 if rng.integers(2) else None,
    )


def random_weights(
    config: dict[str, Any], rng: np.random.Generator
) -> dict[str, npt.NDArray[np.float32]]:
    """By the names of a checkpoint of the text model alone.

    As in trained models what a layer adds is smaller than what it is added to.
    """
    from npc_brain.importing.architectures.gemma4.fill import PER_LAYER_TABLE
    from npc_brain.importing.architectures.gemma4.from_safetensors import checkpoint_name

    spec = spec_from_config(config)
    matrices = spec.matrices()
    matrices[PER_LAYER_TABLE] = (spec.per_layer_vocab, spec.num_layers * spec.per_layer_width)
    weights = {
        name: rng.normal(0, 1.2 / shape[1] ** 0.5, shape) for name, shape in matrices.items()
    }
    weights |= {
        name: rng.normal(0.4 if "post_" in name else 1, 0.1, size)
        for name, size in spec.vectors().items()
    }
    return {f"model.{checkpoint_name(n)}": w.astype(np.float32) for n, w in weights.items()}


def write_checkpoint(
    directory: Path, config: dict[str, Any], weights: dict[str, npt.NDArray[np.float32]]
) -> Path:
    """A checkpoint directory of float32 weights in two files."""
    from safetensors.numpy import save_file

    directory.mkdir(parents=True)
    whole = {
        "architectures": ["Gemma4ForConditionalGeneration"],
        "model_type": "gemma4",
        "text_config": config,
    }
    (directory / "config.json").write_text(json.dumps(whole))
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 106, 50]}))
    (directory / "chat_template.jinja").write_text("{{ bos_token }}")
    vocab = {f"t{i}": i for i in range(config["vocab_size"])}
    Tokenizer(models.WordLevel(vocab, unk_token="t3")).save(str(directory / "tokenizer.json"))
    names = sorted(weights)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, members in shards.items():
        save_file({name: weights[name] for name in members}, directory / shard)
    index = {"weight_map": {name: shard for shard, ns in shards.items() for name in ns}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    return directory
