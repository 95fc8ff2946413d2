"""What `npc-brain doctor` tells of a machine, real and made up."""

import stat
import sys
from pathlib import Path

import pytest

from npc_brain.cli import doctor, main
from npc_brain.cli.doctor import how_it_fits
from npc_brain.cli.hardware import GraphicsCard, Memory, _available, graphics_cards, main_memory
from npc_brain.importing.catalogue import CATALOGUE

GIB = 1024**3


def test_it_tells_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor"])
    told = capsys.readouterr().out
    assert code in (0, 1)
    assert "providers: " in told
    assert "cpu" in told
    for name in CATALOGUE:
        assert f"model {name}: takes " in told


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux' own figures")
def test_free_memory_is_a_part_of_all() -> None:
    memory = main_memory()
    assert memory.total is not None
    assert memory.free is not None
    assert 0 < memory.free < memory.total


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("MemTotal: 9 kB\nMemAvailable:   7 kB\n", 7168),
        ("MemTotal: 9 kB\n", None),
        ("", None),
    ],
)
def test_linux_tells_what_can_be_had(tmp_path: Path, text: str, free: int | None) -> None:
    (tmp_path / "meminfo").write_text(text)
    assert _available(tmp_path / "meminfo") == free
    assert _available(tmp_path / "nowhere") is None


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("script", "cards"),
    [
        (
            "echo 'NVIDIA GeForce RTX 4070, 12282, 11000'; echo 'Old, [N/A], [N/A]'",
            [
                GraphicsCard("NVIDIA GeForce RTX 4070", Memory(12282 * 1024**2, 11000 * 1024**2)),
                GraphicsCard("Old", Memory()),
            ],
        ),
        ("true", []),
        ("echo no driver; exit 9", None),
    ],
)
def test_cards_are_asked_of_nvidias_command(
    tmp_path: Path, script: str, cards: list[GraphicsCard] | None
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    assert graphics_cards(str(command)) == cards
    assert graphics_cards(str(tmp_path / "nowhere")) is None


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        (Memory(8 * GIB, 7 * GIB), "takes 6.0 GiB of memory, fits"),
        (Memory(8 * GIB, 3 * GIB), "more than is free: close other programs"),
        (Memory(4 * GIB, 3 * GIB), "too much for this machine: take a smaller one, or --model"),
        (Memory(8 * GIB), "fits"),
        (Memory(), "takes 6.0 GiB of memory"),
    ],
)
def test_it_tells_whether_a_model_fits(memory: Memory, told: str) -> None:
    assert told in how_it_fits(6 * GIB, memory)


def test_a_card_that_is_not_used_comes_with_advice() -> None:
    card = GraphicsCard("A card", Memory(8 * GIB, 7 * GIB))
    (unused,) = doctor._graphics([card], ["cpu"])
    (used,) = doctor._graphics([card], ["cuda", "cpu"])
    (unknown,) = doctor._graphics(None, ["cpu"])
    assert "install npc-brain[gpu]" in unused.found
    assert used.found == "A card, 8.0 GiB, 7.0 GiB free"
    assert unknown.found.startswith("unknown")
