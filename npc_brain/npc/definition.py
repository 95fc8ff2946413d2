"""The NPC file: what an author may write.

These models know the shape of the file and nothing of tools, worlds or machines: `npc.loader` reads
files into them, `npc.checks` looks at what they mean together. Shorthands are taken apart here, so
that everyone else sees one form: a lone line is a tuple of one, a target is a `Transition`.
"""

import hashlib
import re
from functools import cached_property
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
Mind = Literal["model", "scripted"]
"""Who speaks in a state: the language model, or the author alone."""


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
        name: The name that players and other NPCs use.
        role: What the NPC is, in a few words: "innkeeper of the Drowsy Heron".
        voice: How the NPC talks: "warm, quick, dry".
        backstory: Where the NPC comes from, in a sentence or two.
        knowledge: Facts that the NPC knows and may share.
        secrets: What the NPC must not say. Secrets stay out of the prompt, and a line that spells
            one out is replaced.
        language: The language that the model is asked to speak.
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
        greeting: Answers someone's first greeting; without a model, whatever they say first.
        fallback: What the NPC says when the model is late or missing, by state name; `default`
            is for all other states. A state's lines also serve the states nested in it.
        outcome: What the NPC says about the outcome of a tool when there is no model, by `TOOL` or
            `TOOL_REASON` (`go_to`, `go_to_failed`, `inventory_give_not_held`). Every tool has
            English lines of its own as the default.
        opener: How a line that the model writes about an outcome begins; same keys as `outcome`,
            whose lines are the default.
    """

    greeting: Alternatives = ()
    fallback: dict[StateName, Alternatives]
    outcome: dict[str, Alternatives] = {}
    opener: dict[str, Alternatives] = {}


class Safety(Authored):
    """What the NPC refuses to talk about.

    Attributes:
        refuse: Regular expressions. If one of them is found in what the player says, the NPC does
            not answer it. Case does not matter.
        line: What the NPC says instead.
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
        to: The state to enter. Without it, the NPC stays in its state.
        guard: An expression; the transition is only taken if it is true.
        do: What the NPC does on the way.
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
        like: Example sentences; anything with about the same meaning matches.
        min: How similar in meaning a sentence must be, from 0 to 1.
        keywords: Words or phrases, any of which matches.
        pattern: A regular expression that matches anywhere in what was said. Case does not matter.
        wants: Ids of items, places or entities; one of them must also be mentioned.
        guard: An expression; the reaction only applies if it is true.
        do: What the NPC does before it says anything.
        say: What the NPC answers. Without it, the turn continues with the tools and the model
            after `do`, with `prompt` as an additional instruction.
        prompt: An additional instruction to the model for this turn.
        emotion: The emotion of the line.
        to: The state to enter afterwards.
        once: Whether this happens only once in the NPC's life.
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
        prompt: A description of the situation for the model.
        tools: The tools that the NPC may use here. By default those of the parent state; in a
            state without a parent, none.
        mind: `model` uses the language model, `scripted` never does. By default as in the parent
            state; in a state without a parent, `model`.
        emotion: The emotion of lines said in this state, unless something else sets one.
        enter: What the NPC does on entering the state.
        exit: What the NPC does on leaving it.
        heard: Reactions to what is said to the NPC, tried in order.
        on: Transitions by event name; in a list, the first whose `if` is true is taken. A key that
            is an expression instead of an event name is taken as soon as it becomes true.
        after: Transitions by the time spent in this state: `500ms`, `120s`, `5m`, `1h`. If its
            `if` is not true at that time, the transition is taken as soon as it is.
        initial: The nested state to enter first; required if there are nested states.
        states: States nested in this one. They inherit its tools, transitions and prompt.
    """

    prompt: str = ""
    tools: tuple[str, ...] | None = None
    mind: Mind | None = None
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
        id: The id of the definition.
        persona: Who the NPC is.
        lines: What the NPC says without a model.
        safety: What the NPC refuses to talk about.
        blackboard: The NPC's variables and their initial values. A variable keeps its type.
        inventory: What the game should give the NPC at the start, by item id.
        relationships: What the NPC thinks of others, by entity id. Part of the prompt.
        examples: What a player may say to ask for a tool, by tool name. Added to the tool's own
            examples.
        tool_choice: What chooses a tool for what was said: the sentence encoder, the model, or the
            encoder first and the model where the encoder is unsure. By default what suits the
            model in use.
        deadline_ms: The longest that a turn may take, unless `npc.hear` says otherwise.
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

    @cached_property
    def content(self) -> bytes:
        """A digest of everything but the `id`: equal for definitions that say the same."""
        return hashlib.sha256(self.model_dump_json(exclude={"id"}).encode()).digest()
