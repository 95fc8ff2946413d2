"""A small world that is its own authority: it carries out what NPCs ask for, or refuses.

It plays the part of a game engine behind the terminal game and in scenarios. It knows neither
the wire nor the NPCs' minds: actions come in, updates and events come out. Time passes only in
`tick`; the same calls give the same world.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from npc_brain.errors import ErrorCode, WorldError
from npc_brain.simulation.actions import carry_out_instant
from npc_brain.simulation.conditions import is_true
from npc_brain.simulation.ground import REACH_CELLS, Ground, cells_apart
from npc_brain.simulation.ledger import Ledger, Shortage, Stacks
from npc_brain.simulation.quests import QuestLog
from npc_brain.simulation.walking import Update, Walkers
from npc_brain.simulation.world_file import Rule, Thing, WorldFile
from npc_brain.world.model import Entity, Item, Scalar, WorldPatch, WorldSnapshot

MAX_STEP_S = 0.1
"""Longer ticks are cut into steps of at most this, so that nobody jumps past anybody."""

HEARING_CELLS = 30
"""How far a fight is heard."""

NEAR_CELLS = 4
"""A player who comes this near raises `player_near`…"""
FAR_CELLS = 7
"""…and does so again only after having been at least this far away."""


@dataclass(frozen=True, slots=True)
class WorldEvent:
    """A stimulus for an NPC's state machine, as in `npc.event`."""

    npc_id: str
    event: str
    data: Mapping[str, Scalar] = field(default_factory=dict)


