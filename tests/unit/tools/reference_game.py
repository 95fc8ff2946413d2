"""A small game with a ledger of its own, played against the tools, the tracker and world patches.

The game is the authority: it moves items or not, and tells it by messages. The messages reach the
brain's side late, twice and in any order. Both sides keep books, and `check` compares them.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import ErrorCode, SessionError, WorldError
from npc_brain.tools.actions import Action, ActionTracker
from npc_brain.tools.narrow import validate_arguments
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import ToolContext, ToolResult
from npc_brain.world.model import Entity, Inventory, Item, WorldPatch, WorldSnapshot
from npc_brain.world.world import World
from tests.unit.tools.village import NoMemory

NPCS = ("mira", "bo")
OWNERS = (*NPCS, "player", "chest")
ITEMS = ("coin", "bread", "sword")
TOOLS = (
    "inventory_give",
    "inventory_take",
    "inventory_trade",
    "inventory_use",
    "inventory_equip",
)
VERDICTS = ("done", "done", "done", "refused", "failed", "ignored", "slow")
TIMEOUT_S = 10


@dataclass
class Game:
    """The authority over who holds what."""

    held: dict[str, Counter[str]] = field(
        default_factory=lambda: {
            "mira": Counter(coin=5, bread=8, sword=1),
            "bo": Counter(coin=20, sword=2),
            "player": Counter(coin=9, bread=1),
            "chest": Counter(),
        }
    )
    revision: int = 1
    requests: list[Action] = field(default_factory=list)
    outbox: list[tuple[Any, ...]] = field(default_factory=list)
    handled: set[int] = field(default_factory=set)
    walking: list[int] = field(default_factory=list)

    def totals(self) -> Counter[str]:
        return sum(self.held.values(), Counter())

    def snapshot(self) -> WorldSnapshot:
        kinds = {"mira": "npc", "bo": "npc", "player": "player", "chest": "object"}
        return WorldSnapshot(
            revision=self.revision,
            items=(
                Item(id="coin", name="coin"),
                Item(id="bread", name="bread", price=2, usable=True),
                Item(id="sword", name="sword", price=5, slot="hand"),
            ),
            entities=tuple(
                Entity(id=owner, name=owner, kind=kind, position=(0, 0))
                for owner, kind in kinds.items()
            ),
            inventories={owner: self._inventory(owner) for owner in OWNERS},
            currency="coin",
        )

    def move(self, giver: str, gives: Counter[str], taker: str, takes: Counter[str]) -> bool:
        """Swap, if both hold what they give, and send a patch."""
        if giver == taker or gives - self.held[giver] or takes - self.held[taker]:
            return False
        self.held[giver] = self.held[giver] - gives + takes
        self.held[taker] = self.held[taker] - takes + gives
        self.revision += 1
        patch = WorldPatch(
            base_revision=self.revision - 1,
            revision=self.revision,
            inventories={owner: self._inventory(owner) for owner in (giver, taker)},
        )
        self.outbox.append(("patch", patch))
        return True

    def judge(self, verdict: str) -> None:
        """Take the next request and decide; a repeated request is known by its id."""
        action = self.requests.pop(0)
        if action.action_id in self.handled:
            return
        self.handled.add(action.action_id)
        if verdict == "ignored":
            return
        self._tell(action.action_id, "accepted")
        if verdict == "slow":
            self._tell(action.action_id, "started")
            self.walking.append(action.action_id)
        elif verdict == "done":
            self._tell(action.action_id, "done" if self._carry_out(action) else "refused")
        else:
            self._tell(action.action_id, verdict)

    def end_slow(self) -> None:
        self._tell(self.walking[0], "progress")
        self._tell(self.walking.pop(0), "failed")

    def _carry_out(self, action: Action) -> bool:
        args, npc = action.args, action.npc_id
        match action.tool:
            case "inventory_give":
                given = Counter({args["item"]: args["count"]})
                return self.move(npc, given, args["to"], Counter())
            case "inventory_take":
                taken = Counter({args["item"]: args["count"]})
                return self.move(args["source"], taken, npc, Counter())
            case "inventory_trade":
                given = Counter({args["give_item"]: args["give_count"]})
                taken = Counter({args["take_item"]: args["take_count"]})
                return self.move(npc, given, args["partner"], taken)
        return self.held[npc][args["item"]] > 0

    def _tell(self, action_id: int, status: str) -> None:
        self.outbox.append(("update", action_id, status))

    def _inventory(self, owner: str) -> Inventory:
        return Inventory(items=dict(self.held[owner]))


class Play:
    """The game and the brain's side of it, with the messages between them."""

    def __init__(self) -> None:
        self.game = Game()
        self.totals = self.game.totals()
        self.clock = FakeClock()
        self.tracker = ActionTracker(self.clock)
        self.world = World.from_snapshot(self.game.snapshot())
        self.promised: dict[int, tuple[str, Counter[str]]] = {}
        """What open actions reserve, by the test's own books."""
        self.ends: Counter[int] = Counter()
        self.num_requested = 0
        self.refusals: Counter[str] = Counter()

    def ask(self, npc: str, speaker: str, tool_name: str, args: dict[str, Any]) -> None:
        """Call a tool as a turn would."""
        tool = BUILT_INS[tool_name]
        reserved = self.tracker.reserved(npc)
        ctx = ToolContext(self.world, npc, speaker, reserved, NoMemory())
        checked = validate_arguments(tool, ctx, args)
        refused = checked if isinstance(checked, ToolResult) else None
        if refused is None and tool.check:
            refused = tool.check(ctx, checked)
        if refused is not None:
            assert not refused.ok
            assert refused.reason
            self.refusals[refused.reason] += 1
            return
        assert not isinstance(checked, ToolResult)
        reserves = tool.reserves(checked) if tool.reserves else {}
        action = self.tracker.request(
            npc, tool_name, checked.model_dump(), reserves, TIMEOUT_S * 1000
        )
        self.num_requested += 1
        self.promised[action.action_id] = (npc, Counter(reserves))
        promised = self._promised_by(npc)
        for item in reserves:
            assert promised[item] <= self.world.held(npc, item)
            if self.world.revision == self.game.revision:
                assert promised[item] <= self.game.held[npc][item]
        self.game.requests.append(action)

    def repeat_request(self) -> None:
        """The link delivers a request twice."""
        if self.game.requests:
            self.game.requests.append(self.game.requests[0])

    def judge(self, verdict: str) -> None:
        """The game handles a request."""
        if self.game.requests:
            self.game.judge(verdict)

    def deliver(self, index: int, again: bool) -> None:
        """A message of the game arrives: any of them, and perhaps not for the last time."""
        outbox = self.game.outbox
        if not outbox:
            return
        message = outbox[index % len(outbox)] if again else outbox.pop(index % len(outbox))
        if message[0] == "patch":
            self._patch(message[1])
        else:
            self._update(message[1], message[2])

    def cancel(self, action_id: int) -> None:
        """The NPC changes its mind."""
        action = self._tried(lambda: self.tracker.cancel(action_id), action_id)
        assert action is None or action.is_cancelling

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)
        for action in self.tracker.expire():
            self._note_end(action)

    def drain(self) -> None:
        """The game is done with everything, the link is empty, the silent time out."""
        while self.game.requests:
            self.game.judge("done")
        while self.game.walking:
            self.game.end_slow()
        while self.game.outbox:
            self.deliver(0, again=False)
        self.wait(TIMEOUT_S + 1)

    def check(self) -> None:
        """What must hold at any time."""
        assert self.game.totals() == self.totals
        assert _totals(self.world) == self.totals
        for npc in NPCS:
            assert self.tracker.reserved(npc) == +self._promised_by(npc)
        assert max(self.ends.values(), default=1) == 1

    def check_end(self) -> None:
        """What must hold when all is over."""
        self.check()
        assert set(self.ends) == set(range(1, self.num_requested + 1))
        assert all(self.tracker.reserved(npc) == {} for npc in NPCS)
        assert self.world.inventories == World.from_snapshot(self.game.snapshot()).inventories

    def _patch(self, patch: WorldPatch) -> None:
        if patch.base_revision == self.world.revision:
            self.world = self.world.patched(patch)
            return
        with pytest.raises(WorldError) as caught:
            self.world.patched(patch)
        assert caught.value.code == ErrorCode.RESYNC
        if patch.revision > self.world.revision:
            self.world = World.from_snapshot(self.game.snapshot())

    def _update(self, action_id: int, status: Any) -> None:
        action = self._tried(lambda: self.tracker.update(action_id, status), action_id)
        if action is not None:
            assert action.status == status
            if action.is_ended:
                self._note_end(action)

    def _tried(self, call: Callable[[], Action], action_id: int) -> Action | None:
        """What `call` gives, or None when it was refused with the code that is due."""
        try:
            return call()
        except SessionError as error:
            code = error.code
        if action_id > self.num_requested or action_id < 1:
            assert code == ErrorCode.UNKNOWN_ACTION
        else:
            assert code == (ErrorCode.ACTION_ENDED if self.ends[action_id] else ErrorCode.BAD_BODY)
        return None

    def _note_end(self, action: Action) -> None:
        self.ends[action.action_id] += 1
        del self.promised[action.action_id]

    def _promised_by(self, npc: str) -> Counter[str]:
        return sum((items for who, items in self.promised.values() if who == npc), Counter())


def _totals(world: World) -> Counter[str]:
    totals: Counter[str] = Counter()
    for inventory in world.inventories.values():
        totals.update(inventory.items)
    return +totals
