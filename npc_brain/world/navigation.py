"""Ways through the world: shortest paths on nav grids and nav graphs.

Cost of a path on a grid: entering a cell costs its byte, times √2 when entered diagonally; the
start is free. Steps go to the 8 neighbours; a diagonal step needs both cells that it passes between
to be free. With all costs 1 that is the octile length of the MovingAI benchmarks. On a graph, edge
costs add up.

Grids with different costs are searched by tcod's A* in C, with whole numbers; costs are told in
floats, recomputed from the path. Grids of one cost are searched by `subgoals`, since A* over the
cells of a 256x256 map manages some 500 paths a second and the corners a multiple of it. This module
knows cells and nodes, never who walks or why.
"""

import heapq
import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tcod.path
from tcod.cffi import lib
from tcod.path import _export

from npc_brain.errors import ErrorCode, WorldError
from npc_brain.world.limit import UNLIMITED, SearchCutOff, SearchLimit, check_steps
from npc_brain.world.model import Cell, NavGraph, NavGrid, Position
from npc_brain.world.subgoals import SubgoalGraph

SQRT2 = math.sqrt(2.0)

MAX_SUBGOAL_CELLS = 2**20
"""Grids with more cells are left to A*, for the memory that a subgoal graph takes (16 B a cell)."""

MAX_EXACT_STOPS = 8
"""Routes over more stops than this are ordered by the nearest next one."""

_SLICE_CELLS = 2**18
_SLICE_STEPS = 1024
"""Cells looked at, and steps of a search taken, from one look at the clock to the next."""

_COMPASS = (
    "east", "south-east", "south", "south-west", "west", "north-west", "north", "north-east",
)  # fmt: skip

_CARDINALS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_DIAGONALS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

_SQRT2_RATIOS = ((70, 99), (408, 577), (2378, 3363), (13860, 19601), (80782, 114243))
"""Whole-number stand-ins for 1 : √2. Convergents of √2's continued fraction, so that lengths
a + b√2 and c + d√2 are ordered right as long as |b - d| is below the first number."""


@dataclass(frozen=True, slots=True)
class Path:
    """A shortest way.

    Attributes:
        waypoints: Every cell from start to goal, both included; on a graph the nodes' positions.
        nodes: On a graph the ids of the nodes; empty on a grid.
        cost: What it costs in all.
    """

    waypoints: tuple[Position, ...]
    cost: float
    nodes: tuple[str, ...] = ()

    @property
    def num_steps(self) -> int:
        """Moves from one waypoint to the next."""
        return len(self.waypoints) - 1


def direction(start: Position, goal: Position) -> str:
    """The compass word from `start` to `goal`: "north-west"; "here" when they are one.

    On cells y grows to the south; of points [x, y, z] the height y is ignored and z grows to the
    south.
    """
    east = goal[0] - start[0]
    south = goal[-1] - start[-1]
    if east == 0 and south == 0:
        return "here"
    return _COMPASS[round(math.atan2(south, east) / (math.pi / 4)) % 8]


