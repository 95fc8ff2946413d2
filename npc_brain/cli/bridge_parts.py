"""The parts of the engine bridges that are written from the messages and the built-in tools."""

from collections.abc import Iterator, Mapping
from typing import Any

from npc_brain.protocol.export import message_schema
from npc_brain.protocol.messages import MESSAGES, Direction
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import Tool, ToolKind

_LINE_LENGTH = 100
_TAB = "\t"
_TAB_WIDTH = 4

_GODOT_TYPES = {
    "string": "TYPE_STRING",
    "integer": "TYPE_INT",
    "number": "TYPE_FLOAT",
    "boolean": "TYPE_BOOL",
    "array": "TYPE_ARRAY",
    "object": "TYPE_DICTIONARY",
}


def game_tools() -> tuple[str, ...]:
    """Built-in tools that a game may have to carry out or answer, by name."""
    return tuple(name for name, tool in BUILT_INS.items() if _reaches_game(tool))


def godot_tools() -> str:
    """The names as entries of a GDScript array."""
    return "".join(f'{_TAB}"{name}",\n' for name in game_tools())


def unity_tools() -> str:
    """The names as entries of a C# collection initializer."""
    return "".join(f'            "{name}",\n' for name in game_tools())


def godot_messages() -> str:
    """The body fields of each message to an engine, as entries of a GDScript dictionary.

    Keys are message types. A field that may be absent ends in a question mark, as `detail?`. The
    layout is gdformat's.
    """
    outbound = MESSAGES[Direction.OUTBOUND]
    return "".join(
        line + "\n"
        for name, model in outbound.items()
        for line in _entry(name, _godot_fields(message_schema(model)["properties"]["body"]))
    )


def _reaches_game(tool: Tool) -> bool:
    return tool.kind is ToolKind.ACTION or tool.run is None or tool.needs_nav


def _godot_fields(body: Mapping[str, Any]) -> dict[str, str]:
    return {
        name if name in body.get("required", ()) else f"{name}?": _godot_type(schema)
        for name, schema in body.get("properties", {}).items()
    }


def _godot_type(schema: Mapping[str, Any]) -> str:
    if "contentEncoding" in schema:
        return "TYPE_PACKED_BYTE_ARRAY"
    return _GODOT_TYPES["object" if "$ref" in schema else schema["type"]]


def _entry(name: str, fields: Mapping[str, str]) -> Iterator[str]:
    pairs = [f'"{field}": {kind}' for field, kind in fields.items()]
    short = f'"{name}": {{{", ".join(pairs)}}},'
    if _TAB_WIDTH + len(short) <= _LINE_LENGTH:
        yield _TAB + short
        return
    yield f'{_TAB}"{name}":'
    yield f"{_TAB}{{"
    for pair in pairs:
        yield f"{_TAB}{_TAB}{pair},"
    yield f"{_TAB}}},"
