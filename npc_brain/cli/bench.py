"""`npc-brain bench`: measurements, each with its peer in the same run."""

import argparse
import importlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from typing import Any

from npc_brain.errors import UsageError

BENCHES = {
    "wire": "round trips of messages over loopback, validation on; peer: raw frames",
    "npcs": "scripted NPCs stepped on one core; peer: a plain table",
    "paths": "path queries on a 256x256 grid; peer: tcod's A*",
    "masks": "what the grammar adds to a token; peer: llguidance's mask call alone",
    "engine": "prefill, decode and batches of a local model; peer: llama.cpp, when it is installed",
    "model": "a full-size Gemma 4 with random weights (--arch, --random); peer: llama.cpp",
}
_ON_DEMAND = {"model"}
"""Benches that take gigabytes and minutes, and so only run when they are named."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    about = "\n".join(f"  {name}: {text}" for name, text in BENCHES.items())
    parser = subparsers.add_parser(
        "bench",
        help="measure speed on this machine",
        description=f"What can be measured:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHES, []], default=[])
    parser.add_argument(
        "--arch",
        choices=("gemma-4-e4b", "gemma-4-e2b"),
        default="gemma-4-e4b",
        help="what `bench model` measures (default: %(default)s)",
    )
    parser.add_argument(
        "--random", action="store_true", help="with `model`: random weights, made on the spot"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the named benches, or all; prints one row a measurement and returns 0."""
    _show(machine(), is_json=args.json)
    for name in args.names or [name for name in BENCHES if name not in _ON_DEMAND]:
        if name == "model" and not args.random:
            raise UsageError("bench model measures random weights only", hint="add --random")
        bench: Callable[..., Iterator[dict[str, Any]]]
        bench = importlib.import_module(f"npc_brain.cli.bench_{name}").run
        for row in bench(args.arch) if name == "model" else bench():
            _show({"bench": name, **row}, is_json=args.json)
    return 0


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "bench": "machine",
        "system": f"{platform.system()} {platform.machine()}",
        "num_cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def _show(row: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        print(json.dumps(row), flush=True)
    else:
        print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
