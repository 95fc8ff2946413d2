"""Said = done: what NPCs say of what they do, and what their machines make of it."""

import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import FunctionCall
from npc_brain.inference.profile import ABLE, SMALL, ModelProfile
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.loader import parse_definition
from npc_brain.tools.custom import custom_tool
from npc_brain.world.model import WorldPatch
from tests.npc_files import HEAD, ned
from tests.pace import until
from tests.unit.decision.stages import HeldBackend, LoopClock, playing

ACCEPTED = [("accepted", ""), ("started", "")]
DONE = [("accepted", ""), ("done", "")]

GIVER = """
blackboard: {given: 0}
initial: idle
states:
  idle:
    tools: [inventory_give, inventory_list, go_to, follow]
    on:
      inventory_give_done: {do: [{set: {given: given + 1}}]}
      reached_goal: there
  there:
    tools: [go_to]
"""


def giver() -> NpcDefinition:
    return ned(GIVER)


def calls(*made: FunctionCall, then: str) -> ScriptedBackend:
    """A model that makes `made` for what it hears, and says `then` of their results."""
    replies = [ScriptedReply(calls=made), ScriptedReply(then)]
    return ScriptedBackend(replies, clock=FakeClock(100.0), is_threaded=False)


async def test_a_refused_action_is_not_said_to_be_done() -> None:
    answers = {"inventory_give": [("refused", "not_now")]}
    async with playing(giver(), answers=answers) as play:
        line, ended = await play.say("ned", "Please give me an ale.")
        assert line in ("I have no mug of ale to give.", "I can't give you that.")
        (used,) = ended.tools
        assert (used.tool, used.ok, used.reason) == ("inventory_give", False, "not_now")
        assert used.args == {"item": "ale", "count": 1, "to": "player"}
        assert play.stage.npc("ned").blackboard["given"] == 0


async def test_an_action_that_was_done_is_said_and_moves_the_machine() -> None:
    async with playing(giver(), answers={"inventory_give": DONE}) as play:
        line, ended = await play.say("ned", "Please give me an ale.")
        assert line in ("Here you are: 1 mug of ale.", "Take it: 1 mug of ale.",
                        "Here you are: a mug of ale.", "Take it: a mug of ale.")  # fmt: skip
        assert [use.ok for use in ended.tools] == [True]
        assert play.engine.requested[0].turn_id == ended.turn_id
        assert play.stage.npc("ned").blackboard["given"] == 1
        await play.settle()
        assert len(play.engine.ends("ned")) == 1, "its end was told in the turn"


async def test_nothing_is_asked_of_the_engine_for_what_is_not_held() -> None:
    async with playing(giver()) as play:
        line, ended = await play.say("ned", "Please give me some stew.")
        assert line in ("I have no bowl of stew to give.", "I can't give you that.")
        assert play.engine.requested == []
        assert [use.ok for use in ended.tools] == [False]


async def test_a_silent_engine_does_not_hold_up_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npc_brain.decision.tool_calls.INSTANT_WAIT_S", 0.05)
    async with playing(giver()) as play:
        line, ended = await play.say("ned", "Please give me an ale.")
        assert line == "I'll see to it."
        assert ended.tools[0].reason == "started"
        play.engine.update(1, "done")
        await play.settle()
        assert play.engine.starts("ned")[-1].cause == "action"
        assert "mug of ale" in play.engine.lines("ned")[-1].text


async def test_a_walk_is_announced_twice_but_its_end_once() -> None:
    async with playing(giver(), answers={"go_to": ACCEPTED}) as play:
        line, _ = await play.say("ned", "Go to the harbour.")
        assert line in ("I'm on my way to the harbour.", "Off to the harbour, then.")
        play.engine.update(1, "progress")
        await play.settle()
        assert len(play.engine.ends("ned")) == 1
        play.engine.update(1, "done")
        await play.settle()
        assert [line.text for line in play.engine.lines("ned")[1:]] == ["Here I am: the harbour."]
        assert play.engine.moves("ned")[-1] == ("idle", "there", "reached_goal")
        start, end = play.engine.starts("ned")[-1], play.engine.ends("ned")[-1]
        assert (start.cause, start.speaker_id) == ("action", "player")
        assert start.turn_id == end.turn_id
        with pytest.raises(SessionError) as caught:
            play.stage.update_action(1, "done")
        assert caught.value.code is ErrorCode.ACTION_ENDED
        assert len(play.engine.ends("ned")) == 2


async def test_a_walk_that_ends_while_it_is_awaited_is_told_once() -> None:
    async with playing(giver(), answers={"go_to": DONE}) as play:
        line, _ = await play.say("ned", "Go to the harbour.")
        await play.settle()
        assert line == "Here I am: the harbour."
        said = [line.text for line in play.engine.lines("ned")]
        assert said.count("Here I am: the harbour.") == 1
        assert play.engine.moves("ned")[-1][1] == "there"


