"""`npc-brain demo`: the sample game in the terminal, sidecar included."""

import argparse
import asyncio
from pathlib import Path

DEFAULT_MODEL = "smollm2-135m"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("demo", help="play the sample game in the terminal")
    parser.add_argument(
        "--script", metavar="FILE", type=Path, help="run the commands in this file, then quit"
    )
    parser.add_argument(
        "--transcript",
        metavar="FILE",
        type=Path,
        help="write every message to this file as JSON lines",
    )
    parser.add_argument(
        "--model", metavar="M", default=DEFAULT_MODEL,
        help=f"a model's name or directory, or none (default: {DEFAULT_MODEL})",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Play; 0 when the player quits or the whole script ran, 1 when a line of it failed.

    Raises:
        NpcBrainError: The sidecar does not start, or a file is missing or has mistakes.
    """
    # Imported here: other commands need neither the game nor rich.
    from npc_brain.demo.app import Options, play

    options = Options(args.model, args.script, args.transcript)
    try:
        return 0 if asyncio.run(play(options)) else 1
    except KeyboardInterrupt:
        return 1 if args.script else 0
