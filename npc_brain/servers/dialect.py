"""What each server program understands beyond OpenAI's own protocol, and which one is asked.

Servers are told apart by what they say of their models (`owned_by`) and their version. One that is
not known is asked in OpenAI's own terms only, and all that it gives is checked afterwards.

Sources: the API documentation of the llama.cpp server, llama-cpp-python, vLLM ("Structured
Outputs"; the `guided_*` fields were replaced in 0.11 and removed in 0.12), Ollama ("OpenAI
compatibility") and LM Studio ("Structured Output").
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.servers.address import ServerAddress
from npc_brain.servers.http import Exchange, ServerError

IDENTIFY_TIMEOUT_S = 8.0
"""How long identifying a server may take in all, however slowly it answers."""
_MAX_NAME_CHARS = 256


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
        stops_on_hang_up: Whether it stops generating for somebody who has hung up. Of one that
            does not the answer is read to its end, which shows when it is free again.
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
    stops_on_hang_up: bool = True
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
    stops_on_hang_up=False,  # with `--interrupt_requests False`
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
UNKNOWN = Dialect("unknown", has_prefix_cache=False, stops_on_hang_up=False)

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
    probe = _Probe(address, headers)
    try:
        listing = probe.get(f"{address.path}/models")
    except ServerError as error:
        if error.status == 404 and address.model:
            return ServerInfo(UNKNOWN, address.model)  # the list is optional
        raise
    entries = listing.get("data") if isinstance(listing, dict) else None
    models = [each for each in entries if _is_model(each)] if isinstance(entries, list) else []
    if not models:
        raise ServerError(
            f"{address.url} has no model loaded",
            hint="load one there, or name one after # if the server loads models on demand",
        )
    names = [each["id"] for each in models]
    model = _find(address.model, names) if address.model else names[0]
    if model is None:
        raise ModelError(
            f"{address.url} has no model {address.model!r}, it has {', '.join(names[:8])}",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="add one of these after #",
        )
    return ServerInfo(_dialect(probe, models[0]), model)


def _find(wanted: str, names: list[str]) -> str | None:
    """The name that is meant: Ollama's carry a tag, as in `gemma4:26b`."""
    if wanted in names:
        return wanted
    return next((name for name in names if name.split(":")[0] == wanted), None)


def _is_model(entry: Any) -> bool:
    name = entry.get("id") if isinstance(entry, dict) else None
    return isinstance(name, str) and 0 < len(name) <= _MAX_NAME_CHARS and name.isprintable()


class _Probe:
    """Asks a server what it is, all within `IDENTIFY_TIMEOUT_S`."""

    def __init__(self, address: ServerAddress, headers: Mapping[str, str]) -> None:
        self._address = address
        self._headers = headers
        self._end_s = time.monotonic() + IDENTIFY_TIMEOUT_S

    def get(self, path: str) -> Any:
        """The JSON at `path`. Raises ServerError."""
        left_s = max(0.01, self._end_s - time.monotonic())
        return Exchange(self._address, self._headers, timeout_s=left_s).get(path)

    def version(self, path: str) -> tuple[int, ...] | None:
        """The server program's version, from `path` beside the base path."""
        try:
            answer = self.get(self._address.path.removesuffix("/v1") + path)
        except ServerError:
            return None
        version = answer.get("version") if isinstance(answer, dict) else None
        match = re.match(r"(\d{1,6})\.(\d{1,6})", version) if isinstance(version, str) else None
        return (int(match[1]), int(match[2])) if match else None


def _dialect(probe: _Probe, model: Mapping[str, Any]) -> Dialect:
    dialect = _BY_OWNER.get(str(model.get("owned_by", ""))[:80].lower(), UNKNOWN)
    if dialect is VLLM:
        version = probe.version("/version")
        return OLD_VLLM if version is not None and version < (0, 11) else VLLM
    if dialect is UNKNOWN and probe.version("/api/version") is not None:
        return OLLAMA  # a model of one's own is owned by its maker there
    return dialect
