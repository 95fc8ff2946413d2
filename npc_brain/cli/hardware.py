"""How much memory this machine and its graphics cards have, as far as the system reports it."""

import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_MIB = 1024**2
_QUERY = ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in bytes; None if the system does not report it.

    Attributes:
        total: What is there.
        free: What a program can have without others being swapped out.
    """

    total: int | None = None
    free: int | None = None


@dataclass(frozen=True, slots=True)
class GraphicsCard:
    """An NVIDIA card and its memory."""

    name: str
    memory: Memory


def main_memory() -> Memory:
    """The machine's memory."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return Memory()
    return Memory(total, _available(_MEMINFO))


def graphics_cards(command: str = "nvidia-smi") -> list[GraphicsCard] | None:
    """The NVIDIA cards, by NVIDIA's own command; None when it is missing or fails."""
    try:
        done = subprocess.run(
            [command, *_QUERY], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    cards = []
    for row in done.stdout.splitlines():
        name, _, sizes = row.partition(",")
        numbers = [int(size) if size.strip().isdigit() else None for size in sizes.split(",")]
        total, free = (None if size is None else size * _MIB for size in (*numbers, None, None)[:2])
        if name.strip():
            cards.append(GraphicsCard(name.strip(), Memory(total, free)))
    return cards


def _available(meminfo: Path) -> int | None:
    """Linux's estimate of what is available without swapping."""
    try:
        rows = meminfo.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    for row in rows:
        key, _, value = row.partition(":")
        if key == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


class _MemoryStatus(ctypes.Structure):
    """Windows' MEMORYSTATUSEX."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("free", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 5),
    ]


def _windows_memory() -> Memory:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    library = getattr(ctypes, "windll").kernel32  # noqa: B009  it exists on Windows only
    if not library.GlobalMemoryStatusEx(ctypes.byref(status)):
        return Memory()
    return Memory(int(status.total), int(status.free))
