"""`npc-brain schema`: writes the schema directory and docs/npc_files.md, or checks them."""

import argparse
from pathlib import Path

from npc_brain.cli.file_reference import with_tables
from npc_brain.npc.definition import NpcDefinition
from npc_brain.protocol.export import FileModels, check, export
from npc_brain.simulation.world_file import WorldFile

FILES: FileModels = {"npc_file": NpcDefinition, "world_file": WorldFile}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("schema", help="write or check the schemas")
    parser.add_argument("action", choices=["export", "check"])
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument(
        "--npc-files", metavar="PAGE", type=Path, help="also the tables of docs/npc_files.md"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it, and print one line for each file concerned; 1 when `check` finds something stale.

    Raises:
        UsageError: `check` was given no directory.
    """
    page: Path | None = args.npc_files
    is_stale = page is not None and page.read_text("utf-8") != with_tables(page.read_text("utf-8"))
    if args.action == "export":
        for path in export(args.directory, FILES):
            print(path.as_posix())
        if page is not None and is_stale:
            page.write_text(with_tables(page.read_text("utf-8")), "utf-8")
            print(page.as_posix())
        return 0
    stale = check(args.directory, FILES) + ([page] if page is not None and is_stale else [])
    for path in stale:
        print(f"stale: {path.as_posix()}")
    if stale:
        print(f"Run `npc-brain schema export {args.directory}` and commit what it writes.")
    return 1 if stale else 0
