"""Writes and checks `schemas/`: JSON Schemas, golden examples, and the tables of protocol.md.

The models are the only source. The rules around the tables are written by hand in the directory's
own protocol.md, between markers that this module looks for.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from npc_brain.errors import UsageError
from npc_brain.protocol.codec import as_json, encode
from npc_brain.protocol.golden import golden_examples
from npc_brain.protocol.messages import MESSAGES, NPC_MESSAGES, Body
from npc_brain.protocol.reference import tables

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UINT = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_DOCUMENT = Path("protocol.md")

FileModels = Mapping[str, type[BaseModel]]
"""Models of authored files by schema name, exported beside the messages."""


def export(directory: Path, files: FileModels) -> list[Path]:
    """Bring a schema directory up to date.

    Returns:
        What was written or removed, relative to it; empty when nothing was stale.
    """
    wanted = _contents(directory, files)
    stale = _stale(directory, wanted)
    for path in stale:
        target = directory / path
        if path in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wanted[path])
        else:
            target.unlink()
    return stale


def check(directory: Path, files: FileModels) -> list[Path]:
    """What is missing, stale or left over in a schema directory, relative to it.

    Raises:
        UsageError: There is no such directory.
    """
    if not directory.is_dir():
        raise UsageError(f"there is no directory {directory}", hint="npc-brain schema export DIR")
    return _stale(directory, _contents(directory, files))


def message_schema(model: type[Body]) -> dict[str, Any]:
    """The JSON Schema of a whole message, envelope included. Bytes are base64, as in JSON twins."""
    body = _tidy(model.model_json_schema(by_alias=True))
    definitions = body.pop("$defs", {})
    required = ["type", "id", *(("npc_id",) if model.type in NPC_MESSAGES else ()), "body"]
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


def _stale(directory: Path, wanted: Mapping[Path, bytes]) -> list[Path]:
    present = {
        path.relative_to(directory)
        for path in directory.rglob("*")
        if path.suffix in (".json", ".msgpack") and path.is_file()
    }
    stale = {
        path
        for path, content in wanted.items()
        if not (directory / path).is_file() or (directory / path).read_bytes() != content
    }
    return sorted(stale | (present - wanted.keys()))


def _contents(directory: Path, files: FileModels) -> dict[Path, bytes]:
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
    document = directory / _DOCUMENT
    text = document.read_text(encoding="utf-8") if document.is_file() else ""
    contents[_DOCUMENT] = _with_tables(text).encode()
    return contents


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _with_tables(text: str) -> str:
    for name, table in tables().items():
        begin, end = f"<!-- generated: {name} -->", "<!-- end of generated part -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if found and not closed:
            raise UsageError(f"{_DOCUMENT} has no {end!r} after {begin!r}")
        if not found:
            before, after = before.rstrip() + "\n\n" if before else "", "\n"
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


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
