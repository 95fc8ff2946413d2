"""Data flows one way: a module imports only what lies below it."""

import ast
import re
from pathlib import Path

import pytest

import npc_brain

PACKAGE = Path(npc_brain.__file__).parent

LAYERS = (
    {"errors", "clock", "cache", "event_loop", "plain_text", "vocabulary"},
    {"files", "patterns", "schema", "language", "media"},
    {"world", "inference"},
    {"understanding", "servers", "importing", "protocol"},
    {"tools"},
    {"memory"},
    {"npc"},
    {"decision"},
    {"session"},
    {"transport"},
    {"client", "sidecar", "simulation"},
    {"testing", "demo"},
    {"cli"},
)
"""Low to high. Modules of one layer do not import each other, `sidecar` and `cli` excepted."""

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
OWNERS = {
    "zmq": {"transport", "client"},
    "msgpack": {"protocol/codec.py", "session/saved_state.py"},
    "onnxruntime": {"inference/runtime.py"},
    "huggingface_hub": {"importing/hub.py"},
    "tcod": {"world"},
    "llguidance": {"inference/grammar.py"},
    "sqlite3": {"memory/store.py", "cli/doctor.py"},
}
"""Which part may import a library directly."""


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The dotted names that a module imports, wherever it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part_of(path: Path) -> str:
    """The part of the package that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    part = part_of(path)
    if part.startswith("__"):
        return
    for name in imports(path):
        if not name.startswith("npc_brain."):
            continue
        other = name.split(".")[1]
        if other in RANK and other != part:
            assert RANK[other] < RANK[part], f"{part} imports {name}, which is not below it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_have_owners(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    for name in imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert not owners or where in owners or part_of(path) in owners, f"{where} imports {name}"


def test_npc_files_know_no_models() -> None:
    """Also not by way of what they import."""
    found: dict[str, set[str]] = {}
    for path in modules():
        names = {name.split(".")[1] for name in imports(path) if name.startswith("npc_brain.")}
        found.setdefault(part_of(path), set()).update(names)
    reached: set[str] = set()
    waiting = {"npc", "understanding", "tools"}
    while waiting:
        part = waiting.pop()
        reached.add(part)
        waiting |= found.get(part, set()) - reached
    assert not reached & {"inference", "importing", "servers"}


def test_below_sessions_a_message_is_all_that_is_known_of_the_wire() -> None:
    wire = {
        (part_of(path), name)
        for path in modules()
        for name in imports(path)
        if name.startswith("npc_brain.protocol.")
        and not name.startswith("npc_brain.protocol.messages.")
        and part_of(path) != "protocol"
    }
    assert {part for part, _ in wire if RANK[part] < RANK["session"]} == set()


def test_every_part_has_a_layer() -> None:
    parts = {part_of(path) for path in modules()} - {"__init__", "__main__"}
    assert parts == set(RANK)


def test_tool_marks_are_spelled_in_one_place() -> None:
    """Others read them with `schema.marks`: a bare string would be a use that no test sees."""
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch("x-(ref|default|of|count-of)", node.value)
    ]
    assert set(found) == {"schema/marks.py"}


def test_nothing_imports_onnxruntime_with_its_telemetry() -> None:
    """Tests and tools, too, take it from the module that has it without."""
    root = PACKAGE.parent
    places = ("engine_bridges", "npc_brain", "sample_game", "tests")
    found = [
        path.relative_to(root).as_posix()
        for place in places
        for path in sorted((root / place).rglob("*.py"))
        if any(name.split(".")[0] == "onnxruntime" for name in imports(path))
    ]
    assert found == ["npc_brain/inference/runtime.py"]
