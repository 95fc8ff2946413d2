"""The NPC files of one directory, read when they are asked for.

A file is read again once it has changed, so that an author can edit it and spawn the NPC again.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npc_brain.errors import DefinitionError
from npc_brain.files import inside
from npc_brain.npc.definition import NpcDefinition
from npc_brain.npc.expressions import did_you_mean
from npc_brain.npc.loader import load_definition, parse_definition
from npc_brain.tools.spec import Tool

_MAX_NAME = 64
_MAX_NAMES_SHOWN = 20
_NAME = re.compile(rf"[A-Za-z0-9_\-]{{1,{_MAX_NAME}}}")
_SUFFIXES = (".yaml", ".yml")


class NpcLibrary:
    """Finds definitions by name below a directory, and checks those given inline."""

    def __init__(self, directory: Path | None) -> None:
        """`directory` holds the NPC files; None: there are only inline definitions."""
        self._directory = directory
        self._read: dict[Path, tuple[int, NpcDefinition]] = {}

    def names(self) -> list[str]:
        """The names of all NPC files."""
        if self._directory is None:
            return []
        try:
            return sorted(p.stem for p in self._directory.iterdir() if p.suffix in _SUFFIXES)
        except OSError:  # as good as empty
            return []

    def find(
        self, definition: str | Mapping[str, Any], npc_id: str, tools: Mapping[str, Tool]
    ) -> NpcDefinition:
        """A definition by the name of its file, or the one given inline.

        An inline one without an `id` gets `npc_id`. Names are never taken as paths.

        Raises:
            DefinitionError: It is missing, or has mistakes.
        """
        if not isinstance(definition, str):
            return parse_definition({"id": npc_id, **definition}, f"definition of {npc_id}", tools)
        path = self._path(definition)
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError as error:  # removed this moment
            raise DefinitionError(f"{path}: cannot be read: {error.strerror}") from error
        known = self._read.get(path)
        if known is None or known[0] != changed_ns:
            known = (changed_ns, load_definition(path, tools))
            self._read[path] = known
        return known[1]

    def _path(self, name: str) -> Path:
        if self._directory is not None and _NAME.fullmatch(name):
            for suffix in _SUFFIXES:
                path = inside(self._directory, f"{name}{suffix}", self._directory, DefinitionError)
                if path.is_file():
                    return path
        names = self.names()
        shown = ", ".join(names[:_MAX_NAMES_SHOWN]) or "none"
        hint = did_you_mean(name[:_MAX_NAME], names) or f"there are: {shown}"
        raise DefinitionError(f"there is no NPC file named {name[:_MAX_NAME]!r}", hint=hint)
