"""`npc-brain bench`: measurements, each with its peer in the same run."""

import argparse
import importlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from typing import Any

BENCHES = {
    "wire": "round trips of messages over loopback, validation on; peer: raw frames",
    "npcs": "scripted NPCs stepped on one core; peer: a plain table",
    "paths": "path queries on a 256x256 grid; peer: tcod's A*",
    "engine": "prefill, decode and batches of a local model; peer: llama.cpp, when it is installed",
}


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
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the named benches, or all; prints one row a measurement and returns 0."""
    _show(machine(), is_json=args.json)
    for name in args.names or BENCHES:
        bench: Callable[[], Iterator[dict[str, Any]]]
        bench = importlib.import_module(f"npc_brain.cli.bench_{name}").run
        for row in bench():
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
