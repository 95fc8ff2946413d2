"""`npc-brain test`: runs scenarios, without a model, against a real one, or against a recording."""

import argparse
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from npc_brain.cli.progress import progress_bar
from npc_brain.errors import NpcBrainError, UsageError

if TYPE_CHECKING:
    from npc_brain.inference.chat import Backend
    from npc_brain.testing.report import Result

SUFFIX = ".scenario.yaml"
DEFAULT_MODEL = "smollm2-135m"
_MODELS = ("onnx", "openai")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("test", help="run scenarios: behaviour tests of NPCs")
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", type=Path, help=f"a *{SUFFIX} file or a directory"
    )
    parser.add_argument(
        "--backend",
        choices=("scripted", "replay", "onnx", "openai"),
        default="scripted",
        help="who speaks: each scenario's own script (default), a recording, or a model",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help=f"the model of --backend onnx (default: {DEFAULT_MODEL}) or openai (openai:URL#NAME)",
    )
    parser.add_argument(
        "--recording", metavar="FILE", type=Path, help="the recording for --backend replay"
    )
    parser.add_argument(
        "--record", metavar="FILE", type=Path, help="record what the model says in this file"
    )
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write a JUnit XML report")
    parser.add_argument("--trace", action="store_true", help="print what happened in each scenario")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the scenarios; 0 when all go as their files say, else 1.

    Raises:
        UsageError: A path has no scenarios, or options do not fit each other.
    """
    _check_options(args)
    # Imported here: `--help` of the other commands needs none of it.
    from npc_brain.errors import ScenarioError
    from npc_brain.testing.report import failure_text, junit_xml, summary_text, trace_text
    from npc_brain.testing.runner import run_scenario
    from npc_brain.testing.scenario import load_scenario

    files = list(scenario_files(args.paths))
    results: list[Result] = []
    mistakes: list[tuple[str, str]] = []
    with ExitStack() as stack:
        backend = _backend(args, stack)
        for file in files:
            try:
                result = run_scenario(load_scenario(file), backend)
            except ScenarioError as error:
                mistakes.append((str(file), error.message))
                print(f"MISTAKE  {file}\n{error.message}\n")
                continue
            results.append(result)
            outcome = "passed" if result.is_ok else "FAILED"
            expected = ", as expected" if result.is_ok and result.broken else ""
            print(f"{outcome}   {result.scenario.spec.name}{expected}")
            if not result.is_ok:
                print(f"\n{failure_text(result)}\n")
            elif args.trace:
                print("\n".join(trace_text(result.trace)))
    if args.junit is not None:
        args.junit.write_bytes(junit_xml(results, mistakes))
    print(summary_text(results, len(mistakes)))
    return 0 if not mistakes and all(result.is_ok for result in results) else 1


def scenario_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The scenario files at `paths`, those of a directory in order of their names.

    Raises:
        UsageError: There is nothing at a path, or a directory has no scenarios.
    """
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob(f"*{SUFFIX}"))
            if not found:
                raise UsageError(
                    f"there are no scenarios in {path}", hint=f"their names end in {SUFFIX}"
                )
            yield from found
        elif path.is_file():
            yield path
        else:
            raise UsageError(f"there is no file or directory {path}", hint="check the path")


def _check_options(args: argparse.Namespace) -> None:
    wants = {"model": _MODELS, "record": _MODELS, "recording": ("replay",)}
    for option, backends in wants.items():
        if getattr(args, option) is not None and args.backend not in backends:
            raise UsageError(
                f"--{option} goes with --backend {' or '.join(backends)}", hint="add it"
            )
    if args.backend == "replay" and args.recording is None:
        raise UsageError(
            "--backend replay needs --recording FILE",
            hint="make one with --backend onnx --record FILE",
        )


def _backend(args: argparse.Namespace, stack: ExitStack) -> "Backend | None":
    """What speaks in all scenarios; None for each scenario's own script."""
    if args.backend == "scripted":
        return None
    from npc_brain.testing.recording import RecordingBackend, ReplayBackend

    if args.backend == "replay":
        return ReplayBackend(args.recording)
    model = _model(args)
    stack.callback(model.close)
    file = args.record and stack.enter_context(args.record.open("w", encoding="utf-8"))
    return RecordingBackend(model, file) if file else model


def _model(args: argparse.Namespace) -> "Backend":
    from npc_brain.clock import FakeClock
    from npc_brain.importing.architectures import profile_of
    from npc_brain.importing.catalogue import resolve_model
    from npc_brain.inference.backends.onnx import OnnxBackend
    from npc_brain.servers.openai import OpenAIBackend

    clock = FakeClock()  # it stands still: how fast the machine is must not change what is said
    if args.backend == "openai":
        server = OpenAIBackend(args.model or "", clock=clock)
        try:
            server.check()
        except NpcBrainError:
            server.close()
            raise
        return server
    with progress_bar() as progress:
        directory = resolve_model(args.model or DEFAULT_MODEL, progress)
    return OnnxBackend(directory, profile_of(directory), clock=clock)
