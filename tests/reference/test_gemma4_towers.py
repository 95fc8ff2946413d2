"""Our vision and audio towers against transformers' own, on small random weights.

Tolerance: 1e-4 for float32 matrices, on outputs of magnitude 1. Matrices stored as float16 or 8-bit
blocks are checked by cosine: 0.9999 and 0.99.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.reference
torch = pytest.importorskip("torch", reason="the reference: pip install 'npc-brain[reference]'")
pytest.importorskip("transformers", reason="the reference: pip install 'npc-brain[reference]'")

from transformers import Gemma4Config, Gemma4ForConditionalGeneration  # noqa: E402

from npc_brain.errors import ModelError  # noqa: E402
from npc_brain.importing.architectures.gemma4.audio import build_audio_tower  # noqa: E402
from npc_brain.importing.architectures.gemma4.tower_builder import MatrixBits  # noqa: E402
from npc_brain.importing.architectures.gemma4.vision import build_vision_tower  # noqa: E402
from npc_brain.importing.graph_builder import GraphBuilder  # noqa: E402
from npc_brain.inference.media.audio import audio_features  # noqa: E402
from npc_brain.inference.media.image import image_features  # noqa: E402
from npc_brain.inference.runtime import onnxruntime as ort  # noqa: E402
from tests.counts import count  # noqa: E402
from tests.media_samples import chirp, encoded, painted  # noqa: E402

TEXT_HIDDEN = 96
Arrays = Mapping[str, npt.NDArray[Any]]


def make_model(seed: int, *, is_clipped: bool, is_standardized: bool = False) -> Any:
    """A small Gemma 4 with random weights everywhere, norms and clip bounds included."""
    rng = np.random.default_rng(seed)
    heads = int(rng.choice([2, 3]))
    audio_heads = int(rng.choice([2, 4]))
    config = Gemma4Config(
        text_config={
            "vocab_size": 64, "vocab_size_per_layer_input": 64, "hidden_size": TEXT_HIDDEN,
            "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 32, "global_head_dim": 32,
            "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 0,
            "layer_types": ["sliding_attention", "full_attention"], "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 32 * heads, "intermediate_size": 128, "head_dim": 32,
            "num_hidden_layers": int(rng.integers(1, 5)), "num_attention_heads": heads,
            "num_key_value_heads": heads, "position_embedding_size": 1024,
            "use_clipped_linears": is_clipped, "standardize": is_standardized,
        },
        audio_config={
            "hidden_size": 32 * audio_heads, "num_attention_heads": audio_heads,
            "num_hidden_layers": int(rng.integers(1, 5)), "output_proj_dims": 160,
            "subsampling_conv_channels": [128, 32], "use_clipped_linears": is_clipped,
        },
    )  # fmt: skip
    torch.manual_seed(seed)
    model = Gemma4ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, values in model.state_dict().items():
            if name.endswith(("_min", "_max")):
                values.copy_(torch.tensor(-2.5 if name.endswith("_min") else 2.5))
            elif values.ndim < 2:
                values.copy_(1 + 0.3 * torch.randn(values.shape))
            else:
                values.copy_(torch.randn(values.shape) * values.shape[-1] ** -0.5)
    return model


def weights_of(model: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Its tensors as a checkpoint has them."""
    return {name: values.numpy() for name, values in model.state_dict().items()}


def run(
    build: Callable[..., None], model: Any, part: str, bits: MatrixBits, path: Path, feeds: Arrays
) -> npt.NDArray[np.float32]:
    """Build a tower in `path` and run it once."""
    config = getattr(model.config, part).to_dict()
    with GraphBuilder(path / "weights.bin") as graph:
        build(graph, config, TEXT_HIDDEN, weights_of(model), bits=bits)
        graph.save(path / "tower.onnx", part)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path / "tower.onnx", options)
    rows: npt.NDArray[np.float32] = session.run(None, dict(feeds))[0]
    return rows


def picture(height: int, width: int, budget: int = 70) -> dict[str, npt.NDArray[Any]]:
    """What the vision tower is fed with, padding included."""
    features = image_features(encoded(painted(height, width)), budget=budget)
    return {
        "pixel_values": features.pixel_values[None],
        "pixel_position_ids": features.position_ids[None],
    }


def sound(num_samples: int) -> dict[str, npt.NDArray[Any]]:
    """What the audio tower is fed with, padding included."""
    features = audio_features(chirp(30.0)[:num_samples])
    return {
        "input_features": features.input_features[None],
        "input_features_mask": features.mask[None],
    }


