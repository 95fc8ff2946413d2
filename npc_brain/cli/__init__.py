"""The `npc-brain` command: it parses, builds objects, passes them on, and words errors."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from npc_brain import __version__
from npc_brain.errors import NpcBrainError, UsageError

COMMANDS = (
    "demo", "serve", "test", "validate", "graph", "model", "generate", "schema", "doctor",
)  # fmt: skip
"""Modules of this package; each has `add_parser(subparsers)` and sets `run(args) -> exit code`, and
perhaps `after_interrupt`, what to do after Ctrl-C."""


def main(argv: Sequence[str] | None = None, commands: Sequence[str] = COMMANDS) -> int:
    """Run one of `commands`; see `npc-brain --help`.

    Returns:
        0 good, 1 the thing asked about is bad, 2 wrong usage, 130 interrupted.
    """
    # Our matrices are small: on a busy machine, threads of BLAS only wait for each other. Set here,
    # before numpy is imported, and not for everyone who imports the package.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(
        prog="npc-brain", description="A local brain for game characters."
    )
    parser.add_argument("--version", action="version", version=f"npc-brain {__version__}")
    parser.set_defaults(after_interrupt="")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in commands:
        importlib.import_module(f"npc_brain.cli.{name}").add_parser(subparsers)
    args = parser.parse_args(argv)
    try:
        code: int = args.run(args)
    except NpcBrainError as error:
        if args.debug:
            raise
        print(f"npc-brain: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("npc-brain: interrupted", file=sys.stderr)
        if args.after_interrupt:
            print(f"  hint: {args.after_interrupt}", file=sys.stderr)
        return 130
    return code
