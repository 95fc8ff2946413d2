"""Hostile pictures, sounds and saved states: one small function a file."""

import io
import struct
import zlib

import msgpack
import numpy as np
from PIL import Image

from tests.media_samples import encoded, painted, wav
from tests.security.hostile_texts import Build, text


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int,
    height: int,
    depth: int = 8,
    colour: int = 2,
    *,
    pixels: bytes = b"",
    more: bytes = b"",
) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG file that claims another size than it has."""
    data = bytearray(encoded(painted(16, 16), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def scans(count: int) -> bytes:
    data = encoded(painted(512, 512), "JPEG", progressive=True)
    scan, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[scan:end] * count + data[end:]


def largest(mode: str) -> bytes:
    """The largest picture that is let in, as small a file as it can be."""
    file = io.BytesIO()
    Image.new(mode, (4096, 4096)).save(file, "JPEG" if mode == "CMYK" else "PNG")
    return file.getvalue()


BOMB = zlib.compress(bytes(200_000_000), 9)

PICTURES: dict[str, Build] = {
    "74 bytes for 33 million pixels": text(png(5792, 5792, 16, 0, pixels=bytes(11_585))),
    "one row of many": text(png(4096, 4096, 16, 6, pixels=bytes(4096 * 8 + 1))),
    "no rows": text(png(4096, 4096)),
    "2^31 squared": text(png(2**31 - 1, 2**31 - 1)),
    "2^32 squared": text(png(2**32 - 1, 2**32 - 1)),
    "no width": text(png(0, 10)),
    "thin": text(png(2**25, 1, 1, 0, pixels=bytes(2**22 + 1))),
    "high": text(png(1, 2**25, 8, 0, pixels=bytes(2**26))),
    "depth of 255": text(png(8, 8, 255, 2)),
    "colour of 255": text(png(8, 8, 8, 255)),
    "text bomb": text(png(8, 8, more=chunk(b"zTXt", b"k\0\0" + BOMB))),
    "international text bomb": text(png(8, 8, more=chunk(b"iTXt", b"k\0\1\0\0\0" + BOMB))),
    "colour profile bomb": text(png(8, 8, more=chunk(b"iCCP", b"k\0\0" + BOMB))),
    "many texts": text(
        png(8, 8, more=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6))) * 200)
    ),
    "pixel bomb": text(png(8, 8, pixels=bytes(50_000_000))[:-4]),
    "million frames": text(png(8, 8, more=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))),
    "damaged checksum": text(png(64, 64, pixels=bytes(64 * 193)).replace(b"IDAT", b"IDAU")),
    "chunk of 2^31": text(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"IHDR"),
    "palette missing": text(png(64, 64, 8, 3, pixels=bytes(64 * 65))),
    "jpeg of 65535 squared": text(jpeg(65535, 65535)),
    "jpeg of nothing": text(jpeg(0, 0)),
    "jpeg of many scans": text(scans(5000)),
    "jpeg cut": text(encoded(painted(64, 64), "JPEG")[:200]),
    "jpeg of markers": text(b"\xff\xd8" + b"\xff\xe0\xff\xff" * 50_000),
    "gif": text(b"GIF89a" + bytes(100)),
    "tiff": text(b"II*\0" + struct.pack("<I", 8) + b"\xff" * 100),
    "svg": text("<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>"),
    "empty": text(""),
}
LARGEST: dict[str, Build] = {
    mode: text(largest(mode)) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK")
}
"""Let in; what they cost is what counts."""

_SAMPLES = bytes(4000)


def loud(level: float) -> Build:
    samples = np.full(9000, level, "<f8")
    return text(wav(samples.tobytes(), rate_hz=16_000, bits=64, code=3))


SOUNDS: dict[str, Build] = {
    "length of 2^32": text(b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(100)),
    "data of 2^32": text(wav(_SAMPLES, rate_hz=16_000)[:60] + b"data\xff\xff\xff\xff"),
    "rate of 0": text(wav(_SAMPLES, rate_hz=0)),
    "rate of 2^32": text(wav(_SAMPLES, rate_hz=2**28)),
    "65535 channels": text(wav(_SAMPLES, rate_hz=16_000, channels=8191)),
    "no channels": text(wav(_SAMPLES, rate_hz=16_000, channels=0)),
    "no bits": text(wav(_SAMPLES, rate_hz=16_000, bits=0)),
    "compressed": text(wav(_SAMPLES, rate_hz=16_000, code=85)),
    "not numbers": loud(float("nan")),
    "infinite": loud(float("inf")),
    "very loud": loud(1e300),
    "two minutes": text(wav(bytes(16_000 * 120), rate_hz=8_000, bits=8)),
    "half a million chunks": text(b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 500_000),
    "layouts without end": text(
        b"RIFF\0\0\0\0WAVE" + (b"fmt \x10\0\0\0" + bytes(16)) * 100_000),
    "no samples": text(wav(b"", rate_hz=16_000)),
    "another file": text(b"OggS" + bytes(100)),
    "empty": text(""),
}  # fmt: skip


def blob(payload: bytes, *, magic: bytes = b"NPCB", version: int = 1) -> Build:
    return text(magic + bytes([version]) + zlib.compress(payload, 9))


BLOBS: dict[str, Build] = {
    "bomb of 1 GB": text(b"NPCB\x01" + zlib.compress(bytes(300_000_000), 9)),
    "deep": blob(b"\x91" * 100_000),
    "deep maps": blob(b"\x81\xa1a" * 100_000),
    "array of 2^32": blob(b"\xdd\xff\xff\xff\xff"),
    "map of 2^32": blob(b"\xdf\xff\xff\xff\xff"),
    "text of 2^32": blob(b"\xdb\xff\xff\xff\xff"),
    "not a map": blob(msgpack.packb([1])),
    "keys of lists": blob(b"\x81\x91\x01\x01"),
    "version 9": blob(msgpack.packb({}), version=9),
    "another magic": blob(msgpack.packb({}), magic=b"PKZP"),
    "cut": text(b"NPCB\x01" + zlib.compress(msgpack.packb({"a": "b" * 500}))[:-9]),
    "empty": text(""),
}
