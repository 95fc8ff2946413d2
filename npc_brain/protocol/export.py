"""JSON Schemas and golden examples of the messages: the files of `schemas/`, as bytes.

The models are the only source.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from npc_brain.protocol.codec import as_json, encode
from npc_brain.protocol.golden import golden_examples
from npc_brain.protocol.messages import MESSAGES, Body

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UINT = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}

FileModels = Mapping[str, type[BaseModel]]
"""Models of authored files by schema name, exported beside the messages."""


def schema_files(files: FileModels) -> dict[Path, bytes]:
    """What each file holds, by its path in the schema directory."""
    contents: dict[Path, bytes] = {}
    for direction, models in MESSAGES.items():
        for name, model in models.items():
            contents[Path(direction.value) / f"{name}.json"] = _json(message_schema(model))
    for name, file_model in files.items():
        schema = {"$schema": _DIALECT} | _tidy(file_model.model_json_schema(by_alias=True))
        contents[Path(f"{name}.json")] = _json(schema)
    for name, envelope in golden_examples():
        contents[Path("golden") / f"{name}.msgpack"] = encode(envelope)
        contents[Path("golden") / f"{name}.json"] = _json(as_json(envelope))
    return contents


def message_schema(model: type[Body]) -> dict[str, Any]:
    """The JSON Schema of a whole message, envelope included. Bytes are base64, as in JSON twins."""
    body = _tidy(model.model_json_schema(by_alias=True))
    definitions = body.pop("$defs", {})
    required = ["type", "id", *(("npc_id",) if model.is_about_npc else ()), "body"]
    schema = {
        "$schema": _DIALECT,
        "title": model.type,
        "description": body.pop("description", ""),
        "type": "object",
        "properties": {
            "type": {"const": model.type},
            "id": _UINT,
            "reply_to": _UINT,
            "npc_id": {"type": "string", "pattern": r"^[A-Za-z0-9_.:/\-]{1,64}$"},
            "body": body,
        },
        "required": required,
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _tidy(schema: Any) -> Any:
    """Schema data without pydantic's titles, with bytes as base64 and None as absence."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") in ("binary", "base64url"):
        return {"type": "string", "contentEncoding": "base64"}
    tidied = dict(_tidied_items(schema))
    properties = tidied.get("properties")
    if isinstance(properties, dict):
        constants = [name for name, part in properties.items() if "const" in part]
        required = tidied.get("required", [])
        tidied |= {"required": [n for n in properties if n in required or n in constants]}
    return tidied


def _tidied_items(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and value is None:
            continue
        if key == "anyOf" and {"type": "null"} in value:
            [*rest] = [_tidy(part) for part in value if part != {"type": "null"}]
            if len(rest) == 1:
                yield from rest[0].items()
            else:
                yield key, rest
        elif key in ("properties", "$defs", "patternProperties"):
            yield key, {name: _tidy(part) for name, part in value.items()}
        elif key in ("default", "const", "enum", "required"):
            yield key, value
        else:
            yield key, _tidy(value)
