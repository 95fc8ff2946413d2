"""YAML files that people write, read with the place of everything in them.

A YAML 1.2 subset on PyYAML's scanner: `on`, `off`, `yes` and `no` are text, every key is text, and
tags, aliases and repeated keys are mistakes, so a file means what it shows. Nothing is constructed
but maps, lists, text, numbers, booleans and null. Also used for scenarios and for JSON, which is
YAML here.

Why PyYAML and not ruamel.yaml: its scanner is all that is needed, and it is small and everywhere.
"""

import errno
import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from npc_brain import files

MAX_FILE_BYTES = 512 * 1024
MAX_DEPTH = 48
MAX_SHOWN = 50
"""Mistakes listed in one message."""

DocPath = tuple[str | int, ...]
"""The keys and list positions that lead to a part of a document."""

_ANY_START: list[str | None] = [None]


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in a file.

    Attributes:
        file: As the user named it, or where an inline value came from.
        line: From 1; None where there is no text.
        column: From 1.
        code: A stable word for the kind of mistake, such as `unknown_tool`.
        path: The part of the document, as keys.
    """

    file: str
    message: str
    code: str
    line: int | None = None
    column: int | None = None
    hint: str = ""
    path: DocPath = ()

    def __str__(self) -> str:
        """`file:line:column: message (hint)`, with the path where there is no line."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        inside = "" if self.line or not self.path else f"{'.'.join(map(str, self.path))}: "
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {inside}{self.message}{hint}"


def problems_text(problems: Sequence[Problem]) -> str:
    """The mistakes, one a line: the first `MAX_SHOWN`, and how many more there are."""
    lines = [str(problem) for problem in problems[:MAX_SHOWN]]
    if len(problems) > MAX_SHOWN:
        lines.append(f"and {len(problems) - MAX_SHOWN} more")
    return "\n".join(lines)


@dataclass(slots=True)
class Source:
    """Where the parts of a document are.

    Attributes:
        file: As the user named it.
        positions: Line and column, from 1, by path; empty for values that came without text.
    """

    file: str
    positions: dict[DocPath, tuple[int, int]] = field(default_factory=dict)

    def problem(self, path: DocPath, message: str, code: str, hint: str = "") -> Problem:
        """A problem at `path`, or at the nearest part around it that has a place."""
        line = column = None
        for end in range(len(path), -1, -1):
            if path[:end] in self.positions:
                line, column = self.positions[path[:end]]
                break
        return Problem(self.file, message, code, line, column, hint, path)


@dataclass(slots=True)
class Document:
    """A file that was read: its value (None when it could not be), places, mistakes and text."""

    value: Any
    source: Source
    problems: list[Problem]
    text: str = ""


def read_document(path: Path, shown_as: str = "") -> Document:
    """Read a file; what is wrong with it is in `problems`, nothing is raised."""
    source = Source(shown_as or str(path))
    try:
        data = files.read_bytes(path, MAX_FILE_BYTES)
        text = data.decode("utf-8-sig")
    except OSError as error:
        code = "too_large" if error.errno == errno.EFBIG else "unreadable"
        message = f"cannot be read: {error.strerror or error}"
        return Document(None, source, [source.problem((), message, code)])
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        source.positions[()] = (line, 1)
        problem = source.problem((), "is not UTF-8 text", "bad_encoding", "save it as UTF-8")
        return Document(None, source, [problem])
    return parse_document(text, source.file)


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text; what is wrong with it is in `problems`, nothing is raised."""
    document = Document(None, Source(file, {(): (1, 1)}), [], text)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            document.value = _convert(node, (), document)
    except yaml.MarkedYAMLError as error:
        document.value = None
        document.problems.append(_syntax_problem(error, text, document.source))
    except yaml.reader.ReaderError as error:
        document.value = None
        line = text[: error.position].count("\n") + 1
        message = f"the character U+{int(error.character):04X} is not allowed"
        document.problems.append(Problem(file, message, "bad_yaml", line, 1))
    return document


class _RefusedError(yaml.MarkedYAMLError):
    """Something that YAML has and these files do not."""


class _Loader(yaml.SafeLoader):
    """Composes nodes with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node; refuses aliases, tags and depth.

        Raises:
            _RefusedError: The document has one of these.
        """
        event = self.peek_event()  # type: ignore[no-untyped-call]
        refused = ""
        if isinstance(event, yaml.AliasEvent):
            refused = "aliases (`*name`) are not allowed"
        elif getattr(event, "anchor", None):
            refused = "anchors (`&name`) are not allowed"
        elif getattr(event, "tag", None):
            refused = "tags (`!name`) are not allowed"
        elif self._depth >= MAX_DEPTH:
            refused = f"nested deeper than {MAX_DEPTH}"
        if refused:
            raise _RefusedError(problem=refused, problem_mark=event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


# Source: YAML 1.2.2, section 10.3.2, tag resolution of the core schema.
_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?",
}
for _name, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})$"), _ANY_START
    )


def _convert(node: yaml.Node, path: DocPath, document: Document) -> Any:
    positions = document.source.positions
    positions.setdefault(path, _place(node))
    if isinstance(node, yaml.MappingNode):
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                line, column = _place(key_node)
                document.problems.append(
                    Problem(
                        document.source.file, "a key must be text", "bad_yaml", line, column,
                        "put a line that begins with { or [ in quotes", path,
                    )
                )  # fmt: skip
                continue
            key: str = key_node.value
            inner = (*path, key)
            if key in value:
                document.problems.append(_repeated(inner, key_node, document.source))
                continue
            positions[inner] = _place(key_node)
            value[key] = _convert(value_node, inner, document)
        return value
    if isinstance(node, yaml.SequenceNode):
        return tuple(
            _convert(item, (*path, index), document) for index, item in enumerate(node.value)
        )
    scalar = _scalar(node)
    if isinstance(scalar, float) and not math.isfinite(scalar):
        document.problems.append(
            document.source.problem(path, f"the number {node.value:.40} is too large", "bad_yaml")
        )
    return scalar


def _scalar(node: yaml.Node) -> Hashable:
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        case "float":
            return float(text)
        case _:
            return text


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _repeated(path: DocPath, node: yaml.Node, source: Source) -> Problem:
    line, column = _place(node)
    first = source.positions[path][0]
    if len(path) > 1 and path[-2] in ("on", "after"):
        return Problem(
            source.file, f"duplicate transition: `{path[-1]}` is on line {first} already",
            "duplicate_transition", line, column, "write one list of transitions with guards", path,
        )  # fmt: skip
    return Problem(
        source.file, f"the key `{path[-1]}` is on line {first} already", "duplicate_key", line,
        column, path=path,
    )  # fmt: skip


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, source: Source) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    hint = ""
    if not isinstance(error, _RefusedError):
        lines = text.splitlines()
        shown = lines[line - 1] if line <= len(lines) else ""
        if "\t" in shown[: len(shown) - len(shown.lstrip())]:
            hint = "indent with spaces, not tabs"
        else:
            hint = "put text with any of ? : , # [ ] { } in it in quotes, and check the indentation"
    message = f"is not valid YAML: {error.problem}"
    code = "bad_yaml"
    return Problem(source.file, message if hint else str(error.problem), code, line, column, hint)
