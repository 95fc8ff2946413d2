"""Exact shortest paths on big grids of one cost, by searching corners instead of cells.

A shortest path bends only at subgoals: free cells diagonally across the corner of an obstacle. The
search runs over those; the legs between two of them are known to be free, so the cells follow by
filling in. Some hundred times fewer nodes than A* over cells repay doing it in Python. Where costs
differ from cell to cell the theory does not hold.

A changed grid costs little until it is asked: edges are found when a subgoal is first expanded, and
landmarks (better lower bounds) are measured once a grid has seen `LANDMARKS_AFTER` searches.

Sources: Uras, Koenig and Hernández, Subgoal Graphs for Optimal Pathfinding in Eight-Neighbor Grids,
ICAPS 2013 (simple subgoal graphs, no corner cutting). Goldberg and Harrelson, Computing the
Shortest Path: A* Search Meets Graph Theory, SODA 2005 (landmarks).
"""

import heapq
import math
from array import array
from collections.abc import Generator, Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from npc_brain.world.limit import UNLIMITED, SearchCutOff, SearchLimit, check_steps
from npc_brain.world.model import Cell

LANDMARKS_AFTER = 64
_SLICE_ROWS = 64
NUM_LANDMARKS = 8

_SQRT2 = math.sqrt(2.0)
_CARDINALS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_DIAGONALS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

_Legs = tuple[tuple[int, int], ...]
"""(steps, delta of the cell number) one after the other."""
_Edge = tuple[int, float, _Legs]
"""What it leads to, its length, and how."""
_Mask = npt.NDArray[np.bool_]


