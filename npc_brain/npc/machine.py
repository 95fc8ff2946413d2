"""The state machine of an NPC: data in, data out.

A `Machine` is compiled once per file and shared; an NPC is a `MachineState`, a small value. Each
method takes a state, what can be seen (`Scope`) and the time, and returns a `Step`: the new state
and what has to be done, in order. Nothing is called, waited for or stored here; the caller applies
`Assign` to its blackboard, says lines and uses tools.

The rules, for those who know statecharts (SCXML, https://www.w3.org/TR/scxml/, section 3.13):

- A step runs to completion: guards and timers that are due, the event, guards that have become true
  by it, events that were raised, until nothing moves. At most `MAX_CHAIN` moves are made in a step.
- The innermost state's transitions come first, then its parents'; each in authored order, the
  first whose guard holds is taken.
- A transition leaves states up to the nearest one that contains both the active state and the
  target, then enters downwards, on to `initial`. A target that is active already is left and
  re-entered. So a parent's transition to one of its own children does not leave the parent.
- Effects come as `exit` from the inside out, `do`, `enter` from the outside in.
- `after` counts from the entry of its state. Due with a guard that does not hold, it waits for it.
- An event that no active state declares, or whose guards do not hold, changes nothing.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from npc_brain.errors import DefinitionError, ErrorCode, NpcBrainError
from npc_brain.memory.blackboard import BlackboardError, Kind, as_kind
from npc_brain.npc.compile import Move, Node, Reaction, compile_nodes, kinds_of
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.effects import Assign, AuthoredEffect, Compute, OutwardEffect, Raise
from npc_brain.npc.expressions import EvaluationError, Scope
from npc_brain.npc.secrets import Secrets
from npc_brain.tools.spec import Tool
from npc_brain.world.model import Scalar

MAX_CHAIN = 32
"""Moves and events in one step, so that guards that lead in a circle end."""

MAX_ELAPSED_S = 1e12
"""Of a saved state."""

SPAWN = "spawn"
HEARD = "heard"
CONVERSATION_ENDED = "conversation_ended"


@dataclass(frozen=True, slots=True)
class MachineState:
    """Where an NPC is in its machine.

    Attributes:
        name: The innermost active state.
        entered_at_s: When each state of its path was entered, outermost first.
        used: Keys of the reactions marked `once` that have been taken.
        next_due_s: When a timer is due next; infinite when none is running. Until then, and while
            neither blackboard nor inventories change, a tick has nothing to do.
    """

    name: str
    entered_at_s: tuple[float, ...]
    used: frozenset[str] = frozenset()
    next_due_s: float = math.inf

    def to_json(self, now_s: float) -> dict[str, Any]:
        """The state as JSON; times are kept as time elapsed until `now_s`."""
        return {
            "state": self.name,
            "elapsed_s": [now_s - entered for entered in self.entered_at_s],
            "used": sorted(self.used),
        }


@dataclass(frozen=True, slots=True)
class Transitioned:
    """A transition that was made; `from_state` is None at the start."""

    from_state: str | None
    to_state: str
    event: str


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one input.

    Attributes:
        transitions: In order.
        left: The states that were left, in order; one that is active again was re-entered.
        effects: To carry out in order.
        ignored: Events that no transition was taken for.
        faults: What went wrong in the author's tables or the event's data; for the log.
    """

    state: MachineState
    transitions: tuple[Transitioned, ...] = ()
    left: tuple[str, ...] = ()
    effects: tuple[OutwardEffect, ...] = ()
    ignored: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Machine:
    """A compiled state machine; immutable, made by `compile_machine`."""

    nodes: Mapping[str, Node]
    kinds: Mapping[str, Kind]
    initial: str
    secrets: Secrets

    @property
    def tool_names(self) -> frozenset[str]:
        """Tools that are legal in some state."""
        return frozenset(name for node in self.nodes.values() for name in node.tools)

    def node(self, state: MachineState) -> Node:
        """All that applies in a state."""
        return self.nodes[state.name]

    def start(self, scope: Scope, now_s: float) -> Step:
        """Enter the initial state, then handle `spawn`."""
        run = _Run(self, scope, now_s)
        run.enter_initial()
        run.queue.append((SPAWN,))
        return run.finish()

    def handle(
        self, state: MachineState, event: str, scope: Scope, now_s: float, *, alias: str = ""
    ) -> Step:
        """React to an event, whose data are `scope.event`.

        Args:
            state: Where the NPC is.
            event: Any name; one that the machine does not declare is ignored.
            scope: What can be seen.
            now_s: The time by the clock that the NPC was started with.
            alias: Another name of the same event, tried when the first leads nowhere.
        """
        run = _Run(self, scope, now_s, state)
        run.queue.append((event, alias) if alias else (event,))
        return run.finish()

    def react(self, state: MachineState, reaction: Reaction, scope: Scope, now_s: float) -> Step:
        """Do what a `heard` entry of the active states asks for: its `do`, then its `to`.

        If the state that has the entry was left since it matched, `to` is not a way out any more.
        """
        run = _Run(self, scope, now_s, state)
        if reaction.heard.once:
            run.used = run.used | {reaction.key}
        move = reaction.move
        run.take(move if self.is_open(state, reaction) else replace(move, to=None))
        return run.finish()

    def is_open(self, state: MachineState, reaction: Reaction) -> bool:
        """Whether `reaction` belongs to one of the active states."""
        path = self.node(state).path
        return any(reaction is each for name in path for each in self.nodes[name].reactions)

    def waits_for(self, state: MachineState, tool: Tool) -> str | None:
        """The outermost active state that has a transition on the end of a call of `tool`."""
        ends = {*tool_end_event(tool, is_done=True), *tool_end_event(tool, is_done=False)}
        path = self.node(state).path
        return next((name for name in path if ends & self.nodes[name].moves.keys()), None)

    def tick(self, state: MachineState, scope: Scope, now_s: float) -> Step:
        """Fire timers that are due and guard transitions that hold."""
        return _Run(self, scope, now_s, state).finish()

    def restore(self, saved: Mapping[str, Any], now_s: float) -> MachineState:
        """The state of `MachineState.to_json`, with its timers running on from `now_s`.

        A state that the file no longer has becomes the initial one: a patched game must load old
        saves.

        Raises:
            NpcBrainError: `saved` is not such a value (`bad_blob`).
        """
        keys = ("state", "used", "elapsed_s")
        match [saved.get(key) for key in keys] if isinstance(saved, dict) else []:
            case [str(name), [*used_keys], [*times]] if all(
                isinstance(key, str) for key in used_keys
            ) and all(map(_is_time, times)):
                used, elapsed = frozenset(used_keys), [float(seconds) for seconds in times]
            case _:
                raise NpcBrainError(
                    "a saved machine state is damaged: it has no state, no used reactions or no "
                    "times",
                    code=ErrorCode.BAD_BLOB,
                )
        node = self.nodes.get(name)
        if node is None or node.leaf != name:
            node, elapsed = self.nodes[self.nodes[self.initial].leaf], []
        elapsed += [0.0] * (len(node.path) - len(elapsed))
        entered = tuple(now_s - max(0.0, seconds) for seconds in elapsed[: len(node.path)])
        return MachineState(node.name, entered, used, _next_due_s(node, entered, now_s - 1e-9))


