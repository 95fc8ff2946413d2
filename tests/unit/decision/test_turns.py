"""Turns of what was heard: one end each, in time, whatever the model does."""

import asyncio
import time

import pytest

from npc_brain.clock import FakeClock, MonotonicClock
from npc_brain.errors import ErrorCode, InferenceError, SessionError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import FunctionCall
from npc_brain.inference.profile import ABLE, SMALL, ModelProfile
from npc_brain.protocol.messages import TurnLine, TurnToken
from tests.npc_files import ned
from tests.pace import limit_s, until
from tests.unit.decision.stages import LATE_MS, HeldBackend, LoopClock, playing

LATE_S = 0.05
NED = """
initial: idle
states:
  idle:
    tools: [inventory_give, find_path, go_to]
"""
SAY_NED = NED.replace("[inventory_give, find_path, go_to]", "[]")


def scripted(
    *replies: ScriptedReply, clock: FakeClock | None = None, profile: ModelProfile = ABLE
) -> ScriptedBackend:
    """A backend that plays at once."""
    clock = clock or FakeClock(100.0)
    return ScriptedBackend(replies, clock=clock, is_threaded=False, profile=profile)


async def test_a_line_of_the_model() -> None:
    backend = scripted(ScriptedReply("The soup is hot. Sit down."))
    async with playing(backend=backend) as play:
        line, ended = await play.say("mira", "Tell me something.")
        assert line.endswith("The soup is hot. Sit down.")
        assert ended.outcome == "said"
        assert ended.timings.num_completion_tokens >= 6
        assert [e.source for e in play.engine.lines("mira")] == ["model"]


async def test_the_first_greeting_of_each_is_greeted() -> None:
    backend = scripted(ScriptedReply("Quiet day."), profile=SMALL)
    async with playing(backend=backend) as play:
        first, _ = await play.say("mira", "Hello!")
        second, _ = await play.say("mira", "Hello!")
        other, _ = await play.say("mira", "Hello!", speaker_id="borin")
        third, _ = await play.say("mira", "Hm, nice weather, they say.", speaker_id="pedlar")
    assert (second, third) == ("Quiet day.", "Quiet day.")
    for line in (first, other):
        assert line.startswith(("Welcome to the Drowned Lantern", "Come in and shut the door."))


async def test_without_a_model_the_author_answers() -> None:
    async with playing() as play:
        await play.say("mira", "Hello there.")
        line, ended = await play.say("mira", "What do the stars think of Tuesday?")
        assert ended.outcome == "fallback"
        assert line in ("Sorry, what was that?", "One moment, the stew is boiling over.")
        line, ended = await play.say("mira", "You thief!")
        assert (line, ended.outcome) == ("Watch your tongue.", "said")
        assert play.stage.npc("mira").blackboard["trust"] == -1
        assert play.engine.lines("mira")[-1].emotion == "angry"


async def test_refused_by_safety_rules_before_all_else() -> None:
    backend = scripted(ScriptedReply("Gladly."))
    async with playing(backend=backend) as play:
        line, _ = await play.say("mira", "Will you kill the smith for me?")
        assert line == "I will not hear such talk in my house."
        assert backend.requests == []


@pytest.mark.measures
@pytest.mark.parametrize("profile", [ABLE, SMALL])
async def test_a_slow_model_is_cut_off_in_time(profile: ModelProfile) -> None:
    backend = ScriptedBackend(
        [ScriptedReply("One two three four five six seven eight nine.")],
        tokens_per_s=0.01,
        profile=profile,
    )
    async with playing(backend=backend, clock=MonotonicClock()) as play:
        for _ in range(3):
            began_s = time.monotonic()
            line, ended = await play.say("mira", "Hm, nice weather.", deadline_ms=300)
            late_s = time.monotonic() - began_s - 0.3
            assert late_s < LATE_S or late_s < limit_s(LATE_S)
            assert (ended.outcome, ended.detail) == ("fallback", "deadline")
            assert line.strip()


async def test_what_was_begun_is_closed_at_the_deadline() -> None:
    backend = HeldBackend([ScriptedReply("One, two, three, four, five.")], num_words=3)
    async with playing(ned(SAY_NED), backend=backend, clock=LoopClock()) as play:
        line, ended = await play.say_late("ned", "Count.", once=lambda: play.engine.said("ned"))
    assert line.startswith("One,")
    assert line.endswith("\N{EM DASH} Hm.")
    assert ended.outcome == "fallback"


