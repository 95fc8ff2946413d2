import argparse
import json
import shutil
from pathlib import Path

import pytest

from npc_brain.cli import validate
from npc_brain.errors import UsageError
from tests.npc_files import MIRA

WORLD = Path(__file__).parents[3] / "sample_game" / "world.json"


def run(*argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    validate.add_parser(parser.add_subparsers())
    args = parser.parse_args(["validate", *map(str, argv)])
    return int(args.run(args))


def test_a_good_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(MIRA) == 0
    assert capsys.readouterr().out == "1 file: all good\n"


def test_the_sample_game_is_good() -> None:
    assert run(WORLD.parent) == 0


def test_the_world_above_is_found_and_its_ids_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(WORLD, tmp_path / "world.json")
    npcs = tmp_path / "npcs"
    npcs.mkdir()
    text = MIRA.read_text(encoding="utf-8").replace("{go_to: cellar}", "{go_to: atlantis}")
    (npcs / "mira.yaml").write_text(text, encoding="utf-8")
    assert run(npcs) == 1
    assert "mira.yaml:89:" in (out := capsys.readouterr().out)
    assert "unknown place or entity `atlantis`" in out


def test_a_world_file_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = json.loads(WORLD.read_text(encoding="utf-8"))
    world["places"][0]["position"] = [999, 0]
    path = tmp_path / "world.json"
    text = json.dumps(world, indent=1)
    path.write_text(text, encoding="utf-8")
    assert run(path) == 1
    out = capsys.readouterr().out
    line = int(out.split(":")[1])
    assert '"position"' in text.splitlines()[line - 1]
    assert "outside" in out


def test_a_tool_of_the_game_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    text = MIRA.read_text(encoding="utf-8").replace("tools: [inventory_give,", "tools: [ring_bell,")
    path.write_text(text, encoding="utf-8")
    assert run(path) == 1
    assert run(path, "--tool", "ring_bell") == 0


def test_two_npcs_of_one_id_in_a_directory(tmp_path: Path) -> None:
    text = "id: mira\n" + MIRA.read_text(encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    assert run(tmp_path) == 1


@pytest.mark.parametrize("text", ["hello", "a: 1", "[1]", "a: [", ""])
def test_what_is_nothing_we_know_is_a_problem(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    assert run(path) == 1


def test_a_path_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run(tmp_path / "none")
    with pytest.raises(UsageError):
        run(tmp_path)
