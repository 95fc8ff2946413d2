"""A picture and a sound all the way: from a checkpoint and bytes to logits, like transformers.

A small random Gemma 4 with both towers is saved as a checkpoint and imported; the same prompt goes
through our encoder and decoder, and through Gemma4ForConditionalGeneration.

Tolerance: 5e-4 on logits of up to 30. The towers alone agree to 1e-4 and the decoder alone does;
here the one's rounding goes through the other's twelve layers.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.reference
torch = pytest.importorskip("torch", reason="the reference: pip install 'npc-brain[reference]'")
pytest.importorskip("transformers", reason="the reference: pip install 'npc-brain[reference]'")

from transformers import Gemma4Config, Gemma4ForConditionalGeneration  # noqa: E402

from npc_brain.importing.architectures.gemma4.from_safetensors import import_safetensors  # noqa: E402
from npc_brain.inference.decoder import DecoderOptions  # noqa: E402
from npc_brain.inference.media.audio import audio_features, decode_audio  # noqa: E402
from npc_brain.inference.media.encoder import MediaEncoder  # noqa: E402
from npc_brain.inference.media.image import image_features  # noqa: E402
from npc_brain.inference.onnx_decoder import OnnxDecoder  # noqa: E402
from npc_brain.media import Picture, Sound  # noqa: E402
from tests.gemma4_random import (  # noqa: E402
    E4B_LIKE,
    random_weights,
    text_config,
    write_checkpoint,
)
from tests.media_samples import chirp, encoded, painted  # noqa: E402

TEXT = text_config(E4B_LIKE, 6, hidden=96, window=16)
VISION = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 32, "position_embedding_size": 512,
    "use_clipped_linears": True,
}  # fmt: skip
AUDIO = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "output_proj_dims": 96,
    "subsampling_conv_channels": [128, 32], "use_clipped_linears": True,
}  # fmt: skip
IMAGE_ID, SOUND_ID = 150, 151
PICTURE = Picture(encoded(painted(200, 300)))
SOUND = Sound((chirp(1.5) * 32767).astype("<i2").tobytes(), "pcm_s16", 16_000)


@pytest.fixture(scope="module")
def reference() -> Any:
    """The model in transformers: random weights, towers with finite clip bounds."""
    config = Gemma4Config(
        text_config=TEXT, vision_config=VISION, audio_config=AUDIO, image_token_id=IMAGE_ID,
        audio_token_id=SOUND_ID, video_token_id=152, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(5)
    model = Gemma4ForConditionalGeneration(config).eval()
    text = random_weights(TEXT, np.random.default_rng(5))
    state = model.state_dict()
    with torch.no_grad():
        for name, values in state.items():
            plain = name.replace("model.language_model.", "model.")
            if plain in text:
                values.copy_(torch.from_numpy(text[plain]))
            elif name.endswith(("_min", "_max")):
                values.copy_(torch.tensor(-3.0 if name.endswith("_min") else 3.0))
            elif ("tower" in name or "embed_" in name) and values.ndim > 1:
                values.copy_(torch.randn(values.shape) * values.shape[-1] ** -0.5)
    return model


@pytest.fixture(scope="module")
def model_dir(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, imported from a checkpoint."""
    import json

    directory = tmp_path_factory.mktemp("media")
    weights = {
        name: values.numpy().copy()
        for name, values in reference.state_dict().items()
        if name != "lm_head.weight"
    }
    source = write_checkpoint(directory / "source", TEXT, weights)
    whole = json.loads((source / "config.json").read_text())
    whole |= {"vision_config": VISION, "audio_config": AUDIO}
    (source / "config.json").write_text(json.dumps(whole))
    import_safetensors(source, directory / "model", precision="f32")
    return directory / "model"


def test_a_picture_and_a_sound_lead_to_the_same_logits(reference: Any, model_dir: Path) -> None:
    encoder = MediaEncoder(model_dir)
    assert encoder.senses == {"see", "hear"}
    seen, heard = encoder.encode(PICTURE), encoder.encode(SOUND)
    assert encoder.measured(PICTURE).num_soft_tokens == len(seen)
    assert encoder.measured(SOUND).num_soft_tokens == len(heard) == 38
    before, between, after = [2, 5, 6], [7, 8, 9, 10], [11, 12]
    ids = [*before, *[IMAGE_ID] * len(seen), *between, *[SOUND_ID] * len(heard), *after]
    places = {len(before): seen, len(before) + len(seen) + len(between): heard}

    image = image_features(PICTURE.data, budget=70)
    sound = audio_features(decode_audio(SOUND.data, SOUND.encoding, SOUND.sample_rate_hz))
    with torch.no_grad():
        wanted: npt.NDArray[np.float32] = reference(
            input_ids=torch.tensor([ids]),
            pixel_values=torch.from_numpy(image.pixel_values[None]),
            image_position_ids=torch.from_numpy(image.position_ids[None]),
            input_features=torch.from_numpy(sound.input_features[None]),
            input_features_mask=torch.from_numpy(sound.mask[None]),
        ).logits[0].numpy()  # fmt: skip
    decoder = OnnxDecoder(model_dir, DecoderOptions(max_context=256))
    got = decoder.prefill(0, ids, all_logits=True, embeddings=places)
    worst = np.abs(got - wanted).max()
    print(f"{len(ids)} tokens, max abs logit difference {worst:.2e}")
    assert worst <= 5e-4
    without = decoder.truncate(0, 0) or decoder.prefill(0, ids, all_logits=True)
    assert np.abs(without - wanted).max() > 0.1


def test_8_bit_towers_are_near(reference: Any, model_dir: Path) -> None:
    """What an ordinary import writes."""
    directory = model_dir.parent
    import_safetensors(directory / "source", directory / "small")
    exact, small = MediaEncoder(model_dir), MediaEncoder(directory / "small")
    for media in (PICTURE, SOUND):
        wanted, got = exact.encode(media), small.encode(media)
        cosine = (got * wanted).sum() / np.linalg.norm(got) / np.linalg.norm(wanted)
        print(f"cosine {cosine:.5f}")
        assert cosine >= 0.99
