"""Measurements, each beside a peer in the same run: `python3 run.py bench [NAME...]`."""

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from npc_brain.errors import NpcBrainError

BENCHES = {
    "wire": "round trips of messages over loopback, with validation; peer: raw frames",
    "npcs": "scripted NPCs stepped on one core; peer: a plain table",
    "paths": "path queries on a 256x256 grid; peer: tcod's A*",
    "masks": "what the grammar adds to a token; peer: llguidance's mask call alone",
    "engine": "prefill, decode and batches of a local model; peer: llama.cpp, if it is installed",
    "model": "a full-size Gemma 4 with random weights (--random required); peer: llama.cpp",
}
_ON_DEMAND = {"model"}
"""Benches that take gigabytes and minutes, and so run only when they are named."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named benches, or all; prints one row for each measurement.

    Returns:
        0 if all ran, 1 if one could not, 130 if interrupted; wrong usage exits with 2.
    """
    parser = argparse.ArgumentParser(
        prog="run.py bench",
        description="Measure speed on this machine.\n\n"
        + "\n".join(f"  {name:8}{text}" for name, text in BENCHES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHES, []], default=[])
    parser.add_argument(
        "--arch", choices=("gemma-4-e4b", "gemma-4-e2b"), default="gemma-4-e4b",
        help="what `model` measures (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--random", action="store_true", help="with `model`: use random weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    args = parser.parse_args(argv)
    if "model" in args.names and not args.random:
        parser.error("`model` measures random weights only: add --random")
    show: Callable[[dict[str, Any]], None] = _show_json if args.json else _show_text
    show({"bench": "machine", **machine()})
    try:
        for name in args.names or [name for name in BENCHES if name not in _ON_DEMAND]:
            bench: Callable[..., Iterator[dict[str, Any]]]
            bench = importlib.import_module(f"tests.bench.{name}").run
            for row in bench(args.arch) if name == "model" else bench():
                show({"bench": name, **row})
    except NpcBrainError as error:
        print(f"bench: {error.message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    return 0


def machine() -> dict[str, Any]:
    """The machine that the figures were measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "num_cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


def _show_json(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


def _show_text(row: dict[str, Any]) -> None:
    print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in `npc-brain`
    raise SystemExit(main())
