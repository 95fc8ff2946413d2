"""`npc-brain doctor`: what works on this machine, what does not, and what to do about it."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from npc_brain.cache import cache_dir

MIN_FREE_BYTES = 2 * 1024**3
"""Disk that fetching and converting the catalogue's models takes at most."""
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `hint` tells what to do when it is not all right."""

    what: str
    found: str
    is_ok: bool = True
    hint: str = ""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("doctor", help="tell what works on this machine")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what was found; 0 when all is well, else 1."""
    findings = list(examine())
    for finding in findings:
        print(f"{'ok  ' if finding.is_ok else 'BAD '} {finding.what}: {finding.found}")
        if finding.hint and not finding.is_ok:
            print(f"     hint: {finding.hint}")
    return 0 if all(finding.is_ok for finding in findings) else 1


def examine() -> Iterator[Finding]:
    """Look at the machine, the runtime, the cache and the models."""
    yield Finding("system", f"{platform.platform()}, {os.cpu_count()} CPUs")
    yield Finding("Python", platform.python_version(), sys.version_info >= (3, 11), "use 3.11+")
    yield _memory()
    yield _runtime()
    yield _text_search()
    yield from _cache()
    yield from _models()


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return Finding("memory", "not told by this system")
    return Finding("memory", f"{total / 1024**3:.1f} GiB")


def _runtime() -> Finding:
    installed = []
    for name in _RUNTIMES:
        try:
            installed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    if len(installed) != 1:
        found = ", ".join(installed) or "none"
        hint = "install exactly one: pip install 'npc-brain[cpu]', [gpu] or [directml]"
        return Finding("ONNX Runtime", found, is_ok=False, hint=hint)
    import onnxruntime

    providers = ", ".join(onnxruntime.get_available_providers())
    return Finding("ONNX Runtime", f"{installed[0]}; providers: {providers}")


def _text_search() -> Finding:
    try:
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE VIRTUAL TABLE t USING fts5(text)")
    except sqlite3.OperationalError as error:
        hint = "use a Python whose SQLite has FTS5, as those of python.org do"
        return Finding("SQLite FTS5", str(error), is_ok=False, hint=hint)
    return Finding("SQLite FTS5", f"in SQLite {sqlite3.sqlite_version}")


def _cache() -> Iterator[Finding]:
    root = cache_dir()
    existing = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    yield Finding(
        "cache",
        f"{root}, {free / 1024**3:.1f} GiB free",
        os.access(existing, os.W_OK) and free >= MIN_FREE_BYTES,
        "set NPC_BRAIN_CACHE to a writable directory with 2 GiB free",
    )


def _models() -> Iterator[Finding]:
    from npc_brain.errors import NpcBrainError
    from npc_brain.inference.importing.catalogue import CATALOGUE
    from npc_brain.inference.model_dir import load_model_info

    for name in CATALOGUE:
        directory = cache_dir("models", name)
        if not directory.exists():
            yield Finding(f"model {name}", f"not fetched yet (npc-brain model pull {name})")
            continue
        try:
            info = load_model_info(directory)
            size = sum(file.bytes for file in info.files)
            yield Finding(f"model {name}", f"ready, {size / 1e6:.0f} MB")
        except NpcBrainError as error:
            hint = f"delete {directory} and pull it again"
            yield Finding(f"model {name}", error.message, is_ok=False, hint=hint)
