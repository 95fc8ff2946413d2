"""The files of words: what is in them is checked where it is read."""

from pathlib import Path

import pytest

from npc_brain.errors import DefinitionError
from npc_brain.language.language import JUST_TALK, language, read_language

TALK = """\
greetings: [Hello.]
just_talk: [Nice weather.]
outcomes: {done: ["{fact}"], started: [So be it.], failed: [I can't.]}
"""


def words(root: Path, tool: str = "examples: [Sing a song.]", talk: str = TALK) -> Path:
    (root / "tools").mkdir()
    (root / "talk.yaml").write_text(talk, encoding="utf-8")
    (root / "tools" / "sing.yaml").write_text(tool, encoding="utf-8")
    return root


def test_english_is_read_once() -> None:
    assert language() is language("en")
    assert "Where is the {place}?" in language().examples["find_path"]
    assert "Hello." in language().examples[JUST_TALK]
    assert language().lines("open_gate") == {}


def test_a_folder_is_a_language(tmp_path: Path) -> None:
    read = read_language(words(tmp_path))
    assert read.examples == {"sing": ("Sing a song.",), JUST_TALK: ("Nice weather.",)}


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        ("examples: ['Sing {song}.']", r"examples.0: .*\{song\} stands for nothing; there are"),
        ("examples: [No]", "examples.0: Input should be a valid string"),
        ("examples: ['']", "examples.0: String should have at least 1 character"),
        ("lines: {done: La la.}", "lines.done: Input should be a valid tuple"),
        ("lines: {no: [La la.]}", "lines.0"),
        ("lines: {Done: [La la.]}", "lines.Done"),
        ("exmples: []", "exmples: Extra inputs"),
        ("examples: [", "expected"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, tool: str, problem: str) -> None:
    with pytest.raises(DefinitionError, match=rf"(?s)sing\.yaml: .*{problem}"):
        read_language(words(tmp_path, tool))


def test_what_belongs_to_no_tool_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"talk\.yaml: greetings: Field required"):
        read_language(words(tmp_path, talk="just_talk: []"))


def test_an_unknown_language() -> None:
    with pytest.raises(DefinitionError, match="there is no language 'xx'"):
        language("xx")
