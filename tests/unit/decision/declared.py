"""What an NPC file declares, read without any of our code: states, ways between them, tools."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Declared:
    """An NPC file in plain sets.

    Attributes:
        ways: (innermost state, innermost state, label) of every authored transition.
        tools: By innermost state what may be chosen there.
        authored_tools: By innermost state what its reactions use by themselves.
        events: Every event name in the file.
        sentences: Every example sentence and keyword.
    """

    initial: str
    ways: set[tuple[str, str, str]] = field(default_factory=set)
    tools: dict[str, set[str]] = field(default_factory=dict)
    authored_tools: dict[str, set[str]] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)


def declared_by(path: Path) -> Declared:
    """Read a file with a loader for which every scalar is text."""
    data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    chains = dict(_chains(data["states"], []))
    leaf_of = {name: _leaf(chain) for name, chain in chains.items()}
    found = Declared(leaf_of[data["initial"]])
    for examples in data.get("examples", {}).values():
        found.sentences += _many(examples)
    for chain in chains.values():
        name, state = chain[-1]
        if "states" in state:
            continue
        inherited = [each["tools"] for _, each in chain if "tools" in each]
        found.tools[name] = set(inherited[-1]) - {"say"} if inherited else set()
        found.authored_tools[name] = set()
        for _, each in chain:
            _add_state(found, name, each, leaf_of)
    return found


def _chains(
    states: dict[str, Any], outer: list[tuple[str, Any]]
) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    for name, state in states.items():
        state = state or {}
        chain = [*outer, (name, state)]
        yield name, chain
        yield from _chains(state.get("states", {}), chain)


def _leaf(chain: list[tuple[str, Any]]) -> str:
    name, state = chain[-1]
    while "states" in state:
        name = state["initial"]
        state = state["states"][name] or {}
    return name


def _add_state(found: Declared, name: str, state: Any, leaf_of: dict[str, str]) -> None:
    for key, ways in state.get("on", {}).items():
        found.events.add(key)
        for target in _targets(ways):
            found.ways.add((name, leaf_of[target], key))
    for duration, ways in state.get("after", {}).items():
        for target in _targets(ways):
            found.ways.add((name, leaf_of[target], f"after {duration}"))
    for heard in state.get("heard", []):
        found.sentences += [*_many(heard.get("like", [])), *_many(heard.get("keywords", []))]
        if "to" in heard:
            found.ways.add((name, leaf_of[heard["to"]], "heard"))
        found.authored_tools[name] |= {tool for effect in heard.get("do", []) for tool in effect}


def _targets(ways: Any) -> list[str]:
    listed = ways if isinstance(ways, list) else [ways]
    targets = [way if isinstance(way, str) else way.get("to") for way in listed]
    return [target for target in targets if target]


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
