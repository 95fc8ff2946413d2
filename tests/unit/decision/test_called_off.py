"""Actions that an NPC no longer wants: called off at the game, or completed in its mind too."""

import asyncio

import pytest

from npc_brain.decision.tool_calls import INSTANT_WAIT_S
from npc_brain.npc.definition import NpcDefinition
from tests.npc_files import ned
from tests.pace import until
from tests.unit.decision.stages import LoopClock, Play, playing

ACCEPTED = [("accepted", ""), ("started", "")]
DONE = [("accepted", ""), ("done", "")]

SHOP = """
blackboard: {given: 0, refused: 0}
initial: shop
states:
  shop:
    tools: [inventory_give, go_to]
    on:
      inventory_give_done: {do: [{set: {given: given + 1}}]}
      inventory_give_failed: {do: [{set: {refused: refused + 1}}]}
      alarm: hiding
    heard:
      - keywords: [present]
        once: true
        do: [{inventory_give: {item: ale, to: "{speaker}"}}]
        say: A present!
        to: after_shop
  after_shop: {}
  hiding: {mind: scripted}
"""

WALKER = """
initial: home
states:
  home:
    tools: [go_to]
    on: {called: on_the_way, bell: {do: [{go_to: harbour}]}, alarm: hiding}
  on_the_way:
    mind: scripted
    enter: [{go_to: harbour}]
    on: {reached_goal: home, go_to_failed: lost, called: on_the_way, alarm: hiding}
  hiding:
    enter: [{go_to: cellar}]
    on: {go_to_failed: lost}
  lost: {}
"""

BY_DAY = """
initial: day
states:
  day:
    initial: chatting
    tools: [go_to]
    on: {reached_goal: there, dusk: night}
    states: {chatting: {on: {next: resting}}, resting: {}}
  there: {}
  night: {on: {go_to_failed: lost, reached_goal: there}}
  lost: {}
"""


def shop() -> NpcDefinition:
    return ned(SHOP)


async def asked(play: Play, text: str) -> int:
    """Speak to Ned; the turn, once it waits for the game to carry out what was asked for."""
    num_before = len(play.engine.requested)
    turn = play.hear("ned", text)
    await until(lambda: len(play.engine.requested) > num_before)
    return turn.turn_id


@pytest.mark.parametrize("how", ["cancelled", "interrupted"])
async def test_what_a_cancelled_turn_had_begun_is_called_off(how: str) -> None:
    async with playing(shop()) as play:
        turn_id = await asked(play, "Please give me an ale.")
        if how == "cancelled":
            play.stage.cancel_turn(turn_id)
        else:
            play.stage.raise_event("ned", "alarm", {})
        assert play.engine.cancelled == [1]
        play.engine.update(1, "cancelled")
        await play.settle()
        assert play.engine.lines("ned") == []
        blackboard = play.stage.npc("ned").blackboard
        assert (blackboard["given"], blackboard["refused"]) == (0, 0), "it was the NPC's own wish"


async def test_what_cannot_be_called_off_is_completed_in_the_mind() -> None:
    async with playing(shop()) as play:
        turn_id = await asked(play, "Please give me an ale.")
        play.stage.cancel_turn(turn_id)
        play.engine.update(1, "done")
        await play.settle()
        npc = play.stage.npc("ned")
        assert npc.blackboard["given"] == 1
        assert npc.transcript.turns[-1].outcomes == ("Ned gave Traveller a mug of ale.",)
        assert play.engine.lines("ned") == [], "the turn is over"


async def test_a_gift_of_a_cancelled_turn_is_still_given_only_once() -> None:
    """A turn cancelled while a once-only gift was carried out, then asked again, gave two."""
    async with playing(shop()) as play:
        for answer, state in (("cancelled", "shop"), ("done", "after_shop")):
            turn_id = await asked(play, "My present, please!")
            play.stage.cancel_turn(turn_id)
            again = play.hear("ned", "My present, please!") if answer == "done" else None
            action_id = play.engine.requested[-1].action_id
            assert play.engine.cancelled[-1] == action_id
            play.engine.update(action_id, answer)
            await play.settle()
            assert play.stage.npc("ned").state.name == state
            if again is not None:
                assert again.is_ended
        assert len(play.engine.requested) == 2
        assert "A present!" not in [line.text for line in play.engine.lines("ned")]


