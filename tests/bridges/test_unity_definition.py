"""The Unity package reads NPC files as the sidecar does, so that NPCs speak without one."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from npc_brain.npc.compile import compile_nodes
from npc_brain.npc.loader import load_definition
from npc_brain.npc.source import read_document
from npc_brain.tools.registry import BUILT_INS
from tests.bridges.mono import PACKAGE, STANDALONE, compile_csharp, needs_mono, run_mono
from tests.bridges.test_godot_addon import NPC_FILES, listed, random_document, typed
from tests.counts import count

NUM_FILES = count(2000, 300)
JUNK = ("", "{", "]", '"', "'", ":", "\n", "  ", "- ", "#", "\t", "|", "&a ")

pytestmark = needs_mono


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that tells what the package makes of NPC files."""
    sources = [
        *(PACKAGE / "Runtime" / "Core" / "Definition").glob("*.cs"),
        *(STANDALONE / "Definition").glob("*.cs"),
    ]
    return compile_csharp(tmp_path_factory.mktemp("definition") / "definition.exe", sources)


def read_by_package(reader: Path, files: list[Path], states: list[str]) -> list[dict[str, Any]]:
    run = run_mono(reader, ",".join(states), *map(str, files))
    assert run.returncode == 0, run.stderr
    rows = run.stdout.splitlines()
    assert len(rows) == len(files), run.stderr
    return [json.loads(row) for row in rows]


def test_npc_files_are_read_as_the_sidecar_reads_them(reader: Path) -> None:
    nodes = [compile_nodes(load_definition(file), BUILT_INS) for file in NPC_FILES]
    states = sorted({state for of_file in nodes for state in of_file})
    assert len(NPC_FILES) >= 8
    rows = read_by_package(reader, list(NPC_FILES), states)
    for file, of_file, row in zip(NPC_FILES, nodes, rows, strict=True):
        definition = load_definition(file)
        assert row["problem"] == ""
        assert typed(row["value"]) == typed(listed(read_document(file).value)), file
        assert row["id"] == definition.id
        assert row["name"] == definition.persona.name
        assert tuple(row["greeting"]) == definition.lines.greeting
        assert row["initial"] == of_file[definition.initial].leaf
        for state, node in of_file.items():
            assert tuple(row["fallback"][state]) == node.fallback, (file, state)


def test_someone_is_greeted_once_and_then_hears_the_states_lines(reader: Path) -> None:
    (row,) = read_by_package(
        reader, [file for file in NPC_FILES if file.stem == "mira"][:1], ["tending_bar"]
    )
    fallback = row["fallback"]["tending_bar"]
    greeting = row["greeting"]
    assert row["voice"] == [greeting[0], fallback[0], fallback[1], greeting[1]]


def test_yaml_of_every_style_is_read_as_the_sidecar_reads_it(reader: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{seed}.yaml" for seed in range(NUM_FILES)]
    for seed, file in enumerate(files):
        file.write_text(random_document(seed), encoding="utf-8")
    for file, row in zip(files, read_by_package(reader, files, ["none"]), strict=True):
        document = read_document(file)
        if not document.problems:
            assert row["problem"] == "", file.read_text()
            assert typed(row["value"]) == typed(listed(document.value)), file.read_text()


def test_damaged_files_are_told_and_never_break_the_game(reader: Path, tmp_path: Path) -> None:
    """Each is read to the sidecar's value where that reads it, and leaves something to say."""
    rng = random.Random(7)
    files = [tmp_path / f"{number}.yaml" for number in range(NUM_FILES)]
    for file in files:
        text = rng.choice(NPC_FILES).read_text(encoding="utf-8")[: rng.randint(200, 3000)]
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(JUNK) + text[at + rng.randint(0, 3) :]
        file.write_text(text, encoding="utf-8")
    num_read = 0
    for file, row in zip(files, read_by_package(reader, files, ["none"]), strict=True):
        assert all(row["voice"])
        document = read_document(file)
        if not document.problems and row["problem"] == "":
            num_read += 1
            assert typed(row["value"]) == typed(listed(document.value)), file.read_text()
    assert num_read > len(files) // 20
