"""`run.py bench paths`: paths a second on 256x256 nav grids, returned paths included.

Three cases: a city of one cost, searched by its corners; the same city with a single muddy cell,
which leaves it to A* over the cells and so shows what the corners are worth; and the city again
when every hundredth query finds a cell changed. A map file of the MovingAI benchmarks can stand in
for the made-up city.
"""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npc_brain.errors import UsageError
from npc_brain.world.model import Cell, CellChange, NavGrid, WorldPatch, WorldSnapshot
from npc_brain.world.world import World

SIDE_CELLS = 256
NUM_HOUSES = 420
MUD_COST = 2
QUERIES_A_CHANGE = 100


def run(
    num_queries: int = 2000, seed: int = 1, map_file: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Measure all cases; one JSON value for each.

    Args:
        num_queries: Pairs of random free cells, of which unconnected ones count as answered.
        seed: Decides the city and the pairs.
        map_file: A `.map` of the MovingAI benchmarks instead of the city.

    Raises:
        UsageError: When the map file is no such map.
    """
    city = read_map(map_file) if map_file else _city(random.Random(seed))
    name = map_file.stem if map_file else "city"
    free = [index for index, cost in enumerate(city.cells) if cost]
    muddy = bytearray(city.cells)
    muddy[free[0]] = MUD_COST
    mud = city.model_copy(update={"cells": bytes(muddy)})
    rng = random.Random(seed)
    pairs = [
        (_cell(city, rng.choice(free)), _cell(city, rng.choice(free))) for _ in range(num_queries)
    ]
    yield _measure(f"{name}, one cost", city, pairs, 0)
    yield _measure(f"{name}, A* over cells", mud, pairs, 0)
    yield _measure(
        f"{name}, a cell changes every {QUERIES_A_CHANGE}", city, pairs, QUERIES_A_CHANGE
    )


def read_map(path: Path) -> NavGrid:
    """A map file: a header of `height` and `width`, then rows in which `.` and `G` are free.

    Source: Sturtevant, Benchmarks for Grid-Based Pathfinding, 2012.

    Raises:
        UsageError: When the file cannot be read or is no such map.
    """
    try:
        header, _, body = path.read_text(encoding="ascii").partition("map\n")
        rows = body.split()
        fields = dict(line.split() for line in header.splitlines() if line)
        width, height = int(fields["width"]), int(fields["height"])
        if len(rows) != height or any(len(row) != width for row in rows):
            raise ValueError(f"the rows do not make {width}x{height} cells")
        cells = bytes(cell in ".G" for row in rows for cell in row)
        return NavGrid(width=width, height=height, cells=cells)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path}: no MovingAI map: {error}", hint="give a .map file, or none for a made-up city"
        ) from error


def _city(rng: random.Random) -> NavGrid:
    """Houses at random, streets between."""
    cells = bytearray([1]) * (SIDE_CELLS * SIDE_CELLS)
    for _ in range(NUM_HOUSES):
        width, height = rng.randint(3, 12), rng.randint(3, 12)
        x, y = rng.randrange(SIDE_CELLS - width), rng.randrange(SIDE_CELLS - height)
        for row in range(y, y + height):
            start = row * SIDE_CELLS + x
            cells[start : start + width] = bytes(width)
    return NavGrid(width=SIDE_CELLS, height=SIDE_CELLS, cells=bytes(cells))


def _cell(nav: NavGrid, index: int) -> Cell:
    return (index % nav.width, index // nav.width)


def _measure(
    case: str, nav: NavGrid, pairs: list[tuple[Cell, Cell]], queries_a_change: int
) -> dict[str, Any]:
    """Time each query, and the changes with them; `queries_a_change` 0: nothing changes."""
    world = World.from_snapshot(WorldSnapshot(revision=1, nav=nav))
    times_s = []
    num_cells = num_found = 0
    for number, (start, goal) in enumerate(pairs, 1):
        start_s = time.perf_counter()
        if queries_a_change and number % queries_a_change == 0:
            world = _changed(world, pairs[0][0], 1 - number // queries_a_change % 2)
        assert world.navigator is not None
        path = world.navigator.path(start, goal)
        times_s.append(time.perf_counter() - start_s)
        if path:
            num_found += 1
            num_cells += len(path.waypoints)
    cuts = statistics.quantiles(times_s, n=100)
    return {
        "bench": "paths",
        "case": case,
        "grid": [nav.width, nav.height],
        "num_queries": len(pairs),
        "num_found": num_found,
        "mean_path_cells": round(num_cells / max(1, num_found), 1),
        "queries_per_s": round(len(pairs) / sum(times_s)),
        "p50_ms": round(cuts[49] * 1000, 3),
        "p99_ms": round(cuts[98] * 1000, 3),
        "max_ms": round(max(times_s) * 1000, 3),
    }


def _changed(world: World, cell: Cell, cost: int) -> World:
    return world.patched(
        WorldPatch(
            base_revision=world.revision,
            revision=world.revision + 1,
            nav_cells=(CellChange(cell=cell, cost=cost),),
        )
    )
