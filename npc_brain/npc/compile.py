"""A definition compiled into the tables that `npc.machine` runs on.

Everything is resolved once per file and shared by all its NPCs: what a nested state takes over from
its parents, which transitions apply in it and in which order, and the states on its path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from npc_brain.errors import DefinitionError
from npc_brain.memory.blackboard import Kind, kind_of
from npc_brain.npc.definition import (
    DEFAULT_FALLBACK,
    EVENT_NAME,
    Heard,
    Mind,
    NpcDefinition,
    State,
    Transition,
    duration_s,
)
from npc_brain.npc.effects import AuthoredEffect, Use, parse_effects
from npc_brain.npc.guards import Guard, compile_guard
from npc_brain.tools.spec import Tool


@dataclass(frozen=True, slots=True)
class Move:
    """One way on: by event, as soon as a guard holds, or after a time.

    Attributes:
        label: What `npc.state` gives as the event: its name, the guard, or `after 120s`.
        to: The target; None stays without leaving the state.
    """

    label: str
    to: str | None
    guard: Guard | None
    do: tuple[AuthoredEffect, ...]


@dataclass(frozen=True, slots=True)
class Timer:
    """A move open once the state at `level` of the path has lasted `after_s`."""

    level: int
    after_s: float
    move: Move


@dataclass(frozen=True, slots=True)
class Reaction:
    """A compiled `heard` entry.

    Attributes:
        key: Names the entry in saved games: it does not change when entries are added or moved.
        uses: The tools of its `do`, which are used before anything else of it happens.
        move: The rest of its `do`, and its `to`.
    """

    key: str
    heard: Heard
    guard: Guard | None
    uses: tuple[Use, ...]
    move: Move


@dataclass(frozen=True, slots=True)
class Node:
    """A state with all that applies in it.

    Attributes:
        path: Names from the outermost state to this one.
        leaf: The state entered when this one is: itself, or by `initial` inwards.
        prompts: Of the path, outermost first; empty ones left out.
        tools: Those that may be chosen.
        moves: By event, the innermost state's first.
        watches: Moves taken as soon as their guard holds, the innermost state's first.
        timers: Moves by time, of the whole path.
        reactions: Of this state alone, in authored order.
        fallback: Lines for when there is no other answer.
        is_watching: Whether a change of the blackboard or of an inventory alone can move it.
    """

    name: str
    path: tuple[str, ...]
    leaf: str
    prompts: tuple[str, ...]
    tools: tuple[str, ...]
    mind: Mind
    emotion: str | None
    enter: tuple[AuthoredEffect, ...]
    exit: tuple[AuthoredEffect, ...]
    moves: Mapping[str, tuple[Move, ...]]
    watches: tuple[Move, ...]
    timers: tuple[Timer, ...]
    reactions: tuple[Reaction, ...]
    fallback: tuple[str, ...]
    is_watching: bool


def walk_states(
    states: Mapping[str, State], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], State]]:
    """Each state with its path of names, parents before their children."""
    for name, state in states.items():
        yield (*path, name), state
        yield from walk_states(state.states, (*path, name))


def is_event(key: str) -> bool:
    """Whether a key of `on` names an event; else it is a guard."""
    return EVENT_NAME.fullmatch(key) is not None


def kinds_of(definition: NpcDefinition) -> dict[str, Kind]:
    """The types of the blackboard keys."""
    return {key: kind_of(value) for key, value in definition.blackboard.items()}


def reaction_key(state: str, heard: Heard) -> str:
    """See `Reaction.key`."""
    words = (*heard.like, *heard.keywords, heard.pattern or "")
    return f"{state}: {words[0]}" if words else state


def compile_nodes(definition: NpcDefinition, tools: Mapping[str, Tool]) -> dict[str, Node]:
    """The nodes of a definition by state name.

    Args:
        definition: One that `npc.checks` finds no mistakes in.
        tools: The tools there are, by name.

    Raises:
        DefinitionError: The first mistake that makes a table impossible.
    """
    compiler = _Compiler(definition, tools)
    for path, state in walk_states(definition.states):
        compiler.add(path, state)
    return compiler.nodes


@dataclass(slots=True)
class _Compiler:
    definition: NpcDefinition
    tools: Mapping[str, Tool]
    nodes: dict[str, Node] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = kinds_of(self.definition)

    def add(self, path: tuple[str, ...], state: State) -> None:
        """Add the node of `state`; those of its parents are there already."""
        name = path[-1]
        if name in self.nodes:
            raise DefinitionError(f"two states are called `{name}`")
        parent = self.nodes[path[-2]] if len(path) > 1 else None
        tools = state.tools if state.tools is not None else parent.tools if parent else ()
        watches = [
            move
            for key, transitions in state.on.items()
            if not is_event(key)
            for move in self._moves(key, transitions)
        ]
        watches += parent.watches if parent else ()
        timers = (*self._timers(len(path) - 1, state), *(parent.timers if parent else ()))
        self.nodes[name] = Node(
            name=name,
            path=path,
            leaf=_leaf(name, state),
            prompts=(
                *(parent.prompts if parent else ()),
                *((state.prompt,) if state.prompt else ()),
            ),
            tools=tuple(name for name in tools if self.tools[name].can_be_chosen),
            mind=state.mind or (parent.mind if parent else "model"),
            emotion=state.emotion or (parent.emotion if parent else None),
            enter=self._enter(name, state),
            exit=parse_effects(state.exit, self.kinds, self.tools, has_event=False),
            moves=self._event_moves(state, parent),
            watches=tuple(watches),
            timers=timers,
            reactions=tuple(self._reaction(name, heard) for heard in state.heard),
            fallback=self._fallback(path),
            is_watching=bool(watches) or any(timer.move.guard for timer in timers),
        )

    def _enter(self, name: str, state: State) -> tuple[AuthoredEffect, ...]:
        effects = parse_effects(state.enter, self.kinds, self.tools, has_event=False)
        return tuple(
            replace(each, state=name) if isinstance(each, Use) else each for each in effects
        )

    def _event_moves(self, state: State, parent: Node | None) -> dict[str, tuple[Move, ...]]:
        moves = dict(parent.moves) if parent else {}
        for event, transitions in state.on.items():
            if is_event(event):
                moves[event] = (*self._moves(event, transitions), *moves.get(event, ()))
        return moves

    def _moves(self, key: str, transitions: tuple[Transition, ...]) -> list[Move]:
        has_event = is_event(key)
        moves = []
        for transition in transitions:
            source = transition.guard
            if not has_event:
                source = f"({key}) and ({source})" if source else key
            moves.append(
                Move(
                    label=key,
                    to=transition.to,
                    guard=self._guard(source, has_event),
                    do=parse_effects(transition.do, self.kinds, self.tools, has_event=has_event),
                )
            )
        return moves

    def _timers(self, level: int, state: State) -> list[Timer]:
        timers = []
        for duration, transitions in state.after.items():
            for transition in transitions:
                do = parse_effects(transition.do, self.kinds, self.tools, has_event=False)
                guard = self._guard(transition.guard, has_event=False)
                move = Move(f"after {duration}", transition.to, guard, do)
                timers.append(Timer(level, duration_s(duration), move))
        return sorted(timers, key=lambda timer: timer.after_s)

    def _reaction(self, state: str, heard: Heard) -> Reaction:
        guard = self._guard(heard.guard, has_event=False)
        do = parse_effects(heard.do, self.kinds, self.tools, has_event=False)
        uses = tuple(each for each in do if isinstance(each, Use))
        rest = tuple(each for each in do if not isinstance(each, Use))
        move = Move("heard", heard.to, None, rest)
        return Reaction(reaction_key(state, heard), heard, guard, uses, move)

    def _guard(self, source: str | None, has_event: bool) -> Guard | None:
        return compile_guard(source, self.kinds, has_event=has_event) if source else None

    def _fallback(self, path: tuple[str, ...]) -> tuple[str, ...]:
        lines = self.definition.lines.fallback
        for name in (*reversed(path), DEFAULT_FALLBACK):
            if name in lines:
                return lines[name]
        return ()


def _leaf(name: str, state: State) -> str:
    while state.initial is not None:
        if state.initial not in state.states:
            raise DefinitionError(f"`initial: {state.initial}` is not a state within `{name}`")
        name, state = state.initial, state.states[state.initial]
    if state.states:
        raise DefinitionError(f"state `{name}` has states within it and no `initial`")
    return name
