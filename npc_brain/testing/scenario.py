"""The scenario file: what is given, what happens, what is expected; from YAML, without pytest.

`docs/scenarios.md` describes it for authors. Every mistake is found in one go and named by file and
line, those that only show together with the world and the NPC files too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from npc_brain.errors import DefinitionError, ScenarioError, WorldError
from npc_brain.files import is_file
from npc_brain.inference.profile import ModelProfile
from npc_brain.npc.compile import walk_states
from npc_brain.npc.definition import Authored, EventName, NpcDefinition, Strings, duration_s
from npc_brain.npc.expressions import did_you_mean
from npc_brain.npc.loader import load_definition
from npc_brain.npc.source import DocPath, Problem, problems_text, read_document
from npc_brain.npc.source import Source as Places
from npc_brain.patterns import PatternError, compiled
from npc_brain.simulation.world_file import Character, WorldFile, load_world_file
from npc_brain.tools.registry import BUILT_INS
from npc_brain.vocabulary import Outcome, Source
from npc_brain.world.model import Count, Id, Item, Scalar

VERBS = ("hear", "event", "wait", "action", "give", "go", "attack")
"""What can happen in a step; each step has exactly one of them."""

ActionWord = Literal["accepted", "started", "done", "failed", "refused", "cancelled", "ignored"]


class Reply(Authored):
    """What the scripted model answers; see `inference.backends.scripted.ScriptedReply`.

    Attributes:
        when: Only when what was heard last contains this.
        after: Only for the result of this tool.
        call: Arguments by tool name.
        times: How often it can be used; 0 is without limit.
    """

    when: str = ""
    after: str = ""
    say: str = ""
    call: dict[str, dict[str, Any]] = {}
    times: Count = 0


class Given(Authored):
    """Where a scenario begins.

    Attributes:
        world: Path of a world file, from the scenario file; or an inline one, of which only what
            matters need be said. None: a bare room.
        npc: The NPC that the scenario is about: the name of a file in `npcs/` beside the world
            file, or a path of an NPC file.
        npcs: More NPCs that live.
        state: Where the NPC starts, in place of its initial state (which it then never enters).
        inventory: By owner, counts of items that differ from the files.
        speaker: Who speaks to the NPC.
        model: What the scripted model says; without it there is none, unless the scenario is run
            against a real one. An empty list: not even then.
        profile: What the scripted model is good for. By default it is able if a reply calls a tool,
            else small.
        engine: By tool, how the game answers its actions, in place of the simulated world:
            a word, or a word with a reason.
    """

    world: str | dict[str, Any] | None = None
    npc: str
    npcs: Strings = ()
    state: str | None = None
    blackboard: dict[str, Scalar] = {}
    inventory: dict[Id, dict[Id, Count]] = {}
    facts: dict[Id, Scalar] = {}
    seed: int = 0
    speaker: Id = "player"
    model: tuple[Reply, ...] | None = None
    profile: ModelProfile | None = None
    encoder: Literal["lexical", "minilm-l6"] = "lexical"
    engine: dict[str, ActionWord | dict[ActionWord, str]] = {}


class ExpectedCall(Authored):
    """A tool call or an action; only the arguments that are named are compared."""

    tool: str
    args: dict[str, Any] = {}
    ok: bool | None = None
    reason: str | None = None


Calls = tuple[
    Annotated[
        ExpectedCall,
        BeforeValidator(lambda value: {"tool": value} if isinstance(value, str) else value),
    ],
    ...,
]
"""Calls in order; a lone name stands for a call with any arguments."""


class LineRules(Authored):
    """Rules on what the NPC said in a step, all its lines together. Letter case is ignored.

    Attributes:
        contains: Each of these is in it.
        any_of: At least one of these is.
        not_contains: None of these is.
        matches: A regular expression that is found in it.
    """

    contains: Strings = ()
    any_of: Strings = ()
    not_contains: Strings = ()
    matches: str | None = None
    source: Source | None = None
    emotion: str | None = None
    max_words: Annotated[int, Field(ge=1)] | None = None


class Expect(Authored):
    """What must hold after a step; what is not named may be anything.

    Attributes:
        state: The NPC's state, or one around it.
        states: All states entered in this step, in order.
        tools: All tools used in turns of this step, in order.
        actions: All actions asked of the game in this step, in order.
        silent: Whether the NPC said nothing.
        outcome: How the last turn ended.
        inventory: By owner, counts of items in the simulated world.
        at: The place that the NPC stands at.
    """

    state: str | None = None
    states: Strings | None = None
    tools: Calls | None = None
    actions: Calls | None = None
    line: LineRules | None = None
    silent: bool | None = None
    outcome: Outcome | None = None
    blackboard: dict[str, Scalar] = {}
    inventory: dict[Id, dict[Id, Count]] = {}
    facts: dict[Id, Scalar] = {}
    at: Id | None = None


class Step(Authored):
    """Something that happens, and what is expected then. Exactly one of `VERBS` is set.

    Attributes:
        hear: The speaker says this to the NPC.
        event: The game raises this event, with `data`.
        wait: So much time passes, such as `30s`.
        action: How an action under way goes on, by tool; for tools in `given.engine`.
        give: The player hands these items over.
        go: The player walks to this place.
        attack: The player attacks the NPC.
        to: Another NPC than `given.npc`, for `hear`, `event`, `give`, `attack`, `action`.
        by: Another speaker than `given.speaker`.
        reason: Why an `action` failed or was refused.
    """

    hear: str | None = None
    event: EventName | None = None
    wait: str | None = None
    action: dict[str, ActionWord] | None = None
    give: dict[Id, Annotated[int, Field(ge=1)]] | None = None
    go: Id | None = None
    attack: Literal[True] | None = None
    to: str | None = None
    by: Id | None = None
    data: dict[str, Scalar] = {}
    reason: str = ""
    expect: Expect = Expect()

    @property
    def verb(self) -> str:
        """What happens."""
        return next(verb for verb in VERBS if getattr(self, verb) is not None)


class ExpectedFailure(Authored):
    """The scenario must fail: at this step (from 1), by this rule."""

    step: Annotated[int, Field(ge=1)]
    rule: str
    reason: str = ""


class ScenarioFile(Authored):
    """A whole scenario file."""

    name: str
    given: Given
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    xfail: ExpectedFailure | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that has been read and checked, with the files it needs.

    Attributes:
        file: As the user named it.
        definitions: By NPC id, the one that the scenario is about first.
        step_lines: The line of each step, from 1.
        text: The file's lines.
    """

    file: str
    spec: ScenarioFile
    world: WorldFile
    definitions: Mapping[str, NpcDefinition]
    step_lines: tuple[int, ...]
    text: tuple[str, ...]

    @property
    def npc_id(self) -> str:
        """The NPC that it is about."""
        return next(iter(self.definitions))


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file.

    Raises:
        ScenarioError: It has mistakes; the message has one `file:line: problem` per line.
    """
    scenario, problems = read_scenario(path)
    if scenario is None or problems:
        raise ScenarioError(
            problems_text(problems), hint="docs/scenarios.md describes scenario files"
        )
    return scenario


def is_scenario(value: object) -> bool:
    """Whether a document is meant to be a scenario."""
    return isinstance(value, Mapping) and ("steps" in value or "given" in value)


def read_scenario(path: Path) -> tuple[Scenario | None, list[Problem]]:
    """As `load_scenario`, with the mistakes as values."""
    document = read_document(path)
    source = document.source
    if document.problems:
        return None, document.problems
    if not is_scenario(document.value):
        hint = "a scenario has `name`, `given` and `steps`"
        return None, [source.problem((), "is not a scenario", "unknown_kind", hint)]
    try:
        spec = ScenarioFile.model_validate(document.value, strict=True)
    except ValidationError as error:
        return None, _schema_problems(error, source)
    files = _Files(path, source, spec)
    if files.problems:
        return None, files.problems
    world, definitions = files.world, files.definitions
    problems = list(_Checker(spec, source, world, definitions).problems())
    lines = tuple(source.positions[("steps", n)][0] for n in range(len(spec.steps)))
    text = tuple(document.text.splitlines())
    return Scenario(source.file, spec, world, definitions, lines, text), problems


def _schema_problems(error: ValidationError, source: Places) -> list[Problem]:
    problems: dict[DocPath, Problem] = {}
    for details in error.errors():
        path = tuple(
            part for part in details["loc"] if part != "[key]" and not _is_choice(part, details)
        )
        name = path[-1] if path else ""
        if details["type"] == "extra_forbidden":
            problem = source.problem(
                path, f"unknown key `{name}`", "unknown_field", did_you_mean(str(name), _KEYS)
            )
        elif details["type"] == "missing":
            hint = f"add `{name}:`"
            problem = source.problem(path, f"`{name}` is missing", "missing_field", hint)
        else:
            message = details["msg"].replace("Input should be", "should be")
            message = f"got {details['input']!r:.60}, {message}"
            problem = source.problem(path, message, "wrong_type")
        problems.setdefault(problem.path, problem)
    return list(problems.values())


_KEYS = frozenset(
    field
    for model in (ScenarioFile, Given, Reply, Step, Expect, ExpectedCall, LineRules)
    for field in model.model_fields
)


def _is_choice(part: str | int, details: Any) -> bool:
    """Whether a part of an error's path is pydantic's name for one of several types."""
    return isinstance(part, str) and (part == "str" or "[" in part or part.startswith("literal"))


class _Files:
    """The world and the NPC files that a scenario names."""

    def __init__(self, path: Path, source: Places, spec: ScenarioFile) -> None:
        self.problems: list[Problem] = []
        self.definitions: dict[str, NpcDefinition] = {}
        self._path = path
        self._source = source
        given = spec.given
        world_path = path.parent / given.world if isinstance(given.world, str) else None
        self._directories = [
            directory / "npcs"
            for directory in (
                *((world_path.parent,) if world_path else ()),
                path.parent,
                path.parent.parent,
            )
        ]
        self._add_npc(("given", "npc"), given.npc)
        for index, name in enumerate(given.npcs):
            self._add_npc(("given", "npcs", index), name)
        try:
            if world_path is not None:
                self.world = load_world_file(world_path)
            else:
                inline = given.world if isinstance(given.world, dict) else {}
                self.world = _inline_world(inline, self.definitions)
        except WorldError as error:
            for line in error.message.splitlines():
                self._add(("given", "world"), line, "bad_world", error.hint)
        except ValidationError as error:
            for details in error.errors():
                where = ("given", "world", *details["loc"])
                self._add(where, details["msg"], "bad_world", "see a world file for what it takes")

    def _add(self, path: DocPath, message: str, code: str, hint: str = "") -> None:
        self.problems.append(self._source.problem(path, message, code, hint))

    def _add_npc(self, where: DocPath, name: str) -> None:
        candidates = [directory / f"{name}.yaml" for directory in self._directories]
        if name.endswith((".yaml", ".yml")):
            candidates = [self._path.parent / name]
        found = next((each for each in candidates if is_file(each)), None)
        if found is None:
            known = sorted({p.stem for d in self._directories for p in d.glob("*.yaml")})
            hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
            self._add(where, f"there is no NPC file `{name}`", "unknown_npc", hint)
            return
        try:
            definition = load_definition(found, BUILT_INS)
        except DefinitionError as error:
            self._add(where, f"{found} has mistakes: {error.message}", "bad_npc", error.hint)
            return
        self.definitions[definition.id] = definition


def _inline_world(data: Mapping[str, Any], npcs: Mapping[str, NpcDefinition]) -> WorldFile:
    """A world file of which only some parts are given: the rest is a bare room.

    Raises ValidationError.
    """
    held = {item for npc in npcs.values() for item in npc.inventory}
    stated = {row["id"] for row in data.get("npcs", ()) if isinstance(row, Mapping) and "id" in row}
    defaults: dict[str, Any] = {
        "version": 1,
        "name": "A bare room",
        "legend": {".": {"name": "floor"}},
        "map": ("." * 24,) * 12,
        "items": tuple(Item(id=item, name=item.replace("_", " ")) for item in sorted(held)),
        "player": Character(id="player", name="Traveller", position=(1, 1)),
    }
    rows = tuple(
        Character(id=npc_id, name=npc.persona.name, position=(2 + 2 * n, 2))
        for n, (npc_id, npc) in enumerate(npcs.items())
        if npc_id not in stated
    )
    return WorldFile.model_validate({**defaults, **data, "npcs": (*data.get("npcs", ()), *rows)})


class _Checker:
    """What a scenario says that does not fit the world, the NPCs or the tools."""

    def __init__(
        self,
        spec: ScenarioFile,
        source: Places,
        world: WorldFile,
        definitions: Mapping[str, NpcDefinition],
    ) -> None:
        self._spec = spec
        self._source = source
        self._definitions = definitions
        self._items = {item.id for item in world.items}
        self._places = {place.id for place in world.places}
        people = (world.player, *world.npcs)
        self._owners = {row.id for row in (*people, *world.objects)} | world.inventories.keys()
        self._npcs = {row.id for row in world.npcs}

    def problems(self) -> Iterator[Problem]:
        """All of them, from the top."""
        given, npc_id = self._spec.given, next(iter(self._definitions))
        for each in self._definitions:
            yield from self._known(("given", "npc"), "character of the world", each, self._npcs)
        if given.state is not None:
            yield from self._state(("given", "state"), given.state, npc_id)
        yield from self._blackboard(("given", "blackboard"), given.blackboard, npc_id)
        yield from self._inventory(("given", "inventory"), given.inventory)
        yield from self._known(("given", "speaker"), "character", given.speaker, self._owners)
        for index, reply in enumerate(given.model or ()):
            for tool in (*reply.call, *((reply.after,) if reply.after else ())):
                yield from self._tool(("given", "model", index), tool)
        for tool in given.engine:
            yield from self._tool(("given", "engine", tool), tool)
        for index, step in enumerate(self._spec.steps):
            yield from self._step(("steps", index), step, npc_id)
        xfail = self._spec.xfail
        if xfail is not None and xfail.step > len(self._spec.steps):
            yield self._source.problem(
                ("xfail", "step"), f"there is no step {xfail.step}", "bad_xfail"
            )

    def _step(self, where: DocPath, step: Step, npc_id: str) -> Iterator[Problem]:
        verbs = [verb for verb in VERBS if getattr(step, verb) is not None]
        if len(verbs) != 1:
            got = f"got {' and '.join(verbs)}" if verbs else "got none"
            yield self._source.problem(
                where, f"a step has exactly one of {', '.join(VERBS)}; {got}", "bad_step"
            )
            return
        if step.to is not None:
            yield from self._known((*where, "to"), "NPC", step.to, set(self._definitions))
        if step.by is not None:
            yield from self._known((*where, "by"), "character", step.by, self._owners)
        if step.wait is not None:
            try:
                duration_s(step.wait)
            except ValueError as error:
                yield self._source.problem((*where, "wait"), str(error), "bad_duration")
        if step.go is not None:
            yield from self._known((*where, "go"), "place", step.go, self._places)
        for item in step.give or ():
            yield from self._known((*where, "give", item), "item", item, self._items)
        for tool in step.action or ():
            yield from self._known(
                (*where, "action", tool), "tool of `given.engine`", tool,
                set(self._spec.given.engine),
            )  # fmt: skip
        yield from self._expect((*where, "expect"), step.expect, step.to or npc_id)

    def _expect(self, where: DocPath, expect: Expect, npc_id: str) -> Iterator[Problem]:
        if npc_id not in self._definitions:
            return
        for state in (*((expect.state,) if expect.state else ()), *(expect.states or ())):
            yield from self._state((*where, "state"), state, npc_id)
        for name in ("tools", "actions"):
            for index, call in enumerate(getattr(expect, name) or ()):
                yield from self._tool((*where, name, index), call.tool)
        yield from self._blackboard((*where, "blackboard"), expect.blackboard, npc_id)
        yield from self._inventory((*where, "inventory"), expect.inventory)
        if expect.at is not None:
            yield from self._known((*where, "at"), "place", expect.at, self._places)
        if expect.line is not None and expect.line.matches is not None:
            try:
                compiled(expect.line.matches, ignore_case=True)
            except PatternError as error:
                yield self._source.problem(
                    (*where, "line", "matches"),
                    f"is no regular expression of use here: {error.message}",
                    "bad_pattern",
                    error.hint,
                )

    def _known(
        self, where: DocPath, kind: str, name: str, known: set[str] | frozenset[str]
    ) -> Iterator[Problem]:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are: {', '.join(sorted(known)) or 'none'}"
            yield self._source.problem(where, f"there is no {kind} `{name}`", "unknown_name", hint)

    def _tool(self, where: DocPath, name: str) -> Iterator[Problem]:
        yield from self._known(where, "tool", name, set(BUILT_INS))

    def _state(self, where: DocPath, name: str, npc_id: str) -> Iterator[Problem]:
        states = {path[-1] for path, _ in walk_states(self._definitions[npc_id].states)}
        yield from self._known(where, f"state of {npc_id}", name, states)

    def _blackboard(
        self, where: DocPath, values: Mapping[str, Scalar], npc_id: str
    ) -> Iterator[Problem]:
        for key in values:
            known = set(self._definitions[npc_id].blackboard)
            yield from self._known((*where, key), f"blackboard key of {npc_id}", key, known)

    def _inventory(
        self, where: DocPath, stacks: Mapping[str, Mapping[str, int]]
    ) -> Iterator[Problem]:
        for owner, items in stacks.items():
            yield from self._known((*where, owner), "owner", owner, self._owners)
            for item in items:
                yield from self._known((*where, owner, item), "item", item, self._items)