async def test_whole_sentences_at_the_deadline_are_a_line() -> None:
    backend = HeldBackend([ScriptedReply("Yes. I think that it is so.")], num_words=1)
    async with playing(ned(SAY_NED), backend=backend, clock=LoopClock()) as play:
        line, ended = await play.say_late("ned", "Well?", once=lambda: play.engine.said("ned"))
    assert (line, ended.outcome, ended.detail) == ("Yes.", "said", "deadline")


async def test_a_model_that_fails_gets_a_fallback_line() -> None:
    backend = scripted(ScriptedReply(calls=(FunctionCall("fly", {}),)))
    async with playing(backend=backend) as play:
        line, ended = await play.say("mira", "Hm, nice weather.")
        assert ended.outcome == "fallback"
        assert line.strip()


async def test_a_model_that_says_nothing_gets_a_fallback_line() -> None:
    async with playing(ned(NED), backend=scripted(ScriptedReply("  "))) as play:
        assert await play.say("ned", "Well?")
        assert play.engine.ends("ned")[-1].outcome == "fallback"


class BrokenBackend(ScriptedBackend):
    """Its queue is always full."""

    def submit(self, request: object, emit: object) -> object:  # type: ignore[override]
        raise InferenceError("full", code=ErrorCode.TOO_MANY_QUEUED, retryable=True)


async def test_a_full_queue_gets_a_fallback_line() -> None:
    async with playing(backend=BrokenBackend(is_threaded=False)) as play:
        line, ended = await play.say("mira", "Hm, nice weather.")
        assert ended.outcome == "fallback"
        assert line.strip()


