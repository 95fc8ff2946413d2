"""Vectors kept from one run to the next, and files that hold something else."""

from pathlib import Path

import numpy as np
import pytest

from npc_brain.inference import kept_vectors
from npc_brain.inference.kept_vectors import KeptVectors

UNIT = np.array([0.6, 0.8, 0.0], np.float32)


def kept(path: Path) -> KeptVectors:
    store = KeptVectors(path, 3)
    store.add({"Hello": UNIT, "Bye": -UNIT})
    store.save()
    return store


def test_the_next_run_finds_what_this_one_learned(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.vectors"
    kept(path)
    found = KeptVectors(path, 3).find(["Hello", "Bye", "Who?"])
    assert found.keys() == {"Hello", "Bye"}
    assert np.array_equal(found["Bye"], -UNIT)
    assert [each.name for each in path.parent.iterdir()] == ["a.vectors"]
    assert b"Hello" not in path.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: b"NPCVEC99" + content[8:],
        lambda content: content[:-4] + np.float32("nan").tobytes(),
        lambda content: content[:-4] + np.float32("inf").tobytes(),
        lambda content: content[:-12] + np.float32([9, 9, 9]).tobytes(),
        lambda content: content[:8] + content[8:] * 100_000,
        lambda content: b"\x80\x04cos\nsystem\n",
    ],
)
def test_a_damaged_file_is_none(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "a.vectors"
    kept(path)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    again = KeptVectors(path, 3)
    assert len(again) == 0
    again.add({"Hello": UNIT})
    again.save()
    assert len(KeptVectors(path, 3)) == 1


def test_a_directory_in_the_way_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.vectors"
    path.mkdir()
    kept(path)
    assert len(KeptVectors(path, 3)) == 0


def test_there_is_room_for_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_vectors, "MAX_VECTORS", 1)
    assert len(kept(tmp_path / "a.vectors")) == 1