class SimulatedWorld:
    """A running world.

    Args:
        world: What the world file says.
        inventories: What NPCs hold for whom the world file states nothing, by NPC id (an NPC
            file's `inventory`).
    """

    def __init__(self, world: WorldFile, inventories: Mapping[str, Stacks] | None = None) -> None:
        self.file = world
        self.ledger = Ledger(_starting_inventories(world, inventories or {}))
        self.ground = Ground(world, self.ledger.count)
        self.quests = QuestLog(world.quests)
        self.time_s = 0.0
        self.items: dict[str, Item] = {item.id: item for item in world.items}
        things: tuple[Thing, ...] = (world.player, *world.npcs, *world.objects)
        self._rows = {row.id: row for row in things}
        self._names = {row.id: row.name for row in things}
        self._names |= {place.id: place.name for place in world.places}
        self._npc_ids = tuple(npc.id for npc in world.npcs)
        self._walkers = Walkers(
            self.ground,
            {row.id: row.speed_cells_per_s for row in (world.player, *world.npcs)},
        )
        self._facts = self._first_facts()
        self._changed_facts: set[str] = set()
        self._npc_states: dict[str, frozenset[str]] = {}
        self._near_player: set[str] = set()
        self._events: list[WorldEvent] = []
        self._notices: list[str] = []
        self._revision = 1

    # --- what there is -------------------------------------------------------------------------

    @property
    def player_id(self) -> str:
        """The player's entity id."""
        return self.file.player.id

    @property
    def npc_ids(self) -> tuple[str, ...]:
        """Ids of the NPCs, in the order of the world file."""
        return self._npc_ids

    def name_of(self, any_id: str) -> str:
        """The name of a place, character, object or item; the id itself if unknown."""
        item = self.items.get(any_id)
        return item.name if item else self._names.get(any_id, any_id)

    def count(self, owner_id: str, item_id: str) -> int:
        """How many of an item someone holds."""
        return self.ledger.count(owner_id, item_id)

    def fact(self, fact_id: str) -> Scalar | None:
        """A fact's value, None when there is no such fact."""
        return self._facts.get(fact_id)

    def set_fact(self, fact_id: str, value: Scalar) -> None:
        """State a fact."""
        self._facts[fact_id] = value
        self._changed_facts.add(fact_id)

    def is_at(self, entity_id: str, place_id: str) -> bool:
        """Whether an entity stands at a place or next to it."""
        return self.ground.is_near(entity_id, place_id, 1)

    def states_of(self, npc_id: str) -> frozenset[str]:
        """The states that an NPC was last said to be in; empty while unknown."""
        return self._npc_states.get(npc_id, frozenset())

    def is_walking(self, actor_id: str) -> bool:
        """Whether a character has a walk under way."""
        return self._walkers.is_walking(actor_id)

    # --- what the sidecar is told --------------------------------------------------------------

    def snapshot(self) -> WorldSnapshot:
        """The whole world now; a following `take_patch` builds on it."""
        self._forget_changes()
        return WorldSnapshot(
            revision=self._revision,
            nav=self.ground.nav_grid(),
            items=self.file.items,
            places=self.file.places,
            entities=tuple(self._entity(entity_id) for entity_id in self._rows),
            inventories={owner: self.ledger.inventory(owner) for owner in self.ledger.owners},
            facts=dict(self._facts),
            currency=self.file.currency,
        )

    def take_patch(self) -> WorldPatch | None:
        """What changed since the last snapshot or patch; None when nothing did."""
        cells = self.ground.take_changed_cells()
        moved = self.ground.take_moved()
        owners = self.ledger.take_changed()
        facts, self._changed_facts = self._changed_facts, set()
        if not (cells or moved or owners or facts):
            return None
        self._revision += 1
        return WorldPatch(
            base_revision=self._revision - 1,
            revision=self._revision,
            nav_cells=cells,
            entities=tuple(self._entity(entity_id) for entity_id in sorted(moved)),
            inventories={owner: self.ledger.inventory(owner) for owner in sorted(owners)},
            facts={fact_id: self._facts[fact_id] for fact_id in sorted(facts)},
        )

    def take_events(self) -> list[WorldEvent]:
        """What happened to NPCs since the last call."""
        events, self._events = self._events, []
        return events

    def take_notices(self) -> list[str]:
        """What the player should read: doors, quest steps."""
        notices, self._notices = self._notices, []
        return notices

    # --- what happens --------------------------------------------------------------------------

    def note_state(self, npc_id: str, state: str) -> None:
        """Take note of an NPC's state; `state` may be a path such as `working.forging`."""
        self._npc_states[npc_id] = frozenset(state.replace("/", ".").split("."))
        self._check_quests()

    def begin(
        self, actor_id: str, action_id: int, tool: str, args: Mapping[str, Any]
    ) -> list[Update]:
        """Begin an action of a character; the updates so far, which may include its end.

        Bad arguments and unknown tools are refused, never raised: they come from outside.
        """
        if actor_id not in self._rows:
            return [Update(actor_id, action_id, "refused", "unknown_actor")]
        if tool in ("go_to", "follow"):
            updates = self._begin_walk(actor_id, action_id, tool, args)
        elif tool == "stop":
            updates = [
                *self._walkers.end(actor_id, "cancelled", "stopped"),
                Update(actor_id, action_id, "accepted"),
                Update(actor_id, action_id, "done"),
            ]
        else:
            updates = carry_out_instant(self, actor_id, action_id, tool, args)
        self._check_quests()
        return updates

    def cancel(self, actor_id: str, action_id: int) -> list[Update]:
        """End an action that is no longer wanted; nothing when it has ended already."""
        walk = self._walkers.walk_of(actor_id)
        if walk is None or walk.action_id != action_id:
            return []
        return self._walkers.end(actor_id, "cancelled", "cancelled")

    def tick(self, dt_s: float) -> list[Update]:
        """Let `dt_s` seconds (> 0) pass."""
        updates: list[Update] = []
        num_steps = max(1, math.ceil(dt_s / MAX_STEP_S - 1e-9))
        for _ in range(num_steps):
            self.time_s += dt_s / num_steps
            moved, opened = self._walkers.tick(dt_s / num_steps)
            updates += moved
            for actor_id, door in opened:
                self.set_fact(f"door.{door.id}", True)
                if door.opened and actor_id == self.player_id:
                    self._notices.append(door.opened)
            self._notice_player()
            self._check_quests()
        return updates

    def give_from_player(self, npc_id: str, item_id: str, count: int = 1) -> Shortage | None:
        """The player hands something over; the NPC hears of it as the event `received`."""
        shortage = self.ledger.transfer(self.player_id, npc_id, {item_id: count})
        if shortage is None:
            self.received(npc_id, item_id, count, self.player_id)
            self._check_quests()
        return shortage

    def received(self, owner_id: str, item_id: str, count: int, giver_id: str) -> None:
        """Tell an NPC that it was handed something."""
        if owner_id in self._npc_ids:
            data: dict[str, Scalar] = {"item": item_id, "count": count, "by": giver_id}
            self._events.append(WorldEvent(owner_id, "received", data))

    def attack(self, npc_id: str) -> None:
        """The player attacks an NPC; those within hearing notice (`saw_attack`)."""
        by: dict[str, Scalar] = {"by": self.player_id}
        self._events.append(WorldEvent(npc_id, "attacked", by))
        for other in self._npc_ids:
            if other != npc_id and self.ground.is_near(npc_id, other, HEARING_CELLS):
                data: dict[str, Scalar] = {**by, "victim": npc_id}
                self._events.append(WorldEvent(other, "saw_attack", data))

    def refusal(self, npc_id: str, tool: str, gives: Stacks, gets: Stacks) -> str | None:
        """The reason of the first rule that refuses an action, None when it may be done."""
        for rule in self.file.rules:
            if self._applies(rule, npc_id, tool, gives, gets):
                return rule.reason
        return None

    # --- saving --------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """Everything that changes, as JSON values; walks under way keep their action ids."""
        return {
            "world": self.file.name,
            "time_s": self.time_s,
            "positions": {name: list(cell) for name, cell in self.ground.positions.items()},
            "open_doors": sorted(self.ground.open_doors),
            "blocked": sorted(list(cell) for cell in self.ground.blocked),
            "ledger": self.ledger.save(),
            "facts": dict(self._facts),
            "quests": dict(self.quests.num_done),
            "near_player": sorted(self._near_player),
            "states": {npc_id: sorted(states) for npc_id, states in self._npc_states.items()},
            "walks": self._walkers.save(),
        }

    def load(self, saved: Mapping[str, Any]) -> list[Update]:
        """Put the world back to what `save` gave, and forget all that has happened since.

        Walks of the time before are cancelled. What is not in the save is as at the start.

        Raises:
            WorldError: When `saved` is damaged or is of another world; the world is unchanged.
        """
        try:
            if saved["world"] != self.file.name:
                raise WorldError(
                    f"saved in {saved['world']!r}, this is {self.file.name!r}",
                    code=ErrorCode.BAD_BLOB,
                    hint="Load it with the world that it was saved in.",
                )
            positions = {name: (int(x), int(y)) for name, (x, y) in saved["positions"].items()}
            if positions.keys() != self.ground.positions.keys():
                raise KeyError("positions")
            blocked = {(int(x), int(y)) for x, y in saved["blocked"]}
            quests = {str(quest_id): int(done) for quest_id, done in saved["quests"].items()}
            facts = self._first_facts() | dict(saved["facts"])
            doors = set(saved["open_doors"])
            states = {
                str(npc_id): frozenset(map(str, names))
                for npc_id, names in saved.get("states", {}).items()
            }
            time_s, near = float(saved["time_s"]), set(saved["near_player"])
            walks = [Walkers.restored(walk) for walk in saved["walks"]]
            targets = positions.keys() | {place.id for place in self.file.places}
            if not all(walk.actor_id in positions and walk.target_id in targets for walk in walks):
                raise KeyError("walks")
            self.ledger.load(saved["ledger"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise WorldError(
                f"damaged saved world: {error!r}",
                code=ErrorCode.BAD_BLOB,
                hint="Use a file written by `save`.",
            ) from error
        updates: list[Update] = []
        for actor_id in self._rows:
            updates += self._walkers.end(actor_id, "cancelled", "loaded")
        self.ground.positions.update(positions)
        self.ground.open_doors, self.ground.blocked = doors, blocked
        self.quests.num_done = {
            quest.id: min(max(0, quests.get(quest.id, 0)), len(quest.steps))
            for quest in self.quests.quests
        }
        self._facts, self.time_s, self._near_player = facts, time_s, near
        self._npc_states = states
        self._walkers.load(walks)
        self._events, self._notices = [], []
        self._forget_changes()
        self._revision += 1
        return updates

    # --- inside --------------------------------------------------------------------------------

    def _first_facts(self) -> dict[str, Scalar]:
        doors: dict[str, Scalar] = {f"door.{door.id}": False for door in self.file.doors}
        return dict(self.file.facts) | doors

    def _begin_walk(
        self, actor_id: str, action_id: int, tool: str, args: Mapping[str, Any]
    ) -> list[Update]:
        target = args.get("person" if tool == "follow" else "target")
        known = isinstance(target, str) and self.ground.position_of(target) is not None
        if not known or target == actor_id or actor_id not in (self.player_id, *self._npc_ids):
            return [Update(actor_id, action_id, "refused", "unknown_target")]
        assert isinstance(target, str)
        reason = self.refusal(actor_id, tool, {}, {})
        if reason:
            return [Update(actor_id, action_id, "refused", reason)]
        return self._walkers.begin(
            actor_id, action_id, target, self.name_of(target), follows=tool == "follow"
        )

    def _applies(self, rule: Rule, npc_id: str, tool: str, gives: Stacks, gets: Stacks) -> bool:
        if rule.refuse != tool or rule.npc not in (None, npc_id):
            return False
        if rule.item is not None and rule.item not in gives:
            return False
        if rule.unless_for is not None and rule.unless_for in gets:
            return False
        if rule.below_price and not self._is_below_price(gives, gets):
            return False
        return rule.when is None or is_true(rule.when, self)

    def _is_below_price(self, gives: Stacks, gets: Stacks) -> bool:
        if any(self._price(item) is None for item in gives):
            return True
        worth = sum((self._price(item) or 0) * count for item, count in gets.items())
        return worth < sum((self._price(item) or 0) * count for item, count in gives.items())

    def _price(self, item_id: str) -> int | None:
        return 1 if item_id == self.file.currency else self.items[item_id].price

    def _notice_player(self) -> None:
        here = self.ground.positions[self.player_id]
        for npc_id in self._npc_ids:
            apart = cells_apart(here, self.ground.positions[npc_id])
            if apart <= NEAR_CELLS and npc_id not in self._near_player:
                self._near_player.add(npc_id)
                self._events.append(WorldEvent(npc_id, "player_near", {"by": self.player_id}))
            elif apart >= FAR_CELLS:
                self._near_player.discard(npc_id)

    def _check_quests(self) -> None:
        for step in self.quests.advance(self):
            if step.done:
                self._notices.append(step.done)
            for npc_id, event in step.raises.items():
                self._events.append(WorldEvent(npc_id, event))

    def _entity(self, entity_id: str) -> Entity:
        row = self._rows[entity_id]
        kind = "npc" if entity_id in self._npc_ids else "object"
        return Entity(
            id=row.id,
            name=row.name,
            kind="player" if entity_id == self.player_id else kind,
            position=self.ground.positions[entity_id],
            description=row.description,
            aliases=row.aliases,
            tags=row.tags,
        )

    def _forget_changes(self) -> None:
        self.ground.take_changed_cells()
        self.ground.take_moved()
        self.ledger.take_changed()
        self._changed_facts.clear()


def _starting_inventories(
    world: WorldFile, inventories: Mapping[str, Stacks]
) -> dict[str, dict[str, int]]:
    items = {item.id for item in world.items}
    start: dict[str, dict[str, int]] = {}
    for character in (world.player, *world.npcs):
        stacks = character.inventory
        if stacks is None:
            stacks = dict(inventories.get(character.id, {}))
        start[character.id] = {item: count for item, count in stacks.items() if count}
    start |= {owner: dict(stacks) for owner, stacks in world.inventories.items()}
    for owner, stacks in start.items():
        for item in stacks:
            if item not in items:
                raise WorldError(
                    f"{owner!r} holds the unknown item {item!r}",
                    hint="Add it to `items` of the world file, or fix the NPC file.",
                )
    return start


__all__ = ["FAR_CELLS", "NEAR_CELLS", "REACH_CELLS", "SimulatedWorld", "Update", "WorldEvent"]
