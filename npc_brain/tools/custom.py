"""Tools of the game: reading what `tool.register` brings, and what the engine answers."""

import re
from typing import Any

from npc_brain.errors import ToolError
from npc_brain.plain_text import plain_text
from npc_brain.schema.subset import SchemaError, normal_form
from npc_brain.tools.spec import (
    Tool,
    ToolKind,
    ToolResult,
    refusal,
    usual_variant,
)
from npc_brain.vocabulary import GameToolKind

_NAME = re.compile(r"[a-z_]{1,48}")


def custom_tool(
    name: str,
    description: str,
    parameters: dict[str, Any],
    kind: GameToolKind,
    timeout_ms: int,
    examples: tuple[str, ...] = (),
) -> Tool:
    """The tool that a game describes; the engine answers it or carries it out.

    Args:
        name: Matches `[a-z_]+`, at most 48 characters.
        description: For the model.
        parameters: JSON Schema of an object in the subset of `schema.subset`; `{}` is no arguments.
            `x-ref` on a string names a `Domain`.
        kind: Whether the engine answers (query) or acts (action).
        timeout_ms: How long the engine may take.
        examples: Things a player may say that ask for this tool.

    Raises:
        ToolError: BAD_TOOL naming the tool, the keyword and where it stands.
    """
    if not _NAME.fullmatch(name):
        raise ToolError(
            f"tool {name[:60]!r}: the name must match [a-z_]+, 48 characters at most",
            hint="for example open_gate",
        )
    try:
        schema = normal_form(parameters)
    except SchemaError as error:
        raise ToolError(f"tool {name!r}: {error.message}", hint=error.hint) from error
    return Tool(
        name=name,
        kind=ToolKind(kind),
        description=description,
        schema=schema,
        done_event=f"{name}_done" if kind == "action" else "",
        timeout_ms=timeout_ms,
        examples=tuple(examples),
    )


def engine_answer(tool: Tool, ok: bool, result: dict[str, Any], reason: str = "") -> ToolResult:
    """What the engine answered to a `tool.call`, as a result.

    A `text` in `result` is used as it is; otherwise the values are told one by one.
    """
    given = result.get("text")
    told = ", ".join(
        f"{key.replace('_', ' ')}: {value}"
        for key, value in result.items()
        if isinstance(value, str | int | float)
    )
    text = plain_text(given if isinstance(given, str) else told)
    if ok:
        return ToolResult(ok=True, data=result, text=text or "Done.", variant=usual_variant(result))
    why = reason.replace("_", " ") or "no answer"
    text = text or f"{tool.name.replace('_', ' ')} failed: {why}."
    return refusal(reason or "failed", text, **result)
