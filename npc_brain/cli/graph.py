"""`npc-brain graph`: draws the states and transitions of an NPC file."""

import argparse
from pathlib import Path

from npc_brain.npc.graph import to_mermaid, to_text
from npc_brain.npc.loader import load_definition


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("graph", help="draw an NPC's states and transitions")
    parser.add_argument("file", metavar="FILE", type=Path, help="an NPC file")
    parser.add_argument(
        "--format",
        choices=("mermaid", "text"),
        default="mermaid",
        help="mermaid (the default, which GitHub and many editors display) or text",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the drawing; raises DefinitionError when the file has mistakes."""
    definition = load_definition(args.file)
    print(to_mermaid(definition) if args.format == "mermaid" else to_text(definition), end="")
    return 0
