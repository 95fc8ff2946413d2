"""The table of built-in tools in docs/npc_files.md, written from the tools."""

from collections.abc import Iterator

from npc_brain.schema.marks import ref_of
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import Tool

_MEANT = {"speaker": "who it is talking to", "self": "the NPC itself"}


def table() -> str:
    """A row for each tool that a state may name, in Markdown."""
    return "\n".join(_rows())


def _rows() -> Iterator[str]:
    yield "| tool | kind | arguments | event when done | what it does |"
    yield "|---|---|---|---|---|"
    for tool in BUILT_INS.values():
        if tool.can_be_chosen:
            event = f"`{tool.done_event}`" if tool.done_event else ""
            arguments = ", ".join(_arguments(tool))
            yield f"| `{tool.name}` | {tool.kind} | {arguments} | {event} | {tool.description} |"


def _arguments(tool: Tool) -> Iterator[str]:
    for name, schema in tool.schema["properties"].items():
        ref = ref_of(schema)
        if ref is not None and ref.default:
            yield f"`{name}` (default: {_MEANT[ref.default]})"
        else:
            is_required = name in tool.schema["required"]
            yield f"`{name}`" if is_required else f"`{name}` (optional)"
