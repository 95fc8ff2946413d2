"""`run.py bench npcs`: how many scripted NPCs one core steps, beside a hand-written table.

Time in the game is simulated at 60 frames a second; what is measured is the computing for it, on
one thread. Three cases: a village as games are (timers, an event now and then), the same by a plain
dict of (state, event) without guards, effects or nesting as peer, and a crowd in which every NPC
gets an event in every frame.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from npc_brain.memory.store import MemoryStore
from npc_brain.npc.loader import parse_definition
from npc_brain.npc.machine import Step, compile_machine
from npc_brain.npc.npc import Npc
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.world import World

FRAME_S = 1 / 60
EVENTS = ("player_near", "attacked", "calmed", "bell")

VILLAGER = """
id: villager
persona: {name: Ned, role: villager}
lines: {fallback: {default: Hm.}}
blackboard: {fear: 0, is_tired: false}
initial: day
states:
  day:
    initial: working
    on:
      attacked: {to: fleeing, do: [{set: {fear: fear + 2}}]}
      bell: night
      fear >= 5: fleeing
    states:
      working: {after: {4s: resting}, on: {player_near: greeting}}
      resting: {after: {2s: working}}
      greeting: {enter: [{bark: Good day!}], after: {1500ms: working}}
  fleeing:
    enter: [{go_to: {target: home}}]
    on: {calmed: {to: day, do: [{set: {fear: 0}}]}}
    after: {5s: {to: day, do: [{set: {fear: 0}}]}}
  night:
    after: {3s: {to: day, do: [{set: {is_tired: not is_tired}}]}}
"""

_PEER_EVENTS = {
    ("working", "player_near"): "greeting", ("fleeing", "calmed"): "working",
    **{(state, "attacked"): "fleeing" for state in ("working", "resting", "greeting")},
    **{(state, "bell"): "night" for state in ("working", "resting", "greeting")},
}  # fmt: skip
_PEER_TIMERS = {
    "working": (4.0, "resting"), "resting": (2.0, "working"), "greeting": (1.5, "working"),
    "fleeing": (5.0, "working"), "night": (3.0, "working"),
}  # fmt: skip


def run(num_npcs: int = 1000, num_frames: int = 600, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Measure all cases; one JSON value for each.

    Args:
        num_npcs: NPCs stepped in each frame.
        num_frames: Frames of 1/60 s to simulate.
        seed: Decides who gets which event when.
    """
    peers = [_Peer() for _ in range(num_npcs)]
    with closing(MemoryStore()) as store:
        village, crowd = _villagers(num_npcs, store), _villagers(num_npcs, store)
        yield _measure("village", village, num_frames, seed, events_per_npc_s=1.0)
        yield _measure("village, plain dict as peer", peers, num_frames, seed, events_per_npc_s=1.0)
        yield _measure("an event each frame", crowd, num_frames, seed, events_per_npc_s=60.0)


class _Stepped(Protocol):
    """What is measured."""

    num_transitions: int

    def tick(self, now_s: float) -> None: ...

    def handle(self, event: str, now_s: float) -> None: ...


class _Villager:
    """An NPC as a session steps it."""

    def __init__(self, npc: Npc, world: World) -> None:
        self.num_transitions = 0
        self._npc = npc
        self._world = world
        self._count(npc.start(world, 0.0))

    def tick(self, now_s: float) -> None:
        if step := self._npc.tick(self._world, now_s):
            self._count(step)

    def handle(self, event: str, now_s: float) -> None:
        self._count(self._npc.handle(event, {}, self._world, now_s))

    def _count(self, step: Step) -> None:
        self.num_transitions += len(step.transitions)


def _villagers(num_npcs: int, store: MemoryStore) -> list[_Villager]:
    definition = parse_definition(VILLAGER, "villager")
    machine, world = compile_machine(definition, BUILT_INS), World.empty()
    return [
        _Villager(Npc(f"villager_{number}", definition, machine, store, seed=number), world)
        for number in range(num_npcs)
    ]


@dataclass(slots=True)
class _Peer:
    """The least that a game would write by hand."""

    state: str = "working"
    entered_s: float = 0.0
    num_transitions: int = 0

    def tick(self, now_s: float) -> None:
        after_s, target = _PEER_TIMERS[self.state]
        if now_s >= self.entered_s + after_s:
            self._enter(target, now_s)

    def handle(self, event: str, now_s: float) -> None:
        if target := _PEER_EVENTS.get((self.state, event)):
            self._enter(target, now_s)

    def _enter(self, target: str, now_s: float) -> None:
        self.state, self.entered_s = target, now_s
        self.num_transitions += 1


def _measure(
    case: str,
    npcs: Sequence[_Stepped],
    num_frames: int,
    seed: int,
    events_per_npc_s: float,
) -> dict[str, Any]:
    rng = random.Random(seed)
    ticks: list[Callable[[float], None]] = [npc.tick for npc in npcs]
    num_events = round(len(npcs) * events_per_npc_s * FRAME_S)
    frames_ms: list[float] = []
    for frame in range(1, num_frames + 1):
        chosen = [(rng.choice(npcs), rng.choice(EVENTS)) for _ in range(num_events)]
        now_s = frame * FRAME_S
        start_s = time.perf_counter()
        for npc, event in chosen:
            npc.handle(event, now_s)
        for tick in ticks:
            tick(now_s)
        frames_ms.append((time.perf_counter() - start_s) * 1000)
    total_s = sum(frames_ms) / 1000
    frames_ms.sort()
    return {
        "bench": "npcs",
        "case": case,
        "num_npcs": len(npcs),
        "events_per_npc_s": events_per_npc_s,
        "frames_per_s": round(num_frames / total_s, 1),
        "ticks_per_s": round(num_frames * len(npcs) / total_s),
        "frame_ms_p50": round(frames_ms[len(frames_ms) // 2], 3),
        "frame_ms_p99": round(frames_ms[int(len(frames_ms) * 0.99)], 3),
        "num_transitions": sum(npc.num_transitions for npc in npcs),
    }