@pytest.mark.parametrize("status", ["cancelled", "failed", "timed_out"])
async def test_how_a_walk_ended_is_told_unless_it_was_cancelled(status: str) -> None:
    async with playing(giver(), answers={"go_to": ACCEPTED}) as play:
        await play.say("ned", "Go to the harbour.")
        if status == "timed_out":
            await play.pass_time(3600)
        else:
            play.engine.update(1, status, "blocked" if status == "failed" else "")
            await play.settle()
        told = [line.text for line in play.engine.lines("ned")[1:]]
        assert told == ([] if status == "cancelled" else ["I couldn't get to the harbour."])
        assert play.stage.npc("ned").state.name == "idle"


async def test_authored_actions_raise_their_end_and_are_not_talked_about() -> None:
    text = """
    initial: home
    states:
      home:
        on: {called: on_the_way}
      on_the_way:
        mind: scripted
        enter: [{go_to: harbour}]
        on: {reached_goal: there, go_to_failed: home}
      there:
        enter: [{say: "Here at last."}]
        on: {called: on_the_way}
    """
    async with playing(ned(text)) as play:
        play.stage.raise_event("ned", "called", {})
        assert [r.tool for r in play.engine.requested] == ["go_to"]
        play.engine.update(1, "failed", "blocked")
        await play.settle()
        assert play.engine.lines("ned") == []
        assert play.stage.npc("ned").state.name == "home"
        play.stage.raise_event("ned", "called", {})
        play.engine.update(2, "done")
        await play.settle()
        assert [line.text for line in play.engine.lines("ned")] == ["Here at last."]
        assert play.engine.moves("ned") == [
            (None, "home", "spawn"),
            ("home", "on_the_way", "called"),
            ("on_the_way", "home", "go_to_failed"),
            ("home", "on_the_way", "called"),
            ("on_the_way", "there", "reached_goal"),
        ]


async def test_a_reaction_whose_tool_is_refused_has_not_happened() -> None:
    text = """
    blackboard: {sold: false}
    initial: shop
    states:
      shop:
        heard:
          - keywords: [ale]
            do: [{set: {sold: true}}, {inventory_give: {item: ale, to: "{speaker}"}}]
            say: To your health.
            to: after_shop
      after_shop: {}
    """
    for answer, state, is_sold in (([("refused", "")], "shop", False), (DONE, "after_shop", True)):
        async with playing(ned(text), answers={"inventory_give": answer}) as play:
            line, ended = await play.say("ned", "Ale!")
            assert (line == "To your health.") is is_sold
            assert play.stage.npc("ned").state.name == state
            assert play.stage.npc("ned").blackboard["sold"] is is_sold
            assert [use.ok for use in ended.tools] == [is_sold]


async def test_the_model_hears_what_came_of_its_calls() -> None:
    backend = calls(
        FunctionCall("inventory_give", {"item": "ale", "count": 1, "to": "player"}),
        FunctionCall("inventory_list", {"owner": "ned"}),
        then="There you go.",
    )
    async with playing(giver(), backend=backend, answers={"inventory_give": DONE}) as play:
        line, ended = await play.say("ned", "I am thirsty.")
    assert line == "There you go."
    assert [use.tool for use in ended.tools] == ["inventory_give", "inventory_list"]
    first, second, *_ = backend.requests[1].messages[-2:]
    assert (first.role, first.name, first.content) == (
        "tool",
        "inventory_give",
        "Ned gave Traveller a mug of ale.",
    )
    assert second.name == "inventory_list"


async def test_what_is_not_legal_is_not_offered() -> None:
    backend = calls(then="Hm.")
    world_of_ned = {"ned": {"items": {}}}
    async with playing(giver(), backend=backend) as play:
        await play.say("ned", "Hello.")
        offered = {f.name: f.parameters for f in backend.requests[0].functions}
        assert offered.keys() == {"inventory_give", "inventory_list", "go_to", "follow"}
        assert offered["inventory_give"]["properties"]["item"]["enum"] == ["ale"]
        world = play.stage.world
        patch = {"base_revision": 1, "revision": 2, "inventories": world_of_ned}
        play.stage.patch_world(WorldPatch.model_validate(patch))
        assert play.stage.world is not world
        await play.say("ned", "Hello.")
        assert "inventory_give" not in {f.name for f in backend.requests[1].functions}


async def test_what_is_promised_cannot_be_promised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npc_brain.decision.tool_calls.INSTANT_WAIT_S", 0.01)
    async with playing(giver()) as play:
        for _ in range(3):
            await play.say("ned", "Please give me an ale.")
        assert len(play.engine.requested) == 2
        (used,) = play.engine.ends("ned")[-1].tools
        assert not used.ok


async def test_a_model_that_only_calls_is_made_to_speak() -> None:
    backend = ScriptedBackend(
        lambda request: (
            ScriptedReply(calls=(FunctionCall("inventory_list", {"owner": "ned"}),) * 5)
            if request.functions
            else ScriptedReply("Enough.")
        ),
        clock=FakeClock(100.0),
        is_threaded=False,
    )
    async with playing(giver(), backend=backend) as play:
        line, ended = await play.say("ned", "What do you have?")
    assert (line, ended.outcome) == ("Enough.", "said")
    assert len(backend.requests) == 4
    assert len(ended.tools) == 3, "repeated calls of one generation are dropped"


