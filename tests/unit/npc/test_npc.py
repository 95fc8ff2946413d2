import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from npc_brain.errors import NpcBrainError
from npc_brain.memory.store import MemoryStore
from npc_brain.npc.loader import load_definition
from npc_brain.npc.machine import compile_machine
from npc_brain.npc.npc import Npc
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.model import Inventory, Item, WorldPatch, WorldSnapshot
from npc_brain.world.world import World
from tests.npc_files import MIRA, ned

WORLD = World.from_snapshot(WorldSnapshot(revision=1, items=(Item(id="coin", name="coin"),)))


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    with closing(MemoryStore()) as made:
        yield made


def npc(text: str, store: MemoryStore) -> Npc:
    definition = ned(text)
    return Npc("ned", definition, compile_machine(definition, BUILT_INS), store, seed=1)


def test_a_tick_with_nothing_to_do_gives_nothing(store: MemoryStore) -> None:
    made = npc("initial: a\nstates: {a: {after: {5s: b}}, b: {}}", store)
    made.start(WORLD, 0.0)
    assert made.tick(WORLD, 4.9) is None
    step = made.tick(WORLD, 5.0)
    assert step is not None
    assert made.state.name == "b"


def test_a_timer_that_waits_for_its_guard_sees_the_blackboard_change(store: MemoryStore) -> None:
    """A timer past due was not tried again in a state without guard transitions."""
    made = npc(
        """
        blackboard: {ready: false}
        initial: a
        states: {a: {after: {5s: {to: b, if: ready}}}, b: {}}
        """,
        store,
    )
    made.start(WORLD, 0.0)
    made.tick(WORLD, 6.0)
    assert (made.state.name, made.tick(WORLD, 6.5)) == ("a", None)
    made.blackboard.set("ready", True)
    made.tick(WORLD, 7.0)
    assert made.state.name == "b"


def test_a_guard_sees_the_world_change(store: MemoryStore) -> None:
    made = npc("initial: a\nstates: {a: {on: {holds(coin): b}}, b: {}}", store)
    made.start(WORLD, 0.0)
    assert made.tick(WORLD, 1.0) is None
    richer = WORLD.patched(
        WorldPatch(base_revision=1, revision=2, inventories={"ned": Inventory(items={"coin": 1})})
    )
    made.tick(richer, 2.0)
    assert made.state.name == "b"


def test_a_save_restores_everything(store: MemoryStore) -> None:
    definition = load_definition(MIRA, BUILT_INS)
    machine = compile_machine(definition, BUILT_INS)
    made = Npc("mira", definition, machine, store, seed=1)
    made.start(WORLD, 10.0)
    made.handle("gift_received", {}, WORLD, 20.0)
    made.handle("attacked", {}, WORLD, 25.0)
    made.transcript.add("player", "hi")
    made.memory.remember("Bo owes two coins")
    saved = json.loads(json.dumps(made.save(30.0)))
    other = Npc("mira_2", definition, machine, store, seed=1)
    store.replace_sets({"mira_2": other.restore(saved, 5.0)})
    assert other.save(5.0) == saved
    assert (other.state.name, other.blackboard["trust"]) == ("fleeing", 1)
    for key in saved:
        with pytest.raises(NpcBrainError):
            other.restore({**saved, key: 3} if key != "last_speaker_id" else {}, 0.0)
