"""The sample game in Godot: its story to the end without a player, its pictures, its rules."""

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.bridges.godot import GODOT, ROOT, environment, import_project, needs_godot, run_godot
from tests.bridges.patience import PROGRAM_S
from tests.counts import count, needs_full

GAME = ROOT / "sample_game" / "godot"
DEALS = ROOT / "schemas" / "golden" / "village" / "deals.jsonl"
TEMPLATE = os.environ.get("GODOT_TEMPLATE", "")
EXPORTED_MODEL = "smollm2-135m" if count(1, 0) else "none"
"""The tour with the model takes long, and other tests of exported games have one line of it."""
PICTURES = ("talking", "walking", "trading", "overlay")

pytestmark = [needs_godot, pytest.mark.usefixtures("imported_game")]


def play_tour(model: str) -> str:
    done = run_godot(GAME, "--", "--tour", "--fast", "--model", model)
    assert done.returncode == 0, done.stdout
    assert "The quest is done." in done.stdout
    assert "SCRIPT ERROR" not in done.stdout, done.stdout
    return done.stdout


@pytest.mark.model
def test_the_tour_ends_with_the_quest_done_without_a_language_model() -> None:
    said = play_tour("none")
    for outcome in (
        "pip: go_to done",
        "mira: inventory_trade done",
        "osric: inventory_trade refused (wants_cake)",
        "mira: inventory_give done",
        "A grey cat, four kittens",
    ):
        assert outcome in said, said


@needs_full
@pytest.mark.model
def test_the_tour_ends_with_the_quest_done_with_the_embedded_model() -> None:
    play_tour("smollm2-135m")


@pytest.mark.skipif(not TEMPLATE, reason="GODOT_TEMPLATE is not set: the release template")
@pytest.mark.model
def test_an_exported_game_plays_the_tour_without_python(
    packed_sidecar: Path, tmp_path: Path
) -> None:
    """The packed sidecar beside the game, and neither a PATH nor a cache."""
    project = tmp_path / "project"
    shutil.copytree(GAME, project, ignore=shutil.ignore_patterns(".godot"))
    shutil.copytree(packed_sidecar, project / "npc_brain_sidecar")
    with (project / "export_presets.cfg").open("a") as preset:
        preset.write(f'custom_template/release="{TEMPLATE}"\n')
    game = tmp_path / "game" / "alderford.x86_64"
    game.parent.mkdir()
    import_project(project)
    exported = run_godot(project, "--export-release", "Linux", str(game))
    assert exported.returncode == 0, exported.stdout
    shutil.rmtree(project)
    (tmp_path / "nothing").mkdir()
    played = subprocess.run(
        [game, "--headless", "--", "--tour", "--fast", "--model", EXPORTED_MODEL],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROGRAM_S,
        env={
            "PATH": str(tmp_path / "nothing"),
            "HOME": str(tmp_path),
            "NPC_BRAIN_CACHE": str(tmp_path / "nothing"),
        },
    )
    assert played.returncode == 0, played.stdout
    assert "The quest is done." in played.stdout
    assert "sidecar ready" in played.stdout, played.stdout


@pytest.mark.model
def test_pictures_are_taken_and_show_something(tmp_path: Path) -> None:
    command = ["xvfb-run", "-a", "-s", "-screen 0 1280x720x24", GODOT, "--path", str(GAME)]
    command += ["--rendering-driver", "opengl3", "--audio-driver", "Dummy", "--max-fps", "15"]
    command += ["--", "--screenshots", str(tmp_path), "--model", "none"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROGRAM_S, env=environment()
        )
    except FileNotFoundError:
        pytest.skip("xvfb-run is not installed: no virtual screen")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in PICTURES:
        assert num_colours(tmp_path / f"{name}.png") > 200, f"{name}.png is blank"
        assert (ROOT / "docs" / "images" / f"{name}.png").is_file()


def num_colours(path: Path) -> int:
    """How many different pixels a PNG of 8-bit RGB or RGBA has, before its filters are undone."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (width, height, depth) == (1280, 720, 8)
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    pixels, size = zlib.decompress(packed), {2: 3, 6: 4}[kind]
    return len({pixels[at : at + size] for at in range(0, len(pixels) - size, size)})


def test_the_rules_agree_with_those_of_the_terminal_game() -> None:
    """The recorded deals, of sense and nonsense, give the same answers and inventories."""
    done = run_godot(GAME, "res://tour/rules.tscn", "--", str(DEALS))
    num_deals = sum('"tool":' in line for line in DEALS.read_text().splitlines())
    assert num_deals > 250
    assert f"{num_deals} deals as recorded" in done.stdout, done.stdout
    assert done.returncode == 0


def test_a_rule_that_disagrees_is_found(tmp_path: Path) -> None:
    other = DEALS.read_text().replace('["refused","too_far"]', '["refused","too_near"]', 1)
    (tmp_path / "deals.jsonl").write_text(other)
    done = run_godot(GAME, "res://tour/rules.tscn", "--", str(tmp_path / "deals.jsonl"))
    assert done.returncode == 1, done.stdout
