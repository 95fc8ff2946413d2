"""Writes the C# classes of all messages from `schemas/`.

Run it after the schemas change: `python engine_bridges/unity/make_messages.py`; `--check` only
tells whether `Messages.g.cs` is stale. A class has a field for each of the schema's, in its order;
what the schema gives no default may be null and is then not written.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
TARGET = ROOT / ("engine_bridges/unity/com.npcbrain.bridge/Runtime/Core/Protocol/Messages.g.cs")
_HEADER = """// Made from schemas/ by make_messages.py: do not edit.
using System.Collections.Generic;

namespace NpcBrain.Protocol
{"""
_MAP = "IDictionary<string, object>"


def main(arguments: list[str]) -> int:
    """Write the file, or check it; 1 when it was stale."""
    text = generated()
    if arguments == ["--check"]:
        is_fresh = TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text
        print("fresh" if is_fresh else f"{TARGET.name} is stale: run make_messages.py")
        return 0 if is_fresh else 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    return 0


def generated() -> str:
    """The whole file."""
    parts: dict[str, dict[str, Any]] = {}
    bodies: list[tuple[str, str, bool, dict[str, Any]]] = []
    for folder, is_from_sidecar in (("engine_to_sidecar", False), ("sidecar_to_engine", True)):
        for path in sorted((SCHEMAS / folder).glob("*.json")):
            schema = json.loads(path.read_text(encoding="utf-8"))
            body = schema["properties"]["body"] | {"description": schema.get("description", "")}
            name = class_name(schema["title"], is_from_sidecar)
            bodies.append((name, schema["title"], is_from_sidecar, body))
            parts |= schema.get("$defs", {})
    lines = [_HEADER]
    for name, title, _, body in bodies:
        lines += [*a_class(name, title, body), ""]
    for name, part in sorted(parts.items()):
        lines += [*a_class(name, None, part), ""]
    return "\n".join([*lines, *reader(bodies), "}", ""])


def class_name(title: str, is_from_sidecar: bool) -> str:
    """`npc.hear` is NpcHear; the question that `stats` answers is StatsRequest."""
    name = pascal(title.replace(".", "_"))
    return "StatsRequest" if title == "stats" and not is_from_sidecar else name


def pascal(name: str) -> str:
    """`first_token_ms` is FirstTokenMs."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def a_class(name: str, title: str | None, schema: dict[str, Any]) -> Iterator[str]:
    """The lines of one class."""
    fields = schema.get("properties", {})
    required = set(schema.get("required", []))
    yield f"    /// <summary>{escaped(schema.get('description', '') or name + '.')}</summary>"
    yield f"    public sealed class {name} : {'IMessageBody' if title else 'IMessagePart'}"
    yield "    {"
    for field, spec in fields.items():
        text = escaped(spec.get("description", "")) or f"<c>{field}</c>"
        yield f"        /// <summary>{text}</summary>"
        yield f"        public {kind(spec, field in required)} {pascal(field)}{default(spec)};"
        yield ""
    if title:
        yield "        /// <summary>The message's type.</summary>"
        yield f'        public string MessageType {{ get {{ return "{title}"; }} }}'
        yield ""
    yield "        /// <summary>Its fields, in the order of the protocol.</summary>"
    yield f"        public {_MAP} ToMap()"
    yield "        {"
    yield "            FieldWriter fields = new FieldWriter();"
    for field in fields:
        yield f'            fields.Add("{field}", {pascal(field)});'
    yield "            return fields.Map;"
    yield "        }"
    yield ""
    yield "        /// <summary>Reads a body; what is absent or of a wrong type keeps its default."
    yield "        /// </summary>"
    yield f"        public static {name} Read({_MAP} map)"
    yield "        {"
    yield f"            {name} made = new {name}();"
    for field, spec in fields.items():
        member = f"made.{pascal(field)}"
        yield f"            {member} = {read(field, spec, field in required, member)};"
    yield "            return made;"
    yield "        }"
    yield "    }"


def reader(bodies: list[tuple[str, str, bool, dict[str, Any]]]) -> Iterator[str]:
    """The lines of the class that knows all types."""
    yield "    /// <summary>All messages of the protocol.</summary>"
    yield "    public static class Messages"
    yield "    {"
    for side, is_from_sidecar in (("FromSidecar", True), ("FromEngine", False)):
        yield "        /// <summary>Reads a message's body by its type; null for an unknown one."
        yield "        /// </summary>"
        yield f"        public static IMessageBody {side}(string type, {_MAP} body)"
        yield "        {"
        yield "            switch (type)"
        yield "            {"
        for name, title, is_outbound, _ in bodies:
            if is_outbound == is_from_sidecar:
                yield f'                case "{title}":'
                yield f"                    return {name}.Read(body);"
        yield "                default:"
        yield "                    return null;"
        yield "            }"
        yield "        }"
        if is_from_sidecar:
            yield ""
    yield "    }"


def kind(spec: dict[str, Any], is_required: bool) -> str:
    """The C# type of a field."""
    if "$ref" in spec:
        return reference(spec)
    if spec.get("contentEncoding") == "base64":
        return "byte[]"
    plain = {"integer": "long", "number": "double", "boolean": "bool", "string": "string"}
    name = plain.get(spec.get("type", ""))
    if name is not None:
        may_be_absent = not is_required and "default" not in spec
        return f"{name}?" if may_be_absent and name != "string" else name
    if spec.get("type") == "array":
        items = spec.get("items", {})
        return f"List<{reference(items) if '$ref' in items else 'object'}>"
    return _MAP if spec.get("type") == "object" else "object"


def reference(spec: dict[str, Any]) -> str:
    """The class that a `$ref` names."""
    return str(spec["$ref"].rsplit("/", 1)[1])


def default(spec: dict[str, Any]) -> str:
    """The initial value of a field, as the schema's default says."""
    value = spec.get("default", spec.get("const"))
    if value is None:
        return ""
    if isinstance(value, list):
        return f" = new {kind(spec, True)}()"
    if isinstance(value, dict):
        made = "Dictionary<string, object>" if kind(spec, True) == _MAP else kind(spec, True)
        return f" = new {made}()"
    return f" = {json.dumps(value)}"


def read(field: str, spec: dict[str, Any], is_required: bool, member: str) -> str:
    """The expression that reads a field."""
    name = kind(spec, is_required)
    at = f'FieldReader.At(map, "{field}")'
    if "$ref" in spec:
        part = f"FieldReader.Map({at})"
        return f"{part} == null ? {member} : {name}.Read({part})"
    if name.startswith("List<") and name != "List<object>":
        return f"FieldReader.Parts({at}, {name[5:-1]}.Read, {member})"
    method = {
        "long": "Integer", "long?": "Integer", "double": "Number", "double?": "Number",
        "bool": "Flag", "bool?": "Flag", "string": "Text", "byte[]": "Bytes", _MAP: "Map",
        "List<object>": "List",
    }.get(name)  # fmt: skip
    if method is None:
        return f"{at} ?? {member}"
    return f"FieldReader.{method}({at}) ?? {member}"


def escaped(text: str) -> str:
    """For an XML comment, on one line."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return flat.replace(">", "&gt;")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
