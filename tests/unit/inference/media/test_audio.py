"""Sounds: what is decoded, what is refused, resampling, and the features that come of them."""

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.errors import MediaError
from npc_brain.inference.media.audio import (
    audio_features,
    decode_audio,
    num_audio_tokens,
    resample,
)
from npc_brain.vocabulary import AudioEncoding
from tests.media_samples import chirp, wav


def as_pcm(samples: npt.NDArray[np.float32], bits: int) -> bytes:
    """Little-endian integer samples."""
    if bits == 8:
        return (np.rint(samples * 127) + 128).astype(np.uint8).tobytes()
    values = np.rint(samples * (2 ** (bits - 1) - 1)).astype("<i8")
    return values.view(np.uint8).reshape(-1, 8)[:, : bits // 8].tobytes()


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 1e-2), (16, 1e-4), (24, 1e-6), (32, 1e-7)])
def test_integer_wav(bits: int, tolerance: float) -> None:
    samples = chirp(0.5)
    decoded = decode_audio(wav(as_pcm(samples, bits), rate_hz=16_000, bits=bits))
    assert decoded.dtype == np.float32
    assert np.abs(decoded - samples).max() < tolerance


@pytest.mark.parametrize("bits", [32, 64])
def test_float_wav(bits: int) -> None:
    samples = chirp(0.5)
    data = samples.astype(f"<f{bits // 8}").tobytes()
    decoded = decode_audio(wav(data, rate_hz=16_000, bits=bits, code=3))
    assert np.array_equal(decoded, samples)


def test_extensible_wav() -> None:
    """What Windows' own recorder writes: the format code stands behind a second header."""
    data = as_pcm(chirp(0.1), 16)
    plain = wav(data, rate_hz=16_000, code=0xFFFE)
    fmt = plain[20:36] + struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
    body = b"fmt " + struct.pack("<I", 40) + fmt + b"data" + struct.pack("<I", len(data)) + data
    extensible = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
    assert np.array_equal(decode_audio(extensible), decode_audio(wav(data, rate_hz=16_000)))


def test_channels_are_averaged() -> None:
    left, right = chirp(0.2), np.zeros(3200, np.float32)
    data = np.stack([left, right], axis=1).astype("<f4").tobytes()
    decoded = decode_audio(wav(data, rate_hz=16_000, bits=32, channels=2, code=3))
    assert np.allclose(decoded, left / 2)


@pytest.mark.parametrize("encoding", ["pcm_s16", "pcm_f32"])
def test_bare_samples(encoding: AudioEncoding) -> None:
    samples = chirp(0.2)
    data = as_pcm(samples, 16) if encoding == "pcm_s16" else samples.astype("<f4").tobytes()
    assert np.abs(decode_audio(data, encoding, 16_000) - samples).max() < 1e-4


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no WAV file"),
        (b"ID3" + bytes(100), "no WAV file"),
        (wav(b"", rate_hz=16_000), "0.000 s"),
        (wav(bytes(320), rate_hz=16_000), "0.010 s"),
        (wav(bytes(2 * 16_000 * 31), rate_hz=16_000), "31.000 s"),
        (wav(bytes(9000), rate_hz=0), "0 samples a second"),
        (wav(bytes(9000), rate_hz=10_000_000), "10000000 samples a second"),
        (wav(bytes(9000), rate_hz=16_000, code=2), "format 2"),
        (wav(bytes(9000), rate_hz=16_000, bits=12), "12 bits"),
        (wav(bytes(9000), rate_hz=16_000, channels=99), "99 channels"),
        (wav(bytes(9000), rate_hz=16_000)[:40], "no samples"),
        (wav(struct.pack("<f", np.nan) * 9000, rate_hz=16_000, bits=32, code=3), "not finite"),
    ],
)
def test_what_cannot_be_heard_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(MediaError, match=told):
        decode_audio(data)


@given(st.binary(max_size=300), st.booleans())
def test_garbage_is_refused_with_a_media_error(data: bytes, is_wav: bool) -> None:
    prefix = wav(b"", rate_hz=16_000)[:20] if is_wav else b""
    with pytest.raises(MediaError):
        decode_audio(prefix + data)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_a_tone(rate_hz: int) -> None:
    """Against the tone itself, away from the ends: better than 80 dB."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    resampled = resample(tone, rate_hz)
    assert len(resampled) == 16_000
    wanted = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    assert np.abs(resampled - wanted)[500:-500].max() < 1e-4


def test_resampling_removes_what_would_alias() -> None:
    tone = np.sin(2 * np.pi * 9_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(resample(tone, 48_000))[500:-500].max() < 1e-4


@given(st.integers(4_000, 50_000), st.integers(1, 400))
def test_any_rate_and_length_is_resampled(rate_hz: int, num_samples: int) -> None:
    resampled = resample(np.ones(num_samples, np.float32), rate_hz)
    assert len(resampled) == -(-num_samples * 16_000 // rate_hz)
    assert np.isfinite(resampled).all()


@pytest.mark.parametrize(
    ("num_samples", "num_tokens"),
    [(161, 1), (320, 1), (800, 1), (801, 2), (16_000, 25), (16_001, 25), (480_000, 750)],
)
def test_25_tokens_a_second(num_samples: int, num_tokens: int) -> None:
    features = audio_features(np.zeros(num_samples, np.float32))
    assert features.num_soft_tokens == num_tokens
    assert features.mask[::2][::2].sum() == num_tokens
    assert num_audio_tokens(bytes(2 * num_samples), "pcm_s16", 16_000) == num_tokens


def test_padding_is_masked() -> None:
    features = audio_features(chirp(0.1)[:1537])
    assert features.mask.tolist() == sorted(features.mask, reverse=True)
    assert not features.input_features[~features.mask].any()


GOLDEN_SHAPE = (99, 128)
GOLDEN_SUM = -56111.854
GOLDEN_VALUES: list[list[float]] = [
    [-6.908, -1.139, -2.569],
    [-6.908, -4.068, -6.753],
    [-6.908, -6.403, -5.667],
]


def test_known_values() -> None:
    """Numbers that transformers' extractor gave too: see tests/reference/test_media_features.py."""
    features = audio_features(chirp(1.0))
    assert features.input_features.shape == GOLDEN_SHAPE
    total = features.input_features.sum(dtype=np.float64)
    assert total == pytest.approx(GOLDEN_SUM, rel=1e-6)
    assert np.allclose(features.input_features[::40, ::50], GOLDEN_VALUES, atol=1e-3)
