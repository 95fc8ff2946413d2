"""Thousands of NPCs take their time, and leave the loop to others meanwhile."""

import asyncio
import gc
import time
import weakref
from typing import Any

import pytest

from npc_brain.decision.stage import Stage
from npc_brain.npc.npc import Npc
from npc_brain.protocol import messages as m
from tests.counts import count
from tests.npc_files import ned
from tests.pace import until
from tests.security.stalls import STALL_S, cpu_slowness, watching
from tests.security.test_collector import passes, running
from tests.security.wire import Wire
from tests.unit.decision.stages import mira, playing
from tests.unit.session.test_turn_ends import played

NUM_NPCS = 20
WAIT_S = 60.0


async def test_time_passes_for_npcs_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """4,096 NPCs with timers due at once kept a good client's ping waiting for over a second."""
    turns_of_others = 0
    seen: dict[str, int] = {}

    def slow(self: Npc, *_: object) -> None:
        seen.setdefault(self.npc_id, turns_of_others)
        end_s = time.monotonic() + 0.006
        while time.monotonic() < end_s:
            pass

    async with played() as play, asyncio.timeout(WAIT_S):
        for n in range(NUM_NPCS):
            play.stage.spawn(f"npc{n}", mira())
        monkeypatch.setattr(Npc, "tick", slow)
        while len(seen) < NUM_NPCS:
            await asyncio.sleep(0)
            turns_of_others += 1
    assert len(set(seen.values())) >= NUM_NPCS - 1


async def test_who_despawns_meanwhile_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    ticked: list[str] = []
    async with played() as play:
        stage: Stage = play.stage
        stage.spawn("pip", mira())
        monkeypatch.setattr(Npc, "tick", lambda self, *_: ticked.append(self.npc_id))
        ticking = stage.ticking()
        next(ticking)
        stage.despawn("pip")
        list(ticking)
    assert ticked == ["mira"]


def guarded(salt: int) -> dict[str, Any]:
    """A definition without an `id`, of 40 guards."""
    states = {
        f"s{n}": {
            "on": {f"trust >= {k + salt} and mood != 'bad{n}'": f"s{n + 1}" for k in range(10)}
            | {"go": f"s{n + 1}"}
        }
        for n in range(4)
    }
    return {
        "persona": {"name": "Ned", "role": "guard"},
        "blackboard": {"trust": -1, "mood": "good"},
        "lines": {"fallback": {"default": "Hm."}},
        "initial": "s0",
        "states": {**states, "s4": {}},
    }


@pytest.mark.measures
@pytest.mark.parametrize("differs", [False, True])
async def test_a_flood_of_inline_definitions_stalls_nothing(
    monkeypatch: pytest.MonkeyPatch, differs: bool
) -> None:
    """Passes of the collector took 40 ms, and freeing all NPCs at once over a second."""
    number = count(full=4096, ci=400)
    async with running(monkeypatch), Wire() as wire:
        with passes() as collecting:
            async with watching() as stalls:
                collecting.clear()  # of the pass with which the watching begins
                for n in range(number):
                    spawn = m.NpcSpawn(definition=guarded(n * differs))
                    await wire.ask(b"flood", spawn, f"npc{n}")
                    wire.sent[b"flood"].clear()
                [peer] = wire.registry.attached_peers()
                session = wire.registry.session_of(peer)
                assert session is not None
                await session.close()
    assert max(collecting) < STALL_S * cpu_slowness()
    assert stalls.loop_s < STALL_S * cpu_slowness()


async def test_who_is_alike_shares_a_machine_which_goes_with_the_last() -> None:
    async with playing(ned("initial: here\nstates: {here: {}}")) as play:
        stage = play.stage
        definition = stage.npc("ned").definition
        stage.spawn("other", definition.model_copy(update={"id": "other"}, deep=True))
        assert stage.npc("ned").machine is stage.npc("other").machine
        await play.settle()
        machine = weakref.ref(stage.npc("ned").machine)
        del definition
        stage.despawn("ned")
        assert machine() is not None
        stage.despawn("other")
        await until(lambda: not gc.collect() and machine() is None)
