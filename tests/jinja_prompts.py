"""Our messages and functions as a model's own `chat_template.jinja` wants them."""

from collections.abc import Sequence
from typing import Any

from npc_brain.inference.chat import FunctionSchema, Message


def as_dicts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as chat templates want them."""
    return [_as_dict(message) for message in messages]


def _as_dict(message: Message) -> dict[str, Any]:
    calls = [
        {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.calls
    ]
    named = {"name": message.name} if message.name else {}
    called = {"tool_calls": calls} if calls else {}
    return {"role": message.role, "content": message.content, **named, **called}


def tools_of(functions: Sequence[FunctionSchema]) -> list[dict[str, Any]] | None:
    """Functions as chat templates want them; None when there are none."""
    return [
        {
            "type": "function",
            "function": {
                "name": function.name,
                "description": function.description,
                "parameters": function.parameters,
            },
        }
        for function in functions
    ] or None
