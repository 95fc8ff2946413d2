"""The life of NPCs on a stage: events, time, saving, and what is bounded."""

import asyncio
import copy
from contextlib import suppress
from typing import Any

import pytest

from npc_brain.clock import MonotonicClock
from npc_brain.errors import DefinitionError, ErrorCode, NpcBrainError, SessionError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.npc.definition import NpcDefinition
from npc_brain.protocol.messages import NpcState, TurnEnded
from npc_brain.world.model import Inventory, WorldPatch
from tests.npc_files import ned
from tests.pace import until
from tests.unit.decision.stages import mira, playing, snapshot

ACCEPTED = [("accepted", ""), ("started", "")]


async def test_spawning_tells_the_first_state_and_what_it_does() -> None:
    text = "initial: a\nstates: {a: {enter: [{say: Here I am.}, {go_to: harbour}]}}"
    async with playing(ned(text)) as play:
        await play.settle()
        assert play.engine.moves("ned") == [(None, "a", "spawn")]
        assert [line.text for line in play.engine.lines("ned")] == ["Here I am."]
        assert [r.tool for r in play.engine.requested] == ["go_to"]
        assert play.engine.told[0] == ("ned", NpcState(to_state="a", event="spawn"))


async def test_events_of_the_game_have_their_authored_effects() -> None:
    async with playing() as play:
        play.stage.raise_event("mira", "gift_received", {"by": "player"})
        await play.settle()
        assert [line.text for line in play.engine.lines("mira")] == [
            "That is kind of you, Traveller."
        ]
        assert play.stage.npc("mira").blackboard["trust"] == 1
        assert play.engine.moves("mira") == [(None, "tending_bar", "spawn")]
        for _ in range(2):
            play.stage.raise_event("mira", "gift_received", {"by": "player"})
        await play.say("mira", "May I have the cellar key?")
        await play.settle()
        assert play.engine.moves("mira")[-1] == (
            "tending_bar",
            "confiding",
            "trust >= 3 and asked_about_cellar",
        )
        assert play.engine.lines("mira")[-1].emotion == "happy"


async def test_events_that_no_state_declares_change_nothing() -> None:
    async with playing() as play:
        before = play.stage.save()
        for event in ("nonsense", "reached_goal", "spawn", "heard"):
            play.stage.raise_event("mira", event, {"by": "nobody", "x": 1})
        await play.settle()
        assert play.stage.save() == before


async def test_time_passes_in_ticks() -> None:
    answers = {"go_to": ACCEPTED}
    async with playing(answers=answers) as play:
        await play.pass_time(119.0)
        assert play.stage.npc("mira").state.name == "tending_bar"
        await play.pass_time(1.0)
        assert play.stage.npc("mira").state.name == "restocking"
        assert [line.text for line in play.engine.lines("mira")] == ["Back in a moment!"]
        play.engine.update(1, "done")
        await play.settle()
        assert play.engine.moves("mira")[-1] == ("restocking", "tending_bar", "reached_goal")
        assert [r.args["target"] for r in play.engine.requested] == ["cellar", "tavern"]


async def test_a_change_of_the_world_can_move_an_npc() -> None:
    text = """
    initial: poor
    states:
      poor: {on: {holds(coin): rich}}
      rich: {on: {not holds(coin): poor}}
    """
    async with playing(ned(text)) as play:
        await play.pass_time(0.1)
        assert play.stage.npc("ned").state.name == "poor"
        held = {"ned": Inventory(items={"coin": 1})}
        play.stage.patch_world(WorldPatch(base_revision=1, revision=2, inventories=held))
        await play.pass_time(0.1)
        assert play.stage.npc("ned").state.name == "rich"


