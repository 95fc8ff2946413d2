"""The game that a scenario's NPCs live in: a simulated world, and a player who deals with them."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from npc_brain.clock import FakeClock
from npc_brain.decision.stage import Stage
from npc_brain.decision.turn import Turn
from npc_brain.errors import SessionError
from npc_brain.protocol.messages import (
    ActionCancel,
    ActionRequest,
    NpcMessage,
    NpcState,
    ToolCall,
    ToolUse,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnToken,
)
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.walking import Update
from npc_brain.testing.report import TraceEntry
from npc_brain.testing.scenario import ActionWord, Scenario
from npc_brain.vocabulary import END_STATUSES

TICK_S = 0.1
WALK_LIMIT_S = 300.0
"""How long the player may be on the way to a place."""
_PLAYER_WALK = 0
"""The action id of the player's own walk; those of NPCs start at 1."""

_Steps = Mapping[ActionWord, tuple[str, ...]]
_STEPS: _Steps = {
    "accepted": ("accepted",),
    "started": ("accepted", "started"),
    "done": ("accepted", "done"),
    "failed": ("accepted", "failed"),
    "refused": ("refused",),
    "cancelled": ("accepted", "cancelled"),
    "ignored": (),
}


class ScenarioGame:
    """The engine's side of a stage, over a simulated world.

    Attributes:
        world: The world; what it says is so.
        trace: Everything that happened, in order.
        told: What the stage told in the present step, with the NPC's id.
        actions: What the stage asked for in the present step: NPC id, tool, arguments.
    """

    def __init__(self, scenario: Scenario, clock: FakeClock) -> None:
        given = scenario.spec.given
        file = scenario.world
        held = {npc_id: npc.inventory for npc_id, npc in scenario.definitions.items()}
        people = {row.id: row.inventory for row in (file.player, *file.npcs)}
        stated = dict(file.inventories)
        for owner, counts in given.inventory.items():
            before = stated.get(owner) or people.get(owner) or held.get(owner, {})
            stacks = {**before, **counts}
            stated[owner] = {item: count for item, count in stacks.items() if count}
        self.world = SimulatedWorld(file.model_copy(update={"inventories": stated}), held)
        for fact, value in given.facts.items():
            self.world.set_fact(fact, value)
        self.trace: list[TraceEntry] = []
        self.told: list[tuple[str, NpcMessage]] = []
        self.actions: list[tuple[str, str, dict[str, Any]]] = []
        self._engine = given.engine
        self._open: list[tuple[str, int, str]] = []
        self._lines_at: dict[int, int] = {}
        """Where the line of a turn is in the trace: its tools, told at its end, belong before."""
        self._turns: dict[int, Turn] = {}
        self._clock = clock
        self._step = 0
        self._stage: Stage | None = None
        self._walk_end: Update | None = None

    @property
    def stage(self) -> Stage:
        """The stage that the NPCs are on."""
        assert self._stage is not None
        return self._stage

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._stage = stage
        stage.sync_world(self.world.snapshot())

    def begin_step(self, step: int) -> None:
        """Forget what the step before brought."""
        self._step = step
        self.told.clear()
        self.actions.clear()

    def note(self, kind: str, npc_id: str, text: str) -> None:
        """Add to the trace."""
        self.trace.append(TraceEntry(self._step, kind, npc_id, text))

    def follow(self, turn: Turn) -> None:
        """Add to the trace, at the end of a turn, which answerers it asked and what they gave."""
        self._turns[turn.turn_id] = turn

    # --- the stage -----------------------------------------------------------------------------

    def tell(self, event: NpcMessage, npc_id: str) -> None:
        """Note what an NPC says and becomes, and do what it wants."""
        self.told.append((npc_id, event))
        match event:
            case NpcState():
                self.note("state", npc_id, f"{event.from_state} → {event.to_state} ({event.event})")
                self.world.note_state(npc_id, event.to_state)
                self._soon(self.publish, [])
            case TurnStarted(cause="action"):
                self.note("turn", npc_id, "speaks of what came of an action")
            case TurnStarted(cause="state"):
                self.note("turn", npc_id, "speaks of its own accord")
            case TurnLine():
                feeling = "" if event.emotion == "neutral" else f", {event.emotion}"
                self._lines_at[event.turn_id] = len(self.trace)
                self.note("said", npc_id, f'"{event.text}" ({event.source}{feeling})')
            case TurnEnded():
                at = self._lines_at.pop(event.turn_id, len(self.trace))
                self.trace[at:at] = [
                    *self._reasons(npc_id, event.turn_id),
                    *(self._tool_entry(npc_id, used) for used in event.tools),
                ]
                detail = f" ({event.detail})" if event.detail else ""
                self.note("turn", npc_id, f"{event.outcome}{detail}")
            case ActionRequest():
                self._carry_out(npc_id, event)
            case ActionCancel(action_id=action_id):
                self._soon(lambda: self.publish(self.world.cancel(npc_id, action_id)))
            case ToolCall(call_id=call_id, tool=tool):
                self.note("note", npc_id, f"{tool} asks the game, which a scenario has not")
                self._soon(lambda: self.stage.resolve_call(call_id, False, {}, "not_available"))
            case TurnToken() | TurnStarted():
                pass

    # --- what happens ------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until everything that was asked for has been answered and said."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while not self.stage.is_idle:
            await asyncio.sleep(0.0005)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass for everyone."""
        end_s = self._clock.now_s() + seconds
        while (left_s := end_s - self._clock.now_s()) > 0:  # to the very end, where timers are due
            step_s = min(TICK_S, left_s)
            self._clock.advance(step_s)
            self.publish(self.world.tick(step_s))
            self.stage.tick()
            await self.settle()

    def publish(self, updates: list[Update]) -> None:
        """Tell the stage what changed, how actions stand, and what happened, in that order."""
        patch = self.world.take_patch()
        if patch is not None:
            self.stage.patch_world(patch)
        for update in updates:
            self._update(update)
        for event in self.world.take_events():
            if event.npc_id in self.stage.npc_ids:
                self.raise_event(event.npc_id, event.event, dict(event.data))
        for notice in self.world.take_notices():
            self.note("note", "", notice)

    def raise_event(self, npc_id: str, event: str, data: Mapping[str, Any]) -> None:
        """Raise an event of the game."""
        self.note("event", npc_id, f"{event}({spelt(data)})")
        self.stage.raise_event(npc_id, event, data)

    def end_action(self, npc_id: str, tool: str, word: ActionWord, reason: str) -> bool:
        """Let the newest open action of a tool go on; False when there is none."""
        found = next((each for each in reversed(self._open) if each[::2] == (npc_id, tool)), None)
        if found is None:
            return False
        self._update(Update(npc_id, found[1], _STEPS[word][-1], reason))  # type: ignore[arg-type]
        return True

    def approach(self, npc_id: str) -> None:
        """Put the player beside an NPC, if there is a way; no time passes."""
        ground, player_id = self.world.ground, self.world.player_id
        if ground.is_near(player_id, npc_id):
            return
        path = ground.path(player_id, ground.positions[npc_id])
        if path is not None and len(path) > 1:
            ground.move(player_id, path[-2])
            self.publish([])

    async def walk_player(self, place_id: str) -> str:
        """Walk the player to a place; why it did not get there, or nothing."""
        self._walk_end = None
        player_id = self.world.player_id
        self.publish(self.world.begin(player_id, _PLAYER_WALK, "go_to", {"target": place_id}))
        began_s = self._clock.now_s()
        while self._walk_end is None and self._clock.now_s() - began_s < WALK_LIMIT_S:
            await self.pass_time(TICK_S)
        end: Update | None = self._walk_end
        if end is None:
            return "it took too long"
        return "" if end.status == "done" else end.reason or end.status

    # --- inside ------------------------------------------------------------------------------

    def _carry_out(self, npc_id: str, request: ActionRequest) -> None:
        """Do what an NPC wants, or answer it as the scenario says."""
        action_id, tool, args = request.action_id, request.tool, request.args
        self.actions.append((npc_id, tool, args))
        self.note("action", npc_id, f"{tool}({spelt(args)})")
        answer = self._engine.get(tool)
        if answer is None:
            self._soon(lambda: self.publish(self.world.begin(npc_id, action_id, tool, args)))
            return
        self._open.append((npc_id, action_id, tool))
        word, reason = next(iter(answer.items())) if isinstance(answer, dict) else (answer, "")
        for status in _STEPS[word]:
            self._soon(self._update, Update(npc_id, action_id, status, reason))  # type: ignore[arg-type]

    def _soon(self, call: Callable[..., object], *args: Any) -> None:
        """Call after the stage has returned: an engine never answers from within a request."""
        asyncio.get_running_loop().call_soon(call, *args)

    def _reasons(self, npc_id: str, turn_id: int) -> list[TraceEntry]:
        turn = self._turns.pop(turn_id, None)
        return [
            TraceEntry(self._step, "asked", npc_id, considered.text)
            for considered in (turn.trace if turn is not None else ())
        ]

    def _tool_entry(self, npc_id: str, used: ToolUse) -> TraceEntry:
        outcome = used.text if used.ok else f"refused, {used.reason}: {used.text}"
        text = f"{used.tool}({spelt(used.args)}): {outcome}"
        return TraceEntry(self._step, "tool", npc_id, text)

    def _update(self, update: Update) -> None:
        if update.actor_id == self.world.player_id:
            if update.status in END_STATUSES:
                self._walk_end = update
            return
        if update.status in END_STATUSES:
            why = f" ({update.reason})" if update.reason else ""
            self.note("update", update.actor_id, f"action {update.status}{why}")
            self._open = [each for each in self._open if each[1] != update.action_id]
        with suppress(SessionError):  # it has ended: the NPC was loaded or has despawned
            self.stage.update_action(
                update.action_id, update.status, update.reason, dict(update.result)
            )


def spelt(args: Mapping[str, Any]) -> str:
    """Arguments as one would write a call."""
    return ", ".join(f"{name}={value}" for name, value in args.items())
