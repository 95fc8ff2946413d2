"""The village as data: everything that refers to something refers to something that is there."""

from pathlib import Path

import pytest

from npc_brain.demo.commands import Mistake, parse
from npc_brain.demo.game import names_in
from npc_brain.npc.checks import WorldIds
from npc_brain.npc.compile import walk_states
from npc_brain.npc.loader import load_definitions
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.world import World

WORLD = load_world_file(Path("sample_game/world.json"))
DEFINITIONS = load_definitions(
    Path("sample_game/npcs"), BUILT_INS, WorldIds.of(SimulatedWorld(WORLD).snapshot())
)


def make_world() -> SimulatedWorld:
    return SimulatedWorld(WORLD, {npc_id: npc.inventory for npc_id, npc in DEFINITIONS.items()})


def test_the_world_and_the_npc_files_name_the_same_people() -> None:
    assert {npc.id: npc.name for npc in WORLD.npcs} == {
        npc_id: npc.persona.name for npc_id, npc in DEFINITIONS.items()
    }


def test_the_snapshot_is_one_that_a_sidecar_takes() -> None:
    World.from_snapshot(make_world().snapshot())


def test_every_place_can_be_walked_to_with_the_keys() -> None:
    world = make_world()
    for owner, key in (("mira", "cellar_key"), ("fennick", "gate_pass")):
        world.ledger.transfer(owner, world.player_id, {key: 1})
    for place in WORLD.places:
        world.begin(world.player_id, 1, "go_to", {"target": place.id})
        world.tick(30.0)
        assert world.is_at(world.player_id, place.id), place.id


@pytest.mark.parametrize("place_id", ["cellar", "high_road"])
def test_locked_places_cannot_be_walked_to_without(place_id: str) -> None:
    world = make_world()
    (update,) = world.begin(world.player_id, 1, "go_to", {"target": place_id})
    assert update.reason == "locked"


def test_nobody_gives_up_the_key_or_the_mallet_for_coin() -> None:
    world = make_world()
    world.ledger.transfer("mira", world.player_id, {"ale": 1})
    for npc_id, item, reason in (
        ("mira", "cellar_key", "not_for_sale"),
        ("osric", "tap_mallet", "wants_cake"),
        ("osric", "sword", "no_pass"),
    ):
        world.ground.positions[world.player_id] = world.ground.positions[npc_id]
        deal = {"give_item": item, "take_item": "coin", "take_count": 12}
        (update,) = world.begin(npc_id, 1, "inventory_trade", deal)
        assert (update.status, update.reason) == ("refused", reason)


def test_every_quest_step_waits_for_a_state_that_the_npc_has() -> None:
    states = {
        npc_id: {path[-1] for path, _ in walk_states(npc.states)}
        for npc_id, npc in DEFINITIONS.items()
    }
    for quest in WORLD.quests:
        for step in quest.steps:
            if step.when.state is not None:
                assert set(step.when.state.states) <= states[step.when.state.npc]


def test_the_tour_is_made_of_commands() -> None:
    names = names_in(make_world())
    lines = Path("sample_game/scripts/tour.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if isinstance(parse(line, names), Mistake)] == []
