"""docs/bridges.md lists every message of the protocol, by names that the three bridges have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import npc_brain.client
from npc_brain.client import turn as client_turn
from npc_brain.client.connection import Connection
from npc_brain.errors import NpcBrainError
from npc_brain.protocol.messages import MESSAGES, Direction

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "bridges.md"
ADDON = ROOT / "engine_bridges" / "godot" / "addons" / "npc_brain"
PACKAGE = ROOT / "engine_bridges" / "unity" / "com.npcbrain.bridge"
LANGUAGES = ("Python", "GDScript", "C#")
DIRECTIONS = {"→": Direction.INBOUND, "←": Direction.OUTBOUND}
PYTHON_CLASSES = {
    "Client": npc_brain.client.Client,
    "Connection": Connection,
    "Handlers": npc_brain.client.Handlers,
    "NpcBrainError": NpcBrainError,
    "Sidecar": npc_brain.client.Sidecar,
    "Turn": client_turn.Turn,
}
ANSWERS = frozenset({"ok", "pong"})
"""Answers that carry nothing a bridge reads: it knows them by `reply_to`, not by name."""


@dataclass(frozen=True)
class Row:
    """A line of the table. `way` and `message` are empty for what is no message."""

    way: str
    message: str
    names: dict[str, tuple[str, ...]]


def rows() -> list[Row]:
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|") or len(cells) != 4:
            continue
        way, message = "", ""
        if match := re.fullmatch(r"([→←]) `([a-z.]+)`", cells[0]):
            way, message = match.groups()
        names = {
            language: tuple(re.findall(r"`([^`]+)`", cell))
            for language, cell in zip(LANGUAGES, cells[1:], strict=True)
        }
        if any(names.values()):
            found.append(Row(way, message, names))
    return found


def test_every_message_has_one_row() -> None:
    listed = sorted((DIRECTIONS[row.way], row.message) for row in rows() if row.message)
    assert listed == sorted((way, name) for way in Direction for name in MESSAGES[way])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_row_has_a_name(language: str) -> None:
    assert [row.message for row in rows() if not row.names[language]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_exists(language: str) -> None:
    exists = {"Python": is_in_python, "GDScript": is_in_gdscript, "C#": is_in_csharp}[language]
    names = {name for row in rows() for name in row.names[language]}
    assert sorted(name for name in names if not exists(name)) == []


@pytest.mark.parametrize(
    ("directory", "suffix"), [(ADDON, ".gd"), (PACKAGE / "Runtime", ".cs")], ids=LANGUAGES[1:]
)
def test_every_message_is_in_the_code(directory: Path, suffix: str) -> None:
    code = "\n".join(strip_comments(path) for path in source_files(directory, suffix))
    messages = {name for names in MESSAGES.values() for name in names} - ANSWERS
    assert sorted(name for name in messages if f'"{name}"' not in code) == []


def is_in_python(name: str) -> bool:
    owner, _, member = name.partition(".")
    cls = PYTHON_CLASSES.get(owner)
    if cls is None:
        return False
    return not member or hasattr(cls, member) or member in cls.__annotations__


def is_in_gdscript(name: str) -> bool:
    owner, _, member = name.partition(".")
    members = gdscript_classes().get(owner)
    return members is not None and (not member or member in members)


def is_in_csharp(name: str) -> bool:
    owner, _, member = name.partition(".")
    members = csharp_classes().get(owner)
    return members is not None and (not member or member in members)


@cache
def gdscript_classes() -> dict[str, set[str]]:
    """Members by class name, inherited ones included; the autoload is called NpcBrain."""
    members: dict[str, set[str]] = {}
    bases: dict[str, str] = {}
    for path in source_files(ADDON, ".gd"):
        code = strip_comments(path)
        named = re.search(r"^class_name (\w+)", code, re.MULTILINE)
        name = "NpcBrain" if path.name == "npc_brain_client.gd" else named and named[1]
        if not name:
            continue
        declared = r"^(?:@\w+(?:\([^)]*\))? +)*(?:static )?(?:signal|func|var|const|enum) (\w+)"
        members[name] = set(re.findall(declared, code, re.MULTILINE))
        if base := re.search(r"^extends (\w+)", code, re.MULTILINE):
            bases[name] = base[1]
    return with_inherited(members, bases)


@cache
def csharp_classes() -> dict[str, set[str]]:
    """By class name the public members of its files, and inherited ones."""
    members: dict[str, set[str]] = {}
    bases: dict[str, str] = {}
    declared = re.compile(r"public [\w ]*?\b(?:class|struct|interface|enum) (\w+)(?:\s*:\s*(\w+))?")
    member = re.compile(r"^\s+public [^=;({]*?(\w+)\s*(?:[=;({]|$)", re.MULTILINE)
    for path in source_files(PACKAGE / "Runtime", ".cs"):
        code = strip_comments(path)
        in_file = set(member.findall(code))
        for name, base in declared.findall(code):
            members.setdefault(name, set()).update(in_file)
            bases.setdefault(name, base)
    return with_inherited(members, bases)


def with_inherited(members: dict[str, set[str]], bases: dict[str, str]) -> dict[str, set[str]]:
    def chain(name: str) -> Iterator[str]:
        while name in members:
            yield name
            name = bases.get(name, "")

    return {name: {m for owner in chain(name) for m in members[owner]} for name in members}


@cache
def source_files(directory: Path, suffix: str) -> list[Path]:
    paths = sorted(directory.rglob(f"*{suffix}"))
    assert paths, f"no {suffix} files below {directory}"
    return paths


@cache
def strip_comments(path: Path) -> str:
    code = path.read_text(encoding="utf-8")
    start = "#" if path.suffix == ".gd" else "//"
    return re.sub(rf"^\s*{start}.*$", "", code, flags=re.MULTILINE)
