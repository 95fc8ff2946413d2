"""C# for the tests of the Unity package: compiled and run by mono."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.bridges.patience import PROGRAM_S

ROOT = Path(__file__).parents[2]
UNITY = ROOT / "engine_bridges" / "unity"
PACKAGE = UNITY / "com.npcbrain.bridge"
STANDALONE = UNITY / "standalone"
LANGUAGE = "7"
"""What mcs takes of C# 7; Unity 2021.3 takes C# 9."""

needs_mono = pytest.mark.skipif(
    not (shutil.which("mcs") and shutil.which("mono")), reason="mcs and mono are not installed"
)


def compile_csharp(
    output: Path,
    sources: Iterable[Path],
    *options: str,
    references: Iterable[Path] = (),
) -> Path:
    """Compile sources with warnings as errors; an assembly, or a program when it ends in `.exe`."""
    kind = "exe" if output.suffix == ".exe" else "library"
    compiled = subprocess.run(
        [
            "mcs", f"-langversion:{LANGUAGE}", "-warnaserror", f"-target:{kind}",
            f"-out:{output}", *options, *(f"-reference:{path}" for path in references),
            *map(str, sources),
        ],
        capture_output=True, text=True, timeout=PROGRAM_S, check=False,
    )  # fmt: skip
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    return output


def run_mono(
    program: Path, *args: str, env: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        ["mono", str(program), *args],
        input=stdin, capture_output=True, text=True, timeout=PROGRAM_S, check=False, env=env,
    )  # fmt: skip
