"""Published graphs against transformers, on tiny checkpoints of the published layout."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.importing.architectures.gemma4 import published
from npc_brain.importing.sources import import_published
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.published_decoder import PublishedDecoder
from tests.counts import count
from tests.published_checkpoint import (
    E2B_PATTERN,
    E4B_PATTERN,
    Checkpoint,
    Variant,
    tiny_config,
    write_checkpoint,
)

torch = pytest.importorskip("torch", reason="the reference needs torch")
transformers = pytest.importorskip("transformers", reason="the reference is transformers")

pytestmark = pytest.mark.reference

Floats = npt.NDArray[np.float32]
LENGTH = 40
CONFIGS: dict[str, dict[str, Any]] = {
    "E4B": {"layer_types": E4B_PATTERN, "num_shared": 18, "kv_heads": 2},
    "E2B": {"layer_types": E2B_PATTERN, "num_shared": 20, "kv_heads": 1, "is_double_wide": True},
    "wide window": {"layer_types": E2B_PATTERN[:10], "num_shared": 5, "window": 64},
    "nothing shared": {"layer_types": E2B_PATTERN[:5], "num_shared": 0, "window": 5},
}


def reference_logits(checkpoint: Checkpoint, token_ids: list[int]) -> Floats:
    """float32[tokens, vocab] of transformers' model with the checkpoint's own weights."""
    text = {k: v for k, v in checkpoint.config["text_config"].items() if k != "model_type"}
    config = transformers.Gemma4TextConfig(**text, attn_implementation="eager")
    model = transformers.Gemma4ForCausalLM(config).eval()
    state = {
        name.removesuffix(".weight") if "layer_scalar" in name else name: torch.tensor(values)
        for name, values in checkpoint.weights.items()
    }
    lm_head = state.pop("lm_head.weight")
    assert torch.equal(lm_head, state["embed_tokens.weight"])
    missing, unexpected = model.load_state_dict(
        {f"model.{name}": values for name, values in state.items()}, strict=False
    )
    assert (set(missing), unexpected) == ({"lm_head.weight"}, [])
    model.tie_weights()
    with torch.no_grad():
        return np.asarray(model(torch.tensor([token_ids])).logits[0], np.float32)


def tokens(seed: int) -> list[int]:
    return [int(t) for t in np.random.default_rng(seed).integers(3, 258, LENGTH)]


def token_by_token(decoder: PublishedDecoder, slot: int, token_ids: list[int]) -> Floats:
    return np.array([decoder.decode([slot], [token])[0].copy() for token in token_ids])


def opened(tmp_path: Path, checkpoint: Checkpoint) -> PublishedDecoder:
    import_published(checkpoint.directory, tmp_path / "model")
    return PublishedDecoder(tmp_path / "model", DecoderOptions(num_slots=2, max_context=LENGTH + 8))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("variant", "tolerance"), [("fp32", 1e-4), ("q4", 1e-4), ("q4f16", 0.1)])
def test_equals_transformers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variant: Variant,
    tolerance: float,
) -> None:
    """Fed at once, in chunks, token by token; with float activations, so that nothing rounds."""
    monkeypatch.setattr(published, "ACCURACY_LEVEL", 1)
    for seed in range(count(full=5, ci=1)):
        config = tiny_config(**CONFIGS[name])
        root = tmp_path / str(seed)
        checkpoint = write_checkpoint(root / "source", config, variant=variant, seed=seed)
        decoder = opened(root, checkpoint)
        token_ids = tokens(seed)
        wanted = reference_logits(checkpoint, token_ids)
        at_once = decoder.prefill(0, token_ids, all_logits=True)
        chunks = [decoder.prefill(1, token_ids[i : i + 7]) for i in (0, 7, 14)]
        stepped = token_by_token(decoder, 1, token_ids[21:])
        assert np.abs(at_once - wanted).max() <= tolerance, f"seed {seed}"
        assert np.abs(np.concatenate(chunks) - wanted[[6, 13, 20]]).max() <= tolerance
        assert np.abs(stepped - wanted[21:]).max() <= tolerance


@pytest.mark.parametrize(("name", "num_caches"), [("E4B", 24), ("E2B", 15)])
def test_rounded_activations_stay_near(tmp_path: Path, name: str, num_caches: int) -> None:
    """With the accuracy level that the importer sets. Also: the number of caches of each size."""
    checkpoint = write_checkpoint(tmp_path / "source", tiny_config(**CONFIGS[name]))
    decoder = opened(tmp_path, checkpoint)
    token_ids = tokens(3)
    wanted = reference_logits(checkpoint, token_ids)
    found = decoder.prefill(0, token_ids, all_logits=True)
    cosines = (found * wanted).sum(-1)
    cosines /= np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
    assert cosines.min() >= 0.98
    assert cosines.max() < 0.9999999, "nothing was rounded: the level has no effect"
    assert len(decoder.snapshot(0, 1).data) == 2 * num_caches
