"""The words of an NPC file: placeholders, secrets, and lines for every state.

The rule for placeholders: `name`, `speaker` and blackboard keys can be used in every line. A line
that comes after a tool in the same list of effects, the `say` of a `heard` entry whose `do` has a
tool, and the lines of `outcome` and `opener` can use fields of the tool's result as well, which are
not known here; of a list of such lines, one whose fields are all there is said.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from npc_brain.npc.compile import walk_states
from npc_brain.npc.definition import DEFAULT_FALLBACK, Effect, NpcDefinition, State
from npc_brain.npc.effects import OWN_EFFECTS, PLACEHOLDER, placeholders
from npc_brain.npc.expressions import did_you_mean
from npc_brain.npc.secrets import spelled_secret
from npc_brain.npc.source import DocPath, Problem, Source

LINE_VALUES = frozenset({"name", "speaker"})
"""What every line can use besides the blackboard."""

_Line = tuple[DocPath, str, bool]
"""A line, where it is, and whether it can use fields of a tool's result."""


def check_lines(definition: NpcDefinition, source: Source, states: set[str]) -> list[Problem]:
    """All mistakes in the words of a definition.

    Args:
        definition: The file.
        source: Where its parts are.
        states: The names of its states.
    """
    lines = list(_lines(definition))
    problems: list[Problem] = []
    for path, text, has_result in lines:
        problems += _check_placeholders(definition, source, path, text, has_result)
    problems += _check_fallback(definition, source, states)
    secrets = definition.persona.secrets
    for path, text in [*_prompts(definition), *(line[:2] for line in lines)]:
        if secret := spelled_secret(text, secrets):
            problems.append(
                source.problem(
                    path, f"spells the secret `{secret:.40}`", "told_secret",
                    "a secret stands under `secrets` and nowhere else",
                )
            )  # fmt: skip
    return problems


def _check_placeholders(
    definition: NpcDefinition, source: Source, path: DocPath, text: str, has_result: bool
) -> Iterator[Problem]:
    known = LINE_VALUES | definition.blackboard.keys()
    for name in placeholders(text):
        if name not in known and not has_result:
            hint = did_you_mean(name, known) or f"known are: {', '.join(sorted(known))}"
            yield source.problem(
                path, f"unknown placeholder `{{{name}}}`", "unknown_placeholder", hint
            )
    rest = PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        yield source.problem(
            path, "a brace that is not part of a placeholder", "unknown_placeholder",
            "write {key}, in small letters and without spaces",
        )  # fmt: skip


def _check_fallback(
    definition: NpcDefinition, source: Source, states: set[str]
) -> Iterator[Problem]:
    fallback = definition.lines.fallback
    for name, lines in fallback.items():
        if name != DEFAULT_FALLBACK and name not in states:
            hint = did_you_mean(name, {*states, DEFAULT_FALLBACK})
            yield source.problem(
                ("lines", "fallback", name), f"unknown state `{name}`", "unknown_state", hint
            )
        if not lines:
            yield source.problem(("lines", "fallback", name), "no line is given", "no_fallback")
    for path, state in walk_states(definition.states):
        is_covered = any(fallback.get(name) for name in (*path, DEFAULT_FALLBACK))
        if not state.states and not is_covered:
            yield source.problem(
                _state_path(path), f"state `{path[-1]}` has no fallback line", "no_fallback",
                f"add `{path[-1]}` or `{DEFAULT_FALLBACK}` under `lines: fallback`",
            )  # fmt: skip


def _lines(definition: NpcDefinition) -> Iterator[_Line]:
    lines = definition.lines
    yield from _each(("lines", "greeting"), lines.greeting)
    for name, alternatives in lines.fallback.items():
        yield from _each(("lines", "fallback", name), alternatives)
    for part in ("outcome", "opener"):
        for name, alternatives in getattr(lines, part).items():
            yield from _each(("lines", part, name), alternatives, has_result=True)
    yield from _each(("safety", "line"), definition.safety.line)
    for path, state in walk_states(definition.states):
        yield from _state_lines(_state_path(path), state)


def _state_lines(at: DocPath, state: State) -> Iterator[_Line]:
    for index, heard in enumerate(state.heard):
        inner = (*at, "heard", index)
        has_result = any(effect.keys() - OWN_EFFECTS for effect in heard.do)
        yield from _each((*inner, "say"), heard.say, has_result=has_result)
        yield from _effect_lines((*inner, "do"), heard.do)
    yield from _effect_lines((*at, "enter"), state.enter)
    yield from _effect_lines((*at, "exit"), state.exit)
    for part in ("on", "after"):
        for key, transitions in getattr(state, part).items():
            for index, transition in enumerate(transitions):
                yield from _effect_lines((*at, part, key, index, "do"), transition.do)


def _effect_lines(at: DocPath, effects: Sequence[Effect]) -> Iterator[_Line]:
    has_result = False
    for index, effect in enumerate(effects):
        for name, value in effect.items():
            inner = (*at, index, name)
            if name in ("say", "bark"):
                yield from _each(inner, value, has_result=has_result)
            elif name not in OWN_EFFECTS:
                for argument, text in value.items() if isinstance(value, dict) else [("", value)]:
                    yield from _each((*inner, argument), text)
                has_result = True


def _each(at: DocPath, lines: Any, *, has_result: bool = False) -> Iterator[_Line]:
    several = lines if isinstance(lines, list | tuple) else (lines,)
    for index, line in enumerate(several):
        if isinstance(line, str):
            yield (*at, index), line, has_result


def _prompts(definition: NpcDefinition) -> Iterator[tuple[DocPath, str]]:
    persona = definition.persona
    for name in ("role", "voice", "backstory"):
        yield ("persona", name), getattr(persona, name)
    for index, fact in enumerate(persona.knowledge):
        yield ("persona", "knowledge", index), fact
    for who, opinion in definition.relationships.items():
        yield ("relationships", who), opinion
    for path, state in walk_states(definition.states):
        at = _state_path(path)
        yield (*at, "prompt"), state.prompt
        for index, heard in enumerate(state.heard):
            yield (*at, "heard", index, "prompt"), heard.prompt


def _state_path(path: Sequence[str]) -> DocPath:
    return tuple(part for name in path for part in ("states", name))
