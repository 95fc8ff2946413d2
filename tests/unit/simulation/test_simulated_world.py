import json
import random
from itertools import pairwise
from typing import Any

import pytest

from npc_brain.errors import ErrorCode, WorldError
from npc_brain.simulation.simulated_world import SimulatedWorld, Update
from npc_brain.vocabulary import END_STATUSES
from npc_brain.world.world import World
from tests.counts import count
from tests.unit.simulation.villages import make_village, statuses


def run(world: SimulatedWorld, seconds: float, dt_s: float = 0.25) -> list[Update]:
    updates: list[Update] = []
    for _ in range(round(seconds / dt_s)):
        updates += world.tick(dt_s)
    return updates


def test_a_walk_goes_cell_by_cell_and_ends_once() -> None:
    world = make_village()
    assert statuses(world.begin("mira", 7, "go_to", {"target": "yard"})) == ["accepted", "started"]
    cells = [world.ground.positions["mira"]]
    updates: list[Update] = []
    for _ in range(100):
        updates += world.tick(0.1)
        if world.ground.positions["mira"] != cells[-1]:
            cells.append(world.ground.positions["mira"])
    assert all(max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1 for a, b in pairwise(cells))
    ends = [update for update in updates if update.status in END_STATUSES]
    assert statuses(ends) == ["done"]
    assert ends[0].result["target_name"] == "the yard"
    assert ends[0].result["steps"] == len(cells) - 1
    assert world.is_at("mira", "yard")


def test_walking_speed_is_kept() -> None:
    player = {"id": "player", "name": "You", "position": [1, 5], "speed_cells_per_s": 2.0}
    world = make_village(player=player)
    world.begin("player", 1, "go_to", {"target": "mira"})
    run(world, 1.5)
    assert world.ground.positions["player"] == (4, 5)


@pytest.mark.parametrize("dt_s", [0.05, 0.3, 2.0])
def test_the_length_of_a_tick_does_not_matter(dt_s: float) -> None:
    world = make_village()
    world.begin("mira", 1, "go_to", {"target": "yard"})
    run(world, 6.0, dt_s)
    assert world.is_at("mira", "yard")


def test_a_new_walk_supersedes_the_old() -> None:
    world = make_village()
    world.begin("mira", 1, "go_to", {"target": "yard"})
    run(world, 1)
    updates = world.begin("mira", 2, "go_to", {"target": "bar"})
    assert [(u.action_id, u.status) for u in updates] == [
        (1, "cancelled"),
        (2, "accepted"),
        (2, "started"),
    ]
    assert statuses([u for u in run(world, 5) if u.status in END_STATUSES]) == ["done"]


def test_stop_and_cancel_end_a_walk() -> None:
    world = make_village()
    world.begin("mira", 1, "go_to", {"target": "yard"})
    assert statuses(world.begin("mira", 2, "stop", {})) == [
        "cancelled:stopped",
        "accepted",
        "done",
    ]
    world.begin("mira", 3, "go_to", {"target": "yard"})
    assert world.cancel("mira", 99) == []
    assert statuses(world.cancel("mira", 3)) == ["cancelled:cancelled"]
    assert world.cancel("mira", 3) == []


def test_a_way_that_is_closed_under_way_ends_as_blocked() -> None:
    world = make_village()
    world.begin("mira", 1, "go_to", {"target": "yard"})
    run(world, 0.5)
    world.ground.set_blocked((4, 4), True)
    ends = [update for update in run(world, 5) if update.status in END_STATUSES]
    assert statuses(ends) == ["failed:blocked"]


def test_a_locked_door_refuses_and_a_key_opens_it_for_all() -> None:
    world = make_village()
    refused = world.begin("player", 1, "go_to", {"target": "cellar"})
    assert statuses(refused) == ["refused:locked"]
    assert refused[0].result["door_name"] == "the cellar door"
    world.ledger.transfer("mira", "player", {"key": 1})
    world.begin("player", 2, "go_to", {"target": "cellar"})
    world.take_patch()
    run(world, 10)
    assert world.fact("door.cellar_door") is True
    assert "It opens." in world.take_notices()
    patch = world.take_patch()
    assert patch is not None
    assert [(change.cell, change.cost) for change in patch.nav_cells] == [((3, 2), 1)]
    assert statuses(world.begin("osric", 3, "go_to", {"target": "cellar"}))[0] == "accepted"