async def test_queries_of_the_game_are_answered_by_it() -> None:
    text = "initial: idle\nstates: {idle: {tools: [weather]}}"
    backend = calls(FunctionCall("weather", {"day": "monday"}), then="Rain, they say.")
    tool = custom_tool(
        "weather",
        "Tell the weather of a day.",
        {
            "type": "object",
            "properties": {"day": {"type": "string", "enum": ["monday", "sunday"]}},
            "required": ["day"],
        },
        "query",
        200,
        (),
    )
    async with playing(backend=backend) as play:
        play.stage.register_tool(tool)
        play.stage.spawn("ned", parse_definition(HEAD + text, "ned", play.stage.tools))
        turn = play.hear("ned", "What about monday?")
        await until(lambda: play.engine.calls)
        npc_id, call_id, name, args = play.engine.calls[0]
        assert (npc_id, name, args) == ("ned", "weather", {"day": "monday"})
        play.stage.resolve_call(call_id, True, {"weather": "rain"})
        ended = await play.ended(turn)
        assert ended.tools[0].ok
        with pytest.raises(SessionError) as caught:
            play.stage.resolve_call(call_id, True, {})
        assert caught.value.code is ErrorCode.UNKNOWN_CALL
        line, ended = await play.say("ned", "What about monday?")
        assert (line, ended.tools[0].reason) == ("Rain, they say.", "timeout")


async def test_a_tool_that_the_state_no_longer_allows_is_refused() -> None:
    """A call that was legal when the model was asked, but not once an event has moved the NPC."""
    text = """
    initial: idle
    states:
      idle:
        tools: [inventory_give, go_to]
        on: {inventory_give_done: resting, upset: upset}
      resting: {tools: [inventory_list]}
      upset: {}
    """
    backend = ScriptedBackend(
        [
            ScriptedReply(
                calls=(
                    FunctionCall("inventory_give", {"item": "ale", "count": 1, "to": "player"}),
                    FunctionCall("go_to", {"target": "harbour"}),
                )
            ),
            ScriptedReply("Done."),
        ],
        clock=FakeClock(100.0),
        is_threaded=False,
    )
    answers = {"inventory_give": DONE, "go_to": ACCEPTED}
    async with playing(ned(text), backend=backend, answers=answers) as play:
        _, ended = await play.say("ned", "Hello.")
        assert [(use.tool, use.ok, use.reason) for use in ended.tools] == [
            ("inventory_give", True, ""),
            ("go_to", False, "not_now"),
        ]
        assert [r.tool for r in play.engine.requested] == ["inventory_give"]
        assert {f.name for f in backend.requests[1].functions} == {"inventory_list"}


@pytest.mark.parametrize("profile", [ABLE, SMALL])
async def test_what_was_done_is_said_though_no_time_is_left(profile: ModelProfile) -> None:
    """At the deadline an NPC that has given an ale away said "Hm."."""
    give = FunctionCall("inventory_give", {"item": "ale", "count": 1, "to": "player"})
    replies = [ScriptedReply(calls=(give,)), ScriptedReply("Well well well.", delay_s=600)]
    replies = replies if profile is ABLE else replies[1:]
    backend = ScriptedBackend(replies, profile=profile)
    async with playing(
        giver(), backend=backend, answers={"inventory_give": DONE}, clock=LoopClock()
    ) as play:
        line, ended = await play.say_late(
            "ned", "Please give me an ale.", once=lambda: len(backend.requests) == len(replies)
        )
    assert line in ("Here you are: a mug of ale.", "Take it: a mug of ale.")
    assert (ended.outcome, ended.detail) == ("fallback", "deadline")


async def test_an_outcome_begun_is_finished() -> None:
    backend = HeldBackend([ScriptedReply("And so on.")], num_words=2, profile=SMALL)
    async with playing(
        giver(), backend=backend, answers={"inventory_give": DONE}, clock=LoopClock()
    ) as play:
        line, _ = await play.say_late(
            "ned", "Please give me an ale.", once=lambda: play.engine.said("ned")
        )
    assert line in ("Here you are: a mug of ale.", "Take it: a mug of ale.")


async def test_a_model_that_fails_after_a_call_still_says_what_was_done() -> None:
    give = FunctionCall("inventory_give", {"item": "ale", "count": 1, "to": "player"})
    backend = ScriptedBackend(
        lambda request: ScriptedReply(
            calls=(give if request.messages[-1].role == "user" else FunctionCall("fly", {}),)
        ),
        clock=FakeClock(100.0),
        is_threaded=False,
    )
    async with playing(giver(), backend=backend, answers={"inventory_give": DONE}) as play:
        line, ended = await play.say("ned", "Please give me an ale.")
    assert line in ("Here you are: a mug of ale.", "Take it: a mug of ale.")
    assert ended.outcome == "fallback"
