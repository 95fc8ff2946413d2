"""From a `ChatRequest` to the JSON that a server is sent.

Calls are asked for in one of two ways: as OpenAI's `tools`, or, of servers that do not take those,
as JSON: then everything said in the conversation is a JSON object, so that what a player types (a
string inside one) can never pass for a call or its result, and a JSON Schema tells the server what
the model may answer.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from npc_brain.inference.chat import ChatRequest, FunctionSchema, LineRule, Message
from npc_brain.inference.grammar import clean_line
from npc_brain.servers.dialect import Dialect, ServerInfo

Json = dict[str, Any]

_NOTHING_HEARD = "..."
"""For chat templates that insist on a user's message."""
_MAX_NUMBERS = 64
_MARKUP = r"<>{}\[\]|\\^~`@#&*_=+“”«»„「」『』()" + '"'


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is put to a server.

    Attributes:
        uses_tools: Calls are OpenAI's; otherwise JSON.
        is_constrained: The server is told what the text may be, where it can be told.
    """

    uses_tools: bool = True
    is_constrained: bool = True


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent, and what has to be known to read the answer.

    Attributes:
        body: JSON for `chat/completions`.
        is_json: The answer is JSON: `{"say": …}` or `{"call": …, "arguments": …}`.
        begun: The opener that the line has begun with already; empty when the model begins.
    """

    body: Json
    is_json: bool = False
    begun: str = ""