class SubgoalGraph:
    """The subgoals of one grid; `is_free` is bool[height, width].

    Inside, a cell is its number, row by row, in the grid with a blocked border around it.
    """

    def __init__(self, is_free: _Mask) -> None:
        self._preparing = self._prepare(is_free)

    def _prepare(self, is_free: _Mask) -> Iterator[None]:
        """Sets everything up, piece by piece."""
        free = np.pad(is_free, 1)
        stride = free.shape[1]
        is_subgoal = _subgoals(free)
        self._stride = stride
        self._reach = {}
        for dy, dx in (*_CARDINALS, *_DIAGONALS):
            self._reach[dy * stride + dx] = yield from _reach(free, is_subgoal, dy, dx)
        self._cardinals = [dy * stride + dx for dy, dx in _CARDINALS]
        self._diagonals = [(dy * stride + dx, (dy * stride, dx)) for dy, dx in _DIAGONALS]
        self._is_subgoal = is_subgoal.tobytes()
        self._cells: list[int] = np.flatnonzero(is_subgoal).tolist()
        yield
        self._node_of = {cell: node for node, cell in enumerate(self._cells)}
        yield
        self._ys, self._xs = np.nonzero(is_subgoal)
        self._edges: list[list[_Edge] | None] = [None] * len(self._cells)
        self._num_searches = 0
        self._landmarks: npt.NDArray[np.float64] | None = None
        """float64[node, landmark]: how far apart they are; 0 where they are not connected."""

    def path(
        self, start: Cell, goal: Cell, limit: SearchLimit = UNLIMITED
    ) -> tuple[list[Cell], int] | None:
        """The cells of a shortest path between two free cells, and how many steps are diagonal.

        None when there is none. Raises SearchCutOff; what was prepared until then stays.
        """
        for _ in self._preparing:
            limit.check()
        stride = self._stride
        first = (start[1] + 1) * stride + start[0] + 1
        last = (goal[1] + 1) * stride + goal[0] + 1
        legs = self._direct(start, goal, first)
        if legs is None:
            legs = self._search(first, last, limit)
        if legs is None:
            return None
        check_steps(sum(steps for steps, _ in legs))
        cells = [first]
        num_diagonal = 0
        for steps, delta in legs:
            here = cells[-1]
            cells.extend(range(here + delta, here + delta * (steps + 1), delta))
            if delta not in self._cardinals:
                num_diagonal += steps
        return [(cell % stride - 1, cell // stride - 1) for cell in cells], num_diagonal

    def _direct(self, start: Cell, goal: Cell, first: int) -> _Legs | None:
        """A path of one straight and one diagonal leg, if there is one: then none is shorter."""
        dx, dy = goal[0] - start[0], goal[1] - start[1]
        step_x, step_y = (dx > 0) - (dx < 0), (dy > 0) - (dy < 0)
        num_diagonal = min(abs(dx), abs(dy))
        num_straight = max(abs(dx), abs(dy)) - num_diagonal
        along = step_x if abs(dx) > abs(dy) else step_y * self._stride
        diagonal = (num_diagonal, step_y * self._stride + step_x)
        straight = (num_straight, along)
        for order in ((diagonal, straight), (straight, diagonal)):
            legs = tuple(leg for leg in order if leg[0])
            if self._are_free(first, legs):
                return legs
        return None

    def _are_free(self, cell: int, legs: _Legs) -> bool:
        for steps, delta in legs:
            reach = self._reach[delta]
            left = steps
            while left:
                free = reach[cell]
                if free >= left:
                    cell += left * delta
                    break
                cell += free * delta
                if not free or not self._is_subgoal[cell]:
                    return False
                left -= free
        return True

    def _explore(self, cell: int) -> list[_Edge]:
        """The subgoals (as cells) that a free parallelogram without others joins to `cell`."""
        is_subgoal = self._is_subgoal
        found: list[_Edge] = []
        for delta in self._cardinals:
            steps = self._reach[delta][cell]
            if steps and is_subgoal[cell + steps * delta]:
                found.append((cell + steps * delta, float(steps), ((steps, delta),)))
        for diagonal, sides in self._diagonals:
            num_diagonal = self._reach[diagonal][cell]
            if not num_diagonal:
                continue
            end = cell + num_diagonal * diagonal
            if is_subgoal[end]:
                found.append((end, num_diagonal * _SQRT2, ((num_diagonal, diagonal),)))
                num_diagonal -= 1
            for side in sides:
                self._sweep(cell, diagonal, num_diagonal, side, found)
        return found

    def _sweep(
        self, cell: int, diagonal: int, num_diagonal: int, side: int, found: list[_Edge]
    ) -> None:
        """Add the subgoals beside the diagonal from `cell`; what one row sees bounds the next."""
        is_subgoal, reach = self._is_subgoal, self._reach[side]
        widest = reach[cell]
        if is_subgoal[cell + widest * side]:
            widest -= 1
        for row in range(1, num_diagonal + 1):
            if widest <= 0:
                return
            cell += diagonal
            width = reach[cell]
            if width > widest:
                continue
            end = cell + width * side
            if width and is_subgoal[end]:
                found.append((end, row * _SQRT2 + width, ((row, diagonal), (width, side))))
                width -= 1
            widest = min(widest, width)

    def _edges_of(self, node: int) -> list[_Edge]:
        """The edges from a subgoal; they lead to nodes."""
        edges = self._edges[node]
        if edges is None:
            edges = self._as_nodes(self._explore(self._cells[node]))
            self._edges[node] = edges
        return edges

    def _as_nodes(self, edges: list[_Edge]) -> list[_Edge]:
        return [(self._node_of[cell], length, legs) for cell, length, legs in edges]

    def _ends(self, cell: int) -> list[_Edge]:
        """The nodes from which one gets to or from a cell."""
        if cell in self._node_of:
            return [(self._node_of[cell], 0.0, ())]
        return self._as_nodes(self._explore(cell))

    def _search(self, first: int, last: int, limit: SearchLimit) -> _Legs | None:
        """A* from subgoal to subgoal."""
        ends = {node: (length, legs) for node, length, legs in self._ends(last)}
        bounds = self._bounds(last, ends, limit)
        lengths: dict[int, float] = {}
        came_from: dict[int, tuple[int, _Legs]] = {}
        frontier: list[tuple[float, float, int]] = []
        total, final = math.inf, -1
        node, here = -1, 0.0
        edges = self._ends(first)
        while True:
            for neighbour, length, legs in edges:
                longer = here + length
                if longer < lengths.get(neighbour, math.inf):
                    estimate = longer + bounds[neighbour]
                    if estimate < total:
                        lengths[neighbour] = longer
                        came_from[neighbour] = (node, legs)
                        heapq.heappush(frontier, (estimate, longer, neighbour))
            while frontier:
                estimate, here, node = heapq.heappop(frontier)
                if here == lengths[node]:
                    break
            else:
                break
            if estimate >= total:
                break
            if node in ends and here + ends[node][0] < total:
                total, final = here + ends[node][0], node
            limit.check()
            edges = self._edges_of(node)
        if final < 0:
            return None
        parts = [tuple((steps, -delta) for steps, delta in reversed(ends[final][1]))]
        node = final
        while node >= 0:
            node, legs = came_from[node]
            parts.append(legs)
        return tuple(leg for part in reversed(parts) for leg in part)

    def _bounds(
        self, goal: int, ends: dict[int, tuple[float, _Legs]], limit: SearchLimit
    ) -> list[float]:
        """Lower bounds of the way from each node to the goal: octile, and by landmarks."""
        y, x = divmod(goal, self._stride)
        dx, dy = np.abs(self._xs - x), np.abs(self._ys - y)
        bounds = np.maximum(dx, dy) + (_SQRT2 - 1) * np.minimum(dx, dy)
        self._num_searches += 1
        if self._landmarks is None and self._num_searches > LANDMARKS_AFTER and self._cells:
            self._num_searches = 0
            with suppress(SearchCutOff):  # too big a grid for them; it is searched without
                self._landmarks = self._measured_landmarks(SearchLimit(limit.left_s / 2))
        if self._landmarks is not None and ends:
            rest = np.array([length for length, _ in ends.values()])[:, None]
            goal_to_landmarks = (self._landmarks[list(ends)] + rest).min(axis=0)
            by_landmark = np.abs(self._landmarks - goal_to_landmarks).max(axis=1)
            bounds = np.maximum(bounds, by_landmark - 1e-9)
        result: list[float] = bounds.tolist()
        return result

    def _measured_landmarks(self, limit: SearchLimit) -> npt.NDArray[np.float64]:
        """Landmarks far apart from each other: each is the farthest from those before."""
        columns = [self._lengths_from(0, limit)]
        nearest = np.full(len(self._cells), np.inf)
        for _ in range(NUM_LANDMARKS):
            farthest = int(np.minimum(nearest, columns[-1]).argmax())
            columns.append(self._lengths_from(farthest, limit))
            nearest = np.minimum(nearest, columns[-1])
        table = np.stack(columns[1:], axis=1)
        return np.where(np.isinf(table), 0.0, table)

    def _lengths_from(self, source: int, limit: SearchLimit) -> npt.NDArray[np.float64]:
        """float64[node]: the lengths of the shortest paths from one node (Dijkstra)."""
        lengths = np.full(len(self._cells), np.inf).tolist()
        lengths[source] = 0.0
        frontier = [(0.0, source)]
        while frontier:
            limit.check()
            here, node = heapq.heappop(frontier)
            if here > lengths[node]:
                continue
            for neighbour, length, _ in self._edges_of(node):
                longer = here + length
                if longer < lengths[neighbour]:
                    lengths[neighbour] = longer
                    heapq.heappush(frontier, (longer, neighbour))
        return np.array(lengths)


def _neighbours(mask: _Mask, dy: int, dx: int) -> _Mask:
    """For each cell inside the border, the value of its neighbour: bool[height - 2, width - 2]."""
    height, width = mask.shape
    return mask[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]


def _subgoals(free: _Mask) -> _Mask:
    """Free cells with a blocked diagonal neighbour between two free ones; same shape as `free`."""
    result = np.zeros_like(free)
    for dy, dx in _DIAGONALS:
        is_corner = ~_neighbours(free, dy, dx)
        beside = _neighbours(free, dy, 0) & _neighbours(free, 0, dx)
        result[1:-1, 1:-1] |= free[1:-1, 1:-1] & is_corner & beside
    return result


def _reach(free: _Mask, is_subgoal: _Mask, dy: int, dx: int) -> Generator[None, None, "array[int]"]:
    """For each cell, how many steps one can take in a direction; the first subgoal ends them."""
    if dy == 0:
        flipped = yield from _reach_rows(free.T, is_subgoal.T, dx, 0)
        return array("H", np.ascontiguousarray(flipped.T).tobytes())
    return array("H", (yield from _reach_rows(free, is_subgoal, dy, dx)).tobytes())


def _reach_rows(
    free: _Mask, is_subgoal: _Mask, dy: int, dx: int
) -> Generator[None, None, npt.NDArray[np.uint16]]:
    """uint16[height, width], row after row from the side that the direction (dy ≠ 0) points to."""
    height, width = free.shape
    can_step = (
        _neighbours(free, 0, 0)
        & _neighbours(free, dy, dx)
        & _neighbours(free, dy, 0)
        & _neighbours(free, 0, dx)
    )
    reach = np.zeros((height, width), np.uint16)
    for y in range(height - 2, 0, -1) if dy > 0 else range(1, height - 1):
        beyond = np.where(is_subgoal[y + dy], 0, reach[y + dy])[1 + dx : width - 1 + dx]
        reach[y, 1:-1] = np.where(can_step[y - 1], beyond + 1, 0)
        if y % _SLICE_ROWS == 0:
            yield
    return reach
