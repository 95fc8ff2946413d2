"""Late, missing, failing: each turn gets a line by its deadline, and a cancelled one no token."""

import asyncio
import math
import random
from collections.abc import Callable

import pytest

from npc_brain.clock import MonotonicClock
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import Backend, ChatRequest, FunctionCall
from npc_brain.inference.profile import ABLE, SMALL, ModelProfile
from npc_brain.protocol.messages import NpcMessage, TurnLine, TurnToken
from tests.counts import count
from tests.pace import limit_s, until
from tests.unit.decision.stages import Play, mira, playing

LATE_S = 0.05
DEADLINE_MS = 600
NUM_NPCS = 50
TEXTS = (
    "Hm, nice weather.", "Give me an ale.", "Where is the harbour?", "You thief!", "Bye.",
    "Go to the cellar.", "May I have the cellar key?", "I'll buy bread for two coins.", "?",
)  # fmt: skip


def throttled(profile: ModelProfile) -> Backend:
    text = "Well, that is a long story, and I am not sure that you want to hear all of it today."

    def reply(request: ChatRequest) -> ScriptedReply:
        if request.functions and len(request.messages) % 2:
            name = request.functions[0].name
            return ScriptedReply(calls=(FunctionCall(name, {}),))
        return ScriptedReply(text)

    return ScriptedBackend(reply, tokens_per_s=1, profile=profile, max_queued=1000)


def failing() -> Backend:
    return ScriptedBackend(lambda _: ScriptedReply(calls=(FunctionCall("no_such", {}),)))


MINDS: dict[str, Callable[[], Backend | None]] = {
    "no model": lambda: None,
    "a token a second": lambda: throttled(SMALL),
    "a token a second, picks tools": lambda: throttled(ABLE),
    "fails": failing,
}


async def _run(play: Play, npc_ids: list[str], rng: random.Random) -> None:
    """One turn of every NPC at once; each has its line in time."""
    clock = play.clock
    said_s: dict[int, float] = {}

    def note(_: str, event: NpcMessage) -> None:
        if isinstance(event, TurnLine):
            said_s[event.turn_id] = clock.now_s()

    play.engine.listener = note
    asked = [
        (clock.now_s(), play.hear(npc_id, rng.choice(TEXTS), deadline_ms=DEADLINE_MS))
        for npc_id in npc_ids
    ]
    latest_s = -math.inf
    for asked_s, turn in asked:
        ended = await play.ended(turn)
        assert ended.outcome in ("said", "fallback")
        latest_s = max(latest_s, said_s[turn.turn_id] - asked_s - DEADLINE_MS / 1000)
    assert latest_s <= LATE_S or latest_s <= limit_s(LATE_S), f"{latest_s:.3f} s late"
    play.engine.told.clear()


@pytest.mark.measures
@pytest.mark.parametrize("name", MINDS)
@pytest.mark.timeout(600)
async def test_each_turn_has_a_line_in_time(name: str) -> None:
    definitions = [mira().model_copy(update={"id": f"mira_{n}"}) for n in range(NUM_NPCS)]
    npc_ids = [definition.id for definition in definitions]
    rng = random.Random(3)
    async with playing(*definitions, backend=MINDS[name](), clock=MonotonicClock()) as play:
        for _ in range(count(1000, 100) // NUM_NPCS):
            await _run(play, npc_ids, rng)
            for npc_id in npc_ids:  # what they did of their own accord does not go on for ever
                play.stage.despawn(npc_id)
                play.stage.spawn(npc_id, mira())
            await play.settle()


@pytest.mark.timeout(600)
async def test_no_token_comes_after_a_cancel() -> None:
    definitions = [mira().model_copy(update={"id": f"mira_{n}"}) for n in range(NUM_NPCS)]
    rng = random.Random(4)
    backend = ScriptedBackend(
        [ScriptedReply("One two three four five six seven eight nine ten.")],
        tokens_per_s=100,
        max_queued=1000,
        profile=SMALL,
    )
    async with playing(*definitions, backend=backend, clock=MonotonicClock()) as play:
        for _ in range(count(1000, 100) // NUM_NPCS):
            turns = [play.hear(d.id, "Hm, nice weather.") for d in definitions]
            rng.shuffle(turns)
            await until(lambda: any(isinstance(e, TurnToken) for _, e in play.engine.told))
            cancelled: dict[int, int] = {}
            for turn in turns:
                await asyncio.sleep(rng.choice([0.0, 0.0, 0.004]))
                turn.cancel()
                cancelled[turn.turn_id] = len(play.engine.told)
            await asyncio.sleep(0.05)
            for turn_id, num_told in cancelled.items():
                later = play.engine.told[num_told:]
                assert not [e for _, e in later if getattr(e, "turn_id", None) == turn_id]
