"""The tools of one session: the built-in ones and those that the game registered."""

import pkgutil
from importlib import import_module
from typing import Any

from npc_brain.errors import ErrorCode, ToolError
from npc_brain.tools import builtin
from npc_brain.tools.narrow import legal_schema
from npc_brain.tools.spec import Tool, ToolContext


def _built_ins() -> dict[str, Tool]:
    names = sorted(module.name for module in pkgutil.iter_modules(builtin.__path__))
    tools = [import_module(f"{builtin.__name__}.{name}").TOOL for name in names]
    return {tool.name: tool for tool in tools}


BUILT_INS: dict[str, Tool] = _built_ins()
"""Every built-in tool by name."""

STAND_INS = {tool.name: tool.stand_ins for tool in BUILT_INS.values() if tool.stand_ins}
"""By built-in tool, those that answer the same question nearly as well, best first."""


class ToolRegistry:
    """Name to tool."""

    def __init__(self) -> None:
        self._tools = dict(BUILT_INS)

    def register(self, tool: Tool) -> None:
        """Add a tool of the game. The same tool again is fine, as after a reconnect.

        Raises:
            ToolError: BAD_TOOL when another tool has the name.
        """
        known = self._tools.setdefault(tool.name, tool)
        if known != tool:
            raise ToolError(
                f"tool {tool.name!r}: the name is taken", hint="register it under another name"
            )

    def get(self, name: str) -> Tool:
        """The tool of that name.

        Raises:
            ToolError: BAD_TOOL when there is none.
        """
        try:
            return self._tools[name]
        except KeyError:
            raise ToolError(
                f"there is no tool {name!r}",
                code=ErrorCode.BAD_TOOL,
                hint="docs/npc_files.md lists the built-in ones; games add theirs by tool.register",
            ) from None

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    def names(self) -> list[str]:
        """All names: the built-in ones first, then the game's in the order they came."""
        return list(self._tools)

    def legal(
        self, names: tuple[str, ...] | list[str], ctx: ToolContext
    ) -> list[tuple[Tool, dict[str, Any]]]:
        """Those of `names` that can be called now, each with its schema narrowed to what exists.

        Raises:
            ToolError: BAD_TOOL when a name is not registered.
        """
        tools = [self.get(name) for name in names]
        narrowed = ((tool, legal_schema(tool, ctx)) for tool in tools)
        return [(tool, schema) for tool, schema in narrowed if schema is not None]
