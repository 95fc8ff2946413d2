"""Files of others: what is opened, what is read, and which names stay inside."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain import files
from npc_brain.errors import ModelError

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@needs_posix
@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a socket", "a device"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f"
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    with pytest.raises(OSError, match=f"is {kind}, wanted a regular file"):
        files.read_bytes(path, 10)
    with pytest.raises(ModelError, match=kind):
        files.read_json(path, 10, ModelError)


@needs_posix
def test_links_that_lead_nowhere_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("dangling", "loop", "nul\0byte", "half\ud800"):
        with pytest.raises(ModelError, match=r"cannot be read|is missing"):
            files.read_text(tmp_path / name, 10, ModelError)


def test_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    assert files.read_bytes(path, 10) == b"0123456789"
    with pytest.raises(OSError, match="is larger than 9 bytes"):
        files.read_bytes(path, 9)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[" * 200_000, "nested deeper than 64"),
        (b'{"a":' * 200_000, "nested deeper than 64"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b'[{"a":' * 33 + b"1" + b"}]" * 33, "nested deeper than 64"),
        (b"[" + b"0," * 1_000_000 + b"0]", "more than 1000000 values"),
        (b"[" + b"[]," * 600_000 + b"[]]", "more than 1000000 values"),
        (b"1" * 10_000, "a number of 10000 digits"),
        (b"-" + b"1" * 10_000, "a number of 10001 digits"),
        (b"1e400", "not finite"),
        (b"[-1e999999999]", "not finite"),
        (b"NaN", "not finite"),
        (b"[Infinity]", "not finite"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' comes twice"),
        (b'"\\ud800"', "not Unicode"),
        (b'{"\\uDfff": 1}', "not Unicode"),
        (b"\xff\xfe[\x00]\x00", "not Unicode"),
        ('"é"'.encode("latin-1"), "not Unicode"),
        (b"", "Expecting value"),
        (b"[", "Expecting value"),
        (b"[}", "Expecting value"),
        (b'"\\', "Unterminated string"),
        (b'"\x00"', "Invalid control character"),
    ],
    ids=range(22),
)
def test_json_is_refused_with_a_reason(text: bytes, problem: str) -> None:
    with pytest.raises(ModelError, match=problem) as error:
        files.parse_json(text, "model.json", ModelError)
    assert error.value.message.startswith("model.json: ")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbf[1]")
    assert files.read_json(tmp_path / "f", 100, ModelError) == [1]
    (tmp_path / "f").write_text("[1]", encoding="utf-16")
    with pytest.raises(ModelError, match="is not UTF-8 text"):
        files.read_json(tmp_path / "f", 100, ModelError)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(json_values, st.booleans())
def test_good_json_is_read_as_json_reads_it(value: object, ensure_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii)
    assert files.parse_json(text, "x", ModelError) == value


@pytest.mark.parametrize("depth", [1, 64])
def test_depth_within_the_limit_is_read(depth: int) -> None:
    text = '[{"a]": [' * (depth // 3) + "1" + "]}]" * (depth // 3)
    assert files.parse_json(text, "x", ModelError) == json.loads(text)


@given(st.text('[]{}",:1\\ ', max_size=200))
def test_what_json_refuses_is_refused(text: str) -> None:
    try:
        wanted = json.loads(text)
    except ValueError:
        with pytest.raises(ModelError):
            files.parse_json(text, "x", ModelError)
    else:
        try:
            assert files.parse_json(text, "x", ModelError) == wanted
        except ModelError as error:
            assert "twice" in error.message or "digits" in error.message  # noqa: PT017


BAD_NAMES = [
    "", "/etc/passwd", "..", "../evil", "a/../../b", "a/..", "./a", "a//b", "a/", ".", "C:/x",
    "C:x", "\\\\host\\share", "..\\evil", "a\\b", "//host/share", "a:stream", "nul", "NUL.txt",
    "aux.json",
    "sub/com1", "LPT\u00b9.bin", "con ", "a.", "a ", "a\0b", "a\nb", "x" * 256, "a/" * 600 + "b",
    "\ud800", "a*", "\x7f",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"got the path .*, which ") as error:
        files.inside(tmp_path, name, "model.json", ModelError)
    assert error.value.message.startswith("model.json: ")


@pytest.mark.parametrize("name", ["a", "a.b", "onnx/model_q4.onnx_data", "..a", "console", "é"])
def test_names_inside_are_paths(tmp_path: Path, name: str) -> None:
    assert files.inside(tmp_path, name, "model.json", ModelError) == tmp_path / name


@needs_posix
def test_links_stay_inside_too(tmp_path: Path) -> None:
    model, blobs = tmp_path / "snapshots" / "model", tmp_path / "blobs"
    model.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "x").write_text("weights")
    (model / "good").symlink_to(model / "other")
    (model / "out").symlink_to(blobs / "x")
    (model / "sub").symlink_to("/etc")
    (model / "loop").symlink_to(model / "loop")
    assert files.inside(model, "good", "m", ModelError) == model / "good"
    for name in ("out", "sub/passwd", "loop"):
        with pytest.raises(ModelError, match="which is a link"):
            files.inside(model, name, "m", ModelError)
    assert files.inside(model, "out", "m", ModelError, root=tmp_path) == model / "out"
