"""`npc-brain schema`: writes or checks whatever in the repository is made from its models.

Whole files in `schemas/`, and parts of files that are otherwise written by hand: what stands
between a line `generated: NAME` and a line `end of generated part`, in any comment syntax.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from npc_brain.cli import bridge_parts, file_reference, tool_reference
from npc_brain.errors import UsageError
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.loader import load_definition
from npc_brain.protocol import reference
from npc_brain.protocol.export import FileModels, schema_files
from npc_brain.simulation.recorded_deals import recorded_deals
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import WorldFile, load_world_file
from npc_brain.tools.registry import BUILT_INS

SCHEMAS = Path("schemas")
DEALS = SCHEMAS / "golden" / "village" / "deals.jsonl"
FILES: FileModels = {"npc_file": NpcDefinition, "world_file": WorldFile}

_VILLAGE = Path("sample_game")
_GODOT = Path("engine_bridges/godot/addons/npc_brain")
_UNITY = Path("engine_bridges/unity/com.npcbrain.bridge/Runtime")
_END = "end of generated part"

Parts = Mapping[str, str]
"""The text between the marker lines, by the name in the first."""


def _tables(tables: Mapping[str, str]) -> Parts:
    return {name: f"\n{table}\n\n" for name, table in tables.items()}


PARTS: Mapping[Path, Callable[[], Parts]] = {
    SCHEMAS / "protocol.md": lambda: _tables(reference.tables()),
    Path("docs/npc_files.md"): lambda: _tables(
        {**file_reference.tables(), "tools": tool_reference.table()}
    ),
    _GODOT / "transport/message_check.gd": lambda: {"messages": bridge_parts.godot_messages()},
    _GODOT / "nodes/npc_methods.gd": lambda: {"tools": bridge_parts.godot_tools()},
    _UNITY / "Unity/NpcTool.cs": lambda: {"tools": bridge_parts.unity_tools()},
}
"""The parts of each file that is otherwise written by hand."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser(
        "schema",
        help="write or check generated files: schemas, parts of docs and bridges",
    )
    parser.add_argument("action", choices=["export", "check"])
    parser.add_argument(
        "root", metavar="ROOT", type=Path, nargs="?", default=Path(),
        help="the repository (default: the current directory)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it, and print one line for each file concerned; 1 when `check` finds something stale.

    Raises:
        UsageError: The directory is not the repository.
    """
    if args.action == "export":
        for path in export(args.root):
            print(path.as_posix())
        return 0
    stale = check(args.root)
    for path in stale:
        print(f"stale: {path.as_posix()}")
    if stale:
        print("Run `npc-brain schema export` and commit what it writes.")
    return 1 if stale else 0


def export(root: Path) -> list[Path]:
    """Bring everything up to date.

    Returns:
        What was written or removed, relative to `root`; empty when nothing was stale.

    Raises:
        UsageError: `root` is not the repository, or a marker is missing in a file.
    """
    wanted = _wanted(root)
    stale = _stale(root, wanted)
    for path in stale:
        target = root / path
        if path in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wanted[path])
        else:
            target.unlink()
    return stale


def check(root: Path) -> list[Path]:
    """What is missing, stale or left over, relative to `root`; raises as `export`."""
    return _stale(root, _wanted(root))


def with_parts(text: str, parts: Parts) -> str:
    """The text with each part between its marker lines brought up to date.

    Raises:
        UsageError: A marker is missing.
    """
    lines = text.splitlines(keepends=True)
    for name, part in parts.items():
        begin = _line_with(lines, f"generated: {name}", 0)
        end = _line_with(lines, _END, begin + 1)
        lines[begin + 1 : end] = part.splitlines(keepends=True)
    return "".join(lines)


def _line_with(lines: list[str], marker: str, start: int) -> int:
    wanted = re.compile(rf"\W*{re.escape(marker)}\W*")
    for index in range(start, len(lines)):
        if wanted.fullmatch(lines[index]):
            return index
    raise UsageError(f"there is no line {marker!r} after line {start}")


def _wanted(root: Path) -> dict[Path, bytes]:
    wanted = {SCHEMAS / path: content for path, content in schema_files(FILES).items()}
    for path, parts in PARTS.items():
        try:
            text = (root / path).read_text(encoding="utf-8")
        except OSError as e:
            raise UsageError(
                f"cannot read {root / path}: {e.strerror}",
                hint="run it in the repository, or name its directory",
            ) from e
        try:
            wanted[path] = with_parts(text, parts()).encode()
        except UsageError as e:
            raise UsageError(f"{path.as_posix()}: {e.message}") from e
    wanted[DEALS] = _deals(root / _VILLAGE)
    return wanted


def _deals(village: Path) -> bytes:
    """What `recorded_deals` tells of the sample game's village, one JSON object a line."""
    npcs = [load_definition(path, BUILT_INS) for path in sorted((village / "npcs").glob("*.yaml"))]
    file = load_world_file(village / "world.json")
    world = SimulatedWorld(file, {npc.id: npc.inventory for npc in npcs})
    return "".join(
        json.dumps(record, separators=(",", ":")) + "\n" for record in recorded_deals(world)
    ).encode()


def _stale(root: Path, wanted: Mapping[Path, bytes]) -> list[Path]:
    present = {
        path.relative_to(root)
        for path in (root / SCHEMAS).rglob("*")
        if path.suffix in (".json", ".jsonl", ".msgpack") and path.is_file()
    }
    stale = {
        path
        for path, content in wanted.items()
        if not (root / path).is_file() or (root / path).read_bytes() != content
    }
    return sorted(stale | (present - wanted.keys()))
