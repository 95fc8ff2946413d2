"""Our Gemma 4 graph, imported from safetensors, against transformers on tiny random models."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.importing.architectures.gemma4 import fill, from_safetensors
from npc_brain.importing.architectures.gemma4.from_safetensors import import_safetensors
from npc_brain.inference import onnx_decoder
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.counts import count
from tests.gemma4_random import (
    E2B_LIKE,
    E4B_LIKE,
    FULL,
    SLIDING,
    random_config,
    random_weights,
    text_config,
    write_checkpoint,
)

torch = pytest.importorskip("torch", reason="the reference needs torch")
transformers = pytest.importorskip("transformers", reason="the reference is transformers")

pytestmark = pytest.mark.reference

Floats = npt.NDArray[np.float32]
NUM_DECODED = 64
TOLERANCE = 1e-4
NAMED: dict[str, dict[str, Any]] = {
    "E4B": text_config(E4B_LIKE, 6),
    "E2B": text_config(E2B_LIKE, 8, kv_heads=1, is_double_wide=True),
    "nothing shared": text_config([SLIDING, FULL, SLIDING], 0, window=5),
    "wide window": text_config(E2B_LIKE, 5, window=512, per_layer_vocab=192),
}
NUM_RANDOM = count(full=24, ci=4)


def config_of(name: str) -> dict[str, Any]:
    seed = name.removeprefix("seed ")
    return NAMED[name] if name in NAMED else random_config(np.random.default_rng(int(seed)))


@pytest.fixture(scope="module", params=[*NAMED, *(f"seed {seed}" for seed in range(NUM_RANDOM))])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Case":
    return Case(request.param, tmp_path_factory.mktemp("gemma4"))


class Case:
    """A model with random weights, and what transformers makes of some tokens."""

    def __init__(self, name: str, directory: Path) -> None:
        self.config = config_of(name)
        rng = np.random.default_rng(sum(name.encode()))
        print(f"case {name!r}: {self.config}")
        self.directory = directory
        self.weights = random_weights(self.config, rng)
        self.source = write_checkpoint(directory / "source", self.config, self.weights)
        length = int(rng.choice([1, 7, 33, 61]))
        self.prompt, self.rest = tokens(rng, length), tokens(rng, NUM_DECODED)
        self.wanted = reference_logits(self.config, self.weights, self.prompt + self.rest)


def tokens(rng: np.random.Generator, number: int) -> list[int]:
    return [int(token) for token in rng.integers(0, 160, number)]


def reference_logits(
    config: dict[str, Any], weights: dict[str, Floats], token_ids: list[int]
) -> Floats:
    """float32[tokens, vocab]: one pass for all, eager attention."""
    model = transformers.Gemma4ForCausalLM(
        transformers.Gemma4TextConfig(**config, attn_implementation="eager")
    ).eval()
    state = {name: torch.tensor(values) for name, values in weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert (set(missing), unexpected) == ({"lm_head.weight"}, [])
    model.tie_weights()
    with torch.no_grad():
        return np.asarray(model(torch.tensor([token_ids])).logits[0], np.float32)


def decoded(decoder: OnnxDecoder, slot: int, token_ids: list[int]) -> Floats:
    return np.array([decoder.decode([slot], [token])[0].copy() for token in token_ids])


@pytest.fixture(scope="module")
def float_model(case: Case) -> Path:
    import_safetensors(case.source, case.directory / "f32", precision="f32")
    return case.directory / "f32"


def assert_close(got: Floats, wanted: Floats) -> None:
    worst = np.abs(got - wanted).max()
    print(f"max abs difference {worst:.2e} of logits up to {np.abs(wanted).max():.1f}")
    assert worst <= TOLERANCE


@pytest.mark.parametrize("skips_unread", [True, False])
@pytest.mark.parametrize("feeding", ["at once", "chunks", "token by token"])
def test_float_import_equals_transformers(
    case: Case,
    float_model: Path,
    feeding: str,
    skips_unread: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prefill and 64 decode steps, in the second of three slots."""
    monkeypatch.setattr(onnx_decoder, "PREFILL_CHUNK", 7 if feeding == "chunks" else 128)
    decoder = OnnxDecoder(
        float_model, DecoderOptions(num_slots=3, max_context=160), skips_unread=skips_unread
    )
    num_prompt = len(case.prompt)
    if feeding == "token by token":
        got = decoded(decoder, 1, case.prompt)
        assert_close(got, case.wanted[:num_prompt])
    else:
        last = decoder.prefill(1, case.prompt)
        assert_close(last, case.wanted[num_prompt - 1 : num_prompt])
        decoder.truncate(1, 0)
        got = decoder.prefill(1, case.prompt, all_logits=True)
        assert_close(got, case.wanted[:num_prompt])
    assert_close(decoded(decoder, 1, case.rest), case.wanted[num_prompt:])


@pytest.mark.parametrize("accuracy_level", [1, fill.ACCURACY_LEVEL])
def test_4_bit_import_equals_its_dequantised_reference(
    case: Case, accuracy_level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference computes in float32 with the weights that our codes stand for.

    With float activations (level 1) nothing else is rounded. As imported, activations are rounded
    to 8 bits, which tiny random models feel more than real ones.
    """
    monkeypatch.setattr(from_safetensors, "ACCURACY_LEVEL", accuracy_level)
    model_dir = case.directory / f"4bit {accuracy_level}"
    import_safetensors(case.source, model_dir)
    decoder = OnnxDecoder(model_dir, DecoderOptions(max_context=160))
    got = decoder.prefill(0, case.prompt + case.rest, all_logits=True)
    rounded = {name: dequantised(values) for name, values in case.weights.items()}
    wanted = reference_logits(case.config, rounded, case.prompt + case.rest)
    cosine = (got * wanted).sum() / np.linalg.norm(got) / np.linalg.norm(wanted)
    print(f"cosine {cosine:.5f}, max abs difference {np.abs(got - wanted).max():.2e}")
    assert cosine >= (0.99 if accuracy_level != 1 else 0.99999)


def dequantised(weights: Floats) -> Floats:
    """4 bits, blocks of 32, symmetric, by the rule of GGUF's Q4_0; vectors stay."""
    if weights.ndim == 1:
        return weights
    blocks = weights.reshape(len(weights), -1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    scales = largest / np.float32(-8)
    levels = np.clip(np.floor(blocks / scales + 8.5), 0, 15) - 8
    return (levels * scales).reshape(weights.shape).astype(np.float32)
