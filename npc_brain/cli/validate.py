"""`npc-brain validate`: finds the mistakes in NPC files, scenarios and world files.

What a file is shows in its keys, not its name. An NPC file is checked against the ids of a world
when there is one: `--world`, or `world.json` or `world.yaml` beside the file or a directory above.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from npc_brain.errors import UsageError, WorldError
from npc_brain.npc.checks import WorldIds
from npc_brain.npc.loader import check_document
from npc_brain.npc.source import DocPath, Document, Problem, read_document
from npc_brain.simulation.world_file import WorldFile, load_world_file
from npc_brain.testing.scenario import is_scenario, read_scenario
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import Tool, ToolKind

WORLD_FILES = ("world.json", "world.yaml")
_SUFFIXES = frozenset({".yaml", ".yml"})
_SHOWN_PATH = re.compile(r"(\$[\w.\[\]\-]*): (.*)")
_PATH_PART = re.compile(r"\[(\d+)\]|\.([^.\[]+)")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("validate", help="check NPC files, scenarios and world files")
    parser.add_argument("paths", nargs="+", metavar="PATH", type=Path, help="a file or directory")
    parser.add_argument(
        "--world", metavar="FILE", type=Path, help="the world that the NPCs live in"
    )
    parser.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="NAME",
        help="a tool that the game registers; may be repeated",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the files, print one line for each mistake; 0 without mistakes, else 1.

    Raises:
        UsageError: A path does not exist, or a directory has nothing to check.
    """
    files = list(_files(args.paths))
    problems = check_files(files, world=args.world, game_tools=args.tool)
    for problem in problems:
        print(problem)
    checked = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    found = (
        f"{len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else "all good"
    )
    print(f"{checked}: {found}")
    return 1 if problems else 0


def check_files(
    files: Iterable[Path], *, world: Path | None = None, game_tools: Iterable[str] = ()
) -> list[Problem]:
    """The mistakes of all files, file by file.

    Args:
        files: What to check.
        world: The world file for NPC files; None looks for one beside each.
        game_tools: Names of tools that the game registers; their arguments are not known here.
    """
    tools = {**BUILT_INS, **{name: _game_tool(name) for name in game_tools}}
    worlds: dict[Path, WorldIds | None] = {}
    problems: list[Problem] = []
    ids: dict[tuple[Path, str], Path] = {}
    for file in files:
        world_path = world or _world_beside(file)
        if world_path is not None and world_path not in worlds:
            worlds[world_path] = _world_ids(world_path)
            if world is not None and worlds[world_path] is None:
                problems += _check_world(world_path, read_document(world_path))
        document = read_document(file)
        if document.value is None and document.problems:
            problems += document.problems
        elif _is_npc(document.value):
            problems += _check_npc(
                file, document, tools, worlds.get(world_path) if world_path else None, ids
            )
        elif is_scenario(document.value):
            problems += read_scenario(file)[1]
        elif _is_world(document.value):
            problems += _check_world(file, document)
        else:
            problems.append(
                document.source.problem(
                    (), "is neither an NPC, a scenario nor a world file", "unknown_kind",
                    "an NPC file has `persona` and `states`, a world file `map` and `places`",
                )
            )  # fmt: skip
    return problems


def world_ids_of(world: WorldFile) -> WorldIds:
    """The ids that NPC files may use in the world of a world file."""
    entities = (world.player, *world.npcs, *world.objects)
    tags = {
        tag
        for named in (world.items, world.places, entities)
        for each in named
        for tag in each.tags
    }
    return WorldIds(
        items=frozenset(item.id for item in world.items),
        places=frozenset(place.id for place in world.places),
        entities=frozenset(entity.id for entity in entities),
        tags=frozenset(tags),
    )


def _is_npc(value: object) -> bool:
    return isinstance(value, Mapping) and ("persona" in value or "states" in value)


def _is_world(value: object) -> bool:
    return isinstance(value, Mapping) and ("map" in value or "places" in value)


def _check_npc(
    file: Path,
    document: Document,
    tools: Mapping[str, Tool],
    world_ids: WorldIds | None,
    ids: dict[tuple[Path, str], Path],
) -> list[Problem]:
    definition, problems = check_document(document, file.stem, tools, world_ids)
    if definition is not None:
        other = ids.setdefault((file.parent, definition.id), file)
        if other != file:
            message = f"{other} has the id `{definition.id}` already"
            problems.append(document.source.problem(("id",), message, "duplicate_id"))
    return problems


def _check_world(file: Path, document: Document) -> list[Problem]:
    """The mistakes of a world file, with lines where they name a place in it."""
    if document.problems:
        return document.problems
    try:
        load_world_file(file)
    except WorldError as error:
        return [
            _world_problem(line.removeprefix(f"{file}: "), error.hint, document)
            for line in error.message.splitlines()
        ]
    return []


def _world_problem(line: str, hint: str, document: Document) -> Problem:
    match = _SHOWN_PATH.fullmatch(line)
    if match is None:
        return document.source.problem((), line, "bad_world", hint)
    path: DocPath = tuple(
        int(index) if index else key for index, key in _PATH_PART.findall(match[1])
    )
    return document.source.problem(path, match[2], "bad_world", hint)


def _world_ids(path: Path) -> WorldIds | None:
    try:
        return world_ids_of(load_world_file(path))
    except WorldError:
        return None


def _world_beside(file: Path) -> Path | None:
    places = (
        directory / name for directory in (file.parent, file.parent.parent) for name in WORLD_FILES
    )
    return next((place for place in places if place.is_file()), None)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(
                each
                for each in path.rglob("*")
                if each.suffix in _SUFFIXES or each.name in WORLD_FILES
            )
            if not found:
                raise UsageError(f"there is nothing to check in {path}", hint="files end in .yaml")
            yield from found
        elif path.exists():
            yield path
        else:
            raise UsageError(f"there is no file or directory {path}", hint="check the path")


def _game_tool(name: str) -> Tool:
    return Tool(name=name, kind=ToolKind.ACTION, description="", schema={"type": "object"})