def test_a_follower_keeps_up_until_stopped() -> None:
    world = make_village()
    world.begin("mira", 1, "follow", {"person": "osric"})
    world.begin("osric", 1, "go_to", {"target": "yard"})
    updates = run(world, 12)
    assert [u for u in updates if u.actor_id == "mira" and u.status in END_STATUSES] == []
    assert world.ground.is_near("mira", "osric", 1)
    assert statuses(world.begin("mira", 2, "stop", {}))[0] == "cancelled:stopped"


def test_giving_needs_nearness() -> None:
    world = make_village(facts={"is_trusted": True})
    args = {"item": "key", "count": 1, "to": "player"}
    assert statuses(world.begin("mira", 1, "inventory_give", args)) == ["refused:too_far"]
    world.begin("player", 1, "go_to", {"target": "mira"})
    run(world, 10)
    assert statuses(world.begin("mira", 2, "inventory_give", args)) == ["accepted", "done"]
    assert world.count("player", "key") == 1


def test_rules_refuse() -> None:
    world = make_village()
    world.ground.positions["player"] = (7, 1)
    key = {"item": "key", "to": "player"}
    assert statuses(world.begin("mira", 1, "inventory_give", key)) == ["refused:not_yet"]
    world.set_fact("is_trusted", True)
    deal = {"give_item": "ale", "give_count": 2, "take_item": "coin", "take_count": 3}
    assert statuses(world.begin("mira", 2, "inventory_trade", deal)) == ["refused:bad_deal"]
    fair = world.begin("mira", 3, "inventory_trade", deal | {"take_count": 4})
    assert statuses(fair) == ["accepted", "done"]
    unpriced = {"give_item": "key", "take_item": "coin", "take_count": 1}
    assert statuses(world.begin("mira", 4, "inventory_trade", unpriced)) == ["refused:bad_deal"]
    dear = {"give_item": "ale", "take_item": "coin", "take_count": 2}
    assert statuses(world.begin("mira", 5, "inventory_trade", dear)) == ["refused:speaker_lacks"]


def test_using_and_equipping() -> None:
    world = make_village()
    assert statuses(world.begin("mira", 1, "inventory_use", {"item": "ale"}))[-1] == "done"
    assert world.count("mira", "ale") == 2
    assert world.ledger.total("ale") == 3
    assert statuses(world.begin("mira", 2, "inventory_use", {"item": "key"})) == [
        "refused:not_usable"
    ]
    assert statuses(world.begin("osric", 3, "inventory_equip", {"item": "hat"}))[-1] == "done"
    assert world.ledger.inventory("osric").equipped == {"head": "hat"}
    assert statuses(world.begin("mira", 4, "inventory_equip", {"item": "hat"})) == [
        "refused:not_held"
    ]


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("go_to", {}),
        ("go_to", {"target": 3}),
        ("go_to", {"target": "mira"}),
        ("follow", {"person": "atlantis"}),
        ("inventory_give", {"item": "key", "count": True}),
        ("inventory_give", {"item": "key", "count": 2**40}),
        ("inventory_give", {"item": ["key"], "to": "player"}),
        ("inventory_give", {"item": "key", "to": "mira"}),
        ("inventory_trade", {"give_item": "ale"}),
        ("inventory_use", {"item": None}),
        ("fly", {}),
    ],
)
def test_nonsense_is_refused_not_raised(tool: str, args: dict[str, Any]) -> None:
    updates = make_village().begin("mira", 1, tool, args)
    assert [update.status for update in updates] == ["refused"]


def test_events_come_once_when_the_player_comes_near() -> None:
    world = make_village()
    world.begin("player", 1, "go_to", {"target": "mira"})
    run(world, 10)
    near = [event for event in world.take_events() if event.event == "player_near"]
    assert sorted(event.npc_id for event in near) == ["mira", "osric"]
    run(world, 2)
    assert world.take_events() == []


def test_gifts_and_attacks_are_felt() -> None:
    world = make_village()
    assert world.give_from_player("mira", "coin", 9) is not None
    assert world.give_from_player("mira", "coin", 2) is None
    world.attack("mira")
    assert [(e.npc_id, e.event, dict(e.data)) for e in world.take_events()] == [
        ("mira", "received", {"item": "coin", "count": 2, "by": "player"}),
        ("mira", "attacked", {"by": "player"}),
        ("osric", "saw_attack", {"by": "player", "victim": "mira"}),
    ]


