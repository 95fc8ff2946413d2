"""Turns a sound into the log-mel features that Gemma 4's audio tower takes; numpy alone.

Knows WAV files and bare samples, nothing of microphones or the tower.

Source: Gemma 4 feature extractor of transformers 5.23 (framing, masks, constants); mel scale as in
the HTK book, section 5.4; band-limited interpolation with a Kaiser window, J. O. Smith, "Digital
Audio Resampling".
"""

import math
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from npc_brain.errors import MediaError
from npc_brain.vocabulary import AudioEncoding

SAMPLE_RATE_HZ = 16_000
"""What the model hears."""
MAX_SECONDS = 30.0
NUM_MELS = 128

_FRAME = 320
_HOP = 160
_FFT = 512
_MEL_FLOOR = 1e-3
_PAD_MULTIPLE = 128
_MAX_FREQUENCY_HZ = 8000.0
_RATES_HZ = (4_000, 192_000)
_MAX_CHANNELS = 8
_LOUDEST = 1e4
"""Of float samples, where full scale is 1."""

_ZERO_CROSSINGS = 24
_KAISER_BETA = 9.0
_ROLLOFF = 0.96
"""Cut-off of the resampling filter as a share of the lower Nyquist frequency."""

_PHASES_AT_ONCE = 256

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE

