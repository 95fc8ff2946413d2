"""The sample village's own ledger, under random calls: nothing comes from nothing there either."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

from npc_brain.clock import FakeClock
from npc_brain.simulation.simulated_world import SimulatedWorld, Update
from npc_brain.simulation.world_file import load_world_file
from npc_brain.tools.actions import ActionTracker
from npc_brain.tools.narrow import legal_schema, validate_arguments
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import ToolContext, ToolKind, ToolResult
from npc_brain.world.world import World
from tests.counts import count
from tests.unit.tools.village import NoMemory

WORLD_FILE = Path(__file__).parents[3] / "sample_game" / "world.json"
ACTIONS = [tool for tool in BUILT_INS.values() if tool.kind is ToolKind.ACTION]
TICK_S = 0.25


class VillagePlay:
    """The village, its NPCs' tools, and the books on both sides."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sim = SimulatedWorld(load_world_file(WORLD_FILE), {"mira": {"bread": 5, "ale": 9}})
        self.world = World.from_snapshot(self.sim.snapshot())
        self.clock = FakeClock()
        self.tracker = ActionTracker(self.clock)
        self.ends: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.num_requested = 0
        self.totals = {item: self.sim.ledger.total(item) for item in self.sim.items}

    def step(self) -> None:
        """One call, cancel or tick, then everything that the village tells."""
        rng, npc = self.rng, self.rng.choice(self.sim.npc_ids)
        chance = rng.random()
        if chance < 0.6:
            self._act(npc)
        elif chance < 0.65:
            for action in self.tracker.open_of(npc):
                self.tracker.cancel(action.action_id)
                self._take(self.sim.cancel(npc, action.action_id))
        elif chance < 0.7:
            item = rng.choice(list(self.sim.items))
            self.sim.give_from_player(npc, item)
        else:
            self.clock.advance(TICK_S)
            self._take(self.sim.tick(TICK_S))
        patch = self.sim.take_patch()
        if patch and rng.random() < 0.9:
            self.world = self.world.patched(patch)
        elif patch:
            self.world = World.from_snapshot(self.sim.snapshot())

    def finish(self) -> None:
        """Cancel what is under way and let the rest time out."""
        for npc in self.sim.npc_ids:
            for action in self.tracker.open_of(npc):
                self._take(self.sim.cancel(npc, action.action_id))
        self.clock.advance(1e6)
        for action in self.tracker.expire():
            self.ends[action.action_id] += 1

    def check(self) -> None:
        """Every item is somewhere, and the snapshot says where."""
        for item, total in self.totals.items():
            assert self.sim.ledger.total(item) == total
        for owner in self.sim.ledger.owners:
            told = self.world.inventories[owner]
            assert told == self.sim.ledger.inventory(owner)
        assert max(self.ends.values(), default=1) == 1

    def _act(self, npc: str) -> None:
        speaker = self.rng.choice([self.sim.player_id, *self.sim.npc_ids])
        ctx = ToolContext(self.world, npc, speaker, self.tracker.reserved(npc), NoMemory())
        tool = self.rng.choice(ACTIONS)
        schema = legal_schema(tool, ctx)
        if schema is None:
            return
        args = {name: self._value(inner) for name, inner in schema["properties"].items()}
        checked = validate_arguments(tool, ctx, args)
        if isinstance(checked, ToolResult):
            return
        if tool.check and tool.check(ctx, checked):
            return
        reserves = tool.reserves(checked) if tool.reserves else {}
        action = self.tracker.request(
            npc, tool.name, checked.model_dump(), reserves, tool.timeout_ms
        )
        self.num_requested += 1
        for item, promised in self.tracker.reserved(npc).items():
            assert promised <= self.sim.count(npc, item)
        self._take(self.sim.begin(npc, action.action_id, tool.name, action.args))

    def _value(self, schema: dict[str, Any]) -> Any:
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        return self.rng.randint(schema["minimum"], min(schema["maximum"], 3))

    def _take(self, updates: list[Update]) -> None:
        for update in updates:
            action = self.tracker.update(update.action_id, update.status, update.reason)
            if action.is_ended:
                self.ends[action.action_id] += 1
                self.outcomes[f"{action.tool} {action.status}"] += 1


def test_the_village_conserves_every_item() -> None:
    play = VillagePlay(seed=7)
    for _ in range(count(full=50_000, ci=2_000)):
        play.step()
        play.check()
    play.finish()
    play.check()
    assert set(play.ends) == set(range(1, play.num_requested + 1))
    assert all(play.tracker.reserved(npc) == {} for npc in play.sim.npc_ids)
    assert {"inventory_give done", "go_to done", "follow cancelled"} <= set(play.outcomes)