class Navigator:
    """Shortest paths over one nav grid or graph; of several threads one searches at a time.

    Costs nothing until first asked. What is prepared for searching stays prepared when a search is
    cut off, so that the next gets further.
    """

    def __init__(self, nav: NavGrid | NavGraph) -> None:
        self._search = _GridSearch(nav) if isinstance(nav, NavGrid) else _GraphSearch(nav)
        self._lock = threading.Lock()

    @contextmanager
    def _prepared(self, limit: SearchLimit) -> Iterator["_GridSearch | _GraphSearch"]:
        if not self._lock.acquire(timeout=min(limit.left_s, threading.TIMEOUT_MAX)):
            raise SearchCutOff("the search was cut off: another one goes on")
        try:
            for _ in self._search.preparing:
                limit.check()
            yield self._search
        finally:
            self._lock.release()

    def path(self, start: Position, goal: Position, limit: SearchLimit = UNLIMITED) -> Path | None:
        """The cheapest path, or None when there is none.

        A blocked start or goal cell has no path. On a graph both ends stand at the nearest node.

        Raises:
            WorldError: BAD_WORLD when an end is not a position of this nav.
            SearchCutOff: It takes longer than `limit`, or more than `MAX_STEPS` steps.
        """
        with self._prepared(limit) as search:
            return search.path(start, goal, limit)

    def path_to_reach(
        self, start: Position, goal: Position, limit: SearchLimit = UNLIMITED
    ) -> Path | None:
        """Like `path`, but an end on a blocked cell (an anvil, a counter) is met beside it."""
        with self._prepared(limit) as search:
            if not isinstance(search, _GridSearch):
                return search.path(start, goal, limit)
            starts, ends = search.standing_cells(start), search.standing_cells(goal)
            paths = (search.path(here, there, limit) for here in starts for there in ends)
            return min((path for path in paths if path), key=lambda path: path.cost, default=None)

    def distance(
        self, start: Position, goal: Position, limit: SearchLimit = UNLIMITED
    ) -> float | None:
        """What the cheapest path costs, or None when there is none. Raises like `path`."""
        path = self.path(start, goal, limit)
        return path.cost if path else None

    def is_reachable(self, start: Position, goal: Position, limit: SearchLimit = UNLIMITED) -> bool:
        """Whether there is a path. Raises like `path`."""
        with self._prepared(limit) as search:
            return search.is_reachable(start, goal, limit)

    def nearest(
        self, start: Position, candidates: Iterable[Position], limit: SearchLimit = UNLIMITED
    ) -> int | None:
        """The index of the candidate that is cheapest to reach, the first of equals.

        None when none can be reached. Blocked ends are met beside. Raises like `path`.
        """
        best: tuple[float, int] | None = None
        for index, candidate in enumerate(candidates):
            path = self.path_to_reach(start, candidate, limit)
            if path and (best is None or path.cost < best[0]):
                best = (path.cost, index)
        return best[1] if best else None

    def route(
        self, start: Position, stops: Sequence[Position], limit: SearchLimit = UNLIMITED
    ) -> list[int] | None:
        """The order of `stops` (indices) that is cheapest to visit, ending anywhere.

        Exact for up to `MAX_EXACT_STOPS` stops (Held and Karp's dynamic programme); beyond that
        always the nearest next. None when a stop cannot be reached. Raises like `path`.
        """
        costs: list[list[float]] = []
        for origin in (*stops, start):
            row = []
            for stop in stops:
                path = self.path_to_reach(origin, stop, limit)
                row.append(path.cost if path else math.inf)
            costs.append(row)
        if any(cost == math.inf for cost in costs[-1]):
            return None
        if len(stops) > MAX_EXACT_STOPS:
            return _nearest_next(costs)
        return _held_karp(costs)


def _nearest_next(costs: list[list[float]]) -> list[int]:
    order: list[int] = []
    left = set(range(len(costs) - 1))
    here = len(costs) - 1
    while left:
        here = min(left, key=lambda stop: (costs[here][stop], stop))
        left.remove(here)
        order.append(here)
    return order


def _held_karp(costs: list[list[float]]) -> list[int]:
    """The cheapest open tour. `costs[i][j]` from stop i to stop j; the last row is the start.

    Source: Held and Karp, A Dynamic Programming Approach to Sequencing Problems, 1962.
    """
    num_stops = len(costs) - 1
    best: dict[tuple[int, int], tuple[float, list[int]]] = {
        (1 << stop, stop): (costs[-1][stop], [stop]) for stop in range(num_stops)
    }
    for visited in range(1, 1 << num_stops):
        for last in range(num_stops):
            if (visited, last) not in best:
                continue
            cost, order = best[visited, last]
            for stop in range(num_stops):
                key = (visited | 1 << stop, stop)
                longer = cost + costs[last][stop]
                if not visited >> stop & 1 and (key not in best or longer < best[key][0]):
                    best[key] = (longer, [*order, stop])
    everything = (1 << num_stops) - 1
    return min(best[everything, last] for last in range(num_stops))[1] if num_stops else []


