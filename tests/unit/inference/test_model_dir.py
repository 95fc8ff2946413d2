"""Model directories: created at once or not at all, read and verified."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.inference.model_dir import (
    INFO_FILE,
    ModelDims,
    load_model_info,
    new_directory,
    verify,
    write_model_info,
)
from tests.pace import PATIENCE_S

DIMS = ModelDims(layers=1, hidden=4, heads=1, vocab=8, context=16)


def make(directory: Path, **fields: Any) -> Path:
    with new_directory(directory) as staging:
        (staging / "weights.bin").write_bytes(b"weights")
        write_model_info(
            staging, kind="decoder", name="tiny", architecture="llama", dims=DIMS, **fields
        )
    return directory


def test_round_trip(tmp_path: Path) -> None:
    info = verify(make(tmp_path / "m", stop_ids=(1, 2), bos_id=3, chat_format="chatml"))
    assert (info.stop_ids, info.bos_id, info.chat_format) == ((1, 2), 3, "chatml")
    assert [(file.path, file.bytes) for file in info.files] == [("weights.bin", 7)]


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with new_directory(tmp_path / "m") as staging:
            (staging / "half").write_bytes(b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_place_that_cannot_be_written_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot make"):
        make(tmp_path / "file" / "m")


def test_remains_of_a_killed_process_are_removed_after_a_day(tmp_path: Path) -> None:
    old, young = tmp_path / ".m.old.partial", tmp_path / ".m.young.partial"
    for path in (old, young):
        path.mkdir()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    make(tmp_path / "m")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".m.young.partial", "m"]


def test_first_of_many_wins(tmp_path: Path) -> None:
    barrier = Barrier(4)

    def run(index: int) -> None:
        with new_directory(tmp_path / "m") as staging:
            (staging / "who").write_text(str(index))
            barrier.wait(PATIENCE_S)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m" / "who").read_text() in "0123"


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model_info(tmp_path / "m")
    assert caught.value.code == ErrorCode.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: (d / "weights.bin").unlink(), "is missing"),
        (lambda d: (d / "weights.bin").write_bytes(b"cut"), "3 bytes long, wanted 7"),
        (lambda d: (d / INFO_FILE).write_text("{"), "not JSON"),
        (lambda d: (d / INFO_FILE).write_text('{"format": 2}'), "format"),
        (lambda d: (d / INFO_FILE).write_text("[]"), "top level"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: Any, problem: str) -> None:
    directory = make(tmp_path / "m")
    change(directory)
    with pytest.raises(ModelError, match=problem):
        load_model_info(directory)


def test_verify_finds_one_changed_byte(tmp_path: Path) -> None:
    directory = make(tmp_path / "m")
    (directory / "weights.bin").write_bytes(b"weightz")
    load_model_info(directory)
    with pytest.raises(ModelError, match=r"weights\.bin is damaged"):
        verify(directory)


@pytest.mark.parametrize("path", ["../other", "/etc/hostname", "a/../../b"])
def test_files_outside_are_refused(tmp_path: Path, path: str) -> None:
    directory = make(tmp_path / "m")
    info = (directory / INFO_FILE).read_text()
    (directory / INFO_FILE).write_text(info.replace("weights.bin", path))
    with pytest.raises(ModelError, match="outside"):
        load_model_info(directory)
