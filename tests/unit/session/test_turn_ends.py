"""Whatever fails in a turn, or while it ends: the game is told of exactly one end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from npc_brain.clock import MonotonicClock
from npc_brain.decision import turn as turn_module
from npc_brain.decision import turns as turns_module
from npc_brain.decision import utterance as utterance_module
from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.decision.models import Models
from npc_brain.decision.stage import Stage
from npc_brain.decision.turn import Turn
from npc_brain.decision.turns import Turns
from npc_brain.decision.utterance import Utterance
from npc_brain.inference.chat import (
    BackendStats,
    ChatEvent,
    ChatRequest,
    Finished,
    Message,
    TextDelta,
)
from npc_brain.inference.profile import SMALL
from npc_brain.memory.transcript import Transcript
from npc_brain.npc.npc import Npc
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol import messages as m
from npc_brain.protocol.codec import DEFAULT_LIMITS, decode
from npc_brain.session.peer import Peer
from npc_brain.session.session import StageSession
from npc_brain.tools.custom import custom_tool
from npc_brain.understanding.lexical import LexicalEncoder
from tests.unit.decision.stages import mira, snapshot

WAIT_S = 60.0


class Panic(BaseException):
    """What native code raises; it is no `Exception`."""


class Game:
    """An engine at the end of a wire: it decodes what it is sent."""

    def __init__(self) -> None:
        self.received: list[m.Envelope] = []
        self.peer = Peer(b"game", self._deliver, 0.0)

    def _deliver(self, _: bytes, frame: bytes) -> bool:
        self.received.append(decode(frame, m.Direction.OUTBOUND))
        return True

    def send(self, body: m.Body, npc_id: str | None) -> None:
        self.peer.send(body, npc_id=npc_id)

    def of(self, kind: type[m.Body], turn_id: int) -> list[Any]:
        bodies = [envelope.body for envelope in self.received]
        return [each for each in bodies if isinstance(each, kind) and each.turn_id == turn_id]  # type: ignore[attr-defined]


class Played:
    """A session with one NPC and a game."""

    def __init__(self, backend: Any = None) -> None:
        self.game = Game()
        self.models = Models(LexicalEncoder(), backend)
        self.session = StageSession(
            "s",
            self.game.send,
            models=self.models,
            library=NpcLibrary(None),
            clock=MonotonicClock(),
            limits=DEFAULT_LIMITS,
            num_sessions=lambda: 1,
        )
        self.stage: Stage = self.session.stage
        self.stage.sync_world(snapshot())
        self.stage.spawn("mira", mira())

    def hear(self, text: str, deadline_ms: int = 20_000) -> Turn:
        return self.stage.hear("mira", "player", text, deadline_ms=deadline_ms)

    async def end_of(self, turn: Turn) -> Any:
        async with asyncio.timeout(WAIT_S):
            while not (ends := self.game.of(m.TurnEnded, turn.turn_id)):
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.005)  # for a second one
        assert len(self.game.of(m.TurnEnded, turn.turn_id)) == 1, ends
        assert turn.is_ended
        lines = self.game.of(m.TurnLine, turn.turn_id)
        assert len(lines) <= 1
        if lines:
            said = "".join(each.text for each in self.game.of(m.TurnToken, turn.turn_id))
            assert said == lines[0].text
        return ends[0]


@contextlib.asynccontextmanager
async def played(backend: Any = None) -> AsyncIterator[Played]:
    play = Played(backend)
    try:
        yield play
    finally:
        await play.session.close()
        await asyncio.to_thread(play.models.close)


def failing_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, step: int, error: BaseException
) -> None:
    """Let the call number `step` of `owner.name` raise."""
    real = getattr(owner, name)
    num_calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        if num_calls == step:
            raise error
        return real(*args, **options)

    monkeypatch.setattr(owner, name, call)


COLLABORATORS: dict[str, tuple[Any, str]] = {
    "the response": (turns_module, "respond"),
    "the transcript": (Transcript, "add"),
    "the NPC's values": (Npc, "values"),
    "the fallback line": (turn_module, "fallback_line"),
    "saying a piece": (Utterance, "add"),
    "closing the line": (Utterance, "close"),
    "the message of a piece": (utterance_module, "TurnToken"),
    "the message of the end": (turn_module, "TurnEnded"),
    "the wire": (Game, "send"),
    "the counters": (Turns, "_count"),
    "falling back": (Turn, "fall_back"),
}
ERRORS: tuple[Callable[[], BaseException], ...] = (
    lambda: ValueError("no"),
    lambda: RecursionError("too deep"),
    lambda: MemoryError(),
    lambda: TimeoutError("of something else"),
    lambda: asyncio.CancelledError(),
    lambda: Panic("native code"),
)
TEXTS = ("Hm, nice weather.", "You thief!", "Where is the harbour?")


@pytest.mark.parametrize("name", COLLABORATORS)
async def test_a_turn_ends_once_whatever_fails(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "npc_brain")
    owner, attribute = COLLABORATORS[name]
    async with played() as play:
        for make_error in ERRORS[:1] if name != "the response" else ERRORS:
            for step in range(1, 4):
                for text in TEXTS:
                    with monkeypatch.context() as patch:
                        failing_at(patch, owner, attribute, step, make_error())
                        ended = await play.end_of(play.hear(text))
                        assert ended.outcome in ("said", "fallback", "failed")
                after = await play.end_of(play.hear(TEXTS[0]))
                assert after.outcome in ("said", "fallback")
                assert play.stage.is_idle


async def test_a_turn_ends_once_when_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("no")

    async with played() as play:
        with monkeypatch.context() as patch:
            for name, (owner, attribute) in COLLABORATORS.items():
                if name not in ("the message of the end", "the wire"):
                    patch.setattr(owner, attribute, fail)
            turn = play.hear("Hm.")
            assert (await play.end_of(turn)).outcome == "failed"
        assert (await play.end_of(play.hear("Hm."))).outcome in ("said", "fallback")


async def test_cancelled_turns_end_though_something_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played() as play:
        turns = [play.hear("Hm.") for _ in range(3)]
        failing_at(monkeypatch, turn_module, "TurnEnded", 1, ValueError("no"))
        play.stage.cancel_all_turns("closed")
        for turn in turns:
            assert (await play.end_of(turn)).outcome == "cancelled"


async def test_an_end_that_is_held_back_until_a_reply_is_not_lost() -> None:
    """`Peer.replying` holds messages back; one that cannot be encoded took the others with it."""
    async with played() as play:
        turns = [play.hear("Hm."), play.hear("Hm.")]
        for turn in turns:
            turn.num_tokens["num_prompt_tokens"] = 10**30
            turn.used(performed_with({"count": 10**30, "note": "\ud800"}))
        with play.game.peer.replying():
            for turn in turns:
                turn.cancel()
        for turn in turns:
            assert (await play.end_of(turn)).outcome == "cancelled"


def performed_with(args: dict[str, Any]) -> Any:
    from npc_brain.tools.spec import refusal

    tool = custom_tool("dance", "Dance.", {}, "query", 1000, ())
    return CallOutcome(tool, args, refusal("no", "No."))


class ForeignNumbers:
    """A backend whose counters are what a foreign server says."""

    model_name = "foreign"
    profile = SMALL
    senses: frozenset[Any] = frozenset()

    def __init__(self, number: Any, text: str = "Well met.") -> None:
        self.number = number
        self.text = text
        self.stats = BackendStats()

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> Any:
        class Done:
            def cancel(self) -> None: ...

        emit(TextDelta(self.text))
        emit(
            Finished(
                "stop",
                num_prompt_tokens=self.number,
                num_cached_tokens=self.number,
                num_completion_tokens=self.number,
            )
        )
        self.stats.num_prompt_tokens += self.number
        self.stats.num_completion_tokens += self.number
        self.stats.decode_ms += self.number
        return Done()

    def prewarm(self, messages: Sequence[Message]) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("number", [9 * 10**18, 10**40, -5, 1e300, float("inf"), float("nan")])
async def test_absurd_numbers_of_a_backend_end_no_turn_and_no_stats(number: Any) -> None:
    async with played(ForeignNumbers(number)) as play:
        for _ in range(3):
            assert (await play.end_of(play.hear("Hm, nice weather."))).outcome == "said"
        assert isinstance(play.session._stats("", m.StatsRequest()), m.Stats)


async def test_text_that_is_no_unicode_costs_no_end() -> None:
    """A half of an emoji cannot be encoded; it is left out of what is said."""
    async with played(ForeignNumbers(1, "Well \ud800 met.")) as play:
        turn = play.hear("Hm, nice weather.")
        assert (await play.end_of(turn)).outcome == "said"
        [line] = play.game.of(m.TurnLine, turn.turn_id)
        assert "\ud800" not in line.text
        assert line.text.startswith("Well")


async def test_stats_are_told_though_the_model_has_none() -> None:
    class Broken(ForeignNumbers):
        @property
        def stats(self) -> BackendStats:
            raise ValueError("no")

        @stats.setter
        def stats(self, _: BackendStats) -> None: ...

    async with played(Broken(1)) as play:
        assert isinstance(play.session._stats("", m.StatsRequest()), m.Stats)


async def test_time_passes_though_an_npc_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with played() as play:
        play.stage.spawn("ned", mira())
        ticked: list[str] = []

        def tick(npc: Npc, *_: Any) -> None:
            ticked.append(npc.npc_id)
            if npc.npc_id == "mira":
                raise ValueError("no")

        monkeypatch.setattr(Npc, "tick", tick)
        async with asyncio.timeout(WAIT_S):
            while ticked.count("ned") < 3:
                await asyncio.sleep(0.01)
