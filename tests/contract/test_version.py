"""The version is the same in every language, and one command moves it."""

import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / ".ci" / "set_version"))


def copy_of_the_tree(root: Path) -> Path:
    for path in (*TOOL["PLACES"], *TOOL["CHANGELOGS"]):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    return root


def test_all_versions_agree() -> None:
    assert len(set(TOOL["versions"]().values())) == 1


def test_no_other_file_holds_the_version() -> None:
    """A copy that nobody moves goes stale; changelogs and examples may name an old one."""
    [version] = set(TOOL["versions"]().values())
    suffixes = {".py", ".gd", ".cs", ".cfg", ".toml", ".json"}
    holders = {
        path.relative_to(ROOT)
        for folder in ("npc_brain", "engine_bridges", "sample_game")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes
        and f'"{version}"' in path.read_text(encoding="utf-8", errors="ignore")
    }
    known = set(TOOL["PLACES"]) | {Path("npc_brain/protocol/golden.py")}
    assert holders <= known


def test_one_command_moves_it(tmp_path: Path) -> None:
    root = copy_of_the_tree(tmp_path)
    TOOL["set_version"]("9.8.7rc1", root)
    assert set(TOOL["versions"](root).values()) == {"9.8.7rc1"}
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.index("## [Unreleased]") < changelog.index("## [9.8.7rc1] - ")


@pytest.mark.parametrize("version", ["", "1", "v1.2.3", "1.2.3.4", "1.2.3 "])
def test_what_is_no_version_changes_nothing(tmp_path: Path, version: str) -> None:
    root = copy_of_the_tree(tmp_path)
    before = TOOL["versions"](root)
    with pytest.raises(ValueError, match="is not a version"):
        TOOL["set_version"](version, root)
    assert TOOL["versions"](root) == before