def test_quest_steps_are_ticked_off_and_stay_done() -> None:
    world = make_village()
    quest = world.quests.quests[0]
    world.note_state("mira", "open.asked")
    world.note_state("mira", "open.idle")
    assert world.take_notices() == ["She wants a hat."]
    step = world.quests.current_step(quest)
    assert step is not None
    assert step.text == "Get the key."
    world.ledger.transfer("mira", "player", {"key": 1})
    world.tick(0.1)
    assert "key_gone" in [event.event for event in world.take_events() if event.npc_id == "mira"]
    world.begin("player", 1, "go_to", {"target": "cellar"})
    run(world, 12)
    assert world.quests.is_done("cellar")
    assert world.take_notices() == ["It opens.", "A cat!"]


def test_patches_add_up_to_the_snapshot() -> None:
    """A world kept by patches equals a fresh snapshot at every moment of a busy hour."""
    world, rng = make_village(), random.Random(3)
    kept = World.from_snapshot(world.snapshot())
    for _ in range(count(full=20_000, ci=500)):
        act_at_random(world, rng)
        world.tick(rng.choice([0.1, 0.5]))
        patch = world.take_patch()
        kept = kept.patched(patch) if patch else kept
        fresh = world.snapshot()
        assert kept.revision == fresh.revision
        assert kept.nav == fresh.nav
        assert kept.inventories == fresh.inventories
        assert {e.id: e.position for e in fresh.entities} == {
            e.id: e.position for e in kept.entities.values()
        }


def act_at_random(world: SimulatedWorld, rng: random.Random, action_id: int = 1) -> list[Update]:
    actor = rng.choice(["player", "mira", "osric", "ghost"])
    tool = rng.choice([
        "go_to", "go_to", "follow", "stop", "inventory_give", "inventory_take",
        "inventory_trade", "inventory_use", "inventory_equip", "emote", "fly", "cancel",
    ])  # fmt: skip
    if tool == "cancel":
        return world.cancel(actor, rng.randint(0, action_id))
    pool = [
        "mira",
        "osric",
        "player",
        "bar",
        "yard",
        "cellar",
        "key",
        "ale",
        "coin",
        "hat",
        3,
        None,
    ]
    names = [
        "target",
        "person",
        "source",
        "partner",
        "item",
        "to",
        "count",
        "give_item",
        "give_count",
        "take_item",
        "take_count",
    ]
    args = {name: rng.choice([*pool, 1, 2]) for name in names if rng.random() < 0.7}
    return world.begin(actor, action_id, tool, args)


def test_each_action_has_exactly_one_end() -> None:
    """Under random actions, cancels, blocks and time, and items are conserved meanwhile."""
    world, rng = make_village(), random.Random(5)
    items = list(world.items)
    totals = {item: world.ledger.total(item) for item in items}
    begun: set[int] = set()
    ended: list[int] = []
    for action_id in range(1, count(full=100_000, ci=3000)):
        updates = act_at_random(world, rng, action_id)
        if rng.random() < 0.1:
            world.ground.set_blocked((4, 4), rng.random() < 0.3)
        updates += world.tick(rng.choice([0.1, 0.7]))
        begun |= {update.action_id for update in updates}
        ended += [update.action_id for update in updates if update.status in END_STATUSES]
        assert {item: world.ledger.total(item) for item in items} == totals
    world.ground.set_blocked((4, 4), False)
    for actor in ("player", "mira", "osric"):
        ended += [
            u.action_id for u in world.begin(actor, 0, "stop", {}) if u.status in END_STATUSES
        ]
    ended = [action_id for action_id in ended if action_id]
    assert len(ended) == len(set(ended))
    assert set(ended) == begun


def test_saved_and_loaded_is_the_same() -> None:
    world = make_village()
    world.begin("mira", 1, "go_to", {"target": "yard"})
    run(world, 1)
    world.ledger.transfer("mira", "player", {"key": 1})
    saved = json.loads(json.dumps(world.save()))
    other = make_village()
    other.begin("mira", 4, "go_to", {"target": "yard"})
    assert statuses(other.load(saved)) == ["cancelled:loaded"]
    assert other.save() == world.save()
    assert [u.action_id for u in run(other, 10) if u.status == "done"] == [1]
    assert other.is_at("mira", "yard")
    World.from_snapshot(other.snapshot())


@pytest.mark.parametrize("damage", [{"world": "Elsewhere"}, {"positions": {}}, {"ledger": {}}])
def test_a_damaged_save_changes_nothing(damage: dict[str, Any]) -> None:
    world = make_village()
    before = world.save()
    with pytest.raises(WorldError) as caught:
        world.load({**before, **damage})
    assert caught.value.code is ErrorCode.BAD_BLOB
    assert world.save() == before
