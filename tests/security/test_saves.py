"""Saves: what is loaded replaces all that was; strange ones change and freeze nothing."""

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from npc_brain.errors import ErrorCode, NpcBrainError, SessionError
from npc_brain.protocol.messages import NpcState
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from tests.unit.sample_game.test_bridge import Village
from tests.unit.simulation.villages import make_village

# --- the game's world ----------------------------------------------------------------------------


def insides(thing: Any, seen: tuple[int, ...] = ()) -> Any:
    """All that an object holds, as comparable values."""
    if id(thing) in seen:
        return "..."
    seen = (*seen, id(thing))
    if isinstance(thing, Mapping):
        return {str(key): insides(value, seen) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [insides(value, seen) for value in thing]
    if isinstance(thing, set | frozenset):
        return sorted(map(str, thing))
    is_ours = type(thing).__module__.startswith("npc_brain.simulation")
    if is_ours and not isinstance(thing, BaseModel):
        names = getattr(thing, "__slots__", None) or vars(thing)
        left_out = ("_navigators", "_revision", "file", "_world", "_holds")
        return {name: insides(getattr(thing, name), seen) for name in names if name not in left_out}
    return repr(thing) if not callable(thing) else "callable"


def play_on(world: SimulatedWorld) -> None:
    """Change everything that can change."""
    world.note_state("mira", "asked.further")
    world.note_state("osric", "asleep")
    world.set_fact("is_trusted", True)
    world.set_fact("new", 7)
    world.begin("mira", 9, "go_to", {"target": "yard"})
    world.begin("player", 1, "go_to", {"target": "bar"})
    world.ledger.transfer("player", "mira", {"coin": 2})
    world.ledger.equip("osric", "head", "hat")
    world.ground.set_blocked((5, 1), True)
    world.attack("mira")
    for _ in range(40):
        world.tick(0.5)
    world.begin("mira", 10, "follow", {"person": "player"})
    world.tick(0.01)


def test_a_loaded_world_has_nothing_of_the_time_after_the_save() -> None:
    world = make_village()
    saved = json.loads(json.dumps(world.save()))
    play_on(world)
    later = json.loads(json.dumps(world.save()))
    for save in (saved, later):
        fresh = make_village()
        fresh.load(save)
        play_on(world)
        world.load(save)
        assert insides(world) == insides(fresh)
        assert world.save() == save


def test_a_quest_stays_where_it_was_saved() -> None:
    world = make_village()
    saved = world.save()
    world.note_state("mira", "asked")
    assert world.quests.num_done["cellar"] == 1
    world.load(saved)
    world.tick(0.1)
    assert world.quests.num_done == saved["quests"]


def test_a_save_without_what_is_new_in_the_file_loads() -> None:
    world = make_village()
    saved = world.save()
    play_on(world)
    for key in ("quests", "facts"):
        saved[key] = {}
    del saved["states"]
    world.load(saved)
    assert world.quests.num_done == {"cellar": 0}
    assert world.fact("is_trusted") is False


async def test_minds_that_cannot_be_loaded_leave_the_world_as_it_was() -> None:
    village = Village()

    async def load() -> None:
        saved = village.world.save()
        village.world.set_fact("later", True)
        before = village.world.save()

        async def refuse(_: bytes) -> None:
            raise SessionError("damaged", code=ErrorCode.BAD_BLOB)

        village.client.load = refuse  # type: ignore[attr-defined]
        with pytest.raises(NpcBrainError):
            await village.bridge.load(saved, b"")
        assert {**village.world.save(), "time_s": 0} == {**before, "time_s": 0}

    await village.run(load)


async def test_what_the_old_minds_say_while_loading_is_not_noted() -> None:
    village = Village()

    async def load() -> None:
        saved = village.world.save()

        async def be_loaded(_: bytes) -> None:
            for event, state in (("go_to_failed", "later"), ("load", "earlier")):
                told = NpcState(from_state="x", to_state=state, event=event)
                village.bridge.handlers().on_state("mira", told)  # type: ignore[misc]

        village.client.load = be_loaded  # type: ignore[attr-defined]
        noted: list[str] = []
        village.world.note_state = lambda _, state: noted.append(state)  # type: ignore[method-assign]
        await village.bridge.load(saved, b"")
        assert noted == ["earlier"]

    await village.run(load)


def test_the_sample_games_world_forgets_too() -> None:
    world = SimulatedWorld(load_world_file(Path("sample_game/world.json")))
    saved = copy.deepcopy(world.save())
    text = Path("sample_game/world.json").read_text(encoding="utf-8")
    lists = re.findall(r'"states": \[(.*?)\]', text)
    states = [name for names in lists for name in names.split('"')]
    for npc_id in world.npc_ids:
        world.note_state(npc_id, ".".join(states))
    assert world.quests.num_done != saved["quests"]
    world.load(saved)
    world.tick(0.1)
    assert world.quests.num_done == saved["quests"]
