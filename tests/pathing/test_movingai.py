"""Lengths equal the published optimum, as fast as the promise says."""

import random
import time

import numpy as np
import pytest

from npc_brain.world.model import NavGrid
from npc_brain.world.navigation import Navigator, Path
from tests.counts import count
from tests.pace import slowness
from tests.pathing.movingai import Query, map_names, read_map, read_queries, wheel

pytestmark = pytest.mark.model

NUM_QUERIES = count(full=10**9, ci=300)
"""At most, for each map."""
PUBLISHED_DIGITS = 1e-6
QUERIES_A_SECOND = 1_000


def sample(name: str) -> tuple[NavGrid, list[Query]]:
    with wheel() as files:
        queries = list(read_queries(files, name))
        random.Random(name).shuffle(queries)
        return read_map(files, name), queries[:NUM_QUERIES]


def check(nav: NavGrid, query: Query, path: Path | None) -> None:
    """The path is a legal walk over free cells, of the published length."""
    assert path is not None
    free = np.frombuffer(nav.cells, np.uint8).reshape(nav.height, nav.width)
    cells = np.array(path.waypoints)
    steps = np.diff(cells, axis=0)
    assert (path.waypoints[0], path.waypoints[-1]) == (query.start, query.goal)
    assert np.abs(steps).max(initial=1) == 1
    assert free[cells[:, 1], cells[:, 0]].all()
    assert free[cells[1:, 1], cells[:-1, 0]].all()
    assert free[cells[:-1, 1], cells[1:, 0]].all()
    length = np.hypot(steps[:, 0], steps[:, 1]).sum()
    assert length == pytest.approx(query.length, abs=PUBLISHED_DIGITS)
    assert path.cost == pytest.approx(length, abs=1e-9)


def test_every_map_has_the_published_lengths() -> None:
    with wheel() as files:
        names = map_names(files)
    assert len(names) == 12
    for name in names:
        nav, queries = sample(name)
        navigator = Navigator(nav)
        assert queries
        for query in queries:
            check(nav, query, navigator.path(query.start, query.goal))


def test_cells_of_different_cost_give_the_published_lengths_too() -> None:
    """The same map with a costly island beside it is left to A* over the cells."""
    nav, queries = sample("room-64-64-8")
    island = nav.cells + bytes(nav.width) + bytes([9] * nav.width)
    navigator = Navigator(NavGrid(width=nav.width, height=nav.height + 2, cells=island))
    for query in queries[:200]:
        check(nav, query, navigator.path(query.start, query.goal))


@pytest.mark.measures
def test_a_thousand_paths_a_second_on_a_256_city() -> None:
    """Loose: the best of three rounds, in processor time."""
    nav, queries = sample("Berlin_1_256")
    navigator = Navigator(nav)
    queries = queries[:1_000]
    rates = []
    for _ in range(3):
        start_s = time.process_time()
        for query in queries:
            navigator.path(query.start, query.goal)
        rates.append(len(queries) / (time.process_time() - start_s))
    assert max(rates) >= QUERIES_A_SECOND / slowness()
