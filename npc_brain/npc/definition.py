"""The NPC file: what an author may write.

These models know the shape of the file and nothing of tools, worlds or machines: `npc.loader` reads
files into them, `npc.checks` looks at what they mean together. Shorthands are taken apart here, so
that everyone else sees one form: a lone line is a tuple of one, a target is a `Transition`.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from npc_brain.world.model import Count, Id, Name, Scalar

StateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
EventName = StateName
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
"""A key of `on` that matches this as a whole is an event; any other is a guard."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
MAX_DURATION_S = 7 * 24 * 3600.0

DEFAULT_FALLBACK = "default"
"""The key of `lines.fallback` for all states that have no lines of their own."""

Line = Annotated[str, Field(min_length=1, max_length=400)]
"""A line that is said. `{key}` is replaced by a blackboard key, by `speaker`, `name`, or by a field
of the last tool result (`{steps}`, `{direction}`); unknown names are mistakes."""

ToolChoice = Literal["encoder", "model", "both"]
"""Who picks the tool for what was heard: the sentence encoder, the language model, or the encoder
first and the model where the encoder is not sure."""


def duration_s(text: str) -> float:
    """Seconds of a duration such as `500ms`, `120s`, `5m` or `1h`.

    Raises:
        ValueError: It is not one, is zero, or is longer than a week.
    """
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNIT_S[match[2]] if match else 0.0
    if not 0 < seconds <= MAX_DURATION_S:
        raise ValueError(f"`{text}` is not a duration above zero and up to a week")
    return seconds


def _as_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_transitions(value: Any) -> Any:
    if isinstance(value, str | dict):
        value = (value,)
    if isinstance(value, list | tuple):
        return tuple({"to": item} if isinstance(item, str) else item for item in value)
    return value


Alternatives = Annotated[tuple[Line, ...], BeforeValidator(_as_many, Line | tuple[Line, ...])]
"""One line, or several alternatives of which one is drawn by seed."""

Strings = Annotated[tuple[str, ...], BeforeValidator(_as_many, str | tuple[str, ...])]
"""One string or several."""


class Authored(BaseModel):
    """Base of all parts of an NPC file: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Persona(Authored):
    """Who the NPC is; goes into the prompt.

    Attributes:
        name: What others call the NPC.
        role: What the NPC is, in a few words: "innkeeper of the Drowsy Heron".
        voice: How the NPC talks: "warm, quick, dry".
        backstory: Where the NPC comes from, in a sentence or two.
        knowledge: Facts that the NPC knows and may tell.
        secrets: Never told: they stay out of the prompt, and a line that spells one is replaced.
        language: The language that a model is asked to speak.
    """

    name: Name
    role: str
    voice: str = ""
    backstory: str = ""
    knowledge: Strings = ()
    secrets: Strings = ()
    language: str = "English"


class Lines(Authored):
    """Authored lines that are not tied to a trigger; several are alternatives, drawn by seed.

    Attributes:
        greeting: Said to someone's first greeting, and without a model to whatever they say first.
        fallback: By state name, or `default` for all others: said when time or the model is
            missing. A state's lines serve the states nested in it.
        outcome: Wording of a tool's outcome without a model, by `TOOL` or `TOOL_REASON`
            (`go_to`, `go_to_failed`, `inventory_give_not_held`). Tools bring English defaults.
        opener: How a model-made line starts for an outcome; same keys. Default: the
            `outcome` lines.
    """

    greeting: Alternatives = ()
    fallback: dict[StateName, Alternatives]
    outcome: dict[str, Alternatives] = {}
    opener: dict[str, Alternatives] = {}


class Safety(Authored):
    """What the NPC refuses to talk about.

    Attributes:
        refuse: Patterns; what was heard is not answered when one of them is found in it. Case does
            not matter.
        line: What the NPC says instead, as alternatives.
    """

    refuse: Strings = ()
    line: Alternatives = ()


Effect = dict[str, Any]
"""One step of `enter`, `exit` or `do`: `{NAME: VALUE}`.

