"""What each server program understands beyond OpenAI's own protocol, and which one is asked.

Servers are told apart by what they say of their models (`owned_by`) and their version. One that is
not known is asked in OpenAI's own terms only, and all that it gives is checked afterwards.

Sources: the API documentation of the llama.cpp server, llama-cpp-python, vLLM ("Structured
Outputs"; the `guided_*` fields were replaced in 0.11 and removed in 0.12), Ollama ("OpenAI
compatibility") and LM Studio ("Structured Output").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.inference.remote.address import ServerAddress
from npc_brain.inference.remote.http import Exchange, ServerError

PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server program.

    Attributes:
        name: For people.
        has_tools: Whether it takes `tools` and answers with `tool_calls`.
        line_field: Where a grammar of the text goes; empty when it takes none.
        line_syntax: What that grammar is written in.
        schema_format: How `response_format` spells a JSON Schema.
        continuation: Fields that make it go on with a last assistant message; None: it cannot.
        repetition_field: Name of the repetition penalty; empty when it has none.
        has_top_k: Whether it takes `top_k`.
        has_prefix_cache: Whether asking ahead makes the next question quicker.
        extra: Fields sent each time, such as the one that turns thinking off.
    """

    name: str
    has_tools: bool = True
    line_field: Literal["", "grammar", "structured_outputs", "guided_regex"] = ""
    line_syntax: Literal["gbnf", "regex"] = "gbnf"
    schema_format: Literal["json_schema", "json_object"] = "json_schema"
    continuation: Mapping[str, Any] | None = None
    repetition_field: str = ""
    has_top_k: bool = False
    has_prefix_cache: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


_NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}

LLAMA_CPP = Dialect(
    "llama.cpp",
    line_field="grammar",
    continuation={},
    repetition_field="repeat_penalty",
    has_top_k=True,
    extra={**_NO_THINKING, "cache_prompt": True},
)
LLAMA_CPP_PYTHON = Dialect(
    "llama-cpp-python",
    has_tools=False,  # it follows `tools` only where one function is forced
    line_field="grammar",
    schema_format="json_object",
    repetition_field="repeat_penalty",
    has_top_k=True,
)
VLLM = Dialect(
    "vLLM",
    line_field="structured_outputs",
    line_syntax="regex",
    continuation={"add_generation_prompt": False, "continue_final_message": True},
    repetition_field="repetition_penalty",
    has_top_k=True,
    extra=_NO_THINKING,
)
OLD_VLLM = replace(VLLM, line_field="guided_regex")
OLLAMA = Dialect("Ollama", extra={"reasoning_effort": "none"})
LM_STUDIO = Dialect("LM Studio", repetition_field="repeat_penalty", has_top_k=True)
UNKNOWN = Dialect("unknown", has_prefix_cache=False)

_BY_OWNER = {
    "llamacpp": LLAMA_CPP,
    "me": LLAMA_CPP_PYTHON,
    "vllm": VLLM,
    "library": OLLAMA,
    "organization_owner": LM_STUDIO,
}


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What was found out about a server.

    Attributes:
        dialect: How to ask it.
        model: The model to ask, as the server names it.
    """

    dialect: Dialect
    model: str


def identify(address: ServerAddress, headers: Mapping[str, str]) -> ServerInfo:
    """Ask a server what it is; blocks for up to some seconds.

    Raises ServerError when it cannot be reached or answers with what is no list of models,
    ModelError when it lacks the model that was asked for.
    """
    try:
        listing = _get(address, headers, f"{address.path}/models")
    except ServerError as error:
        if error.status == 404 and address.model:
            return ServerInfo(UNKNOWN, address.model)  # the list is optional
        raise
    entries = listing.get("data") if isinstance(listing, dict) else None
    models = [each for each in entries or () if isinstance(each, dict) and each.get("id")]
    if not models:
        raise ServerError(
            f"{address.url} has no model loaded",
            hint="load one there, or name one behind # if the server loads on demand",
        )
    names = [str(each["id"]) for each in models]
    model = _find(address.model, names) if address.model else names[0]
    if model is None:
        raise ModelError(
            f"{address.url} has no model {address.model!r}, it has {', '.join(names[:8])}",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="write one of these behind #",
        )
    return ServerInfo(_dialect(address, headers, models[0]), model)


def _find(wanted: str, names: list[str]) -> str | None:
    """The name that is meant: Ollama's carry a tag, as in `gemma4:26b`."""
    if wanted in names:
        return wanted
    return next((name for name in names if name.split(":")[0] == wanted), None)


def _dialect(
    address: ServerAddress, headers: Mapping[str, str], model: Mapping[str, Any]
) -> Dialect:
    dialect = _BY_OWNER.get(str(model.get("owned_by", "")).lower(), UNKNOWN)
    if dialect is VLLM:
        version = _version(address, headers, "/version")
        return OLD_VLLM if version is not None and version < (0, 11) else VLLM
    if dialect is UNKNOWN and _version(address, headers, "/api/version") is not None:
        return OLLAMA  # a model of one's own is owned by its maker there
    return dialect


def _version(
    address: ServerAddress, headers: Mapping[str, str], path: str
) -> tuple[int, ...] | None:
    try:
        answer = _get(address, headers, address.path.removesuffix("/v1") + path)
    except ServerError:
        return None
    version = answer.get("version") if isinstance(answer, dict) else None
    match = re.match(r"(\d+)\.(\d+)", str(version))
    return (int(match[1]), int(match[2])) if match else None


def _get(address: ServerAddress, headers: Mapping[str, str], path: str) -> Any:
    return Exchange(address, headers, timeout_s=PROBE_TIMEOUT_S).get(path)
