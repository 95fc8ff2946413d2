"""A stage to try: an engine that records and answers, a small village, NPCs of a few lines."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from npc_brain.clock import Clock, FakeClock
from npc_brain.decision.models import Models
from npc_brain.decision.stage import Stage
from npc_brain.decision.turn import Turn
from npc_brain.errors import SessionError
from npc_brain.inference.backends.scripted import Script, ScriptedBackend
from npc_brain.inference.chat import Backend, ChatEvent, ChatRequest
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.loader import load_definition
from npc_brain.protocol.messages import (
    ActionCancel,
    ActionRequest,
    NpcMessage,
    NpcState,
    ToolCall,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnToken,
)
from npc_brain.tools.registry import BUILT_INS
from npc_brain.understanding.choosing import ToolChooser
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.world.model import Entity, Inventory, Item, NavGrid, Place, WorldSnapshot
from tests.npc_files import MIRA
from tests.pace import until

LONG_MS = 120_000
"""A deadline that no turn comes near."""
LATE_MS = 60_000
"""A deadline that passes when the test lets it."""

ENCODER = LexicalEncoder()
_CHOOSERS: OrderedDict[object, ToolChooser] = OrderedDict()
"""Shared by all stages, so that the built-in examples are learned once."""


def mira() -> NpcDefinition:
    return load_definition(MIRA, BUILT_INS)


def snapshot(**changes: Any) -> WorldSnapshot:
    """A tavern with a cellar by a harbour."""
    world: dict[str, Any] = {
        "revision": 1,
        "nav": NavGrid(width=12, height=6, cells=b"\x01" * 72),
        "items": (
            Item(id="ale", name="mug of ale", price=2, aliases=("ale",), usable=True),
            Item(id="bread", name="loaf of bread", price=2, aliases=("bread",)),
            Item(id="stew", name="bowl of stew", price=3, aliases=("stew",)),
            Item(id="cellar_key", name="cellar key", aliases=("key",)),
            Item(id="coin", name="copper coin", aliases=("coins",)),
        ),
        "places": (
            Place(id="tavern", name="the tavern", position=(1, 1), tags=("drink",)),
            Place(id="cellar", name="the cellar", position=(1, 5)),
            Place(id="harbour", name="the harbour", position=(11, 1), aliases=("docks",)),
        ),
        "entities": (
            Entity(id="mira", name="Mira", kind="npc", position=(1, 2)),
            Entity(id="ned", name="Ned", kind="npc", position=(3, 2)),
            Entity(id="borin", name="Borin", kind="npc", position=(5, 2)),
            Entity(id="player", name="Traveller", kind="player", position=(2, 2)),
        ),
        "inventories": {
            "mira": Inventory(items={"ale": 12, "bread": 6, "stew": 4, "cellar_key": 1}),
            "ned": Inventory(items={"ale": 2}),
            "player": Inventory(items={"coin": 9}),
        },
        "currency": "coin",
    }
    return WorldSnapshot(**{**world, **changes})


class LoopClock:
    """A clock that is the running loop's and can be put forward, with all that the loop waits for.

    So a deadline passes when the test says so, however long what came before it took.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._plain = loop.time
        self._skipped_s = 0.0
        loop.time = self.now_s  # type: ignore[method-assign]

    def now_s(self) -> float:
        return self._plain() + self._skipped_s

    def skip(self, seconds: float) -> None:
        self._skipped_s += seconds


class HeldBackend(ScriptedBackend):
    """Says the first words of each reply at once, and the rest only when it is let go on."""

    def __init__(self, script: Script, *, num_words: int, **options: Any) -> None:
        super().__init__(script, **options)
        self._num_words = num_words
        self._is_held = True

    def go_on(self) -> None:
        with self._wake:
            self._is_held = False
            for play in self._plays:
                play.events = deque((0.0, event) for _, event in play.events)
            self._wake.notify()

    def _timed_events(self, request: ChatRequest) -> Iterator[tuple[float, ChatEvent]]:
        events = super()._timed_events(request)
        if self._is_held:
            yield from islice(events, self._num_words)
            yield from ((math.inf, event) for _, event in events)
        yield from events


@dataclass
class Requested:
    """An action that was asked for."""

    npc_id: str
    action_id: int
    tool: str
    args: dict[str, Any]
    turn_id: int | None


