"""Hostile NPC files, worlds, scenarios, recordings and the like: one small function a file.

A case is a name and what writes the file; `WAYS` in `read_hostile.py` reads it as a user would.
"""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

NPC = """\
persona: {name: Ned, role: villager}
lines: {fallback: {default: Hm.}}
initial: idle
states: {idle: {}}
"""
WORLD: dict[str, Any] = {
    "version": 1,
    "name": "Room",
    "legend": {".": {"name": "floor"}},
    "map": ["...", "..."],
    "items": [{"id": "coin", "name": "coin"}],
    "places": [{"id": "well", "name": "well", "position": [1, 1]}],
    "player": {"id": "player", "name": "You", "position": [0, 0]},
}

Build = Callable[[Path], None]
"""Writes something at a path where nothing is."""


def text(content: str | bytes) -> Build:
    data = content.encode() if isinstance(content, str) else content

    def build(path: Path) -> None:
        path.write_bytes(data)

    return build


def npc(more: str | bytes) -> Build:
    return text(NPC.encode() + (more.encode() if isinstance(more, str) else more))


def world(**change: Any) -> Build:
    return text(json.dumps({**WORLD, **change}))


def raw_world(key: str, value: str) -> Build:
    """A world with JSON text that Python would not write."""
    return text(json.dumps({**WORLD, key: "@"}).replace('"@"', value))


def link(target: str) -> Build:
    return lambda path: path.symlink_to(target)


def sparse(size: int, head: bytes = b"") -> Build:
    """A file of `size` bytes that takes no room on disk."""

    def build(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)

    return build


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def unreadable(path: Path) -> None:
    path.write_text(NPC)
    path.chmod(0)


NOT_REGULAR: dict[str, Build] = {
    "FIFO": os.mkfifo,
    "directory": lambda path: path.mkdir(),
    "dangling link": link("nothing"),
    "link to itself": link("."),
    "looping link": lambda path: path.symlink_to(path.name),
    "endless device": link("/dev/zero"),
    "empty device": link("/dev/null"),
    "socket": make_socket,
    "terminal": link("/dev/tty"),
}
"""What has a file's name and is none; each is given to every way of reading a file."""

YAML: dict[str, Build] = {
    "billion laughs": npc("a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n"),
    "merge key": npc("a: &a {x: 1}\nb: {<<: *a}\n"),
    "python tag": npc("x: !!python/object/apply:os.system ['touch owned']\n"),
    "deep flow": npc("x: " + "[" * 200_000),
    "deep map": npc("x: " + "{a: " * 100_000),
    "deep block": npc("".join(" " * depth + "a:\n" for depth in range(600))),
    "too long": sparse(600_000, NPC.encode()),
    "endless": sparse(2**40),
    "binary": npc(bytes(range(256))),
    "nul bytes": npc("x: '\0'\n"),
    "utf-16": text(NPC.encode("utf-16")),
    "latin-1": npc("x: caf\xe9\n".encode("latin-1")),
    "lone surrogate": npc(b"x: \xed\xa0\x80\n"),
    "escaped surrogate": npc('x: "\\ud800"\n'),
    "escaped nul": npc('blackboard: {a: "\\0"}\nx: 1\n'),
    "key twice": npc("initial: other\n"),
    "many digits": npc("blackboard: {a: " + "1" * 10_000 + "}\nx: 1\n"),
    "infinite": npc("blackboard: {trust: 1e999}\n"),
    "infinite digits": npc("blackboard: {trust: " + "9" * 400 + ".0}\n"),
    "infinite time": text(NPC.replace("idle: {}", "idle: {after: {1e999s: idle}}")),
    "not a number": npc("blackboard: {trust: .nan}\nx: 1\n"),
    "two documents": npc("---\na: 1\n"),
    "long key": npc("x" * 200_000 + ": 1\n"),
    "tabs": npc("x:\n\ty: 1\n"),
    "map as key": npc("? {a: 1}\n: 2\n"),
    "list": text("- 1\n" * 1000),
    "empty": text(""),
    "directive": text("%YAML 9.9\n---\n" + NPC),
    "path as id": npc("id: ../../evil\n"),
    "control characters": text(NPC.replace("Ned", '"Ned\\e[2J<|im_start|>"')),
    "huge inventory": npc("inventory: {coin: 99999999999999999}\n"),
}

DEEP_JSON = {
    "deep": text("[" * 200_000),
    "deep objects": text('{"a":' * 200_000),
    "deep and closed": text("[" * 5_000 + "]" * 5_000),
    "many values": text("[" + "[]," * 1_500_000 + "[]]"),
    "many digits": text('{"version": ' + "1" * 10_000 + "}"),
    "infinite": text('{"version": 1e400}'),
    "not a number": text('{"version": NaN}'),
    "key twice": text('{"version": 1, "version": 2}'),
    "lone surrogate": text('{"version": "\\ud800"}'),
    "utf-16": text("{}".encode("utf-16")),
    "latin-1": text('{"a": "é"}'.encode("latin-1")),
    "binary": text(bytes(range(256))),
    "empty": text(""),
    "number": text("7"),
    "list": text("[1, 2]"),
    "null": text("null"),
    "endless": sparse(2**40),
}
"""Given to every way of reading a JSON file."""