def seen_by_reference(model: Any, feeds: Arrays) -> npt.NDArray[np.float32]:
    """The soft tokens of one picture."""
    with torch.no_grad():
        outputs = model.model.get_image_features(
            torch.from_numpy(feeds["pixel_values"]),
            torch.from_numpy(feeds["pixel_position_ids"]),
            return_dict=True,
        )
    rows: npt.NDArray[np.float32] = outputs.pooler_output[0].numpy()
    return rows


def heard_by_reference(model: Any, feeds: Arrays) -> npt.NDArray[np.float32]:
    """The soft tokens of one sound."""
    with torch.no_grad():
        outputs = model.model.get_audio_features(
            torch.from_numpy(feeds["input_features"]),
            torch.from_numpy(feeds["input_features_mask"]),
            return_dict=True,
        )
    rows: npt.NDArray[np.float32] = outputs.pooler_output[outputs.attention_mask].numpy()
    return rows


def check(got: npt.NDArray[Any], wanted: npt.NDArray[Any], bits: MatrixBits) -> None:
    assert got.shape == wanted.shape
    if bits == 32:
        worst = np.abs(got - wanted).max()
        print(f"max abs difference {worst:.2e}, magnitude {np.abs(wanted).mean():.2f}")
        assert worst <= 1e-4
    else:
        cosine = (got * wanted).sum() / np.linalg.norm(got) / np.linalg.norm(wanted)
        print(f"cosine {cosine:.6f}")
        assert cosine >= (0.9999 if bits == 16 else 0.99)


SEEDS = range(count(full=24, ci=6))
PICTURES = [(100, 100), (336, 480), (90, 700), (700, 30), (480, 640), (1, 1)]
SOUNDS = [161, 800, 16_000, 30_720, 30_800, 77_777]
"""Samples: among them token counts of 1, exactly 4 chunks of 12, and one more."""


@pytest.mark.parametrize("seed", SEEDS)
def test_vision(seed: int, tmp_path: Path) -> None:
    model = make_model(seed, is_clipped=seed % 2 == 0, is_standardized=seed % 3 == 2)
    feeds = picture(*PICTURES[seed % len(PICTURES)])
    got = run(build_vision_tower, model, "vision_config", 32, tmp_path, feeds)
    check(got, seen_by_reference(model, feeds), 32)


@pytest.mark.parametrize("seed", SEEDS)
def test_audio(seed: int, tmp_path: Path) -> None:
    model = make_model(seed, is_clipped=seed % 2 == 0)
    feeds = sound(SOUNDS[seed % len(SOUNDS)])
    got = run(build_audio_tower, model, "audio_config", 32, tmp_path, feeds)
    check(got, heard_by_reference(model, feeds), 32)


@pytest.mark.parametrize("bits", [16, 8])
def test_smaller_matrices(bits: MatrixBits, tmp_path: Path) -> None:
    model = make_model(100, is_clipped=True)
    for part, build, feeds, reference in (
        ("vision_config", build_vision_tower, picture(480, 640), seen_by_reference),
        ("audio_config", build_audio_tower, sound(77_777), heard_by_reference),
    ):
        folder = tmp_path / part
        folder.mkdir()
        got = run(build, model, part, bits, folder, feeds)
        check(got, reference(model, feeds), bits)


def test_the_longest_sound(tmp_path: Path) -> None:
    model = make_model(7, is_clipped=True)
    feeds = sound(480_000)
    got = run(build_audio_tower, model, "audio_config", 32, tmp_path, feeds)
    check(got, heard_by_reference(model, feeds), 32)
    assert len(got) == 750


def test_a_detailed_picture(tmp_path: Path) -> None:
    budget = count(full=1120, ci=280)
    model = make_model(7, is_clipped=True)
    feeds = picture(960, 2688, budget=budget)
    got = run(build_vision_tower, model, "vision_config", 32, tmp_path, feeds)
    check(got, seen_by_reference(model, feeds), 32)
    assert len(got) == budget


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    model = make_model(0, is_clipped=True)
    weights = weights_of(model)
    del weights["model.vision_tower.encoder.layers.0.mlp.up_proj.linear.weight"]
    config = model.config.vision_config.to_dict()
    with (
        GraphBuilder(tmp_path / "weights.bin") as graph,
        pytest.raises(ModelError, match=r"lacks the tensor .*layers\.0\.mlp\.up_proj"),
    ):
        build_vision_tower(graph, config, TEXT_HIDDEN, weights, bits=32)


def test_another_kind_of_tower_is_refused(tmp_path: Path) -> None:
    config = make_model(0, is_clipped=True).config.audio_config.to_dict()
    with (
        GraphBuilder(tmp_path / "weights.bin") as graph,
        pytest.raises(ModelError, match="attention_context_right = 4"),
    ):
        build_audio_tower(graph, config | {"attention_context_right": 4}, TEXT_HIDDEN, {}, bits=32)
