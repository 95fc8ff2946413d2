"""`npc-brain doctor`: what works on this machine, what does not, and what to do about it."""

import argparse
import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npc_brain.cache import cache_dir
from npc_brain.cli.hardware import GraphicsCard, Memory, graphics_cards, main_memory

MIN_FREE_BYTES = 2 * 1024**3
"""Disk that fetching and converting the catalogue's models takes at most."""
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; `hint` says what to do if it is not all right."""

    what: str
    found: str
    is_ok: bool = True
    hint: str = ""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the program's parser."""
    parser = subparsers.add_parser("doctor", help="report what works on this machine")
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
    memory, cards, providers = main_memory(), graphics_cards(), _providers()
    yield _memory(memory)
    yield _runtime()
    if providers:
        yield Finding("providers", f"{', '.join(providers)} (choose with serve --provider)")
    yield from _graphics(cards, providers)
    yield _text_search()
    yield from _cache()
    yield from _models(memory)


def _memory(memory: Memory) -> Finding:
    if memory.total is None:
        return Finding("memory", "this system does not report it")
    return Finding("memory", _sizes(memory))


def _graphics(cards: list[GraphicsCard] | None, providers: Sequence[str]) -> Iterator[Finding]:
    if cards is None:
        yield Finding("graphics card", "unknown (nvidia-smi is not here, or fails)")
    for card in cards or ():
        advice = ""
        if not {"cuda", "tensorrt-rtx", "directml"}.intersection(providers):
            advice = "; to use it, install npc-brain[gpu] (with NVIDIA's CUDA) in place of [cpu]"
        yield Finding("graphics card", f"{card.name}, {_sizes(card.memory)}{advice}")


def _sizes(memory: Memory) -> str:
    shown = [
        f"{value / 1024**3:.1f} GiB{word}"
        for value, word in ((memory.total, ""), (memory.free, " free"))
        if value is not None
    ]
    return ", ".join(shown) or "of unknown size"


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
    return Finding("ONNX Runtime", installed[0])


def _providers() -> list[str]:
    """What a model can run on, best first; empty without a runtime."""
    try:
        from npc_brain.inference.providers import available_providers
    except ImportError:
        return []
    return available_providers()


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


def _models(memory: Memory) -> Iterator[Finding]:
    from npc_brain.errors import NpcBrainError
    from npc_brain.importing.catalogue import CATALOGUE, model_path
    from npc_brain.inference.model_dir import load_model_info

    for name, entry in CATALOGUE.items():
        fit = how_it_fits(entry.memory_bytes, memory)
        directory = model_path(entry)
        if not directory.exists():
            yield Finding(f"model {name}", f"{fit}; not fetched yet (npc-brain model pull {name})")
            continue
        try:
            info = load_model_info(directory)
            size = sum(file.bytes for file in info.files)
            yield Finding(f"model {name}", f"{fit}; ready, {size / 1e6:.0f} MB on disk")
        except NpcBrainError as error:
            hint = f"delete {directory} and pull it again"
            yield Finding(f"model {name}", error.message, is_ok=False, hint=hint)


def how_it_fits(needed: int, memory: Memory) -> str:
    """Whether a model that takes `needed` bytes can run here, and what to do if it cannot."""
    needs = f"takes {needed / 1024**3:.1f} GiB of memory"
    if memory.total is None:
        return needs
    if needed > memory.total:
        return f"{needs}, too much for this machine: take a smaller one, or --model openai:URL"
    if memory.free is not None and needed > memory.free:
        return f"{needs}, more than is free: close other programs"
    return f"{needs}, fits"