class _GridSearch:
    """A* over a nav grid. Arrays are indexed [y, x]."""

    def __init__(self, nav: NavGrid) -> None:
        self._shape = (nav.height, nav.width)
        self.preparing = self._prepare(nav)

    def _prepare(self, nav: NavGrid) -> Iterator[None]:
        """Sets everything up, piece by piece."""
        # A blocked row more, as tcod takes a path through every cell of its grid for a loop.
        cells = nav.cells + bytes(nav.width)
        self._costs = np.frombuffer(cells, np.uint8).reshape(nav.height + 1, nav.width)
        self._components = np.zeros(self._costs.shape, np.int32)
        """Label of each cell's connected component, 0 where not yet known."""
        self._num_components = 0
        self._labelling: tcod.path.Pathfinder | None = None
        """Under way: the component that gets the next label."""
        self._subgoals: SubgoalGraph | None = None
        counts = np.zeros(256, np.int64)
        for start in range(0, self._costs.size, _SLICE_CELLS):
            counts += np.bincount(self._costs.ravel()[start : start + _SLICE_CELLS], minlength=256)
            yield
        free_costs = np.flatnonzero(counts[1:]) + 1
        self._uniform_cost = int(free_costs[0]) if len(free_costs) == 1 else None
        self._graph = tcod.path.CustomGraph(self._costs.shape)
        yield from _add_moves(self._graph, self._costs)

    def path(self, start: Position, goal: Position, limit: SearchLimit) -> Path | None:
        if not self.is_reachable(start, goal, limit):
            return None
        (start_y, start_x), (goal_y, goal_x) = self._index(start), self._index(goal)
        if self._uniform_cost is not None and self._costs.size <= MAX_SUBGOAL_CELLS:
            if self._subgoals is None:
                self._subgoals = SubgoalGraph(self._costs != 0)
            found = self._subgoals.path((start_x, start_y), (goal_x, goal_y), limit)
            assert found is not None, "a connected component is connected"
            cells, num_diagonal = found
            num_straight = len(cells) - 1 - num_diagonal
            cost = self._uniform_cost * (num_straight + SQRT2 * num_diagonal)
            return Path(tuple(cells), cost)
        finder = tcod.path.Pathfinder(self._graph)
        finder.add_root((start_y, start_x))
        _resolve(self._graph, finder, (goal_y, goal_x), limit)
        rows = finder.path_to((goal_y, goal_x))
        check_steps(len(rows) - 1)
        return Path(tuple(map(tuple, rows[:, ::-1].tolist())), self._cost_of(rows))

    def is_reachable(self, start: Position, goal: Position, limit: SearchLimit) -> bool:
        return self._component(start, limit) == self._component(goal, limit) != -1

    def standing_cells(self, goal: Position) -> list[Cell]:
        """The goal's cell if it is free, else its free neighbours."""
        y, x = self._index(goal)
        if self._costs[y, x]:
            return [(x, y)]
        around = ((x + dx, y + dy) for dy, dx in (*_CARDINALS, *_DIAGONALS))
        height, width = self._shape
        return [
            (nx, ny)
            for nx, ny in around
            if 0 <= nx < width and 0 <= ny < height and self._costs[ny, nx]
        ]

    def _index(self, position: Position) -> tuple[int, int]:
        height, width = self._shape
        if len(position) != 2 or not (0 <= position[0] < width and 0 <= position[1] < height):
            raise WorldError(
                f"{list(position)} is no cell of the {width}x{height} nav grid",
                code=ErrorCode.BAD_WORLD,
            )
        return int(position[1]), int(position[0])

    def _component(self, position: Position, limit: SearchLimit) -> int:
        """The label of the cell's connected component, -1 for a blocked cell."""
        index = self._index(position)
        if not self._costs[index]:
            return -1
        while not self._components[index]:
            if self._labelling is None:
                self._labelling = tcod.path.Pathfinder(self._graph)
                self._labelling.add_root(index)
            finder = self._labelling
            _resolve(self._graph, finder, None, limit)
            self._num_components += 1
            reached = finder.distance != np.iinfo(finder.distance.dtype).max
            self._components[reached] = self._num_components
            self._labelling = None
        return int(self._components[index])

    def _cost_of(self, cells: npt.NDArray[np.intc]) -> float:
        """`cells` is intc[length, 2], rows [y, x]."""
        entered = self._costs[cells[1:, 0], cells[1:, 1]].astype(np.int64)
        is_diagonal = np.abs(np.diff(cells, axis=0)).sum(axis=1) == 2
        straight = int(entered[~is_diagonal].sum())
        return straight + SQRT2 * int(entered[is_diagonal].sum())


