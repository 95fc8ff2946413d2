"""Paths against a plain exhaustive search, written for clearness."""

import heapq
import itertools
import math
from collections.abc import Iterable
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from npc_brain.errors import WorldError
from npc_brain.world import subgoals
from npc_brain.world.model import Cell, NavEdge, NavGraph, NavGrid
from npc_brain.world.navigation import Navigator, Path, direction
from tests.counts import count

Costs = dict[Cell, int]


def costs_of(nav: NavGrid) -> Costs:
    cells = itertools.product(range(nav.height), range(nav.width))
    return {(x, y): nav.cells[y * nav.width + x] for y, x in cells}


def steps_from(costs: Costs, cell: Cell) -> Iterable[tuple[Cell, float]]:
    x, y = cell
    for dx, dy in itertools.product((-1, 0, 1), repeat=2):
        there = (x + dx, y + dy)
        sides = ((x + dx, y), (x, y + dy))
        if there != cell and all(costs.get(free) for free in (there, *sides)):
            yield there, costs[there] * math.hypot(dx, dy)


def exhaustive_distances(costs: Costs, start: Cell) -> dict[Cell, float]:
    distances = {start: 0.0} if costs[start] else {}
    frontier = [(0.0, start)] if distances else []
    while frontier:
        distance, cell = heapq.heappop(frontier)
        if distance > distances[cell]:
            continue
        for there, cost in steps_from(costs, cell):
            if distance + cost < distances.get(there, math.inf):
                distances[there] = distance + cost
                heapq.heappush(frontier, (distance + cost, there))
    return distances


def check_path(costs: Costs, path: Path, start: Cell, goal: Cell) -> None:
    """The path is a legal walk, and costs what it says."""
    assert (path.waypoints[0], path.waypoints[-1]) == (start, goal)
    assert path.num_steps == len(path.waypoints) - 1
    total = 0.0
    cells: list[Cell] = [(int(cell[0]), int(cell[1])) for cell in path.waypoints]
    for here, there in itertools.pairwise(cells):
        total += dict(steps_from(costs, here))[there]
    assert path.cost == pytest.approx(total, abs=1e-9)


@st.composite
def grids(draw: st.DrawFn, costs: st.SearchStrategy[int]) -> NavGrid:
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    cells = draw(st.lists(costs, min_size=width * height, max_size=width * height))
    return NavGrid(width=width, height=height, cells=bytes(cells))


one_cost = st.sampled_from((0, 1, 1, 1))
two_cost = st.sampled_from((0, 7, 7))
mixed = st.sampled_from((0, 1, 1, 2, 5, 9, 255))


@settings(max_examples=count(full=3_000, ci=250), deadline=None)
@given(grids(one_cost) | grids(two_cost) | grids(mixed), st.data())
def test_paths_are_as_short_as_an_exhaustive_search_finds(
    nav: NavGrid, data: st.DataObject
) -> None:
    navigator = Navigator(nav)
    costs = costs_of(nav)
    start = data.draw(st.sampled_from(sorted(costs)))
    expected = exhaustive_distances(costs, start)
    for goal in costs:
        path = navigator.path(start, goal)
        assert navigator.is_reachable(start, goal) == (goal in expected)
        if path is None:
            assert goal not in expected
        else:
            check_path(costs, path, start, goal)
            assert path.cost == pytest.approx(expected[goal], abs=1e-9)


@settings(max_examples=count(full=500, ci=50), deadline=None)
@given(grids(one_cost))
def test_landmarks_change_no_length(nav: NavGrid) -> None:
    navigator = Navigator(nav)
    costs = costs_of(nav)
    free = [cell for cell, cost in costs.items() if cost]
    with mock.patch.object(subgoals, "LANDMARKS_AFTER", 0):
        for start in free[::3]:
            expected = exhaustive_distances(costs, start)
            for goal in free:
                assert navigator.distance(start, goal) == (
                    pytest.approx(expected[goal], abs=1e-9) if goal in expected else None
                )


@pytest.mark.parametrize("costs", [(1, 1), (1, 2), (3, 1, 2)])
def test_a_path_may_visit_every_cell(costs: tuple[int, ...]) -> None:
    """Tcod takes a path as long as its grid has cells for a loop."""
    for width, height in ((len(costs), 1), (1, len(costs))):
        navigator = Navigator(NavGrid(width=width, height=height, cells=bytes(costs)))
        path = navigator.path((0, 0), (width - 1, height - 1))
        assert path is not None
        assert (path.num_steps, path.cost) == (len(costs) - 1, sum(costs[1:]))


def test_no_corner_is_cut() -> None:
    wall_in_the_middle = NavGrid(width=3, height=3, cells=bytes([1, 1, 1, 1, 0, 1, 1, 1, 1]))
    assert Navigator(wall_in_the_middle).distance((1, 0), (2, 1)) == 2
    kissing = NavGrid(width=2, height=2, cells=bytes([1, 0, 0, 1]))
    assert Navigator(kissing).path((0, 0), (1, 1)) is None


def test_a_blocked_or_outside_end() -> None:
    navigator = Navigator(NavGrid(width=3, height=1, cells=bytes([1, 1, 0])))
    assert navigator.path((0, 0), (2, 0)) is None
    assert navigator.path((2, 0), (2, 0)) is None
    assert navigator.path((1, 0), (1, 0)) == Path(waypoints=((1, 0),), cost=0.0)
    for outside in ((3, 0), (-1, 0), (0, 1), (0.0, 0.0, 0.0)):
        with pytest.raises(WorldError, match="is no cell of the 3x1 nav grid"):
            navigator.path((0, 0), outside)