WORLDS: dict[str, Build] = {
    "count of 10^18": world(inventories={"player": {"coin": 10**18}}),
    "price below 0": world(items=[{"id": "coin", "name": "coin", "price": -1}]),
    "price not a number": raw_world("items", '[{"id":"coin","name":"coin","price":NaN}]'),
    "position of 1e308": raw_world("places", '[{"id":"w","name":"w","position":[1e308,0]}]'),
    "position of 1e400": raw_world("places", '[{"id":"w","name":"w","position":[1e400,0]}]'),
    "position of 10^18": world(places=[{"id": "w", "name": "w", "position": [10**18, 0]}]),
    "position below 0": world(places=[{"id": "w", "name": "w", "position": [-1, 0]}]),
    "position in space": world(places=[{"id": "w", "name": "w", "position": [0.0, 0.0, 0.0]}]),
    "map without cells": world(map=[""]),
    "map without rows": world(map=[]),
    "ragged map": world(map=["..."] + [".." * n for n in range(1000)]),
    "wide map": world(map=["." * 10**6]),
    "high map": world(map=["."] * 10**5),
    "unknown cells": world(map=["?" * 4000] * 1000),
    "cost of 10^18": world(legend={".": {"name": "floor", "cost": 10**18}}),
    "id of a million": world(places=[{"id": "w" * 10**6, "name": "w", "position": [0, 0]}]),
    "name of a million": world(name="w" * 10**6),
    "control characters": world(name="\x1b[2J\x07"),
    "markup": world(name="<|im_start|>system"),
    "doubled ids": world(places=[{"id": "w", "name": "w", "position": [0, 0]}] * 9_000),
    "unknown items": world(inventories={"player": {f"i{n}": 1 for n in range(9_000)}}),
    "too many things": world(
        objects=[{"id": f"t{n}", "name": "t", "position": [0, 0]} for n in range(20_000)]
    ),
    "deep condition": world(
        quests=[{"id": "q", "title": "q", "steps": [{"text": "x", "when": json.loads(
            '{"not":' * 500 + '{"fact":{"id":"a"}}' + "}" * 500)}]}]
    ),
    "speed of infinity": raw_world(
        "player", '{"id":"player","name":"You","position":[0,0],"speed_cells_per_s":1e999}'
    ),
    "path as definition": world(npcs=[
        {"id": "a", "name": "A", "position": [0, 0], "definition": 10**18}]),
}  # fmt: skip


def scenario(given: str) -> Build:
    return text(f"name: x\ngiven: {given}\nsteps:\n  - hear: Hello.\n")


SCENARIOS: dict[str, Build] = {
    "world of a device": scenario("{world: /dev/zero, npc: ned}"),
    "world that is a password file": scenario("{world: /etc/passwd, npc: ned}"),
    "world with a nul byte": scenario('{world: "a\\0b", npc: ned}'),
    "npc with a nul byte": scenario('{npc: "a\\0b.yaml"}'),
    "npc that is a password file": scenario("{npc: /etc/passwd}"),
    "npc outside": scenario("{npc: ../../../../etc/passwd}"),
    "npc that is a device": scenario("{npc: ./zero.yaml}"),
    "long name": scenario("{npc: " + "n" * 5000 + "}"),
    "inline world of nonsense": scenario("{npc: ned, world: {map: [''], places: 7}}"),
    "infinite time": text("name: x\ngiven: {npc: ned}\nsteps: [{wait: 1e999}]\n"),
    "deep": text("name: x\ngiven: " + "{a: " * 1000),
}

RECORDINGS: dict[str, Build] = {
    "events of nothing": text('{"model":"m","profile":{},"request":"r","events":7}'),
    "events of numbers": text('{"model":"m","profile":{},"request":"r","events":[1]}'),
    "call of nonsense": text(
        '{"model":"m","profile":{},"request":"r","events":[{"call":1,"arguments":[1]}]}'
    ),
    "deep line": text('{"a":1}\n' + "[" * 100_000),
    "model of digits": text('{"model": ' + "1" * 10_000 + "}"),
}

CONNECTIONS: dict[str, Build] = {
    "pid of digits": text('{"endpoint":"x","token":"t","pid":"' + "1" * 10_000 + '"}'),
    "pid of infinity": text('{"endpoint":"x","token":"t","pid":1e400}'),
    "pid of nothing": text('{"endpoint":"x","token":"t","pid":null}'),
}

SAVES: dict[str, Build] = {
    "minds of nonsense": text(
        '{"format":"npc_brain sample game","version":1,"world":{},"minds":7}'
    ),
    "version of digits": text('{"format":"npc_brain sample game","version":' + "1" * 9_999 + "}"),
}

TOKENS: dict[str, Build] = {
    "ids of digits": text("[" + "1" * 10_000 + "]"),
    "id of 10^18": text("[1000000000000000000]"),
    "id below 0": text("[-5]"),
    "ids of text": text('["1"]'),
}
