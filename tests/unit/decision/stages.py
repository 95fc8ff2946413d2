"""A stage to try: an engine that records and answers, a small village, NPCs of a few lines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from npc_brain.clock import Clock, FakeClock
from npc_brain.decision.events import (
    LineSaid,
    StageEvent,
    StateChanged,
    TokenSaid,
    TurnEnded,
    TurnStarted,
)
from npc_brain.decision.mind import Mind
from npc_brain.decision.stage import Stage
from npc_brain.decision.turn import Turn
from npc_brain.errors import SessionError
from npc_brain.inference.chat import Backend
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.loader import load_definition
from npc_brain.tools.registry import BUILT_INS
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.world.model import Entity, Inventory, Item, NavGrid, Place, WorldSnapshot
from tests.npc_files import MIRA


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
    told: list[tuple[str, StageEvent]] = field(default_factory=list)
    requested: list[Requested] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    calls: list[tuple[str, int, str, dict[str, Any]]] = field(default_factory=list)
    listener: Callable[[str, StageEvent], None] | None = None
    on_request: Callable[[Requested], None] | None = None
    stage: Stage | None = None

    def notify(self, npc_id: str, event: StageEvent) -> None:
        self.told.append((npc_id, event))
        if self.listener is not None:
            self.listener(npc_id, event)

    def request_action(
        self,
        npc_id: str,
        action_id: int,
        tool: str,
        args: dict[str, Any],
        timeout_ms: int,
        turn_id: int | None,
    ) -> None:
        assert timeout_ms > 0
        self.requested.append(Requested(npc_id, action_id, tool, args, turn_id))
        if self.on_request is not None:
            self.on_request(self.requested[-1])
        for status, reason in self.answers.get(tool, ()):
            asyncio.get_running_loop().call_soon(self.update, action_id, status, reason)

    def cancel_action(self, npc_id: str, action_id: int) -> None:
        self.cancelled.append(action_id)

    def call_tool(
        self, npc_id: str, call_id: int, tool: str, args: dict[str, Any], timeout_ms: int
    ) -> None:
        self.calls.append((npc_id, call_id, tool, args))

    def update(self, action_id: int, status: str, reason: str = "") -> None:
        """Say how an action goes; one that has ended meanwhile is let go."""
        assert self.stage is not None
        with suppress(SessionError):
            self.stage.update_action(action_id, status, reason)

    def events(self, turn_id: int) -> list[StageEvent]:
        """What was told of a turn, in order."""
        return [event for _, event in self.told if getattr(event, "turn_id", None) == turn_id]

    def lines(self, npc_id: str) -> list[LineSaid]:
        return [e for name, e in self.told if name == npc_id and isinstance(e, LineSaid)]

    def ends(self, npc_id: str) -> list[TurnEnded]:
        return [e for name, e in self.told if name == npc_id and isinstance(e, TurnEnded)]

    def starts(self, npc_id: str) -> list[TurnStarted]:
        return [e for name, e in self.told if name == npc_id and isinstance(e, TurnStarted)]

    def moves(self, npc_id: str) -> list[tuple[str | None, str, str]]:
        """Transitions as (from, to, event)."""
        return [
            (e.from_state, e.to_state, e.event)
            for name, e in self.told
            if name == npc_id and isinstance(e, StateChanged)
        ]


@dataclass
class Play:
    """A stage with its engine and clock."""

    stage: Stage
    engine: Engine
    clock: Clock
    mind: Mind

    def hear(self, npc_id: str, text: str, speaker_id: str = "player", **options: Any) -> Turn:
        return self.stage.hear(npc_id, speaker_id, text, **options)

    async def ended(self, turn: Turn, timeout_s: float = 20.0) -> TurnEnded:
        """Wait for a turn's end and check what every turn must hold to."""
        async with asyncio.timeout(timeout_s):
            while not turn.is_ended:
                await asyncio.sleep(0.001)
        return check_turn(self.engine.events(turn.turn_id))

    async def say(self, npc_id: str, text: str, **options: Any) -> tuple[str, TurnEnded]:
        """Speak to an NPC; its line and the turn's end."""
        turn = self.hear(npc_id, text, **options)
        ended = await self.ended(turn)
        lines = [e for e in self.engine.events(turn.turn_id) if isinstance(e, LineSaid)]
        return (lines[0].text if lines else "", ended)

    async def settle(self) -> None:
        """Wait until no turn is under way."""
        async with asyncio.timeout(20.0):
            await asyncio.sleep(0)
            while not self.stage.is_idle:
                await asyncio.sleep(0.001)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in steps, and what it brings about happen."""
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(seconds)
        self.stage.tick()
        await self.settle()


def check_turn(events: Sequence[StageEvent]) -> TurnEnded:
    """What holds for the events of every turn: at most one line, its tokens add up, one end."""
    ends = [event for event in events if isinstance(event, TurnEnded)]
    lines = [event for event in events if isinstance(event, LineSaid)]
    said = "".join(event.text for event in events if isinstance(event, TokenSaid))
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
    mind = Mind(LexicalEncoder(), backend)
    engine = Engine(dict(answers or {}))
    clock = clock or FakeClock(100.0)
    stage = Stage(engine, mind, clock, seed=seed, **options)
    engine.stage = stage
    stage.sync_world(world or snapshot())
    try:
        for definition in definitions or (mira(),):
            stage.spawn(definition.id, definition)
        await asyncio.sleep(0)
        await mind.run(lambda: None)  # by now the NPCs' examples have been learned
        yield Play(stage, engine, clock, mind)
    finally:
        await stage.close()
        await asyncio.to_thread(mind.close)
