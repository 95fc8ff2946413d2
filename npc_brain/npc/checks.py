"""What the parts of an NPC file mean together: names, states, guards, tools and ids.

Every mistake is found in one go, with its place and a hint.

`npc.line_checks` looks at the words; here are the states, tools and ids.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from npc_brain.memory.blackboard import BlackboardError, Kind, as_kind
from npc_brain.npc.compile import is_event, kinds_of, reaction_key, walk_states
from npc_brain.npc.definition import (
    Effect,
    Heard,
    NpcDefinition,
    State,
    Transition,
    duration_s,
)
from npc_brain.npc.effects import OWN_EFFECTS, Compute, EffectError, Use, parse_effect
from npc_brain.npc.expressions import RESERVED_NAMES, ExpressionError, Uses, did_you_mean
from npc_brain.npc.guards import compile_guard
from npc_brain.npc.line_checks import check_lines
from npc_brain.npc.size_checks import check_sizes
from npc_brain.npc.source import DocPath, Problem, Source
from npc_brain.patterns import MAX_TOTAL_SIZE, PatternError, compiled
from npc_brain.schema.marks import Domain, ref_of
from npc_brain.tools.spec import Tool
from npc_brain.world.model import WorldSnapshot


@dataclass(frozen=True, slots=True)
class WorldIds:
    """The ids that a world has, for files that refer to them."""

    items: frozenset[str]
    places: frozenset[str]
    entities: frozenset[str]
    tags: frozenset[str]

    @classmethod
    def of(cls, world: WorldSnapshot) -> "WorldIds":
        """The ids of a snapshot."""
        return cls(
            items=frozenset(item.id for item in world.items),
            places=frozenset(place.id for place in world.places),
            entities=frozenset(entity.id for entity in world.entities),
            tags=frozenset(
                tag
                for named in (world.items, world.places, world.entities)
                for each in named
                for tag in each.tags
            ),
        )

    def of_domain(self, domain: Domain) -> tuple[frozenset[str], str]:
        """The ids that a tool argument of `domain` may have, and what to call one."""
        match domain:
            case Domain.PLACE:
                return self.places, "place"
            case Domain.TAG:
                return self.tags, "tag"
            case Domain.TARGET:
                return self.places | self.entities, "place or entity"
            case Domain.PERSON | Domain.HOLDER | Domain.INVENTORY:
                return self.entities, "entity"
            case (
                Domain.ITEM
                | Domain.HELD_ITEM
                | Domain.USABLE_ITEM
                | Domain.WEARABLE_ITEM
                | Domain.SPEAKER_ITEM
            ):
                return self.items, "item"


def check(
    definition: NpcDefinition,
    tools: Mapping[str, Tool] | None,
    world_ids: WorldIds | None,
    source: Source,
) -> list[Problem]:
    """All mistakes of a definition that fits the file's schema, in the order of the file.

    When there is too much of something, that is the only mistake reported.

    Args:
        definition: The file.
        tools: The tools there are, by name; None leaves tools unchecked.
        world_ids: The ids that the world has; None leaves ids unchecked.
        source: Where its parts are.
    """
    if too_many := check_sizes(definition, source):
        return too_many
    checker = _Checker(definition, tools, world_ids, source)
    checker.check_all()
    problems = checker.problems + check_lines(definition, source, set(checker.names))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


@dataclass(slots=True)
class _Checker:
    definition: NpcDefinition
    tools: Mapping[str, Tool] | None
    world_ids: WorldIds | None
    source: Source
    problems: list[Problem] = field(default_factory=list)
    kinds: dict[str, Kind] = field(init=False)
    names: dict[str, DocPath] = field(default_factory=dict)
    targets: dict[str, set[str]] = field(default_factory=dict)
    pattern_size: int = 0

    def __post_init__(self) -> None:
        self.kinds = kinds_of(self.definition)
        for path, _ in walk_states(self.definition.states):
            at: DocPath = tuple(part for name in path for part in ("states", name))
            if path[-1] in self.names:
                self._add(
                    at, f"two states are called `{path[-1]}`", "duplicate_state",
                    "names are unique in the whole machine",
                )  # fmt: skip
            self.names.setdefault(path[-1], at)

    def check_all(self) -> None:
        definition = self.definition
        self._check_blackboard()
        self._check_patterns(("safety", "refuse"), definition.safety.refuse)
        self._check_ids(("inventory",), definition.inventory, "item")
        self._check_ids(("relationships",), definition.relationships, "entity")
        for name in definition.examples:
            self._check_tool(("examples", name), name)
        for part in ("outcome", "opener"):
            for name in getattr(definition.lines, part):
                self._check_outcome(("lines", part, name), name)
        self._check_target(("initial",), definition.initial, "")
        if definition.initial in self.names and definition.initial not in definition.states:
            self._add(
                ("initial",), f"`initial: {definition.initial}` is nested in another state",
                "bad_initial", "name a state of the outermost `states`",
            )  # fmt: skip
        for path, state in walk_states(definition.states):
            self._check_state(path, state)
        self._check_reachable()

    def _add(self, path: DocPath, message: str, code: str, hint: str = "") -> None:
        self.problems.append(self.source.problem(path, message, code, hint))

    def _check_blackboard(self) -> None:
        for key, value in self.definition.blackboard.items():
            at: DocPath = ("blackboard", key)
            if key in RESERVED_NAMES:
                self._add(at, f"`{key}` has a meaning of its own", "bad_key", "choose another name")
            try:
                as_kind(value, self.kinds[key])
            except BlackboardError as error:
                self._add(at, f"`{key}`: {error.message}", "wrong_type")

    def _check_state(self, path: Sequence[str], state: State) -> None:
        name = path[-1]
        at: DocPath = tuple(part for each in path for part in ("states", each))
        self.targets.setdefault(name, set())
        for index, tool in enumerate(state.tools or ()):
            self._check_tool((*at, "tools", index), tool)
        self._check_effects((*at, "enter"), state.enter, has_event=False)
        self._check_effects((*at, "exit"), state.exit, has_event=False)
        if state.states and state.initial is None:
            first = next(iter(state.states))
            self._add(
                at, f"`{name}` has states within it and no `initial`", "bad_initial",
                f"add `initial: {first}`",
            )  # fmt: skip
        elif state.initial is not None and state.initial not in state.states:
            self._add(
                (*at, "initial"), f"`initial: {state.initial}` is not a state within `{name}`",
                "bad_initial", did_you_mean(state.initial, state.states),
            )  # fmt: skip
        guards: dict[str, str] = {}
        for key, transitions in state.on.items():
            self._check_on(name, (*at, "on", key), key, transitions, guards)
        self._check_after(name, at, state)
        self._check_heard_list(name, at, state.heard)

    def _check_on(
        self, state: str, at: DocPath, key: str, transitions: Sequence[Transition],
        guards: dict[str, str],
    ) -> None:  # fmt: skip
        if is_event(key):
            if key in self.kinds:
                self._add(
                    at, f"`{key}` is a blackboard key, but a plain name here is an event",
                    "bad_guard", f"write `{key} == true` for a guard, or rename one of them",
                )  # fmt: skip
            self._check_event(at, key)
        elif (canonical := self._check_guard(at, key, has_event=False)) is not None:
            if canonical in guards:
                self._add(
                    at, f"duplicate transition: the same guard as `{guards[canonical]}`",
                    "duplicate_transition", "write one list of transitions",
                )  # fmt: skip
            guards[canonical] = key
        self._check_transitions(state, at, transitions, is_spontaneous=not is_event(key))

    def _check_event(self, at: DocPath, event: str) -> None:
        """An event that looks like a tool's end must be one."""
        stem = re.sub("_(done|failed)$", "", event)
        if self.tools is None or stem == event or stem in self.tools:
            return
        if hint := did_you_mean(stem, self.tools):
            self._add(at, f"`{event}` is the end of an unknown tool `{stem}`", "unknown_tool", hint)

    def _check_after(self, name: str, at: DocPath, state: State) -> None:
        durations: dict[float, str] = {}
        for key, transitions in state.after.items():
            inner = (*at, "after", key)
            try:
                seconds = duration_s(key)
            except ValueError as error:
                self._add(inner, str(error), "bad_duration", "such as 500ms, 90s, 5m or 1h")
            else:
                if seconds in durations:
                    self._add(
                        inner, f"duplicate transition: as long as `{durations[seconds]}`",
                        "duplicate_transition", "write one list of transitions with guards",
                    )  # fmt: skip
                durations[seconds] = key
            self._check_transitions(name, inner, transitions, is_spontaneous=True, has_event=False)

    def _check_transitions(
        self, state: str, at: DocPath, transitions: Sequence[Transition], *,
        is_spontaneous: bool, has_event: bool | None = None,
    ) -> None:  # fmt: skip
        has_event = not is_spontaneous if has_event is None else has_event
        seen: set[str | None] = set()
        if not transitions:
            self._add(at, "no transition is given", "empty_transition", "name a target state")
        for index, transition in enumerate(transitions):
            inner: DocPath = (*at, index)
            guard: str | None = None
            if transition.guard is not None:
                guard = self._check_guard((*inner, "if"), transition.guard, has_event=has_event)
            if transition.guard is None or guard is not None:
                self._check_shadowed(inner, guard, seen)
                seen.add(guard)
            if transition.to is not None:
                self._check_target((*inner, "to"), transition.to, state)
            elif is_spontaneous:
                self._add(
                    inner, "a transition by guard or time needs `to`", "missing_target",
                    f"to do it again and again write `to: {state}`",
                )  # fmt: skip
            elif not transition.do:
                self._add(inner, "needs `to`, `do` or both", "missing_target")
            self._check_effects((*inner, "do"), transition.do, has_event=has_event)

    def _check_shadowed(self, at: DocPath, guard: str | None, seen: set[str | None]) -> None:
        if None in seen:
            self._add(
                at, "duplicate transition: one without a guard comes before it",
                "duplicate_transition", "put the one without a guard last",
            )  # fmt: skip
        elif guard in seen:
            self._add(
                at, f"duplicate transition: the guard `{guard}` again", "duplicate_transition"
            )

    def _check_target(self, at: DocPath, target: str, state: str) -> None:
        if target in self.names:
            self.targets.setdefault(state, set()).add(target)
        else:
            hint = did_you_mean(target, self.names) or f"states are: {', '.join(self.names)}"
            self._add(at, f"unknown state `{target}`", "unknown_state", hint)

    def _check_heard_list(self, state: str, at: DocPath, entries: Sequence[Heard]) -> None:
        keys: set[str] = set()
        for index, heard in enumerate(entries):
            inner = (*at, "heard", index)
            key = reaction_key(state, heard)
            if heard.once and key in keys:
                self._add(
                    inner, "an entry above begins with the same words", "duplicate_heard",
                    "`once` needs entries that differ in their first sentence",
                )  # fmt: skip
            keys.add(key)
            self._check_heard(state, inner, heard)

    def _check_heard(self, state: str, at: DocPath, heard: Heard) -> None:
        given = [name for name in ("like", "keywords", "pattern") if getattr(heard, name)]
        if len(given) != 1:
            got = " and ".join(given) or "none of them"
            self._add(
                at, f"needs exactly one of `like`, `keywords` and `pattern`, got {got}",
                "bad_heard", "split it into several entries" if given else "",
            )  # fmt: skip
        if not (heard.say or heard.do or heard.to or heard.prompt):
            self._add(at, "does nothing", "bad_heard", "add `say`, `do`, `to` or `prompt`")
        if "min" in heard.model_fields_set and not heard.like:
            self._add((*at, "min"), "`min` is for `like` only", "bad_heard", "remove it")
        if heard.pattern is not None:
            self._check_patterns((*at, "pattern"), (heard.pattern,))
        for index, word in enumerate(heard.keywords):
            if not re.search(r"\w", word):
                self._add((*at, "keywords", index), f"`{word}` has no letters", "bad_heard")
        if heard.guard is not None:
            self._check_guard((*at, "if"), heard.guard, has_event=False)
        if heard.to is not None:
            self._check_target((*at, "to"), heard.to, state)
        if self.world_ids is not None:
            ids = self.world_ids
            known = ids.items | ids.places | ids.entities | ids.tags
            for index, wanted in enumerate(heard.wants):
                self._check_id((*at, "wants", index), wanted, known, "item, place or entity")
        self._check_effects((*at, "do"), heard.do, has_event=False)

    def _check_patterns(self, at: DocPath, patterns: Iterable[str]) -> None:
        for index, pattern in enumerate(patterns):
            if self.pattern_size > MAX_TOTAL_SIZE:
                return  # which was told
            try:
                self.pattern_size += compiled(pattern, ignore_case=True).size
            except PatternError as error:
                self._add(
                    (*at, index),
                    f"`{pattern[:80]}` is not a regular expression of use here: {error.message}",
                    "bad_pattern", error.hint,
                )  # fmt: skip
            if self.pattern_size > MAX_TOTAL_SIZE:
                self._add(
                    (*at, index),
                    f"all patterns together have more than {MAX_TOTAL_SIZE} characters",
                    "bad_pattern", "use `keywords`, or fewer and shorter patterns",
                )  # fmt: skip

    def _check_guard(self, at: DocPath, text: str, *, has_event: bool) -> str | None:
        """The guard's canonical text; None when it is bad."""
        try:
            guard = compile_guard(text, self.kinds, has_event=has_event)
        except ExpressionError as error:
            self._add(at, f"bad guard: {error.message}", "bad_guard", error.hint)
            return None
        self._check_uses(at, guard.uses)
        return guard.canonical

    def _check_uses(self, at: DocPath, uses: Uses) -> None:
        for item in sorted(uses.items):
            if self.world_ids is not None:
                self._check_id(at, item, self.world_ids.items, "item")

    def _check_effects(self, at: DocPath, effects: Sequence[Effect], *, has_event: bool) -> None:
        tools = self.tools
        for index, effect in enumerate(effects):
            inner = (*at, index)
            if tools is None and len(effect) == 1 and not effect.keys() & OWN_EFFECTS:
                continue
            try:
                parsed = parse_effect(effect, self.kinds, tools or {}, has_event=has_event)
            except EffectError as error:
                self._add((*inner, *error.path), error.message, error.kind, error.hint)
                continue
            for part in parsed:
                if isinstance(part, Compute):
                    self._check_uses((*inner, "set", part.key), part.expression.uses)
                elif isinstance(part, Use) and tools is not None:
                    self._check_args((*inner, part.tool), tools[part.tool], part.args)

    def _check_args(self, at: DocPath, tool: Tool, args: Mapping[str, Any]) -> None:
        if self.world_ids is None:
            return
        for name, value in args.items():
            schema = tool.schema.get("properties", {}).get(name, {})
            ref = ref_of(schema.get("items", schema))
            if ref is None:
                continue
            known, what = self.world_ids.of_domain(ref.domain)
            for each in value if isinstance(value, list | tuple) else (value,):
                if isinstance(each, str) and each and "{" not in each:
                    self._check_id((*at, name), each, known, what)

    def _check_ids(self, at: DocPath, ids: Iterable[str], what: str) -> None:
        if self.world_ids is None:
            return
        known = self.world_ids.items if what == "item" else self.world_ids.entities
        for each in ids:
            self._check_id((*at, each), each, known, what)

    def _check_id(self, at: DocPath, value: str, known: frozenset[str], what: str) -> None:
        if value not in known:
            code = f"unknown_{what.split()[0].strip(',')}"
            hint = did_you_mean(value, known) or "the world file does not have it"
            self._add(at, f"unknown {what} `{value}`", code, hint)

    def _check_tool(self, at: DocPath, name: str) -> None:
        if self.tools is not None and name not in self.tools:
            hint = did_you_mean(name, self.tools) or f"tools are: {', '.join(sorted(self.tools))}"
            self._add(at, f"unknown tool `{name}`", "unknown_tool", hint)

    def _check_outcome(self, at: DocPath, key: str) -> None:
        """A key is `TOOL` or `TOOL_REASON`."""
        if self.tools is None:
            return
        if not any(key == name or key.startswith(f"{name}_") for name in self.tools):
            hint = did_you_mean(key, self.tools) or "write TOOL or TOOL_REASON"
            self._add(at, f"`{key}` begins with no tool's name", "unknown_tool", hint)

    def _check_reachable(self) -> None:
        children = {path[-1]: (path, state) for path, state in walk_states(self.definition.states)}
        reached: set[str] = set()
        todo = [self.definition.initial]
        while todo:
            name = todo.pop()
            if name not in children or name in reached:
                continue
            path, state = children[name]
            reached.add(name)
            todo += path[:-1]
            todo += self.targets[name]
            if state.initial:
                todo.append(state.initial)
        for name, at in self.names.items():
            if name not in reached:
                self._add(
                    at, f"state `{name}` cannot be reached", "unreachable_state",
                    "lead a transition to it or remove it",
                )  # fmt: skip
