"""Pictures: what is decoded, what is refused, and the patches that come of them."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from npc_brain.errors import ErrorCode, MediaError, UsageError
from npc_brain.inference.media.image import (
    MAX_PIXELS,
    MAX_SIDE,
    SOFT_TOKEN_BUDGETS,
    decode_image,
    image_features,
    image_size,
    num_image_tokens,
    pixel_features,
    target_size,
)
from tests.media_samples import encoded, painted


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and has next to nothing in it."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 64)
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
             for c in (chunk, data)]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_png_comes_back_as_it_was() -> None:
    pixels = painted(37, 61)
    assert np.array_equal(decode_image(encoded(pixels)), pixels)


def test_jpeg_comes_back_nearly() -> None:
    smooth = np.repeat(painted(64, 96)[..., :1], 3, axis=2)
    decoded = decode_image(encoded(smooth, "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - smooth).mean() < 3


def test_transparent_is_white() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4] = [10, 20, 30, 255]
    decoded = decode_image(encoded(pixels))
    assert decoded[0, 0].tolist() == [10, 20, 30]
    assert decoded[7, 7].tolist() == [255, 255, 255]


def test_16_bit_grey_is_not_clipped() -> None:
    grey = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    assert np.array_equal(decode_image(file.getvalue())[..., 1], (grey >> 8).astype(np.uint8))


def test_camera_pictures_are_turned_upright() -> None:
    """A phone stores a portrait as a landscape with a note on how to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(painted(48, 96), "JPEG", exif=exif)
    assert decode_image(data).shape == (96, 48, 3)
    assert image_size(data) == (96, 48)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    data = encoded(painted(100, 100), kind)
    with pytest.raises(MediaError, match=r"damaged") as error:
        decode_image(data[: int(len(data) * share)])
    assert error.value.code == ErrorCode.BAD_MEDIA


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(20), b"hello", b"RIFF" + bytes(40)])
def test_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError, match="neither a PNG nor a JPEG"):
        decode_image(data)


def test_a_bomb_is_refused_by_its_header() -> None:
    """Nothing is decompressed: the size in the header is enough."""
    with pytest.raises(MediaError, match=f"at most {MAX_PIXELS}"):
        decode_image(png_header(100_000, 100_000))


@pytest.mark.parametrize(
    ("width", "height"), [(MAX_SIDE + 1, 1), (1, 2**25), (2**12, 2**12 + 1), (2**31 - 1, 2**31 - 1)]
)
def test_neither_side_nor_area_go_beyond_the_limits(width: int, height: int) -> None:
    with pytest.raises(MediaError, match=f"{width} x {height}"):
        decode_image(png_header(width, height))


def test_a_few_bytes_cannot_claim_many_pixels() -> None:
    """A file with its first row only was taken for whole: 74 bytes cost 926 MB."""
    side = 2**12
    chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    row = b"IDAT" + zlib.compress(bytes(1 + 2 * side), 9)
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
             for c in (chunk, row, b"IEND")]  # fmt: skip
    with pytest.raises(MediaError, match="too short for 4096 x 4096 pixels"):
        decode_image(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_the_emptiest_whole_file_is_not_too_short(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (500, 2000)).save(file, "PNG", optimize=True)
    assert decode_image(file.getvalue()).shape == (2000, 500, 3)


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = encoded(painted(64, 64), "JPEG", progressive=True)
    assert decode_image(data).shape == (64, 64, 3)
    scan = data.rindex(b"\xff\xda")
    end = data.rindex(b"\xff\xd9")
    with pytest.raises(MediaError, match="more than 64 scans"):
        decode_image(data[:end] + data[scan:end] * 64 + data[end:])


def test_a_liar_is_refused() -> None:
    with pytest.raises(MediaError):
        decode_image(png_header(2000, 2000))


@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b""]))
def test_garbage_is_refused_with_a_media_error(data: bytes, magic: bytes) -> None:
    with pytest.raises(MediaError):
        decode_image(magic + data)


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from(SOFT_TOKEN_BUDGETS))
def test_target_size_keeps_to_the_budget_and_the_aspect(
    height: int, width: int, budget: int
) -> None:
    rows, columns = (side // 48 for side in target_size(height, width, budget=budget))
    assert 1 <= rows * columns <= budget
    if min(rows, columns) > 1:
        assert (rows + 1) / columns > height / width * 0.999
        assert rows / (columns + 1) < height / width * 1.001


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(UsageError, match="got a budget of 100 soft tokens"):
        target_size(100, 100, budget=100)


def test_patches_are_cut_row_by_row() -> None:
    pixels = painted(336, 480)  # 70 cells: kept as it is
    features = pixel_features(pixels, budget=70)
    assert features.num_soft_tokens == 70
    assert features.pixel_values.shape == (630, 768)
    for index in (0, 29, 30, 629):
        column, row = features.position_ids[index]
        assert (row, column) == divmod(index, 30)
        patch = pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        assert np.allclose(features.pixel_values[index], patch.reshape(-1) / 255)


def test_padding_comes_last() -> None:
    features = image_features(encoded(painted(100, 230)), budget=70)
    num_patches = 9 * features.num_soft_tokens
    assert num_patches < 630
    assert (features.position_ids[:num_patches] >= 0).all()
    assert (features.position_ids[num_patches:] == -1).all()
    assert not features.pixel_values[num_patches:].any()
    assert num_image_tokens(encoded(painted(100, 230)), budget=70) == features.num_soft_tokens


GOLDEN_TOKENS = 266
GOLDEN_SUM = 867742.23
GOLDEN_VALUES: list[list[float]] = [
    [0.0, 2.0, 5.0],
    [49.0, 51.0, 53.0],
    [104.0, 106.0, 108.0],
    [158.0, 161.0, 163.0],
    [214.0, 215.0, 218.0],
    [0.0, 0.0, 0.0],
]


def test_known_values() -> None:
    """Numbers that transformers' processor gave too: see tests/reference/test_media_features.py."""
    features = image_features(encoded(painted(300, 400)), budget=280)
    assert features.num_soft_tokens == GOLDEN_TOKENS
    values = features.pixel_values
    assert values.sum(dtype=np.float64) == pytest.approx(GOLDEN_SUM, rel=1e-6)
    assert (values[::500, 100::300] * 255).round(2).tolist() == GOLDEN_VALUES
