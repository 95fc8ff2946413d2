"""Turns the bytes of a picture into the patches that Gemma 4's vision tower takes.

Pillow decodes and resizes; it is an extra (`media`) and imported when the first picture comes.
Knows nothing of the tower.

Source: Gemma 4 image processor of transformers 5.23 (sizes, patch order, padding).
"""

import io
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from npc_brain.errors import ErrorCode, MediaError, UsageError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

PATCH_SIZE = 16
"""Side of a patch in pixels."""
POOL_SIZE = 3
"""Patches on each side of what becomes one soft token."""
SOFT_TOKEN_BUDGETS = (70, 140, 280, 560, 1120)
"""Most soft tokens of a picture: how much detail the model sees, and how long the prompt gets."""
DEFAULT_BUDGET = 280
MAX_PIXELS = 2**24
"""Largest picture that is decoded, width times height: a 5K screenshot fits (14.7 million).
Decoding takes up to 12 bytes a pixel, so 200 MB at most."""
MAX_SIDE = 2**14
"""Longest side of a picture that is decoded."""

_CELL = PATCH_SIZE * POOL_SIZE
_MAX_SCANS = 64
"""Of a progressive JPEG file; each goes over the whole picture. Encoders make about ten."""
_MAX_DEFLATE = 1032
"""Bytes that a byte of deflated data can become. Source: zlib's technical details."""
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type. Source: PNG specification, table 11.1."""
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"

Pixels = npt.NDArray[np.uint8]
"""uint8[height, width, 3], RGB."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """A picture as the vision tower takes it.

    Attributes:
        pixel_values: float32[9 * budget, 768]: the patches row by row, each with its pixels row by
            row and RGB innermost, 0 to 1; zeros after the last patch.
        position_ids: int64[9 * budget, 2]: column and row of each patch, -1 after the last one.
        num_soft_tokens: Soft tokens that come of it, 1 to budget.
    """

    pixel_values: npt.NDArray[np.float32]
    position_ids: npt.NDArray[np.int64]
    num_soft_tokens: int


def image_features(data: bytes, *, budget: int = DEFAULT_BUDGET) -> ImageFeatures:
    """Decode, resize and cut up a PNG or JPEG file.

    Raises:
        MediaError: See `decode_image`.
        UsageError: `budget` is none of `SOFT_TOKEN_BUDGETS`.
    """
    return _features(_decoded(data), budget)


def decode_image(data: bytes) -> Pixels:
    """The pixels of a PNG or JPEG file, turned upright; what is transparent becomes white.

    Raises:
        MediaError: It is neither, damaged, or larger than `MAX_PIXELS`; nothing that large is ever
            decompressed. Also when Pillow is not installed.
    """
    return np.asarray(_decoded(data))


def _decoded(data: bytes) -> "Image.Image":
    """The picture in RGB, upright. Raises MediaError as `decode_image`."""
    image = _open(data)
    with _refusing_damage(data):
        image.load()
        return _as_rgb(image)


def image_size(data: bytes) -> tuple[int, int]:
    """Height and width of a PNG or JPEG file, upright, from its header alone.

    Raises MediaError as `decode_image` does, but does not see damage after the header.
    """
    image = _open(data)
    with _refusing_damage(data):
        is_on_its_side = image.getexif().get(_EXIF_ORIENTATION, 1) >= _FIRST_TRANSPOSED
    return (image.width, image.height) if is_on_its_side else (image.height, image.width)


def num_image_tokens(data: bytes, *, budget: int = DEFAULT_BUDGET) -> int:
    """How many soft tokens a PNG or JPEG file becomes. Raises as `image_size` does."""
    height, width = target_size(*image_size(data), budget=budget)
    return height * width // _CELL**2


def target_size(height: int, width: int, *, budget: int = DEFAULT_BUDGET) -> tuple[int, int]:
    """Height and width that a picture is resized to: multiples of 48 within `budget` cells.

    Keeps the aspect up to rounding down; small pictures grow. A strip too thin for one cell gets
    one, and its aspect suffers.
    """
    if budget not in SOFT_TOKEN_BUDGETS:
        raise UsageError(
            f"got a budget of {budget} soft tokens, wanted one of {SOFT_TOKEN_BUDGETS}"
        )
    scale = math.sqrt(budget * _CELL**2 / (height * width))
    rows, columns = int(scale * height / _CELL), int(scale * width / _CELL)
    if rows == 0:
        rows, columns = 1, min(width // height, budget)
    elif columns == 0:
        rows, columns = min(height // width, budget), 1
    return rows * _CELL, columns * _CELL


def pixel_features(pixels: Pixels, *, budget: int = DEFAULT_BUDGET) -> ImageFeatures:
    """`image_features` of a picture that is decoded already."""
    return _features(_pillow().Image.fromarray(pixels), budget)


def _features(image: "Image.Image", budget: int) -> ImageFeatures:
    height, width = target_size(image.height, image.width, budget=budget)
    if image.size != (width, height):
        image = image.resize((width, height), _pillow().Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    rows, columns = height // PATCH_SIZE, width // PATCH_SIZE
    patches = pixels.reshape(rows, PATCH_SIZE, columns, PATCH_SIZE, 3).transpose(0, 2, 1, 3, 4)
    num_patches = rows * columns
    values = np.zeros((budget * POOL_SIZE**2, PATCH_SIZE**2 * 3), np.float32)
    np.multiply(patches.reshape(num_patches, -1), np.float32(1 / 255), out=values[:num_patches])
    positions = np.full((len(values), 2), -1, np.int64)
    positions[:num_patches, 0] = np.tile(np.arange(columns), rows)
    positions[:num_patches, 1] = np.repeat(np.arange(rows), columns)
    return ImageFeatures(values, positions, num_patches // POOL_SIZE**2)


_EXIF_ORIENTATION = 0x0112
_FIRST_TRANSPOSED = 5
"""EXIF orientations 5 to 8 swap height and width."""


def _open(data: bytes) -> "ImageFile":
    """The picture with its header read and nothing decompressed.

    The two plugins are called by name: `Image.open` would try every format that Pillow knows, and
    tells of large pictures by a process-wide warning.
    """
    pil = _pillow()
    image: ImageFile
    with _refusing_damage(data):
        if data.startswith(_PNG_MAGIC):
            image = pil.PngImagePlugin.PngImageFile(io.BytesIO(data))
        elif data.startswith(_JPEG_MAGIC):
            image = pil.JpegImagePlugin.JpegImageFile(io.BytesIO(data))
        else:
            raise MediaError(
                f"got {len(data)} bytes that are neither a PNG nor a JPEG file",
                hint="send the whole file as a game or a camera writes it, not bare pixels",
            )
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE or min(width, height) < 1:
        raise MediaError(
            f"got a picture of {width} x {height} pixels, wanted at most {MAX_PIXELS} in all and "
            f"{MAX_SIDE} in a row",
            hint="scale it down first; the model sees about 800 x 800 of it",
        )
    if data.startswith(_PNG_MAGIC) and len(data) * _MAX_DEFLATE < _unpacked_bytes(data):
        raise _damaged(data, f"it is too short for {width} x {height} pixels")
    if data.count(b"\xff\xda") > _MAX_SCANS and data.startswith(_JPEG_MAGIC):
        raise _damaged(data, f"it has more than {_MAX_SCANS} scans")
    return image


def _unpacked_bytes(data: bytes) -> int:
    """Length of a PNG file's pixels before they were deflated, from its header."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    return int(height * (1 + width * depth * _PNG_CHANNELS.get(colour, 1) // 8))