async def test_a_circle_of_events_and_tools_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Queries end at once, so that two states can send each other back and forth without end."""
    text = """
    initial: a
    states:
      a: {enter: [{inventory_list: ned}], on: {inventory_list_done: b}}
      b: {enter: [{inventory_list: ned}], on: {inventory_list_done: a}}
    """
    async with playing(ned(text)) as play:
        for _ in range(5):
            before = len(play.engine.told)
            play.stage.raise_event("ned", "poke", {})
            await play.pass_time(0.05)
            assert len(play.engine.told) - before < 40
    text = "initial: a\nstates: {a: {on: {go: {do: [{raise: go}]}}}}"
    async with playing(ned(text)) as play:
        play.stage.raise_event("ned", "go", {})
        assert "circle" in caplog.text


async def test_a_flood_of_events_does_not_pile_up_lines() -> None:
    text = "initial: a\nstates: {a: {on: {hit: {do: [{bark: Ouch!}]}}}}"
    backend = ScriptedBackend([ScriptedReply("Well, so it is.")], tokens_per_s=20)
    async with playing(ned(text), backend=backend, clock=MonotonicClock()) as play:
        turn = play.hear("ned", "Hm?")
        for _ in range(1000):
            play.stage.raise_event("ned", "hit", {})
        await play.ended(turn)
        await play.settle()
        assert 1 <= len(play.engine.lines("ned")) < 20


async def test_despawning_ends_turns_actions_and_memories() -> None:
    backend = ScriptedBackend([ScriptedReply("So so so so so so so.")], tokens_per_s=20)
    answers = {"go_to": ACCEPTED}
    text = "initial: a\nstates: {a: {enter: [{go_to: harbour}]}}"
    async with playing(ned(text), backend=backend, answers=answers, clock=MonotonicClock()) as play:
        await until(lambda: play.engine.requested)
        turn = play.hear("ned", "Hm?")
        play.stage.npc("ned").memory.remember("a secret")
        play.stage.despawn("ned")
        assert turn.is_ended
        assert play.engine.ends("ned")[-1].detail == "despawned"
        assert play.engine.cancelled == [1]
        assert play.stage.npc_ids == []
        told = list(play.engine.told)
        await asyncio.sleep(0.05)
        assert play.engine.told == told
        with pytest.raises(SessionError) as caught:
            play.stage.despawn("ned")
        assert caught.value.code is ErrorCode.UNKNOWN_NPC
        with pytest.raises(SessionError) as caught:
            play.stage.update_action(1, "done")
        assert caught.value.code is ErrorCode.ACTION_ENDED
        play.stage.spawn("ned", ned(text))
        assert play.stage.npc("ned").memory.recall("secret") == []


async def test_npcs_are_counted() -> None:
    async with playing(max_npcs=2) as play:
        with pytest.raises(SessionError) as caught:
            play.stage.spawn("mira", mira())
        assert caught.value.code is ErrorCode.DUPLICATE_NPC
        play.stage.spawn("other", mira())
        with pytest.raises(SessionError) as caught:
            play.stage.spawn("third", mira())
        assert caught.value.code is ErrorCode.TOO_MANY_NPCS
        play.stage.despawn("other")
        play.stage.spawn("third", mira())


async def test_a_spawn_that_fails_leaves_nothing_behind() -> None:
    async with playing() as play:
        with pytest.raises(NpcBrainError):
            play.stage.spawn("ned", mira(), blackboard={"no_such_key": 1})
        with pytest.raises(NpcBrainError):
            play.stage.spawn("bob", mira(), position=(99, 99))
        assert play.stage.npc_ids == ["mira"]
        assert play.engine.moves("ned") == []
        play.stage.spawn("bob", mira(), position=(3, 3))
        assert play.stage.world.position_of("bob") == (3, 3)


def definition_of(name: str) -> NpcDefinition:
    if name != "mira":
        raise DefinitionError(f"there is no {name}")
    return mira()


async def test_what_was_saved_comes_back() -> None:
    answers = {"go_to": ACCEPTED}
    async with playing(answers=answers) as play:
        await play.say("mira", "May I have the cellar key?")
        play.stage.npc("mira").memory.remember("Traveller owes me a coin.")
        await play.pass_time(120.0)
        saved = play.stage.save()
        expected = copy.deepcopy(saved)
        await play.pass_time(60.0)
        assert play.stage.save() != expected
        play.stage.load(saved, definition_of)
        assert play.stage.save() == expected
        assert play.engine.moves("mira")[-1] == (None, "restocking", "load")
        play.engine.update(1, "done")
        assert play.stage.npc("mira").state.name == "tending_bar"
    async with playing(ned("initial: a\nstates: {a: {}}")) as play:
        play.stage.load(saved, definition_of)
        assert sorted(play.stage.npc_ids) == ["mira", "ned"]
        assert play.stage.save(["mira"]) == expected
        assert play.stage.npc("mira").memory.recall("coin") == ["Traveller owes me a coin."]
        await play.pass_time(60.0)
        assert play.stage.npc("mira").state.name == "tending_bar"


def _damaged(saved: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Blobs in which only the last of two NPCs is damaged, each in another way."""
    cases = []
    for key in ("definition", "machine", "blackboard", "transcript", "memories", "actions", "met"):
        for value in (None, 7, [7], {"x": 7}, "x"):
            damaged = copy.deepcopy(saved)
            damaged["other"][key] = value
            cases.append((f"{key}={value!r}", damaged))
        damaged = copy.deepcopy(saved)
        del damaged["other"][key]
        cases.append((f"no {key}", damaged))
    for value in (None, 7, [], "x"):
        cases.append((f"entry={value!r}", {**saved, "other": value}))
    return cases


