"""Our picture patches and sound features against transformers' own processors.

Tolerances: patches 1e-6 (one rounding of a float32), features 0 (the same operations in the same
order). Pictures and sounds are made by code, and real ones come from packages that ship some.
"""

import importlib.util
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.inference.media.audio import audio_features, decode_audio
from npc_brain.inference.media.image import (
    SOFT_TOKEN_BUDGETS,
    decode_image,
    image_features,
    num_image_tokens,
)
from tests.media_samples import chirp, encoded, painted

pytestmark = pytest.mark.reference
pytest.importorskip("transformers", reason="the reference: pip install 'npc-brain[reference]'")

from PIL import Image  # noqa: E402
from transformers.models.gemma4.feature_extraction_gemma4 import (  # noqa: E402
    Gemma4AudioFeatureExtractor,
)
from transformers.models.gemma4.image_processing_pil_gemma4 import (  # noqa: E402
    Gemma4ImageProcessorPil,
)

SIZES = [(480, 640), (100, 100), (1080, 1920), (33, 900), (2000, 7), (48, 48), (624, 768), (5, 5)]


def shipped(package: str, folder: str, *endings: str) -> list[Path]:
    """Files that an installed package brings along; none when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    found = (Path(spec.origin).parent / folder).glob("*")
    return sorted(path for path in found if path.suffix in endings)


LENGTHS = [161, 320, 321, 480, 481, 1280, 1281, 15_999, 16_000, 16_001, 479_999, 480_000]
"""Samples: one frame, one more or less than a frame, a hop, a padding block; 30 s."""
PHOTOS = shipped("skimage", "data", ".png", ".jpg")
SOUNDS = [
    path
    for path in shipped("pygame", "examples/data", ".wav")
    if path.read_bytes()[20:22] == b"\x01\x00"  # not compressed
]


def check_image(data: bytes, budget: int) -> None:
    """The reference gets RGB pixels; how others are made RGB is our own decision."""
    processor = Gemma4ImageProcessorPil()
    got = image_features(data, budget=budget)
    wanted = processor(
        Image.fromarray(decode_image(data)),
        max_soft_tokens=budget,
        return_tensors="np",
        input_data_format="channels_first",
    )
    assert np.array_equal(got.position_ids, wanted["image_position_ids"][0])
    assert got.num_soft_tokens == wanted["num_soft_tokens_per_image"][0]
    assert num_image_tokens(data, budget=budget) == got.num_soft_tokens
    assert np.abs(got.pixel_values - wanted["pixel_values"][0]).max() <= 1e-6


def check_audio(samples: npt.NDArray[np.float32]) -> None:
    """Same features, same mask, and as many tokens as the tower will give."""
    got = audio_features(samples)
    wanted = Gemma4AudioFeatureExtractor()([samples], return_tensors="np")
    mask = wanted["input_features_mask"][0]
    assert np.array_equal(got.mask, mask)
    assert got.num_soft_tokens == mask[::2][::2].sum()
    assert np.array_equal(got.input_features, wanted["input_features"][0])


@pytest.mark.parametrize("budget", SOFT_TOKEN_BUDGETS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_made_pictures(size: tuple[int, int], budget: int) -> None:
    check_image(encoded(painted(*size)), budget)


@pytest.mark.skipif(not PHOTOS, reason="scikit-image brings the photos and is not installed")
@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.name)
def test_photos(path: Path) -> None:
    check_image(path.read_bytes(), 280)


@pytest.mark.skipif(not PHOTOS, reason="scikit-image brings the photos and is not installed")
def test_a_photo_as_the_reference_opens_it() -> None:
    """From the bytes on, JPEG decoder included."""
    path = next(path for path in PHOTOS if path.name == "rocket.jpg")
    got = image_features(path.read_bytes())
    wanted = Gemma4ImageProcessorPil()(
        Image.open(io.BytesIO(path.read_bytes())), return_tensors="np"
    )
    assert np.abs(got.pixel_values - wanted["pixel_values"][0]).max() <= 1e-6


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_made_sounds(num_samples: int) -> None:
    noise = np.random.default_rng(num_samples).standard_normal(num_samples) * 0.05
    check_audio((chirp(30.0)[:num_samples] + noise).astype(np.float32))


@pytest.mark.parametrize("level", [0.0, 1.0], ids=["silence", "clipping"])
def test_extreme_sounds(level: float) -> None:
    check_audio(np.full(8000, level, np.float32))


@pytest.mark.skipif(not SOUNDS, reason="pygame-ce brings the sounds and is not installed")
@pytest.mark.parametrize("path", SOUNDS, ids=lambda path: path.name)
def test_recordings(path: Path) -> None:
    check_audio(decode_audio(path.read_bytes()))