def compile_machine(definition: NpcDefinition, tools: Mapping[str, Tool]) -> Machine:
    """Compile a definition that has been checked.

    Raises:
        DefinitionError: It has a mistake after all, for example a tool that is not registered.
    """
    try:
        nodes = compile_nodes(definition, tools)
        targets = [definition.initial] + [
            move.to for node in nodes.values() for move in _all_moves(node) if move.to is not None
        ]
        for target in targets:
            if target not in nodes:
                raise DefinitionError(f"unknown state `{target}`")
    except (DefinitionError, ValueError) as error:
        hint = getattr(error, "hint", "")
        raise DefinitionError(f"{definition.id}: {error}", hint=hint) from error
    secrets = Secrets(definition.persona.secrets)
    return Machine(nodes, kinds_of(definition), definition.initial, secrets)


def tool_end_event(tool: Tool, *, is_done: bool) -> tuple[str, str]:
    """The event raised when a tool call ends, and its alias (empty when it has none).

    `TOOL_done` or `TOOL_failed`; the tool's own `done_event` is another name of the former.
    """
    return (f"{tool.name}_done", tool.done_event) if is_done else (f"{tool.name}_failed", "")


def _is_time(value: Any) -> bool:
    """Whether `value` is a finite number of seconds that a game can have lasted."""
    return isinstance(value, int | float) and abs(value) < MAX_ELAPSED_S


def _all_moves(node: Node) -> list[Move]:
    moves = [move for group in node.moves.values() for move in group]
    moves += node.watches
    moves += [timer.move for timer in node.timers]
    return moves + [reaction.move for reaction in node.reactions]


