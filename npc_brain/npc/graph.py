"""An NPC's state machine drawn: as a Mermaid diagram, or as text for the terminal.

Drawn from the definition as its author wrote it, before anything is inherited: a transition that an
outer state has for all its inner ones appears once, at the outer state.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from npc_brain.npc.compile import walk_states
from npc_brain.npc.definition import Heard, NpcDefinition, State, Transition

MAX_LABEL_CHARS = 60
_UNSAFE_IN_MERMAID = re.compile(r'[":;#{}<>\n]')


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way out of a state, or a reaction within it.

    Attributes:
        trigger: What causes it: an event, a guard, a time, or an example of what was heard.
        guard: The condition under which it happens; may be empty.
        to: The state that it leads to; None stays.
    """

    trigger: str
    guard: str
    to: str | None

    @property
    def label(self) -> str:
        """Trigger and guard in the notation of state diagrams, shortened."""
        text = f"{self.trigger} [{self.guard}]" if self.guard else self.trigger
        return text if len(text) <= MAX_LABEL_CHARS else f"{text[: MAX_LABEL_CHARS - 1]}…"


def arrows(state: State) -> Iterator[Arrow]:
    """The arrows that start at a state, in authored order: events and guards, times, reactions."""
    for key, transitions in state.on.items():
        yield from _arrows(key, transitions)
    for duration, transitions in state.after.items():
        yield from _arrows(f"after {duration}", transitions)
    for heard in state.heard:
        if heard.to is not None:
            yield Arrow(_heard_label(heard), heard.guard or "", heard.to)


def to_mermaid(definition: NpcDefinition) -> str:
    """A `stateDiagram-v2`; source: https://mermaid.js.org/syntax/stateDiagram.html."""
    lines = ["stateDiagram-v2", f"    [*] --> {definition.initial}"]
    for name, state in definition.states.items():
        lines += _mermaid_state(name, state, indent=1)
    for path, state in walk_states(definition.states):
        for arrow in arrows(state):
            label = _UNSAFE_IN_MERMAID.sub(" ", arrow.label)
            lines.append(f"    {path[-1]} --> {arrow.to or path[-1]}: {label}")
    return "\n".join(lines) + "\n"


def to_text(definition: NpcDefinition) -> str:
    """Each state with its arrows below it, inner states indented."""
    lines = []
    for path, state in walk_states(definition.states):
        indent = "  " * (len(path) - 1)
        marks = [
            *(["initial"] if path[-1] == definition.initial else []),
            *([f"begins in {state.initial}"] if state.initial else []),
            *(["scripted"] if state.mind == "scripted" else []),
        ]
        lines.append(indent + path[-1] + (f" ({', '.join(marks)})" if marks else ""))
        lines += [f"{indent}  {a.label} -> {a.to or 'stays'}" for a in arrows(state)]
    return "\n".join(lines) + "\n"


def _arrows(trigger: str, transitions: tuple[Transition, ...]) -> Iterator[Arrow]:
    for transition in transitions:
        yield Arrow(trigger, transition.guard or "", transition.to)


def _heard_label(heard: Heard) -> str:
    if heard.like:
        return f"hears “{heard.like[0]}”"
    if heard.keywords:
        return f"hears {' or '.join(heard.keywords)}"
    return f"hears /{heard.pattern}/" if heard.pattern else "hears anything"


def _mermaid_state(name: str, state: State, indent: int) -> list[str]:
    margin = "    " * indent
    if not state.states:
        return [f"{margin}state {name}"]
    inner = [line for each in state.states.items() for line in _mermaid_state(*each, indent + 1)]
    start = [f"{margin}    [*] --> {state.initial}"] if state.initial else []
    return [f"{margin}state {name} {{", *start, *inner, f"{margin}}}"]