def _as_rgb(image: "Image.Image") -> "Image.Image":
    """In RGB, with few copies: a picture may have 67 MB."""
    pil = _pillow()
    pil.ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        grey = np.right_shift(np.asarray(image), 8).clip(0, 255).astype(np.uint8)
        image = pil.Image.fromarray(grey)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white: Image.Image = pil.Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB") if image.mode != "RGB" else image


@contextmanager
def _refusing_damage(data: bytes) -> Iterator[None]:
    """Turn anything that Pillow raises for damaged data, even `KeyError`, into MediaError."""
    try:
        yield
    except MediaError:
        raise
    except Exception as error:
        raise _damaged(data, repr(error)) from error


def _damaged(data: bytes, error: object) -> MediaError:
    kind = "PNG" if data.startswith(_PNG_MAGIC) else "JPEG"
    return MediaError(f"a {kind} file of {len(data)} bytes is damaged: {error}")


def _pillow() -> Any:
    try:
        import PIL.Image
        import PIL.ImageOps
        import PIL.JpegImagePlugin
        import PIL.PngImagePlugin
    except ImportError as error:
        raise MediaError(
            "pictures need the package Pillow, which is not installed",
            code=ErrorCode.CANNOT_SEE,
            hint="pip install 'npc-brain[media]'",
        ) from error
    return PIL