async def test_damaged_saves_change_nothing() -> None:
    async with playing(answers={"go_to": ACCEPTED}) as play:
        play.stage.spawn("other", mira())
        saved = play.stage.save()
        await play.pass_time(120.0)
        for npc_id in ("mira", "other"):
            play.stage.npc(npc_id).memory.remember("Later.")
        before, told = play.stage.save(), len(play.engine.told)
        num_taken = 0
        for what, damaged in _damaged(saved):
            with suppress(NpcBrainError):
                play.stage.load(damaged, definition_of)
                num_taken += 1  # it was harmless, such as nobody met
                play.stage.load(before, definition_of)
                told = len(play.engine.told)
            assert play.stage.save() == before, what
            assert len(play.engine.told) == told, what
        assert num_taken < 5


async def test_loading_counts_npcs() -> None:
    async with playing() as play:
        for n in range(3):
            play.stage.spawn(f"m{n}", mira())
        saved = play.stage.save()
    async with playing(max_npcs=2) as play:
        with pytest.raises(SessionError) as caught:
            play.stage.load(saved, definition_of)
        assert caught.value.code is ErrorCode.TOO_MANY_NPCS
        assert play.stage.npc_ids == ["mira"]


async def test_loading_ends_the_turns_under_way() -> None:
    backend = ScriptedBackend([ScriptedReply("So so so so so so so.")], tokens_per_s=20)
    async with playing(backend=backend, clock=MonotonicClock()) as play:
        saved = play.stage.save()
        turn = play.hear("mira", "Hm?")
        play.stage.load(saved, definition_of)
        assert turn.is_ended
        assert play.engine.ends("mira")[-1].detail == "loaded"
        line, ended = await play.say("mira", "Hm?")
        assert ended.outcome == "said"
        assert line


async def test_closing_ends_everything() -> None:
    backend = ScriptedBackend([ScriptedReply("So so so so so so so.")], tokens_per_s=20)
    async with playing(backend=backend, clock=MonotonicClock()) as play:
        turn = play.hear("mira", "Hm?")
        await asyncio.sleep(0.05)
        await play.stage.close()
        assert turn.is_ended
        assert isinstance(play.engine.told[-1][1], TurnEnded)


async def test_the_world_can_be_replaced_while_npcs_think() -> None:
    async with playing() as play:
        turn = play.hear("mira", "Where is the harbour?")
        play.stage.sync_world(snapshot(places=(), revision=9))
        await play.ended(turn)
        play.stage.sync_world(snapshot(entities=(), inventories={}, nav=None, revision=10))
        for text in ("Give me an ale.", "Where is the cellar?", "Bye.", ""):
            line, _ = await play.say("mira", text, deadline_ms=300)
            assert line
        assert isinstance(play.engine.told[0][1], NpcState)