def build_prompt(request: ChatRequest, server: ServerInfo, manner: Manner) -> Prompt:
    """The request in a server's own dialect."""
    dialect = server.dialect
    is_about_calls = bool(request.functions) or any(
        message.calls or message.role == "tool" for message in request.messages
    )
    is_json = is_about_calls and not manner.uses_tools
    begun = _begun(request, dialect, manner, is_json=is_json)
    messages = _json_messages(request) if is_json else _tool_messages(request.messages)
    body: Json = {
        "model": server.model,
        "messages": _joined(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
        **_sampling(request, dialect),
        **dialect.extra,
    }
    is_continued = bool(begun) and manner.is_constrained and dialect.continuation is not None
    can_force = manner.is_constrained and bool(dialect.line_field)
    if is_continued:
        body["messages"].append({"role": "assistant", "content": begun})
        body |= dialect.continuation or {}
    elif begun and not can_force:
        hint = f"Your answer has begun already with: {begun}\nWrite only what comes next."
        body["messages"] = _joined([*body["messages"], {"role": "system", "content": hint}])
    if is_json:
        if manner.is_constrained:
            body["response_format"] = _schema_format(answer_schema(request), dialect)
    elif request.functions:
        body["tools"] = [_tool(function) for function in request.functions]
        body["tool_choice"] = "auto" if request.line.is_allowed else "required"
        body["parallel_tool_calls"] = True
    elif can_force:
        openers = (begun,) if begun else request.line.openers
        body |= _line_grammar(dialect, openers, is_continued=is_continued)
    return Prompt(body, is_json, begun)


def answer_schema(request: ChatRequest) -> Json:
    """What an answer in JSON may be: a line, or a call with fitting arguments."""
    options: list[Json] = []
    if request.line.is_allowed:
        options.append(_closed({"say": {"type": "string"}}))
    for function in request.functions:
        parameters = _spelled_out(function.parameters)
        options.append(_closed({"call": {"enum": [function.name]}, "arguments": parameters}))
    return options[0] if len(options) == 1 else {"anyOf": options}


def _spelled_out(schema: Any) -> Any:
    """`schema` with short ranges of integers as enums: llama-cpp-python passes over bounds."""
    if isinstance(schema, list):
        return [_spelled_out(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    least, most = schema.get("minimum"), schema.get("maximum")
    if schema.get("type") == "integer" and isinstance(least, int) and isinstance(most, int):
        numbers = range(least, most + 1)
        if len(numbers) <= _MAX_NUMBERS:
            return {"enum": list(numbers)}
    return {key: _spelled_out(value) for key, value in schema.items()}


def _closed(properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema_format(schema: Json, dialect: Dialect) -> Json:
    if dialect.schema_format == "json_object":
        return {"type": "json_object", "schema": schema}
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def _begun(request: ChatRequest, dialect: Dialect, manner: Manner, *, is_json: bool) -> str:
    """The opener to say without waiting; empty when the model has to choose one by itself."""
    openers = list(filter(None, map(clean_line, request.line.openers)))
    if not openers or request.functions or is_json:
        return ""
    if len(openers) > 1 and manner.is_constrained and dialect.line_field:
        return ""
    return random.Random(request.sampling.seed or 0).choice(openers)


def _sampling(request: ChatRequest, dialect: Dialect) -> Json:
    sampling = request.sampling
    fields: Json = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    if sampling.seed is not None:
        fields["seed"] = sampling.seed
    if dialect.has_top_k and sampling.top_k:
        fields["top_k"] = sampling.top_k
    if dialect.repetition_field:
        fields[dialect.repetition_field] = sampling.repetition_penalty
    return fields


def _line_grammar(dialect: Dialect, openers: Sequence[str], *, is_continued: bool) -> Json:
    """A grammar of one line without markup; sentences and length are counted here, not there."""
    texts = [opener for opener in map(clean_line, openers) if opener]
    if dialect.line_syntax == "gbnf":
        any_char = rf"[^\x00-\x1F\x7F{_MARKUP}]"
        first = rf"[^\x00-\x20\x7F{_MARKUP}.,;:!?-]"
        rest = f"([ ,;:.!?] {any_char}*)?"
        opened = " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
        if is_continued:
            line = f"{any_char}*"
        else:
            line = f"({opened}) {rest}" if texts else f"{first} {any_char}*"
        return {dialect.line_field: f"root ::= {line}"}
    any_char = rf"[^\x00-\x1F\x7F{_MARKUP}]"
    first = rf"[^\x00-\x20\x7F{_MARKUP}.,;:!?\-]"
    if is_continued:
        pattern = f"{any_char}*"
    elif texts:
        pattern = f"({'|'.join(map(_escaped, texts))})([ ,;:.!?]{any_char}*)?"
    else:
        pattern = f"{first}{any_char}*"
    if dialect.line_field == "structured_outputs":
        return {"structured_outputs": {"regex": pattern}}
    return {dialect.line_field: pattern}


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if char in r".^$*+?{}[]\|()/-" else char for char in text)


def _tool(function: FunctionSchema) -> Json:
    return {
        "type": "function",
        "function": {
            "name": function.name,
            "description": function.description,
            "parameters": function.parameters,
        },
    }


def _tool_messages(messages: Sequence[Message]) -> list[Json]:
    """The conversation with OpenAI's calls; each result is tied to its call by an id."""
    result: list[Json] = []
    waiting: list[tuple[str, str]] = []
    num_calls = 0
    for message in messages:
        if message.role == "tool":
            match = next((each for each in waiting if each[0] == message.name), None)
            if match is not None:
                waiting.remove(match)
            call_id = match[1] if match else ""
            content = message.content
            result.append({"role": "tool", "tool_call_id": call_id, "content": content})
            continue
        entry: Json = {"role": message.role, "content": message.content}
        if message.calls:
            entry["tool_calls"] = []
            for call in message.calls:
                num_calls += 1
                call_id = f"call{num_calls:05d}"  # Mistral's templates insist on nine characters
                waiting.append((call.name, call_id))
                arguments = json.dumps(call.arguments, ensure_ascii=False)
                function = {"name": call.name, "arguments": arguments}
                entry["tool_calls"].append(
                    {"id": call_id, "type": "function", "function": function}
                )
        result.append(entry)
    return result


def _json_messages(request: ChatRequest) -> list[Json]:
    """The conversation as JSON objects, after an explanation of them."""
    result = [{"role": "system", "content": _explanation(request.functions, request.line)}]
    for message in request.messages:
        if message.role == "system":
            result.append({"role": "system", "content": message.content})
        elif message.role == "user":
            result.append({"role": "user", "content": _dump({"heard": message.content})})
        elif message.role == "tool":
            content = {"result_of": message.name, "result": message.content}
            result.append({"role": "user", "content": _dump(content)})
        else:
            lines = [_dump({"say": message.content})] if message.content else []
            lines += [_dump({"call": c.name, "arguments": c.arguments}) for c in message.calls]
            result.append({"role": "assistant", "content": "\n".join(lines)})
    # What the character is stands first, how to answer after it.
    result.append(result.pop(0))
    return result


def _explanation(functions: Sequence[FunctionSchema], line: LineRule) -> str:
    rows = [_dump(_tool(function)["function"]) for function in functions]
    forms = []
    if line.is_allowed:
        forms.append('{"say": "…"} to speak')
    if functions:
        forms.append('{"call": "NAME", "arguments": {…}} to do something')
    parts = [
        "What is said to you comes as JSON. Answer with one JSON object and nothing else: "
        + ", or ".join(forms)
        + ".",
        *(["You can do:", *rows] if rows else []),
    ]
    return "\n".join(parts)


def _dump(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _joined(messages: Sequence[Json]) -> list[Json]:
    """`messages` as strict chat templates want them.

    One system message, first; then a user's; neighbours of one role are one message.
    """
    system = [m["content"].strip() for m in messages if m["role"] == "system"]
    result = [{"role": "system", "content": "\n\n".join(filter(None, system))}] if system else []
    for message in messages:
        if message["role"] == "system":
            continue
        if len(result) == bool(system) and message["role"] != "user":
            result.append({"role": "user", "content": _NOTHING_HEARD})
        last = result[-1] if result else {"role": ""}
        can_join = message["role"] in ("user", "assistant") and last["role"] == message["role"]
        if can_join and not (last.get("tool_calls") or message.get("tool_calls")):
            last["content"] = f"{last['content']}\n{message['content']}"
        else:
            result.append(dict(message))
    if len(result) == bool(system):
        result.append({"role": "user", "content": _NOTHING_HEARD})
    return result