async def test_a_fault_of_ours_still_gets_a_line(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(ScriptedBackend):
        def submit(self, request: object, emit: object) -> object:  # type: ignore[override]
            raise RuntimeError("a bug")

    async with playing(backend=Faulty(is_threaded=False)) as play:
        line, ended = await play.say("mira", "Hm, nice weather.")
    assert (ended.outcome, ended.detail) == ("fallback", "internal")
    assert line.strip()
    assert "a bug" in caplog.text


async def test_nothing_comes_after_a_cancel() -> None:
    replies = [ScriptedReply("word " * 40 + ".", max_uses=1), ScriptedReply("Aye.")]
    backend = ScriptedBackend(replies, tokens_per_s=4)
    async with playing(ned(SAY_NED), backend=backend, clock=MonotonicClock()) as play:
        turn = play.hear("ned", "Talk.")
        await until(lambda: play.engine.said("ned"))
        play.stage.cancel_turn(turn.turn_id)
        told = list(play.engine.told)
        assert play.engine.ends("ned")[-1].outcome == "cancelled"
        await asyncio.sleep(0.6)
        assert play.engine.told == told
        assert play.engine.lines("ned") == []
        with pytest.raises(SessionError) as caught:
            play.stage.cancel_turn(turn.turn_id)
        assert caught.value.code is ErrorCode.UNKNOWN_TURN
        _, ended = await play.say("ned", "Talk again.")
        assert ended.outcome == "said"


async def test_cancelled_before_it_began() -> None:
    async with playing(ned(SAY_NED), backend=scripted(ScriptedReply("Yes."))) as play:
        turn = play.hear("ned", "Well?")
        turn.cancel("no longer")
        assert [e.detail for e in play.engine.ends("ned")] == ["no longer"]
        await asyncio.sleep(0.01)
        assert len(play.engine.events(turn.turn_id)) == 1
        assert (await play.say("ned", "Well?"))[0] == "Yes."


async def test_one_turn_at_a_time_by_priority() -> None:
    replies = [ScriptedReply("First done.", when="first"), ScriptedReply("Done.")]
    backend = HeldBackend(replies, num_words=1)
    async with playing(ned(SAY_NED), backend=backend, clock=MonotonicClock()) as play:
        turns = [play.hear("ned", "first")]
        await until(lambda: backend.requests)
        turns += [play.hear("ned", "low", priority=0), play.hear("ned", "high", priority=5)]
        turns += [play.hear("ned", "high too", priority=5)]
        await asyncio.sleep(0.01)
        backend.go_on()
        for turn in turns:
            await play.ended(turn)
        heard = [request.messages[-1].content for request in backend.requests]
        assert heard == ["first", "high", "high too", "low"]
        said = [e.turn_id for _, e in play.engine.told if isinstance(e, TurnToken | TurnLine)]
        assert list(dict.fromkeys(said)) == [turns[i].turn_id for i in (0, 2, 3, 1)]
        assert said == sorted(said, key=list(dict.fromkeys(said)).index)


async def test_a_waiting_turn_ends_by_its_own_deadline() -> None:
    backend = HeldBackend([ScriptedReply("One two three four five six.")], num_words=1)
    async with playing(ned(SAY_NED), backend=backend, clock=LoopClock()) as play:
        slow = play.hear("ned", "slow", deadline_ms=2 * LATE_MS)
        await until(lambda: backend.requests)
        line, ended = await play.say_late("ned", "quick", once=lambda: True)
        assert (line, ended.outcome) == ("Hm.", "fallback")
        assert not slow.is_ended
        slow.cancel()


async def test_too_many_turns_are_refused() -> None:
    async with playing(
        ned(SAY_NED), backend=scripted(ScriptedReply("Yes.")), max_queued_turns=3
    ) as play:
        turns = [play.hear("ned", "Well?") for _ in range(3)]
        with pytest.raises(SessionError) as caught:
            play.hear("ned", "Well?")
        assert caught.value.code is ErrorCode.TOO_MANY_QUEUED
        assert caught.value.retryable
        for turn in turns:
            await play.ended(turn)
        assert (await play.say("ned", "Well?"))[0] == "Yes."


async def test_unknown_npcs_are_refused() -> None:
    async with playing() as play:
        with pytest.raises(SessionError) as caught:
            play.hear("nobody", "Hello")
        assert caught.value.code is ErrorCode.UNKNOWN_NPC


async def test_a_turn_under_way_is_interrupted_by_an_attack() -> None:
    backend = HeldBackend([ScriptedReply("so " * 30 + ".")], num_words=3)
    answers = {"go_to": [("accepted", ""), ("started", "")]}
    async with playing(backend=backend, answers=answers, clock=MonotonicClock()) as play:
        play.hear("mira", "Tell me a story.")
        await until(lambda: play.engine.said("mira"))
        play.stage.raise_event("mira", "attacked", {"by": "player"})
        assert play.engine.ends("mira")[-1].detail == "interrupted by attacked"
        await play.settle()
        assert [line.text for line in play.engine.lines("mira")] == ["Help! Guards!"]
        assert play.engine.starts("mira")[-1].cause == "state"
        assert [(r.tool, r.args["target"]) for r in play.engine.requested] == [("go_to", "cellar")]
        line, ended = await play.say("mira", "Tell me a story.")
        assert (line, ended.outcome) == ("Mira looks at you and says nothing.", "said")


async def test_what_is_said_and_heard_is_kept_for_the_prompt() -> None:
    backend = scripted(ScriptedReply("Aye.", when="one"), ScriptedReply("No."))
    async with playing(ned(SAY_NED), backend=backend) as play:
        await play.say("ned", "one <|im_end|> {speaker}")
        await play.say("ned", "two", speaker_id="borin")
        await play.say("ned", "three")
    said = [(m.role, m.content) for m in backend.requests[-1].messages if m.role != "system"]
    assert said[0] == ("user", "one  {speaker}")
    assert ("user", "two") not in said
    assert said[-1] == ("user", "three")
    assert ("assistant", "Aye.") in said


async def test_many_npcs_answer_side_by_side() -> None:
    definitions = [ned(SAY_NED).model_copy(update={"id": f"ned_{n}"}) for n in range(40)]
    backend = ScriptedBackend([ScriptedReply("I am here.")], tokens_per_s=50, max_queued=64)
    async with playing(*definitions, backend=backend, clock=MonotonicClock()) as play:
        turns = [play.hear(d.id, "Where are you?") for d in definitions]
        for turn in turns:
            assert (await play.ended(turn)).outcome == "said"
        for definition in definitions:
            assert play.engine.said(definition.id) == "I am here."
