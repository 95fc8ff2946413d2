"""Thousands of NPCs take their time, and leave the loop to others meanwhile."""

import asyncio
import time

import pytest

from npc_brain.decision.stage import Stage
from npc_brain.npc.npc import Npc
from tests.unit.decision.stages import mira
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