@dataclass
class Engine:
    """A game engine: it records what it is told, and answers actions of the tools in `answers`.

    An answer is a list of (status, reason), given one after the other soon after the request.
    """

    answers: dict[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    told: list[tuple[str, NpcMessage]] = field(default_factory=list)
    requested: list[Requested] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    calls: list[tuple[str, int, str, dict[str, Any]]] = field(default_factory=list)
    listener: Callable[[str, NpcMessage], None] | None = None
    on_request: Callable[[Requested], None] | None = None
    stage: Stage | None = None

    def tell(self, event: NpcMessage, npc_id: str) -> None:
        match event:
            case ActionRequest():
                self._take(event, npc_id)
            case ActionCancel(action_id=action_id):
                self.cancelled.append(action_id)
            case ToolCall():
                self.calls.append((npc_id, event.call_id, event.tool, event.args))
            case _:
                self.told.append((npc_id, event))
                if self.listener is not None:
                    self.listener(npc_id, event)

    def _take(self, asked: ActionRequest, npc_id: str) -> None:
        assert asked.timeout_ms > 0
        self.requested.append(
            Requested(npc_id, asked.action_id, asked.tool, asked.args, asked.turn_id)
        )
        if self.on_request is not None:
            self.on_request(self.requested[-1])
        for status, reason in self.answers.get(asked.tool, ()):
            asyncio.get_running_loop().call_soon(self.update, asked.action_id, status, reason)

    def update(self, action_id: int, status: str, reason: str = "") -> None:
        """Say how an action goes; one that has ended meanwhile is let go."""
        assert self.stage is not None
        with suppress(SessionError):
            self.stage.update_action(action_id, status, reason)

    def events(self, turn_id: int) -> list[NpcMessage]:
        """What was told of a turn, in order."""
        return [event for _, event in self.told if getattr(event, "turn_id", None) == turn_id]

    def said(self, npc_id: str) -> str:
        """All that an NPC has said so far."""
        return "".join(
            e.text for name, e in self.told if name == npc_id and isinstance(e, TurnToken)
        )

    def lines(self, npc_id: str) -> list[TurnLine]:
        return [e for name, e in self.told if name == npc_id and isinstance(e, TurnLine)]

    def ends(self, npc_id: str) -> list[TurnEnded]:
        return [e for name, e in self.told if name == npc_id and isinstance(e, TurnEnded)]

    def starts(self, npc_id: str) -> list[TurnStarted]:
        return [e for name, e in self.told if name == npc_id and isinstance(e, TurnStarted)]

    def moves(self, npc_id: str) -> list[tuple[str | None, str, str]]:
        """Transitions as (from, to, event)."""
        return [
            (e.from_state, e.to_state, e.event)
            for name, e in self.told
            if name == npc_id and isinstance(e, NpcState)
        ]


@dataclass
class Play:
    """A stage with its engine and clock."""

    stage: Stage
    engine: Engine
    clock: Clock
    models: Models

    def hear(self, npc_id: str, text: str, speaker_id: str = "player", **options: Any) -> Turn:
        options = {"deadline_ms": LONG_MS, **options}
        return self.stage.hear(npc_id, speaker_id, text, **options)

    async def ended(self, turn: Turn) -> TurnEnded:
        """Wait for a turn's end and check what every turn must hold to."""
        await until(lambda: turn.is_ended)
        return check_turn(self.engine.events(turn.turn_id))

    async def say(self, npc_id: str, text: str, **options: Any) -> tuple[str, TurnEnded]:
        """Speak to an NPC; its line and the turn's end."""
        return await self._outcome(self.hear(npc_id, text, **options))

    async def say_late(
        self, npc_id: str, text: str, *, once: Callable[[], object]
    ) -> tuple[str, TurnEnded]:
        """As `say`, but the deadline passes as soon as `once()` is true."""
        assert isinstance(self.clock, LoopClock)
        turn = self.hear(npc_id, text, deadline_ms=LATE_MS)
        await until(once)
        assert not turn.is_ended
        self.clock.skip(LATE_MS / 1000)
        return await self._outcome(turn)

    async def _outcome(self, turn: Turn) -> tuple[str, TurnEnded]:
        ended = await self.ended(turn)
        lines = [e for e in self.engine.events(turn.turn_id) if isinstance(e, TurnLine)]
        return (lines[0].text if lines else "", ended)

    async def settle(self) -> None:
        """Wait until no turn is under way."""
        await asyncio.sleep(0)
        await until(lambda: self.stage.is_idle)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in steps, and what it brings about happen."""
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(seconds)
        self.stage.tick()
        await self.settle()


def check_turn(events: Sequence[NpcMessage]) -> TurnEnded:
    """What holds for the events of every turn: at most one line, its tokens add up, one end."""
    ends = [event for event in events if isinstance(event, TurnEnded)]
    lines = [event for event in events if isinstance(event, TurnLine)]
    said = "".join(event.text for event in events if isinstance(event, TurnToken))
    assert len(ends) == 1
    assert events[-1] is ends[0]
    assert len(lines) <= 1
    if lines:
        assert lines[0].text == said
        assert events[-2] is lines[0]
        assert said.strip()
    else:
        assert ends[0].outcome in ("cancelled", "silent")
    if ends[0].outcome in ("said", "fallback"):
        assert (lines[0].source == "fallback") == (ends[0].outcome == "fallback")
    return ends[0]


@asynccontextmanager
async def playing(
    *definitions: NpcDefinition,
    backend: Backend | None = None,
    answers: dict[str, Sequence[tuple[str, str]]] | None = None,
    clock: Clock | None = None,
    world: WorldSnapshot | None = None,
    seed: int = 7,
    **options: Any,
) -> AsyncIterator[Play]:
    """A stage with NPCs spawned under the ids of their definitions (Mira, if none is given)."""
    models = Models(ENCODER, backend)
    models._choosers = _CHOOSERS
    engine = Engine(dict(answers or {}))
    clock = clock or FakeClock(100.0)
    stage = Stage(engine.tell, models, clock, seed=seed, **options)
    engine.stage = stage
    stage.sync_world(world or snapshot())
    try:
        for definition in definitions or (mira(),):
            stage.spawn(definition.id, definition)
        await asyncio.sleep(0)
        await models.run(lambda: None)  # by now the NPCs' examples have been learned
        yield Play(stage, engine, clock, models)
    finally:
        await stage.close()
        await asyncio.to_thread(models.close)
