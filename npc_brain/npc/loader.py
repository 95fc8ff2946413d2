"""NPC files to definitions, with every mistake named by file, line and hint.

Schema mistakes come first (`npc.definition` through pydantic); a file that fits the schema is
checked for what it means (`npc.checks`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from npc_brain.errors import DefinitionError
from npc_brain.npc.checks import WorldIds, check
from npc_brain.npc.definition import (
    Heard,
    Lines,
    NpcDefinition,
    Persona,
    Safety,
    State,
    Transition,
)
from npc_brain.npc.expressions import did_you_mean
from npc_brain.npc.size_checks import MAX_VALUES, num_values
from npc_brain.npc.source import (
    MAX_DEPTH,
    DocPath,
    Document,
    Problem,
    Source,
    parse_document,
    problems_text,
    read_document,
)
from npc_brain.tools.spec import Tool


def load_definition(
    path: Path,
    tools: Mapping[str, Tool] | None = None,
    world_ids: WorldIds | None = None,
) -> NpcDefinition:
    """Read one NPC file.

    Args:
        path: The file; its stem is the default `id`.
        tools: The tools there are, by name; None leaves tool names unchecked.
        world_ids: The ids that the world has; None leaves ids unchecked.

    Raises:
        DefinitionError: It has mistakes; the message has one a line.
    """
    definition, problems = read_definition(path, tools, world_ids)
    if definition is None or problems:
        raise definition_error(problems)
    return definition


def load_definitions(
    directory: Path,
    tools: Mapping[str, Tool] | None = None,
    world_ids: WorldIds | None = None,
) -> dict[str, NpcDefinition]:
    """Read all NPC files (`*.yaml`, `*.yml`) of a directory, by id; arguments as `load_definition`.

    Raises:
        DefinitionError: The directory is missing, files have mistakes, or two have the same id.
    """
    if not directory.is_dir():
        raise DefinitionError(
            f"there is no directory {directory}",
            hint="name the directory of the NPC files",
        )
    definitions: dict[str, NpcDefinition] = {}
    problems: list[Problem] = []
    for path in sorted((*directory.glob("*.yaml"), *directory.glob("*.yml"))):
        definition, found = read_definition(path, tools, world_ids)
        problems += found
        if definition is None:
            continue
        if definition.id in definitions:
            problems.append(
                Problem(
                    str(path), f"another file has the id `{definition.id}`", "duplicate_id", 1, 1
                )
            )
        definitions[definition.id] = definition
    if problems:
        raise definition_error(problems)
    return definitions


def read_definition(
    path: Path,
    tools: Mapping[str, Tool] | None = None,
    world_ids: WorldIds | None = None,
) -> tuple[NpcDefinition | None, list[Problem]]:
    """As `load_definition`, with the mistakes as values; None when there is nothing to check."""
    return check_document(read_document(path), path.stem, tools, world_ids)


def parse_definition(
    value: Mapping[str, Any] | str,
    where: str,
    tools: Mapping[str, Tool] | None = None,
    world_ids: WorldIds | None = None,
) -> NpcDefinition:
    """A definition given inline, as the text of a file or as a map (from the wire).

    Args:
        value: The definition; it must have an `id`.
        where: What to call it in messages.
        tools: As `load_definition`.
        world_ids: As `load_definition`.

    Raises:
        DefinitionError: It has mistakes; the message has one a line.
    """
    if isinstance(value, str):
        document = parse_document(value, where)
    else:
        document = Document(None, Source(where), [])
        try:
            document.value = _frozen(value)
        except ValueError as error:
            document.problems.append(document.source.problem((), str(error), "wrong_type"))
    definition, problems = check_document(document, None, tools, world_ids)
    if definition is None or problems:
        raise definition_error(problems)
    return definition


def check_document(
    document: Document,
    default_id: str | None,
    tools: Mapping[str, Tool] | None,
    world_ids: WorldIds | None,
) -> tuple[NpcDefinition | None, list[Problem]]:
    """The definition in a document that was read, and all mistakes in it."""
    problems, value, source = list(document.problems), document.value, document.source
    if value is None and problems:
        return None, problems
    if not isinstance(value, dict):
        problem = source.problem((), "is not an NPC file: it has no keys", "wrong_type")
        return None, [*problems, problem]
    if (number := num_values(value)) > MAX_VALUES:
        message = f"has {number} values, at most {MAX_VALUES} are allowed"
        return None, [*problems, source.problem((), message, "too_many")]
    if default_id is not None:
        value.setdefault("id", default_id)
    errors: list[ErrorDetails] = []
    for _ in range(_MAX_PRUNINGS):
        try:
            definition = NpcDefinition.model_validate(value, strict=True)
            break
        except ValidationError as error:
            errors += error.errors()
            value = _pruned(value, error.errors())
    else:
        return None, _sorted(problems + _schema_problems(errors, source))
    problems += _schema_problems(errors, source)
    is_whole = all(details["type"] in ("extra_forbidden", "string_type") for details in errors)
    problems += [
        problem
        for problem in check(definition, tools, world_ids, source)
        if is_whole or problem.code not in _FOLLOWING
    ]
    return (None if errors else definition), _sorted(problems)


def definition_error(problems: list[Problem]) -> DefinitionError:
    """The error for a list of mistakes."""
    return DefinitionError(problems_text(problems), hint="`npc-brain validate` checks NPC files")


_MAX_PRUNINGS = 3
_FOLLOWING = frozenset(
    {"unreachable_state", "unknown_state", "unknown_key", "missing_target", "bad_heard",
     "bad_initial", "bad_guard", "bad_expression", "no_fallback", "unknown_placeholder"}
)  # fmt: skip
"""Mistakes that may only follow from a part that was left out because it had the wrong type."""


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))


def _pruned(value: Any, errors: list[ErrorDetails]) -> Any:
    """`value` without the parts that `errors` are about, so that the rest can be checked too."""
    for details in errors:
        if details["type"] != "missing":
            path = tuple(part for part in details["loc"] if part != "[key]")
            stand_in = str(details["input"]) if details["type"] == "string_type" else None
            value = _without(value, path, stand_in)
    return value


def _without(value: Any, path: DocPath, stand_in: str | None) -> Any:
    """`value` without the innermost key or item along `path` that it has, or with a stand-in."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and head in value:
        shorter = _without(value[head], rest, stand_in) if rest else value[head]
        if shorter is not value[head] or stand_in is not None:
            return {**value, head: stand_in if shorter is value[head] else shorter}
        return {key: item for key, item in value.items() if key != head}
    if isinstance(value, tuple) and isinstance(head, int) and head < len(value):
        shorter = _without(value[head], rest, stand_in) if rest else value[head]
        if shorter is not value[head] or stand_in is not None:
            kept = stand_in if shorter is value[head] else shorter
            return (*value[:head], kept, *value[head + 1 :])
        return value[:head] + value[head + 1 :]
    return value