def _next_due_s(node: Node, entered_at_s: Sequence[float], now_s: float) -> float:
    next_s = math.inf
    for timer in node.timers:
        due_s = entered_at_s[timer.level] + timer.after_s
        if now_s < due_s < next_s:
            next_s = due_s
    return next_s


class _Run:
    """One step while it is being made."""

    def __init__(
        self, machine: Machine, scope: Scope, now_s: float, state: MachineState | None = None
    ) -> None:
        self._machine = machine
        self._scope = scope
        self._now_s = now_s
        self._state = state
        self._name = state.name if state else ""
        self._entered = state.entered_at_s if state else ()
        self.used = state.used if state else frozenset()
        self.queue: deque[tuple[str, ...]] = deque()
        self._values: dict[str, Scalar] | None = None
        self._transitions: list[Transitioned] = []
        self._left: list[str] = []
        self._effects: list[OutwardEffect] = []
        self._ignored: list[str] = []
        self._faults: list[str] = []

    def enter_initial(self) -> None:
        """Enter the machine from outside."""
        leaf = self._machine.nodes[self._machine.initial].leaf
        self._enter(self._machine.nodes[leaf], 0)
        self._transitions.append(Transitioned(None, leaf, SPAWN))

    def finish(self) -> Step:
        """Run to completion and give the result."""
        for _ in range(MAX_CHAIN):
            if move := self._spontaneous():
                self.take(move)
            elif self.queue:
                self._dispatch(self.queue.popleft())
            else:
                break
        else:
            if self.queue or self._spontaneous():
                self._faults.append(
                    f"stopped after {MAX_CHAIN} moves at once in state `{self._name}`: "
                    "guards or raised events lead in a circle"
                )
        return Step(
            self._final_state(),
            tuple(self._transitions),
            tuple(self._left),
            tuple(self._effects),
            tuple(self._ignored),
            tuple(self._faults),
        )

    def take(self, move: Move) -> None:
        """Make one move."""
        if move.to is None:
            self._apply(move.do)
            return
        nodes = self._machine.nodes
        source, target = nodes[self._name], nodes[move.to]
        kept = 0
        for a, b in zip(source.path, target.path[:-1], strict=False):
            if a != b:
                break
            kept += 1
        for name in reversed(source.path[kept:]):
            self._apply(nodes[name].exit)
            self._left.append(name)
        self._apply(move.do)
        leaf = nodes[target.leaf]
        self._enter(leaf, kept)
        self._transitions.append(Transitioned(source.name, leaf.name, move.label))

    def _enter(self, leaf: Node, kept: int) -> None:
        self._name = leaf.name
        added = len(leaf.path) - kept
        self._entered = (*self._entered[:kept], *((self._now_s,) * added))
        for name in leaf.path[kept:]:
            self._apply(self._machine.nodes[name].enter)

    def _spontaneous(self) -> Move | None:
        """A guard transition that holds, else a timer that is due and whose guard holds."""
        node = self._machine.nodes[self._name]
        for move in node.watches:
            if move.guard is not None and move.guard.evaluate(self._scope):
                return move
        for timer in node.timers:
            if self._entered[timer.level] + timer.after_s <= self._now_s and (
                timer.move.guard is None or timer.move.guard.evaluate(self._scope)
            ):
                return timer.move
        return None

    def _dispatch(self, names: tuple[str, ...]) -> None:
        moves = self._machine.nodes[self._name].moves
        for name in names:
            for move in moves.get(name, ()):
                if move.guard is None or move.guard.evaluate(self._scope):
                    self.take(move)
                    return
        self._ignored.append(names[0])

    def _apply(self, effects: tuple[AuthoredEffect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Compute):
                self._compute(effect)
            elif isinstance(effect, Raise):
                self.queue.append((effect.event,))
            else:
                self._effects.append(effect)

    def _compute(self, effect: Compute) -> None:
        key = effect.key
        try:
            value = as_kind(effect.expression.evaluate(self._scope), self._machine.kinds[key])
        except (EvaluationError, BlackboardError) as error:
            self._faults.append(f"`{key}` was not set in state `{self._name}`: {error}")
            return
        if self._values is None:
            self._values = dict(self._scope.blackboard)
            self._scope = replace(self._scope, blackboard=self._values)
        if value != self._values[key]:
            self._values[key] = value
            self._effects.append(Assign(key, value))

    def _final_state(self) -> MachineState:
        due_s = _next_due_s(self._machine.nodes[self._name], self._entered, self._now_s)
        final = MachineState(self._name, self._entered, self.used, due_s)
        return self._state if final == self._state and self._state else final