def _resolve(
    graph: tcod.path.CustomGraph,
    finder: tcod.path.Pathfinder,
    goal: tuple[int, int] | None,
    limit: SearchLimit,
) -> None:
    """`finder.resolve(goal)` in slices; what was reached before a cut-off stays reached.

    tcod itself cannot be stopped before the end. Each of its steps lets other threads run.
    """
    finder._update_heuristic(goal)
    rules, kept_alive = graph._compile_rules()
    arrays = (_export(finder._distance), _export(finder._travel))
    step, num_waiting = lib.path_compute_step, lib.TCOD_frontier_size
    frontier, heuristic = finder._frontier_p, finder._heuristic_p
    while True:
        for _ in range(_SLICE_STEPS):
            if not num_waiting(frontier) or step(frontier, *arrays, len(rules), rules, heuristic):
                del kept_alive
                return
        limit.check()


def _add_moves(graph: tcod.path.CustomGraph, costs: npt.NDArray[np.uint8]) -> Iterator[None]:
    """Tell tcod the grid's moves, piece by piece; `costs` is uint8[height, width]."""
    one, root = _scale(costs)
    for step in _CARDINALS:
        graph.add_edge(step, one, cost=costs)
    yield
    is_free = np.pad(costs != 0, 1)
    height, width = costs.shape
    for dy, dx in _DIAGONALS:
        beside_y = is_free[1 + dy : 1 + dy + height, 1:-1]
        beside_x = is_free[1:-1, 1 + dx : 1 + dx + width]
        condition = (beside_y & beside_x).astype(np.int8)
        graph.add_edge((dy, dx), root, cost=costs, condition=condition)
        yield
    lowest = int(costs[costs != 0].min(initial=255))
    graph.set_heuristic(cardinal=one * lowest, diagonal=root * lowest)


def _scale(costs: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """The finest ratio with which no path's cost can overflow tcod's 32-bit distances.

    The bound (all cells, once each) is far above real paths; where even the coarsest ratio exceeds
    it (millions of costly cells), that one serves path costs up to 20 million.
    """
    bound = int(costs.sum(dtype=np.int64)) + 255 * sum(costs.shape)
    fitting = [ratio for ratio in _SQRT2_RATIOS if ratio[1] * bound < 2**31]
    return fitting[-1] if fitting else _SQRT2_RATIOS[0]


class _GraphSearch:
    """Dijkstra over a nav graph, which has at most some thousand nodes."""

    def __init__(self, nav: NavGraph) -> None:
        self.preparing = self._prepare(nav)

    def _prepare(self, nav: NavGraph) -> Iterator[None]:
        """Sets everything up, piece by piece."""
        self._positions = nav.nodes
        self._ids = list(nav.nodes)
        self._points = np.array(list(nav.nodes.values()), np.float64)
        self._edges: dict[str, list[tuple[str, float]]] = {node: [] for node in nav.nodes}
        yield
        for edge in nav.edges:
            self._edges[edge.a].append((edge.b, edge.cost))
            self._edges[edge.b].append((edge.a, edge.cost))

    def path(self, start: Position, goal: Position, limit: SearchLimit) -> Path | None:
        first, last = self._node(start), self._node(goal)
        came_from: dict[str, str] = {}
        costs = {first: 0.0}
        frontier = [(0.0, first)]
        while frontier:
            limit.check()
            cost, node = heapq.heappop(frontier)
            if node == last:
                break
            if cost > costs[node]:
                continue
            for neighbour, edge_cost in self._edges[node]:
                longer = cost + edge_cost
                if longer < costs.get(neighbour, math.inf):
                    costs[neighbour] = longer
                    came_from[neighbour] = node
                    heapq.heappush(frontier, (longer, neighbour))
        if last not in costs:
            return None
        nodes = [last]
        while nodes[-1] != first:
            nodes.append(came_from[nodes[-1]])
        nodes.reverse()
        return Path(tuple(self._positions[node] for node in nodes), costs[last], tuple(nodes))

    def is_reachable(self, start: Position, goal: Position, limit: SearchLimit) -> bool:
        return self.path(start, goal, limit) is not None

    def _node(self, position: Position) -> str:
        """The node nearest to `position` in a straight line."""
        if not self._ids or len(position) != self._points.shape[1]:
            raise WorldError(
                f"{list(position)} does not lie on this nav graph", code=ErrorCode.BAD_WORLD
            )
        return self._ids[int(np.square(self._points - position).sum(axis=1).argmin())]