def _frozen(value: Any, depth: int = 0) -> Any:
    """`value` as `parse_document` would have read it: tuples for lists, string keys."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("keys must be text")
        return {key: _frozen(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_frozen(item, depth + 1) for item in value)
    return value


def _schema_problems(errors: list[ErrorDetails], source: Source) -> list[Problem]:
    problems = [_schema_problem(details, source) for details in errors]
    return list({(problem.path, problem.message): problem for problem in problems}.values())


def _schema_problem(details: ErrorDetails, source: Source) -> Problem:
    path = tuple(part for part in details["loc"] if part != "[key]")
    name, given = path[-1] if path else "", details["input"]
    match details["type"]:
        case "extra_forbidden":
            model = _model_at(path[:-1])
            known = [field.alias or key for key, field in model.model_fields.items()]
            hint = did_you_mean(str(name), known) or f"keys are: {', '.join(known)}"
            return source.problem(path, f"unknown key `{name}`", "unknown_field", hint)
        case "missing":
            return source.problem(path, f"`{name}` is missing", "missing_field", f"add `{name}:`")
        case "string_pattern_mismatch":
            return source.problem(
                path, f"`{given}` is not a good name", "bad_name",
                "use small letters, digits and _, a letter first"
                if "a-z" in str(details.get("ctx")) and "A-Z" not in str(details.get("ctx"))
                else "leave out spaces, brackets and markup",
            )  # fmt: skip
    message = details["msg"].replace("Input should be", "should be")
    hint = "put text in quotes" if details["type"] == "string_type" else ""
    return source.problem(
        path, f"wrong type or value: got {given!r:.60}, {message}", "wrong_type", hint
    )


def _model_at(path: DocPath) -> type[BaseModel]:
    """The model whose fields are the keys at `path`."""
    parts: dict[str, type[BaseModel]] = {"persona": Persona, "lines": Lines, "safety": Safety}
    if len(path) == 1:
        return parts.get(str(path[0]), NpcDefinition)
    if len(path) > 1 and path[-2] == "states":
        return State
    if len(path) > 1 and path[-2] == "heard":
        return Heard
    return Transition if len(path) > 2 and path[-3] in ("on", "after") else NpcDefinition
