"""The steps of `enter`, `exit` and `do`, and the filling in of authored lines.

Lines are data: `{name}` is replaced once, values are never read as templates again, and Python's
own formatting is not involved.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.memory.blackboard import Kind, fits
from npc_brain.npc.definition import EVENT_NAME, Effect
from npc_brain.npc.expressions import ExpressionError, did_you_mean
from npc_brain.npc.guards import Expression, compile_expression
from npc_brain.schema.check import first_fault
from npc_brain.schema.marks import ref_of
from npc_brain.schema.subset import is_choice
from npc_brain.tools.spec import Tool
from npc_brain.world.model import Scalar

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class EffectError(ExpressionError):
    """An effect that cannot be understood.

    Attributes:
        path: Where in the effect, as keys; empty for the effect as a whole.
        kind: A stable word for the kind of mistake.
    """

    def __init__(
        self, message: str, path: tuple[str, ...] = (), hint: str = "", kind: str = "bad_effect"
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Say:
    """Say one of `lines`; a bark is called out to nobody in particular."""

    lines: tuple[str, ...]
    is_bark: bool = False


@dataclass(frozen=True, slots=True)
class Compute:
    """Give a blackboard key the value of an expression (`set`)."""

    key: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Raise:
    """Raise an event, handled after the transition under way."""

    event: str


@dataclass(frozen=True, slots=True)
class Use:
    """Use a tool.

    Attributes:
        args: Texts may be templates (`render_args`).
        state: Of `enter`: the state that is entered, which wants the action as long as it lasts.
    """

    tool: str
    args: Mapping[str, Any]
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """A blackboard key has got a new value."""

    key: str
    value: Scalar


OWN_EFFECTS = frozenset({"say", "bark", "set", "raise"})
"""The effects that are not tools."""

AuthoredEffect = Say | Compute | Raise | Use
"""What an author writes."""

OutwardEffect = Say | Assign | Use
"""What a step of the machine leaves to its caller."""


def parse_effects(
    effects: Sequence[Effect],
    kinds: Mapping[str, Kind],
    tools: Mapping[str, Tool],
    *,
    has_event: bool = True,
) -> tuple[AuthoredEffect, ...]:
    """Parse a list of effects; arguments as `parse_effect`.

    Raises:
        EffectError: As `parse_effect`.
    """
    return tuple(
        part
        for effect in effects
        for part in parse_effect(effect, kinds, tools, has_event=has_event)
    )


def parse_effect(
    effect: Effect,
    kinds: Mapping[str, Kind],
    tools: Mapping[str, Tool],
    *,
    has_event: bool = True,
) -> tuple[AuthoredEffect, ...]:
    """Parse one `{NAME: VALUE}`; a `set` of several keys gives several effects.

    Args:
        effect: As authored.
        kinds: Types of the blackboard keys.
        tools: The tools there are, by name.
        has_event: Whether expressions may read `event.FIELD`.

    Raises:
        EffectError: With the place in the effect.
    """
    if len(effect) != 1:
        raise EffectError(
            f"an effect has one name, got {len(effect)}: {', '.join(effect) or 'nothing'}",
            hint="write each as a separate list entry: `- {NAME: VALUE}`",
        )
    ((name, value),) = effect.items()
    if name in ("say", "bark"):
        return (Say(_lines(name, value), is_bark=name == "bark"),)
    if name == "set":
        return _parse_set(value, kinds, has_event)
    if name == "raise":
        if not isinstance(value, str) or not EVENT_NAME.fullmatch(value):
            raise EffectError(f"`raise` needs an event name, got {value!r}", (name,))
        return (Raise(value),)
    if name not in tools:
        hint = did_you_mean(name, {*tools, *OWN_EFFECTS})
        raise EffectError(
            f"unknown tool `{name}`", (name,), hint or _known_tools(tools), "unknown_tool"
        )
    return (Use(name, _parse_args(tools[name], value)),)


def placeholders(text: str) -> list[str]:
    """The names that a line wants filled in, in order."""
    return PLACEHOLDER.findall(text)


def render_line(text: str, values: Mapping[str, Scalar]) -> str | None:
    """`text` with each `{name}` replaced; None when a value is missing."""
    if any(name not in values for name in placeholders(text)):
        return None
    return PLACEHOLDER.sub(lambda match: _spoken(values[match[1]]), text)


def pick_line(lines: Sequence[str], values: Mapping[str, Scalar], rng: random.Random) -> str | None:
    """One of `lines`, drawn by `rng` from those that can be filled in; None when there is none."""
    rendered = [line for text in lines if (line := render_line(text, values)) is not None]
    return rng.choice(rendered) if rendered else None


def render_args(args: Mapping[str, Any], values: Mapping[str, Scalar]) -> dict[str, Any] | None:
    """Tool arguments with templates filled in; None when a value is missing.

    A text that is one placeholder and nothing else becomes the value itself, with its type.
    """
    rendered: dict[str, Any] = {}
    for name, value in args.items():
        if isinstance(value, str):
            alone = PLACEHOLDER.fullmatch(value)
            value = values.get(alone[1]) if alone else render_line(value, values)
            if value is None:
                return None
        rendered[name] = value
    return rendered


def _lines(name: str, value: Any) -> tuple[str, ...]:
    lines = (value,) if isinstance(value, str) else value
    if not isinstance(lines, list | tuple) or not lines:
        raise EffectError(f"`{name}` needs a line or a list of lines, got {value!r:.60}", (name,))
    for line in lines:
        if not isinstance(line, str) or not 0 < len(line) <= 400:
            raise EffectError(
                f"`{name}` needs lines of 1 to 400 characters, got {line!r:.60}",
                (name,),
                "put a line with `: ` in it in quotes" if isinstance(line, dict) else "",
            )
    return tuple(lines)


def _parse_set(value: Any, kinds: Mapping[str, Kind], has_event: bool) -> tuple[Compute, ...]:
    if not isinstance(value, dict) or not value:
        raise EffectError("`set` needs a map of keys and values", ("set",), "{set: {key: value}}")
    computed = []
    for key, source in value.items():
        path = ("set", str(key))
        if key not in kinds:
            hint = did_you_mean(str(key), kinds) or "declare it under `blackboard`"
            raise EffectError(f"unknown blackboard key `{key}`", path, hint, "unknown_key")
        if not isinstance(source, bool | int | float | str):
            raise EffectError(f"`{key}` needs a value, got {source!r:.60}", path)
        try:
            expression = compile_expression(source, kinds, has_event=has_event)
        except ExpressionError as error:
            raise EffectError(error.message, path, error.hint, "bad_expression") from error
        if not fits(expression.kind, kinds[key]):
            raise EffectError(
                f"`{key}` is of type {kinds[key]}, `{source}` of type {expression.kind}", path
            )
        computed.append(Compute(key, expression))
    return tuple(computed)


def _parse_args(tool: Tool, value: Any) -> dict[str, Any]:
    properties: dict[str, Any] = tool.schema.get("properties", {})
    if value is None:
        args: dict[str, Any] = {}
    elif isinstance(value, dict):
        args = dict(value)
    elif properties:
        args = {next(iter(properties)): value}
    else:
        raise EffectError(f"tool `{tool.name}` takes no arguments, got {value!r:.60}", (tool.name,))
    if "properties" not in tool.schema and isinstance(value, dict):
        return args
    for name, given in args.items():
        path = (tool.name, str(name)) if isinstance(value, dict) else (tool.name,)
        if name not in properties:
            hint = did_you_mean(str(name), properties) or f"it has: {', '.join(properties)}"
            raise EffectError(f"tool `{tool.name}` has no argument `{name}`", path, hint)
        _check_value(tool.name, name, given, properties[name], path)
    missing = [
        name
        for name in tool.schema.get("required", ())
        if name not in args and not ((ref := ref_of(properties[name])) and ref.default)
    ]
    if missing:
        wanted = f"`{'`, `'.join(missing)}`"
        raise EffectError(f"tool `{tool.name}` also needs {wanted}", (tool.name,))
    return args


def _check_value(
    tool: str, name: str, value: Any, schema: Mapping[str, Any], path: tuple[str, ...]
) -> None:
    if isinstance(value, str) and (PLACEHOLDER.search(value) or (not value and is_choice(schema))):
        return  # filled in later, or left to the default
    fault = first_fault(schema, value, name)
    if fault is None:
        return
    problem = f"wants {fault.wanted}, got {fault.value!r:.60}" if fault.wanted else fault.problem
    raise EffectError(f"argument `{fault.path}` of `{tool}` {problem}", path)


def _known_tools(tools: Mapping[str, Tool]) -> str:
    return f"there are: {', '.join(sorted(tools))}"


def _spoken(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return _CONTROL.sub(" ", str(value))
