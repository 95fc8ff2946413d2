"""The ground of a simulated world: who stands where, which doors are open, and the ways between."""

from collections.abc import Callable

from npc_brain.errors import WorldError
from npc_brain.simulation.world_file import Door, Thing, WorldFile
from npc_brain.world.model import Cell, CellChange, NavGrid
from npc_brain.world.navigation import Navigator

REACH_CELLS = 2
"""How far apart two may stand who talk or hand things over: a counter fits between them."""


def cells_apart(first: Cell, second: Cell) -> int:
    """Distance in king's moves, walls ignored."""
    return max(abs(first[0] - second[0]), abs(first[1] - second[1]))


class Ground:
    """Positions, doors and paths.

    Attributes:
        positions: The cell of every character and object, by id.
        open_doors: Ids of the doors that have been unlocked.
        blocked: Cells that the game has closed for the time being.
    """

    def __init__(self, world: WorldFile, holds: Callable[[str, str], int]) -> None:
        self._world = world
        self._holds = holds
        self._places = {place.id: place for place in world.places}
        self._doors = {door.cell: door for door in world.doors}
        self._navigators: dict[frozenset[Cell], Navigator] = {}
        things: tuple[Thing, ...] = (world.player, *world.npcs, *world.objects)
        self.positions: dict[str, Cell] = {row.id: row.position for row in things}
        self.open_doors: set[str] = set()
        self.blocked: set[Cell] = set()
        self._moved: set[str] = set()
        self._changed_cells: set[Cell] = set()

    def position_of(self, target_id: str) -> Cell | None:
        """Where a character, object or place is; None for an unknown id."""
        if target_id in self.positions:
            return self.positions[target_id]
        place = self._places.get(target_id)
        return (int(place.position[0]), int(place.position[1])) if place else None

    def place_near(self, cell: Cell, reach_cells: int = 1) -> str | None:
        """The id of the nearest place within `reach_cells`, if there is one."""
        near = {
            place_id: cells_apart(cell, self._cell_of(place_id))
            for place_id in self._places
            if cells_apart(cell, self._cell_of(place_id)) <= reach_cells
        }
        return min(near, key=lambda place_id: near[place_id], default=None)

    def is_near(self, first: str, second: str, reach_cells: int = REACH_CELLS) -> bool:
        """Whether two targets are within reach of each other; False for an unknown one."""
        here, there = self.position_of(first), self.position_of(second)
        return here is not None and there is not None and cells_apart(here, there) <= reach_cells

    def nav_grid(self) -> NavGrid:
        """The grid as it is for someone without keys."""
        return self._world.nav_grid(frozenset(self._closed_cells()))

    def can_enter(self, walker: str, cell: Cell) -> bool:
        """Whether `walker` may step on `cell` now."""
        return cell not in self._closed_to(walker) and self._world.terrain_at(cell).cost > 0

    def is_taken(self, cell: Cell, walker: str) -> bool:
        """Whether someone other than `walker` stands on `cell`."""
        return any(
            position == cell and other != walker for other, position in self.positions.items()
        )

    def path(self, walker: str, goal: Cell) -> tuple[Cell, ...] | None:
        """The cells from where `walker` stands to `goal`, start excluded; None without a way.

        A goal that cannot be stood on is met beside it.
        """
        return self._path(self.positions[walker], goal, self._closed_to(walker))

    def door_in_the_way(self, walker: str, goal: Cell) -> Door | None:
        """The first locked door on the way that `walker` would take if all doors were open."""
        path = self._path(self.positions[walker], goal, frozenset(self.blocked)) or ()
        closed = self._closed_to(walker)
        return next((self._doors[cell] for cell in path if cell in closed), None)

    def move(self, walker: str, cell: Cell) -> Door | None:
        """Put `walker` on `cell`; returns the door that this unlocked, if it did."""
        self.positions[walker] = cell
        self._moved.add(walker)
        door = self._doors.get(cell)
        if door is None or door.id in self.open_doors:
            return None
        self.open_doors.add(door.id)
        self._changed_cells.add(cell)
        return door

    def set_blocked(self, cell: Cell, is_blocked: bool) -> None:
        """Close a cell to everyone, or open it again. Raises WorldError outside the map."""
        if not self._world.contains(cell):
            raise WorldError(f"{list(cell)} is outside the map", hint="Cells are [x, y] from 0.")
        (self.blocked.add if is_blocked else self.blocked.discard)(cell)
        self._changed_cells.add(cell)

    def take_moved(self) -> set[str]:
        """Ids of those who moved since the last call."""
        moved, self._moved = self._moved, set()
        return moved

    def take_changed_cells(self) -> tuple[CellChange, ...]:
        """The cells whose cost changed since the last call, in reading order."""
        changed, self._changed_cells = self._changed_cells, set()
        closed = self._closed_cells()
        return tuple(
            CellChange(cell=cell, cost=0 if cell in closed else self._world.terrain_at(cell).cost)
            for cell in sorted(changed, key=lambda cell: (cell[1], cell[0]))
        )

    def _cell_of(self, target_id: str) -> Cell:
        cell = self.position_of(target_id)
        assert cell is not None
        return cell

    def _closed_cells(self) -> set[Cell]:
        locked = {door.cell for door in self._world.doors if door.id not in self.open_doors}
        return locked | self.blocked

    def _closed_to(self, walker: str) -> frozenset[Cell]:
        return frozenset(
            cell
            for cell in self._closed_cells()
            if cell in self.blocked or not self._holds(walker, self._doors[cell].key)
        )

    def _path(self, start: Cell, goal: Cell, closed: frozenset[Cell]) -> tuple[Cell, ...] | None:
        if closed not in self._navigators:
            self._navigators[closed] = Navigator(self._world.nav_grid(closed))
        path = self._navigators[closed].path_to_reach(start, goal)
        if path is None:
            return None
        return tuple((int(point[0]), int(point[1])) for point in path.waypoints[1:])