def test_a_blocked_goal_is_met_beside_it() -> None:
    navigator = Navigator(NavGrid(width=4, height=1, cells=bytes([1, 1, 0, 1])))
    path = navigator.path_to_reach((0, 0), (2, 0))
    assert path is not None
    assert path.waypoints == ((0, 0), (1, 0))
    assert navigator.path_to_reach((0, 0), (3, 0)) is None


def test_big_grids_of_one_cost_fall_back_to_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    nav = NavGrid(width=5, height=5, cells=bytes([1] * 12 + [0] + [1] * 12))
    expected = Navigator(nav).distance((1, 1), (4, 4))
    monkeypatch.setattr("npc_brain.world.navigation.MAX_SUBGOAL_CELLS", 10)
    assert Navigator(nav).distance((1, 1), (4, 4)) == pytest.approx(expected)


def test_nearest_is_by_path_not_by_sight() -> None:
    rows = ("..#.", ".##.", "....")
    nav = NavGrid(width=4, height=3, cells=bytes(c == "." for row in rows for c in row))
    navigator = Navigator(nav)
    assert navigator.nearest((1, 0), [(3, 0), (0, 2)]) == 1
    assert navigator.nearest((1, 0), []) is None


@settings(max_examples=count(full=300, ci=30), deadline=None)
@given(grids(mixed), st.data())
def test_a_route_is_the_cheapest_order(nav: NavGrid, data: st.DataObject) -> None:
    navigator = Navigator(nav)
    cells = st.sampled_from([cell for cell, cost in costs_of(nav).items() if cost] or [(0, 0)])
    start, stops = data.draw(cells), data.draw(st.lists(cells, max_size=5))

    def length(order: Iterable[int]) -> float:
        points = [start, *(stops[index] for index in order)]
        legs = (navigator.distance(a, b) for a, b in itertools.pairwise(points))
        return sum(math.inf if leg is None else leg for leg in legs)

    order = navigator.route(start, stops)
    best = min(length(order) for order in itertools.permutations(range(len(stops))))
    if order is None:
        assert best == math.inf
    elif best < math.inf:
        assert sorted(order) == list(range(len(stops)))
        assert length(order) == pytest.approx(best)


def test_a_long_route_goes_to_the_nearest_next() -> None:
    nav = NavGrid(width=30, height=1, cells=bytes([1] * 30))
    stops = [(x, 0) for x in (20, 4, 9, 12, 1, 28, 16, 7, 25, 2)]
    assert Navigator(nav).route((0, 0), stops) == [4, 9, 1, 7, 2, 3, 6, 0, 8, 5]


@pytest.mark.parametrize(
    ("goal", "word"),
    [
        ((9, 5), "east"), ((9, 9), "south-east"), ((5, 9), "south"), ((1, 9), "south-west"),
        ((1, 5), "west"), ((1, 1), "north-west"), ((5, 1), "north"), ((9, 1), "north-east"),
        ((5, 5), "here"), ((15, 6), "east"), ((0.0, 40.0, 5.0), "west"),
    ],
)  # fmt: skip
def test_directions(goal: Cell, word: str) -> None:
    start = (5, 5) if len(goal) == 2 else (5.0, 0.0, 5.0)
    assert direction(start, goal) == word


@st.composite
def graphs(draw: st.DrawFn) -> NavGraph:
    names = [f"n{number}" for number in range(draw(st.integers(1, 8)))]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names), st.integers(1, 20))
    return NavGraph(
        nodes={name: (float(index), 0.0, 0.0) for index, name in enumerate(names)},
        edges=tuple(NavEdge(a=a, b=b, cost=cost) for a, b, cost in draw(st.lists(pairs))),
    )


@given(graphs())
@example(NavGraph(nodes={"n0": (0.0, 0.0, 0.0)}, edges=()))
def test_graph_paths_are_shortest(nav: NavGraph) -> None:
    navigator = Navigator(nav)
    costs = {(a, b): 0.0 if a == b else math.inf for a in nav.nodes for b in nav.nodes}
    for edge in nav.edges:
        for a, b in ((edge.a, edge.b), (edge.b, edge.a)):
            costs[a, b] = min(costs[a, b], edge.cost)
    edges = dict(costs)
    for via, a, b in itertools.product(nav.nodes, repeat=3):
        costs[a, b] = min(costs[a, b], costs[a, via] + costs[via, b])
    for a, b in costs:
        path = navigator.path(nav.nodes[a], nav.nodes[b])
        assert navigator.is_reachable(nav.nodes[a], nav.nodes[b]) == (path is not None)
        if path is None:
            assert costs[a, b] == math.inf
            continue
        assert (path.nodes[0], path.nodes[-1]) == (a, b)
        assert path.waypoints == tuple(nav.nodes[node] for node in path.nodes)
        assert path.cost == costs[a, b]
        assert sum(edges[pair] for pair in itertools.pairwise(path.nodes)) == path.cost


def test_a_graph_takes_the_nearest_node_and_refuses_other_positions() -> None:
    nav = NavGraph(
        nodes={"a": (0.0, 0.0, 0.0), "b": (10.0, 0.0, 0.0)}, edges=(NavEdge(a="a", b="b", cost=4),)
    )
    path = Navigator(nav).path((1.0, 0.0, 1.0), (8.0, 2.0, 0.0))
    assert path is not None
    assert path.nodes == ("a", "b")
    with pytest.raises(WorldError, match="does not lie on this nav graph"):
        Navigator(nav).path((1, 2), (3, 4))