async def test_a_gift_that_the_game_is_slow_to_call_off_is_awaited() -> None:
    async with playing(shop(), clock=LoopClock()) as play:
        turn_id = await asked(play, "My present, please!")
        play.stage.cancel_turn(turn_id)
        again = play.hear("ned", "My present, please!")
        assert isinstance(play.clock, LoopClock)
        play.clock.skip(INSTANT_WAIT_S)
        for _ in range(5):
            await asyncio.sleep(0)
        play.engine.update(1, "done")
        await play.ended(again)
        assert play.stage.npc("ned").state.name == "after_shop"
        assert len(play.engine.requested) == 1


async def test_a_lost_connection_calls_nothing_off() -> None:
    async with playing(shop()) as play:
        await asked(play, "Please give me an ale.")
        play.stage.cancel_all_turns("connection lost")
        assert play.engine.cancelled == []
        play.engine.update(1, "done")
        await play.settle()
        assert play.stage.npc("ned").blackboard["given"] == 1


async def test_what_a_finished_turn_began_goes_on() -> None:
    async with playing(ned(WALKER), answers={"go_to": ACCEPTED}) as play:
        line, _ = await play.say("ned", "Go to the harbour.")
        assert "harbour" in line
        play.stage.raise_event("ned", "called", {})
        assert play.engine.cancelled == [], "the state that was left did not wait for its end"


@pytest.mark.parametrize("end", ["cancelled", "failed", "done"])
async def test_a_walk_of_a_state_that_is_left_is_called_off(end: str) -> None:
    async with playing(ned(WALKER)) as play:
        play.stage.raise_event("ned", "called", {})
        play.engine.update(1, "started")
        play.stage.raise_event("ned", "alarm", {})
        assert play.engine.cancelled == [1]
        assert [r.args["target"] for r in play.engine.requested] == ["harbour", "cellar"]
        play.engine.update(1, end)
        assert play.stage.npc("ned").state.name == "hiding", "it is not the walk to the cellar"
        play.engine.update(2, "failed")
        assert play.stage.npc("ned").state.name == "lost"


async def test_a_state_entered_again_begins_again() -> None:
    async with playing(ned(WALKER)) as play:
        play.stage.raise_event("ned", "called", {})
        play.stage.raise_event("ned", "called", {})
        assert play.engine.cancelled == [1]
        assert [r.action_id for r in play.engine.requested] == [1, 2]
        play.engine.update(2, "done")
        assert play.stage.npc("ned").state.name == "home"
        assert play.engine.cancelled == [1], "the second had ended"


async def test_a_walk_is_wanted_while_a_state_waits_for_its_end() -> None:
    async with playing(ned(BY_DAY), answers={"go_to": ACCEPTED}) as play:
        await play.say("ned", "Go to the harbour.")
        play.stage.raise_event("ned", "next", {})
        assert play.engine.cancelled == []
        play.stage.raise_event("ned", "dusk", {})
        assert play.engine.cancelled == [1]
        play.engine.update(1, "cancelled")
        assert play.stage.npc("ned").state.name == "night"


async def test_a_walk_done_after_all_moves_the_machine() -> None:
    async with playing(ned(BY_DAY), answers={"go_to": ACCEPTED}) as play:
        await play.say("ned", "Go to the harbour.")
        play.stage.raise_event("ned", "dusk", {})
        play.engine.update(1, "done")
        assert play.stage.npc("ned").state.name == "there"


async def test_what_is_done_at_once_is_not_called_off_by_moving_on() -> None:
    text = """
    initial: idle
    states:
      idle: {on: {won: reward}}
      reward:
        enter: [{inventory_give: {item: ale, to: player}}]
        on: {next: idle}
    """
    async with playing(ned(text)) as play:
        play.stage.raise_event("ned", "won", {})
        play.stage.raise_event("ned", "next", {})
        assert play.engine.cancelled == []


async def test_a_game_that_does_not_answer_is_not_waited_for() -> None:
    async with playing(ned(WALKER)) as play:
        play.stage.raise_event("ned", "called", {})
        play.stage.raise_event("ned", "alarm", {})
        await play.pass_time(6.0)
        assert play.stage.npc("ned").state.name == "hiding"
        assert len(play.stage.save(["ned"])["ned"]["actions"]) == 1, "the walk to the cellar"


async def test_a_loaded_walk_is_called_off_too() -> None:
    async with playing(ned(WALKER)) as play:
        play.stage.raise_event("ned", "called", {})
        play.stage.load(play.stage.save(), lambda _: ned(WALKER))
        play.stage.raise_event("ned", "alarm", {})
        assert play.engine.cancelled == [1]
