"""Pictures and sounds made by code: the same bytes and samples everywhere."""

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image


def painted(height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8[height, width, 3]: gradients, a disc and a fine grating; whole numbers throughout."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    disc = (2 * y - height) ** 2 + (2 * x - width) ** 2 < min(height, width) ** 2 // 2
    red = (255 * x) // max(1, width - 1)
    green = (255 * y) // max(1, height - 1)
    blue = np.where(disc, 40 + (x * 7 + y * 3) % 200, (x // 4 + y // 4) % 2 * 180)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def encoded(pixels: npt.NDArray[np.uint8], kind: str = "PNG", **options: object) -> bytes:
    """The pixels as a PNG or JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def chirp(seconds: float, rate_hz: int = 16_000) -> npt.NDArray[np.float32]:
    """float32[samples]: a tone rising from 100 to 4000 Hz over a quieter steady one."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    rising = np.sin(2 * np.pi * (100 * t + 1950 * t**2 / max(seconds, 1e-9)))
    return (0.5 * rising + 0.2 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def wav(data: bytes, *, rate_hz: int, bits: int = 16, channels: int = 1, code: int = 1) -> bytes:
    """A WAV file around interleaved little-endian samples."""
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", code, channels, rate_hz, rate_hz * block, block, bits)
    chunks = [(b"fmt ", fmt), (b"LIST", b"odd"), (b"data", data)]
    body = b"".join(
        name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2)
        for name, part in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body
