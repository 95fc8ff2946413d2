"""Walks: characters go step by step along paths, one walk each, and every walk ends once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from npc_brain.simulation.ground import Ground, cells_apart
from npc_brain.simulation.world_file import Door
from npc_brain.vocabulary import ActionStatus
from npc_brain.world.model import Cell

PROGRESS_INTERVAL_S = 1.0
"""Game time between two `progress` updates of a walk."""

ROUNDING_CELLS = 1e-6
"""Short ticks add up to slightly less than the time they were cut from."""


@dataclass(frozen=True, slots=True)
class Update:
    """One step in the life of an action, as in `action.update`.

    Attributes:
        actor_id: Who acts. Action ids are unique for each actor.
        result: JSON values for the NPC's lines: `target_name`, `steps`, `count` …
    """

    actor_id: str
    action_id: int
    status: ActionStatus
    reason: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Walk:
    """A walk under way."""

    actor_id: str
    action_id: int
    target_id: str
    target_name: str
    follows: bool
    path: list[Cell]
    num_steps: int = 0
    credit_cells: float = 0.0
    """Distance that may be walked at once, in cells."""
    since_progress_s: float = 0.0


class Walkers:
    """All walks of a world, by who walks."""

    def __init__(self, ground: Ground, speeds: Mapping[str, float]) -> None:
        self._ground = ground
        self._speeds = speeds
        self._walks: dict[str, Walk] = {}

    def is_walking(self, actor_id: str) -> bool:
        """Whether `actor_id` has a walk under way (a follower counts, even while standing)."""
        return actor_id in self._walks

    def walk_of(self, actor_id: str) -> Walk | None:
        """The walk under way of `actor_id`."""
        return self._walks.get(actor_id)

    def begin(
        self, actor_id: str, action_id: int, target_id: str, target_name: str, *, follows: bool
    ) -> list[Update]:
        """Set out for a known target; a walk under way is superseded."""
        superseded = self.end(actor_id, "cancelled", "superseded")
        walk = Walk(actor_id, action_id, target_id, target_name, follows, [])
        if not self._find_path(walk):
            return [*superseded, self._no_way(walk, "refused")]
        self._walks[actor_id] = walk
        updates = [
            Update(actor_id, action_id, "accepted"),
            Update(actor_id, action_id, "started", result=self._result(walk)),
        ]
        return superseded + updates + self._arrival(walk)

    def end(self, actor_id: str, status: ActionStatus, reason: str) -> list[Update]:
        """End the walk of `actor_id`, if there is one."""
        walk = self._walks.pop(actor_id, None)
        if walk is None:
            return []
        return [Update(actor_id, walk.action_id, status, reason, self._result(walk))]

    def tick(self, dt_s: float) -> tuple[list[Update], list[tuple[str, Door]]]:
        """Let everyone walk for `dt_s`; returns updates, and who unlocked which door."""
        updates: list[Update] = []
        opened: list[tuple[str, Door]] = []
        for walk in list(self._walks.values()):
            if walk.follows:
                self._find_path(walk)
            walk.credit_cells += dt_s * self._speeds[walk.actor_id]
            walk.since_progress_s += dt_s
            updates += self._advance(walk, opened)
        return updates, opened

    def save(self) -> list[dict[str, Any]]:
        """The walks under way, as JSON values."""
        return [
            {
                "actor": walk.actor_id,
                "action_id": walk.action_id,
                "target": walk.target_id,
                "target_name": walk.target_name,
                "follows": walk.follows,
                "num_steps": walk.num_steps,
            }
            for walk in self._walks.values()
        ]

    def load(self, walks: Sequence[Walk]) -> None:
        """Take up saved walks from where everyone stands now, in place of those under way."""
        self._walks = {walk.actor_id: walk for walk in walks}
        for walk in walks:
            self._find_path(walk)

    @staticmethod
    def restored(saved: Mapping[str, Any]) -> Walk:
        """One walk of `save`; raises KeyError, TypeError or ValueError when damaged."""
        return Walk(
            actor_id=str(saved["actor"]),
            action_id=int(saved["action_id"]),
            target_id=str(saved["target"]),
            target_name=str(saved["target_name"]),
            follows=bool(saved["follows"]),
            path=[],
            num_steps=int(saved["num_steps"]),
        )

    def _advance(self, walk: Walk, opened: list[tuple[str, Door]]) -> list[Update]:
        while walk.path:
            cell = walk.path[0]
            if len(walk.path) == 1 and self._ground.is_taken(cell, walk.actor_id):
                walk.path.clear()  # one stops beside whoever stands there
                break
            if not self._ground.can_enter(walk.actor_id, cell):
                if not self._find_path(walk):
                    del self._walks[walk.actor_id]
                    return [self._no_way(walk, "failed")]
                continue
            length = math.dist(self._ground.positions[walk.actor_id], cell)
            if walk.credit_cells < length - ROUNDING_CELLS:
                break
            walk.credit_cells = max(0.0, walk.credit_cells - length)
            door = self._ground.move(walk.actor_id, walk.path.pop(0))
            walk.num_steps += 1
            if door is not None:
                opened.append((walk.actor_id, door))
            if self._is_beside_target(walk):
                walk.path.clear()
        if not walk.path:
            walk.credit_cells = 0.0
        return self._arrival(walk) or self._progress(walk)

    def _arrival(self, walk: Walk) -> list[Update]:
        """The end of a walk that has arrived. A target that walked on meanwhile is gone after."""
        if walk.path or walk.follows:
            return []
        if self._is_person(walk) and not self._is_beside_target(walk):
            if self._find_path(walk):
                return []
            del self._walks[walk.actor_id]
            return [self._no_way(walk, "failed")]
        return self.end(walk.actor_id, "done", "")

    def _progress(self, walk: Walk) -> list[Update]:
        if walk.since_progress_s < PROGRESS_INTERVAL_S or not walk.path:
            return []
        walk.since_progress_s = 0.0
        result = self._result(walk) | {"steps_left": len(walk.path)}
        return [Update(walk.actor_id, walk.action_id, "progress", result=result)]

    def _find_path(self, walk: Walk) -> bool:
        """Plan the way to where the target is now; False when there is none."""
        goal = self._ground.position_of(walk.target_id)
        if goal is None:
            return False
        if self._is_beside_target(walk):
            walk.path = []
            return True
        path = self._ground.path(walk.actor_id, goal)
        if path is None:
            return False
        walk.path = list(path)
        return True

    def _is_person(self, walk: Walk) -> bool:
        return walk.target_id in self._ground.positions

    def _is_beside_target(self, walk: Walk) -> bool:
        if not self._is_person(walk):
            return False
        here = self._ground.positions[walk.actor_id]
        return cells_apart(here, self._ground.positions[walk.target_id]) <= 1

    def _no_way(self, walk: Walk, status: ActionStatus) -> Update:
        goal = self._ground.position_of(walk.target_id)
        door = self._ground.door_in_the_way(walk.actor_id, goal) if goal else None
        result = self._result(walk) | ({"door_name": door.name} if door else {})
        reason = "locked" if door else "unreachable" if status == "refused" else "blocked"
        return Update(walk.actor_id, walk.action_id, status, reason, result)

    @staticmethod
    def _result(walk: Walk) -> dict[str, Any]:
        return {
            "target": walk.target_id,
            "target_name": walk.target_name,
            "steps": walk.num_steps,
        }
