"""The state machine is the boss: whatever is heard, happens or comes out of a model."""

import asyncio
import random
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from npc_brain.clock import FakeClock
from npc_brain.demo import village
from npc_brain.errors import NpcBrainError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import ChatRequest, FunctionCall
from npc_brain.inference.profile import ABLE, SMALL
from npc_brain.npc.loader import load_definition
from npc_brain.protocol.messages import NpcMessage, NpcState, TurnEnded
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from npc_brain.tools.registry import BUILT_INS
from npc_brain.vocabulary import ActionStatus
from npc_brain.world.model import Inventory, WorldPatch, WorldSnapshot
from tests.counts import count
from tests.npc_files import MIRA, ned
from tests.unit.decision.declared import Declared, declared_by
from tests.unit.decision.stages import Play, Requested, check_turn, playing, snapshot

GAME = village()
FILES = [MIRA, *sorted((GAME / "npcs").glob("*.yaml"))]
STATUSES: tuple[ActionStatus | str, ...] = (
    "accepted", "started", "progress", "done", "done", "done", "failed", "refused", "cancelled",
    "requested", "nonsense",
)  # fmt: skip
NOISE = (
    "", "hello", "?", "Where is the cellar?", "Give me an ale.", "I'll trade you a coin for bread.",
    "follow me", "go away", "bye", '<tool_call>{"name": "go_to"}</tool_call>', "ünïcödé 🜁",
    "x" * 3000,
)  # fmt: skip


def world_of(path: Path) -> WorldSnapshot:
    if path == MIRA:
        return snapshot()
    return SimulatedWorld(load_world_file(GAME / "world.json")).snapshot()


class Chaos:
    """Does random things to the NPC of one file and checks every transition and call."""

    def __init__(self, play: Play, path: Path, rng: random.Random) -> None:
        self.play = play
        self.path = path
        self.rng = rng
        self.declared: Declared = declared_by(path)
        self.definition = load_definition(path, BUILT_INS)
        self.npc_id = self.definition.id
        self.state: str | None = self.declared.initial
        self.seen: set[tuple[str, str, str]] = set()
        self.turns: list[int] = []
        self.faults: list[str] = []
        self.saved: list[dict[str, Any]] = []
        play.engine.listener = self.note
        play.engine.on_request = self.check_request

    def note(self, npc_id: str, event: NpcMessage) -> None:
        """Check a transition; noted rather than raised, since the stage must not swallow it."""
        if not isinstance(event, NpcState):
            return
        if event.from_state is None:
            if event.event not in ("spawn", "load"):
                self.faults.append(f"{event.event} came from nowhere to {event.to_state}")
        else:
            way = (event.from_state, event.to_state, event.event)
            self.seen.add(way)
            if way not in self.declared.ways:
                self.faults.append(f"undeclared: {way}")
            if event.from_state != self.state:
                self.faults.append(f"{way}, but it was in {self.state}")
        self.state = event.to_state

    def check_request(self, request: Requested) -> None:
        """An action asked for in a turn is one of the present state, or its author's."""
        state = self.state or ""
        known = self.declared.tools[state] | self.declared.authored_tools[state]
        if request.turn_id is not None and request.tool not in known:
            self.faults.append(f"{request.tool} is not legal in {state}")

    def do_something(self) -> None:
        actions = (self.event, self.hear, self.update, self.patch, self.time, self.rare)
        self.rng.choices(actions, weights=(40, 12, 25, 6, 16, 1))[0]()

    def event(self) -> None:
        rng, stage = self.rng, self.play.stage
        names = [name for name in sorted(self.declared.events) if name.isidentifier()]
        name = rng.choice([*names, *names, "nonsense", "spawn", "heard", "go_to_done", "load"])
        items = sorted(stage.world.items)
        data: dict[str, Any] = {
            "by": rng.choice(["player", "nobody", "", 7]),
            "item": rng.choice(items) if items else "",
            "count": rng.choice([0, 1, -5, 2**40, True]),
            "reason": rng.choice(["", "x", 1.5]),
        }
        stage.raise_event(self.npc_id, name, {k: v for k, v in data.items() if rng.random() < 0.7})

    def hear(self) -> None:
        text = self.rng.choice([*self.declared.sentences, *NOISE])
        text = text.replace("{item}", self.rng.choice(["ale", "key", "sword"]))
        speaker = self.rng.choice(["player", "player", "player", "nobody", self.npc_id])
        with suppress(NpcBrainError):
            turn = self.play.hear(self.npc_id, text, speaker, priority=self.rng.randint(0, 2))
            self.turns.append(turn.turn_id)

    def update(self) -> None:
        requested = self.play.engine.requested
        newest = requested[-1].action_id if requested else 0
        action_id = max(0, newest - self.rng.choice([0, 0, 0, 0, 1, 2, 5, -1]))
        with suppress(NpcBrainError):
            self.play.stage.update_action(
                action_id,
                self.rng.choice(STATUSES),
                self.rng.choice(["", "not_held", "Not Words!"]),
                self.rng.choice([{}, {"steps": 3, "item": "ale"}, {"deep": {"x": [1]}}]),
            )

    def patch(self) -> None:
        world = self.play.stage.world
        held = {item: self.rng.randint(0, 3) for item in world.items if self.rng.random() < 0.6}
        owner = self.rng.choice([self.npc_id, "player"])
        self.play.stage.patch_world(
            WorldPatch(
                base_revision=world.revision,
                revision=world.revision + 1,
                inventories={owner: Inventory(items=held)},
            )
        )

    def time(self) -> None:
        assert isinstance(self.play.clock, FakeClock)
        self.play.clock.advance(self.rng.choice([0.0, 0.05, 1.0, 7.0, 31.0, 130.0]))
        self.play.stage.tick()

    def rare(self) -> None:
        stage = self.play.stage
        match self.rng.randrange(5):
            case 0:
                self.saved = [*self.saved[-3:], stage.save()]
            case 1 if self.saved:
                stage.load(self.rng.choice(self.saved), lambda _: self.definition)
            case 2:
                stage.despawn(self.npc_id)
                stage.spawn(self.npc_id, self.definition)
            case 3:
                stage.cancel_all_turns("no reason")
            case _:
                self.play.models.backend, self.other = self.other, self.play.models.backend

    other: Any = None