`say` or `bark`: a line or a list of alternatives. `set`: {key: expression}. `raise`: an event name.
Any tool name: its arguments as a map, or one value for its first argument (`{go_to: cellar}`).
"""


class Transition(Authored):
    """A way out of a state, or what is done without leaving it.

    Attributes:
        to: The state to enter; without it the NPC stays where it is.
        guard: A condition; the transition is only taken when it is true.
        do: Effects carried out on the way.
    """

    to: StateName | None = None
    guard: Annotated[str | None, Field(alias="if")] = None
    do: tuple[Effect, ...] = ()


Transitions = Annotated[
    tuple[Transition, ...],
    BeforeValidator(_as_transitions, StateName | Transition | tuple[StateName | Transition, ...]),
]
"""A target, a transition, or several with guards, tried in order."""


class Heard(Authored):
    """A reaction to what was heard.

    One of `like` (by meaning: any of these sentences at least `min` alike), `keywords` (any word or
    phrase) or `pattern` (regular expression, searched, case-insensitive). A state's list is tried
    in order; once a `like` entry matches, the nearest in meaning of that state's `like` entries is
    taken. See `npc.triggers`.

    Attributes:
        like: Sentences; one that means about the same matches.
        min: How alike in meaning a sentence must be, from 0 to 1.
        keywords: Words or phrases; any one of them matches.
        pattern: A regular expression, searched for in what was heard. Case does not matter.
        wants: Ids (items, places, entities) one of which must be mentioned as well.
        guard: A condition; the reaction only applies when it is true.
        do: Effects carried out before anything is said.
        say: Lines to answer with, as alternatives. Without `say` the turn goes on to the tools and
            the model after `do`, with `prompt` as an added instruction.
        prompt: An instruction added to the model's prompt for this turn.
        emotion: The emotion of the line.
        to: The state to enter afterwards.
        once: Matches only once in the NPC's life.
    """

    like: Strings = ()
    min: Annotated[float, Field(ge=0, le=1)] = 0.5
    keywords: Strings = ()
    pattern: str | None = None
    wants: tuple[Id, ...] = ()
    guard: Annotated[str | None, Field(alias="if")] = None
    do: tuple[Effect, ...] = ()
    say: Alternatives = ()
    prompt: str = ""
    emotion: str | None = None
    to: StateName | None = None
    once: bool = False


class State(Authored):
    """A state; states nest, names are unique in the whole machine.

    Attributes:
        prompt: What the model is told about this situation.
        tools: Tools that are legal here, besides `say`. None: those of the parent, at the top none.
        mind: `model` asks the language model, `scripted` never does. None: as the parent, at
            the top `model`.
        emotion: The emotion of lines said in this state, unless something else sets one.
        enter: Effects carried out on entering the state.
        exit: Effects carried out on leaving it.
        heard: Reactions to what is said to the NPC, tried in order.
        on: By event name: a target, a transition, or a list of transitions with guards, in order.
            A key that is not a plain event name is a guard: taken as soon as it is true.
        after: By duration (`500ms`, `120s`, `5m`, `1h`) in this state: a target or transition. With
            a guard that is not true by then, taken as soon as it is.
        initial: The child entered with this state, when it has children.
        states: States within this one; they inherit its tools, transitions and prompt.
    """

    prompt: str = ""
    tools: tuple[str, ...] | None = None
    mind: Literal["model", "scripted"] | None = None
    emotion: str | None = None
    enter: tuple[Effect, ...] = ()
    exit: tuple[Effect, ...] = ()
    heard: tuple[Heard, ...] = ()
    on: dict[str, Transitions] = {}
    after: dict[str, Transitions] = {}
    initial: StateName | None = None
    states: dict[StateName, "State"] = {}


def _make_id_optional(schema: dict[str, Any]) -> None:
    schema["required"].remove("id")


class NpcDefinition(Authored):
    """A whole NPC file.

    Attributes:
        id: Default `npc_id`; the file's stem when the file does not say.
        persona: Who the NPC is.
        lines: What the NPC says without a model.
        safety: What the NPC refuses to talk about.
        blackboard: The keys there are, with their first values; their types stay.
        inventory: What the game should give the NPC at the start, by item id.
        relationships: What the NPC thinks of others, by entity id; goes into the prompt.
        examples: Things a player may say that ask for a tool, by tool name, besides the tool's own.
        tool_choice: Who chooses a tool for what was heard. By default what suits the model in use.
        deadline_ms: How long a turn may take, unless `npc.hear` says otherwise.
        initial: The state that the NPC starts in.
        states: The state machine.
    """

    model_config = ConfigDict(json_schema_extra=_make_id_optional)

    id: Id
    persona: Persona
    lines: Lines
    safety: Safety = Safety()
    inventory: dict[Id, Count] = {}
    relationships: dict[Id, str] = {}
    blackboard: dict[StateName, Scalar] = {}
    examples: dict[str, Strings] = {}
    tool_choice: ToolChoice | None = None
    deadline_ms: Annotated[int, Field(ge=50, le=600_000)] = 8000
    initial: StateName
    states: dict[StateName, State]