Samples = npt.NDArray[np.float32]
"""float32[samples], mono, -1 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioFeatures:
    """A sound as the audio tower takes it.

    Attributes:
        input_features: float32[frames, 128]: natural logs of mel magnitudes, a frame each 10 ms;
            zeros where the mask is False.
        mask: bool[frames]: which frames are of real sound throughout; the others come last.
        num_soft_tokens: Soft tokens that come of it, 1 to 750: 25 a second.
    """

    input_features: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    num_soft_tokens: int


def audio_features(samples: Samples) -> AudioFeatures:
    """The features of a mono sound at 16 kHz, 21 ms to 30 s long.

    Raises MediaError when it is shorter or longer.
    """
    num_soft_tokens = _count_tokens(len(samples))
    padded_length = -(-len(samples) // _PAD_MULTIPLE) * _PAD_MULTIPLE
    padded = np.zeros(_FRAME // 2 + padded_length, np.float32)
    padded[_FRAME // 2 : _FRAME // 2 + len(samples)] = samples
    # A frame counts as one sample longer than the window: the look-back of a pre-emphasis filter.
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME + 1)[::_HOP, :_FRAME]
    spectrum = np.abs(np.fft.rfft(frames * _hann_window(), n=_FFT))
    features = np.log(spectrum @ _mel_filters() + _MEL_FLOOR).astype(np.float32)
    last_samples = np.arange(len(features)) * _HOP + _FRAME
    mask = last_samples < _FRAME // 2 + len(samples)
    features[~mask] = 0
    return AudioFeatures(features, mask, num_soft_tokens)


def num_audio_tokens(data: bytes, encoding: AudioEncoding = "wav", sample_rate_hz: int = 0) -> int:
    """How many soft tokens a sound becomes. Raises as `decode_audio` and `audio_features` do."""
    samples, rate_hz = _read(data, encoding, sample_rate_hz)
    return _count_tokens(_resampled_length(len(samples), rate_hz))


def decode_audio(data: bytes, encoding: AudioEncoding = "wav", sample_rate_hz: int = 0) -> Samples:
    """A sound as mono samples at 16 kHz; several channels are averaged.

    Args:
        data: A WAV file (8 to 32-bit integer or 32 or 64-bit float samples), or bare samples.
        encoding: What `data` is.
        sample_rate_hz: Of bare samples, 4000 to 192000; a WAV file tells its own.

    Raises:
        MediaError: It is damaged, compressed, empty, or longer than 30 s.
    """
    samples, rate_hz = _read(data, encoding, sample_rate_hz)
    _count_tokens(_resampled_length(len(samples), rate_hz))
    return resample(samples.mean(axis=1, dtype=np.float32), rate_hz)


def resample(samples: Samples, rate_hz: int) -> Samples:
    """`samples` taken at `rate_hz`, at 16 kHz: ceil(n * 16000 / rate_hz) of them.

    Polyphase: all outputs with one fractional position share one filter.
    """
    if rate_hz == SAMPLE_RATE_HZ or not len(samples):
        return samples
    divisor = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    up, down = SAMPLE_RATE_HZ // divisor, rate_hz // divisor
    cutoff = _ROLLOFF * min(1.0, SAMPLE_RATE_HZ / rate_hz)  # in input Nyquist frequencies
    reach = math.ceil(_ZERO_CROSSINGS / cutoff)
    output = np.empty(_resampled_length(len(samples), rate_hz), np.float32)
    padded = np.pad(samples, (reach - 1, reach + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    for first in range(0, min(up, len(output)), _PHASES_AT_ONCE):
        phases = np.arange(first, min(first + _PHASES_AT_ONCE, up, len(output)))
        filters = _windowed_sincs(phases * down % up / up, cutoff, reach)
        for phase, start, filter_ in zip(phases, phases * down // up, filters, strict=True):
            chosen = output[phase::up]
            chosen[:] = windows[start::down][: len(chosen)] @ filter_
    return output


def _windowed_sincs(
    offsets: npt.NDArray[np.float64], cutoff: float, reach: int
) -> npt.NDArray[np.float32]:
    """float32[offset, 2 * reach]: filters for outputs that far (0 to 1) beyond an input sample."""
    times = np.arange(1 - reach, reach + 1) - offsets[:, None]
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (times / reach) ** 2, 0, None)))
    taps = np.sinc(times * cutoff) * window
    taps /= taps.sum(axis=1, keepdims=True)
    return taps.astype(np.float32)


def _resampled_length(num_samples: int, rate_hz: int) -> int:
    return -(-num_samples * SAMPLE_RATE_HZ // rate_hz)


def _count_tokens(num_samples: int) -> int:
    """Soft tokens of that many samples at 16 kHz: two halvings of the frames, rounded up."""
    num_frames = (num_samples + _FRAME // 2 - (_FRAME + 1)) // _HOP + 1
    if num_frames < 1 or num_samples > MAX_SECONDS * SAMPLE_RATE_HZ:
        raise MediaError(
            f"got {num_samples / SAMPLE_RATE_HZ:.3f} s of sound, wanted 0.021 to {MAX_SECONDS:g} s",
            hint="split it at pauses and send one utterance at a time",
        )
    return -(-num_frames // 4)


def _read(data: bytes, encoding: AudioEncoding, sample_rate_hz: int) -> tuple[Samples, int]:
    """float32[samples, channels], -1 to 1, and their rate."""
    if encoding == "wav":
        samples, sample_rate_hz = _read_wav(data)
    else:
        code, bits = (_PCM, 16) if encoding == "pcm_s16" else (_FLOAT, 32)
        samples = _as_floats(data, code, bits, num_channels=1)
    low, high = _RATES_HZ
    if not low <= sample_rate_hz <= high:
        raise MediaError(f"got {sample_rate_hz} samples a second, wanted {low} to {high}")
    return samples, sample_rate_hz


def _read_wav(data: bytes) -> tuple[Samples, int]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise MediaError(
            f"got {len(data)} bytes that are no WAV file",
            hint="WAV is the only supported file format; convert MP3 or Ogg, or send samples",
        )
    position = 12
    layout: tuple[int, ...] | None = None
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        chunk = data[position + 8 : position + 8 + length]
        if name == b"fmt " and len(chunk) >= 16:
            layout = struct.unpack_from("<HHIIHH", chunk)
            if layout[0] == _EXTENSIBLE and len(chunk) >= 26:
                layout = (struct.unpack_from("<H", chunk, 24)[0], *layout[1:])
        elif name == b"data" and layout is not None:
            code, num_channels, rate_hz, _, _, bits = layout
            return _as_floats(chunk, code, bits, num_channels), rate_hz
        position += 8 + length + length % 2
    raise MediaError(f"a WAV file of {len(data)} bytes is damaged: it has no samples")


def _as_floats(data: bytes, code: int, bits: int, num_channels: int) -> Samples:
    """float32[samples, channels] of interleaved little-endian samples."""
    is_known = bits in {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}.get(code, ())
    if not is_known or not 1 <= num_channels <= _MAX_CHANNELS:
        raise MediaError(
            f"got sound of format {code} with {bits} bits in {num_channels} channels, wanted "
            f"integer or float samples in 1 to {_MAX_CHANNELS} channels",
            hint="save it as 16-bit PCM",
        )
    whole = len(data) - len(data) % (bits // 8 * num_channels)
    raw = np.frombuffer(data[:whole], np.uint8).reshape(-1, num_channels, bits // 8)
    if code == _FLOAT:
        floats = raw.view(f"<f{bits // 8}")[..., 0]
        if not (np.abs(floats) <= _LOUDEST).all():  # neither is NaN
            raise MediaError(f"got sound with samples that are not finite or beyond {_LOUDEST:g}")
        return floats.astype(np.float32)
    if bits == 8:  # unsigned, the only one
        return (raw[..., 0].astype(np.float32) - 128) / np.float32(128)
    widened = np.zeros((*raw.shape[:2], 4), np.uint8)
    widened[..., 4 - bits // 8 :] = raw
    return widened.view("<i4")[..., 0].astype(np.float32) / np.float32(2**31)


@lru_cache(maxsize=1)
def _hann_window() -> Samples:
    """float32[320], periodic."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_filters() -> npt.NDArray[np.float64]:
    """float64[257, 128]: triangles, evenly spaced on the HTK mel scale, of height 1."""
    mels = np.linspace(0, 2595 * math.log10(1 + _MAX_FREQUENCY_HZ / 700), NUM_MELS + 2)
    corners = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.linspace(0, SAMPLE_RATE_HZ / 2, _FFT // 2 + 1)[:, None]
    rising = (frequencies - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - frequencies) / np.diff(corners)[1:]
    return np.maximum(0, np.minimum(rising, falling))
