"""The bridge with a client that only takes notes."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from npc_brain.client import Turn
from npc_brain.demo.bridge import Bridge
from npc_brain.demo.view import PlainView
from npc_brain.errors import ErrorCode, WorldError
from npc_brain.protocol.messages import (
    ActionRequest,
    TurnEnded,
    TurnLine,
    TurnTimings,
)
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file

WORLD = load_world_file(Path("sample_game/world.json"))


class NotingClient:
    """Notes what a bridge sends, by method name; `refuse` makes the next patch fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...]]] = []
        self.refuse: ErrorCode | None = None

    def __getattr__(self, name: str) -> Callable[..., Awaitable[None]]:
        async def note(*args: Any, **kwargs: Any) -> None:
            self.sent.append((name, (*args, *kwargs.values())))
            if name == "patch_world" and self.refuse is not None:
                code, self.refuse = self.refuse, None
                raise WorldError("refused", code=code)

        return note

    def names(self) -> list[str]:
        return [name for name, _ in self.sent]


class Village:
    """A bridge that runs, what it sent and what it showed."""

    def __init__(self) -> None:
        holdings = {"mira": {"ale": 3}, "osric": {}, "hedda": {}, "fennick": {}, "pip": {}}
        self.world = SimulatedWorld(WORLD, holdings)
        self.out = io.StringIO()
        self.bridge = Bridge(self.world, PlainView(self.out), {npc: npc for npc in holdings})
        self.client = NotingClient()

    async def run(self, steps: Callable[[], Awaitable[None]]) -> None:
        async with self.bridge.running(self.client):  # type: ignore[arg-type]
            self.client.sent.clear()
            await steps()
            await self.bridge.settle()


def request(tool: str, **args: Any) -> ActionRequest:
    return ActionRequest(action_id=7, tool=tool, args=args, timeout_ms=1000, turn_id=3)


async def test_npcs_come_to_life_after_the_world() -> None:
    village = Village()
    async with village.bridge.running(village.client):  # type: ignore[arg-type]
        assert village.client.names()[:6] == ["sync_world", *["spawn"] * 5]


async def test_what_changed_is_told_before_what_happened() -> None:
    village = Village()

    async def give() -> None:
        village.world.give_from_player("pip", "apple")
        village.bridge.publish([])

    await village.run(give)
    names = village.client.names()
    received = [n for n, (name, args) in enumerate(village.client.sent) if "received" in args]
    assert names.index("patch_world") < received[0]


async def test_an_action_is_carried_out_and_told_to_its_end() -> None:
    village = Village()

    async def act() -> None:
        handlers = village.bridge.handlers()
        handlers.on_action("pip", request("go_to", target="tavern"))

    await village.run(act)
    updates = [args for name, args in village.client.sent if name == "update_action"]
    statuses = [args[2] for args in updates]
    assert statuses[:2] == ["accepted", "started"]
    assert statuses[-1] == "done"
    assert statuses.count("done") == 1
    assert village.world.is_at("pip", "tavern")
    assert "pip: go_to done" in village.out.getvalue()


async def test_a_refused_patch_is_mended_with_the_whole_world() -> None:
    village = Village()

    async def act() -> None:
        village.client.refuse = ErrorCode.RESYNC
        await village.bridge.walk_player("well")

    await village.run(act)
    names = village.client.names()
    assert names[names.index("patch_world") + 1] == "sync_world"


async def test_a_turn_of_two_lines_is_shown_as_two_lines() -> None:
    village = Village()

    async def speak() -> None:
        turn = Turn("mira", lambda turn: None, 5)
        village.bridge.handlers().on_turn(turn)
        for piece in ("Good ", "evening."):
            turn.add_token(piece)
        turn.add_line(TurnLine(turn_id=5, text="Good evening.", source="scripted"))
        await asyncio.sleep(0)
        turn.add_token("What'll it ")
        turn.add_line(TurnLine(turn_id=5, text="What'll it be?", source="fallback"))
        timings = TurnTimings(first_token_ms=1, total_ms=2)
        turn.end(TurnEnded(turn_id=5, outcome="fallback", detail="deadline", timings=timings))

    await village.run(speak)
    shown = village.out.getvalue()
    assert "Mira: Good evening.\n" in shown
    assert "Mira: What'll it be?\n" in shown
    assert "mira: fallback line (deadline)" in shown


async def test_a_lost_sidecar_is_told_once_and_everybody_comes_back() -> None:
    village = Village()

    async def lose() -> None:
        handlers = village.bridge.handlers()
        handlers.on_link("lost")
        handlers.on_link("new_session")

    await village.run(lose)
    assert village.bridge.num_losses == 1
    assert village.client.names().count("spawn") == 5
    assert "The sidecar is back" in village.out.getvalue()
