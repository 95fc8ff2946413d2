"""The exported sentence encoder on its real weights, against stored float32 vectors."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.sentence_encoder import SentenceEncoder

pytestmark = pytest.mark.model

REFERENCE = Path(__file__).parent / "reference" / "minilm.npz"


@pytest.fixture(scope="module")
def model_dir() -> Path:
    return resolve_model("minilm-l6")


@pytest.fixture(scope="module")
def encoder(model_dir: Path) -> SentenceEncoder:
    return SentenceEncoder(model_dir)


def test_equals_the_float_reference(encoder: SentenceEncoder) -> None:
    """At least 200 sentences made by torch and transformers; see make_minilm.py."""
    with np.load(REFERENCE) as reference:
        texts = [str(text) for text in reference["texts"]]
        wanted = reference["vectors"].astype(np.float32)
    cosines = (encoder.encode(texts) * wanted).sum(axis=1)
    print(f"{len(texts)} texts, cosine min {cosines.min():.5f} mean {cosines.mean():.5f}")
    assert len(texts) >= 200
    assert cosines.min() >= 0.99, texts[int(cosines.argmin())]


def test_is_small(model_dir: Path) -> None:
    assert (model_dir / "model.onnx").stat().st_size < 26_000_000


def test_batching_changes_nothing(model_dir: Path) -> None:
    encoder = SentenceEncoder(model_dir, cache_size=0)
    texts = [f"{'very ' * (n % 40)}long sentence number {n}" for n in range(70)]
    one_by_one = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(encoder.encode(texts) - one_by_one).max() < 1e-4


def test_rows_are_unit_and_blank_texts_are_near_to_nothing(encoder: SentenceEncoder) -> None:
    vectors = encoder.encode(["hello", "", "  \n", "word " * 5000, "\x00\u200b", "鍛冶屋"])
    lengths = np.linalg.norm(vectors, axis=1)
    assert vectors.dtype == np.float32
    assert lengths == pytest.approx([1, 0, 0, 1, 1, 1], abs=1e-4)
    assert encoder.encode([]).shape == (0, 384)


def test_special_tokens_in_a_text_are_plain_text(encoder: SentenceEncoder) -> None:
    """A "[MASK]" typed by a player must not become the token of that name."""
    typed, spelt = encoder.encode(["give me [MASK]", "give me [ mask ]"])
    assert float(typed @ spelt) > 0.99


def test_cache_gives_equal_vectors_and_stays_bounded(model_dir: Path) -> None:
    encoder = SentenceEncoder(model_dir, cache_size=3)
    first = encoder.encode(["a", "b"])
    encoder.encode(["c", "d", "e"])
    assert len(encoder._cache) == 3
    assert np.abs(encoder.encode(["a", "b"]) - first).max() < 1e-4


def test_threads_share_one_encoder(encoder: SentenceEncoder) -> None:
    texts = [f"Where is house number {n % 17}?" for n in range(200)]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda text: encoder.encode([text])[0], texts))
    assert np.abs(np.stack(rows) - encoder.encode(texts)).max() < 1e-4