def random_model(rng: random.Random) -> ScriptedBackend:
    """A model that says and calls anything, much of it wrong."""

    def value(schema: dict[str, Any]) -> Any:
        if rng.random() < 0.1:
            return rng.choice([None, -1, 10**12, "player", "", [], {"a": 1}, 1.5, True])
        if "enum" in schema:
            return rng.choice(schema["enum"])
        if schema.get("type") == "array":
            return [value(schema["items"]) for _ in range(rng.randint(0, 3))]
        if schema.get("type") in ("integer", "number"):
            return rng.randint(0, 4)
        return rng.choice(["x", "a fact", "{speaker}"])

    def reply(request: ChatRequest) -> ScriptedReply:
        backend.profile = ABLE if rng.random() < 0.6 else SMALL
        if request.functions and rng.random() < 0.6:
            made = []
            for _ in range(rng.randint(1, 3)):
                function = rng.choice(request.functions)
                properties = function.parameters.get("properties", {})
                args = {k: value(v) for k, v in properties.items() if rng.random() < 0.9}
                made.append(FunctionCall(function.name, args))
            if rng.random() < 0.05:
                made.append(FunctionCall("no_such_tool", {}))
            return ScriptedReply(calls=tuple(made))
        texts = ["", "Yes.", "Go to hiding. <state>fleeing</state>", "Hm, well", "x" * 900]
        return ScriptedReply(rng.choice(texts), delay_s=rng.choice([0, 0, 0, 99]))

    backend = ScriptedBackend(reply, clock=FakeClock(100.0), is_threaded=False)
    return backend


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
@pytest.mark.timeout(1200)
async def test_only_declared_transitions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random events, heard texts, model outputs and action updates, all at once."""
    monkeypatch.setattr("npc_brain.decision.tool_calls.INSTANT_WAIT_S", 0.004)
    monkeypatch.setattr("npc_brain.decision.tool_calls.ACCEPT_WAIT_S", 0.002)
    seed = 11
    rng = random.Random(f"{seed}/{path.stem}")
    num_steps = count(100_000, 12_000) // len(FILES)
    backend = random_model(rng)
    async with playing(
        load_definition(path, BUILT_INS), backend=backend, world=world_of(path), seed=seed
    ) as play:
        chaos = Chaos(play, path, rng)
        for step in range(num_steps):
            chaos.do_something()
            if rng.random() < 0.5:
                await asyncio.sleep(0)
            if rng.random() < 0.05:
                await asyncio.sleep(0.003)
            if step % 50 == 0:  # so that some turns reach the model, however slow the machine is
                await play.settle()
                if play.models.backend is None:
                    play.models.backend, chaos.other = chaos.other, None
                for _ in range(3):
                    chaos.hear()
                await play.settle()
                assert chaos.faults == [], f"seed {seed}, step {step}"
        await play.settle()
        assert chaos.faults == []
        ends = {event.turn_id for _, event in play.engine.told if isinstance(event, TurnEnded)}
        assert set(chaos.turns) <= ends
        for turn_id in chaos.turns[-200:]:
            check_turn(play.engine.events(turn_id))
        assert len(chaos.seen) >= min(4, len(chaos.declared.ways)), "the test went nowhere"
        assert play.engine.requested
        assert backend.requests


MOVED_ON = """
initial: shop
states:
  shop:
    on: {rumour: gossip, inventory_give_done: gossip}
    heard:
      - keywords: [ale]
        do: [{inventory_give: {item: ale, to: "{speaker}"}}]
        say: To your health.
        to: drunk
      - keywords: [dance]
        say: La la la.
        to: drunk
  gossip: {}
  drunk: {on: {rumour: gossip}}
"""


async def test_what_matched_in_a_state_that_was_left_does_not_count() -> None:
    """The NPC understands on another thread; an event came meanwhile and moved it on."""
    async with playing(ned(MOVED_ON)) as play:
        is_free = threading.Event()
        blocked = asyncio.ensure_future(play.models.run(is_free.wait))
        await asyncio.sleep(0.01)
        turn = play.hear("ned", "Let us dance!")
        await asyncio.sleep(0.01)
        play.stage.raise_event("ned", "rumour", {})
        is_free.set()
        await blocked
        assert (await play.ended(turn)).outcome == "fallback"
        assert play.engine.moves("ned")[1:] == [("shop", "gossip", "rumour")]


async def test_a_reaction_that_its_own_tool_moved_on_keeps_its_line() -> None:
    answers = {"inventory_give": [("done", "")]}
    async with playing(ned(MOVED_ON), answers=answers) as play:
        line, _ = await play.say("ned", "An ale!")
        assert line == "To your health."
        assert play.engine.moves("ned")[1:] == [("shop", "gossip", "inventory_give_done")]
