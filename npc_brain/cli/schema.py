"""`npc-brain schema`: writes the schema directory, or checks that it is up to date."""

import argparse
from pathlib import Path

from npc_brain.npc.definition import NpcDefinition
from npc_brain.protocol.export import FileModels, check, export
from npc_brain.simulation.world_file import WorldFile

FILES: FileModels = {"npc_file": NpcDefinition, "world_file": WorldFile}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("schema", help="write or check the schemas")
    parser.add_argument("action", choices=["export", "check"])
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it, and print one line for each file concerned; 1 when `check` finds something stale.

    Raises:
        UsageError: `check` was given no directory.
    """
    if args.action == "export":
        for path in export(args.directory, FILES):
            print(path.as_posix())
        return 0
    stale = check(args.directory, FILES)
    for path in stale:
        print(f"stale: {path.as_posix()}")
    if stale:
        print(f"Run `npc-brain schema export {args.directory}` and commit what it writes.")
    return 1 if stale else 0
