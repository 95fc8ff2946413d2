"""Good files with something changed: read, or refused in the project's own words."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npc_brain.errors import NpcBrainError
from npc_brain.importing.architectures.gemma4.from_safetensors import import_safetensors
from npc_brain.importing.gguf_import import import_gguf
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.tokenizer import Tokenizer
from npc_brain.npc.loader import parse_definition, read_definition
from npc_brain.simulation.world_file import load_world_file
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.model import WorldSnapshot
from npc_brain.world.world import World
from tests.counts import count
from tests.gemma4_random import E2B_LIKE, random_weights, text_config, write_checkpoint
from tests.npc_files import MIRA
from tests.security.hostile_texts import WORLD
from tests.tiny_gguf import write_tiny_gguf

HOSTILE_VALUES: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, -(2**63), 10**18, 0.5, -1.0, 1e308, 5e-324, "", "a", "..",
    "/etc/passwd", "\0", "\x1b[2J", "<|im_end|>", "a" * 5000, [], {}, [[]], [0] * 300, {"a": {}},
    {"": 0}, [None], "1e999", "9" * 400,
]  # fmt: skip


def settled(full: int, ci: int) -> settings:
    return settings(
        max_examples=count(full, ci),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@contextmanager
def own_words() -> Iterator[None]:
    """Errors of the project's tree are what is promised; any other is a failure."""
    told = "read"
    try:
        yield
    except NpcBrainError as error:
        told = error.message
    assert 0 < len(told) < 20_000


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be changed in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(min(len(value), 5))
        for key in keys:
            yield from places(value[key], (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any, how: str) -> Any:
    """A copy with the value at `path` replaced, removed or doubled."""
    if not path:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if how == "remove":
        del inner[path[-1]]
    elif how == "double" and isinstance(inner, list):
        inner.append(inner[path[-1]])
    else:
        inner[path[-1]] = new
    return value


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Copies of a JSON value with one thing wrong in them."""
    return st.builds(
        lambda path, new, how: changed(value, path, new, how),
        st.sampled_from(list(places(value))),
        st.sampled_from(HOSTILE_VALUES),
        st.sampled_from(["replace", "replace", "remove", "double"]),
    )


def flipped(size: int, most: int = 4) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Places below `size`, and the bytes to have there."""
    byte = st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 9, 0x7F, 0x80, 0xFF]))
    return st.lists(st.tuples(st.integers(0, size - 1), byte), min_size=1, max_size=most)


def with_bytes(data: bytes, flips: list[tuple[int, int]]) -> bytes:
    whole = bytearray(data)
    for place, byte in flips:
        whole[place % len(whole)] = byte
    return bytes(whole)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("base")
    import_gguf(write_tiny_gguf(directory / "tiny.gguf", "llama"), directory / "model")
    config = text_config(E2B_LIKE[:10], 4, kv_heads=1, is_double_wide=True, window=4)
    weights = random_weights(config, np.random.default_rng(1))
    write_checkpoint(directory / "checkpoint", config, weights)
    return directory


@given(flips=flipped(12_000), share=st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.05]))
@settled(600, 60)
def test_gguf(base: Path, flips: list[tuple[int, int]], share: float) -> None:
    data = with_bytes((base / "tiny.gguf").read_bytes(), flips)
    path = base / "changed.gguf"
    path.write_bytes(data[: int(len(data) * share)])
    target = base / "imported"
    shutil.rmtree(target, ignore_errors=True)
    with own_words():
        import_gguf(path, target)
        load_model_info(target)
        Tokenizer.load(target)


@given(flips=flipped(3_000))
@settled(400, 40)
def test_safetensors(base: Path, flips: list[tuple[int, int]]) -> None:
    path = base / "checkpoint" / "a.safetensors"
    whole = path.read_bytes()
    path.write_bytes(with_bytes(whole, flips))
    try:
        _import_checkpoint(base)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "model.safetensors.index.json"]
)
@given(data=st.data())
@settled(300, 30)
def test_checkpoint_json(base: Path, name: str, data: st.DataObject) -> None:
    path = base / "checkpoint" / name
    text = path.read_text()
    path.write_text(json.dumps(data.draw(mutated(json.loads(text)))))
    try:
        _import_checkpoint(base)
    finally:
        path.write_text(text)


def _import_checkpoint(base: Path) -> None:
    for left in base.glob("*imported*"):
        shutil.rmtree(left, ignore_errors=True)
    with own_words():
        import_safetensors(base / "checkpoint", base / "imported")
        load_model_info(base / "imported")
    for left in base.glob(".imported*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


@pytest.mark.parametrize(
    ("name", "read"), [("model.json", load_model_info), ("tokenizer.json", Tokenizer.load)]
)
@given(data=st.data())
@settled(1000, 100)
def test_model_directory(
    base: Path, name: str, read: Callable[[Path], object], data: st.DataObject
) -> None:
    path = base / "model" / name
    text = path.read_text()
    path.write_text(json.dumps(data.draw(mutated(json.loads(text)))))
    try:
        with own_words():
            read(base / "model")
    finally:
        path.write_text(text)


@given(world=mutated({**WORLD, "npcs": [WORLD["player"] | {"id": "ned"}], "quests": [
    {"id": "q", "title": "Q", "steps": [{"text": "x", "when": {"any": [{"fact": {"id": "a"}}]}}]}],
    "doors": [{"id": "d", "name": "D", "cell": [1, 0], "key": "coin"}], "facts": {"a": 1},
    "inventories": {"player": {"coin": 3}}, "currency": "coin",
    "rules": [{"refuse": "trade", "npc": "ned", "reason": "no"}]}))  # fmt: skip
@settled(2000, 200)
def test_world_file(tmp_path: Path, world: Any) -> None:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world))
    with own_words():
        load_world_file(path).nav_grid()


@given(flips=flipped(len(MIRA.read_bytes()), 6))
@settled(1000, 60)
def test_npc_file(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    path = tmp_path / "mira.yaml"
    path.write_bytes(with_bytes(MIRA.read_bytes(), flips))
    _, problems = read_definition(path, BUILT_INS)
    assert all(str(path) in str(problem) for problem in problems)


NPC: dict[str, Any] = {
    "id": "ned",
    "persona": {"name": "Ned", "role": "villager", "knowledge": ["x"], "voice": "dry"},
    "lines": {"fallback": {"default": "Hm."}, "greeting": "Hi"},
    "blackboard": {"trust": 0},
    "inventory": {"coin": 1},
    "initial": "idle",
    "states": {
        "idle": {
            "prompt": "You wait.",
            "tools": ["find_path"],
            "heard": [{"keywords": ["key"], "if": "trust < 2", "say": "No."}],
            "on": {"attacked": "gone"},
            "after": {"60s": "gone"},
        },
        "gone": {"mind": "scripted", "enter": [{"bark": "Help!"}, {"set": {"trust": "trust + 1"}}]},
    },
}


@given(definition=mutated(NPC))
@settled(2000, 200)
def test_inline_definition(definition: Any) -> None:
    if isinstance(definition, dict):
        with own_words():
            parse_definition(definition, "definition of ned", BUILT_INS)


@given(world=mutated({"revision": 1, "items": [{"id": "coin", "name": "coin", "price": 3}],
    "places": [{"id": "well", "name": "well", "position": [1, 1]}],
    "entities": [{"id": "ned", "name": "Ned", "kind": "npc", "position": [0, 0]}],
    "inventories": {"ned": {"items": {"coin": 1}}}, "facts": {"a": 1}, "currency": "coin",
    "nav": {"kind": "graph", "nodes": {"a": [0, 0], "b": [1, 1]},
            "edges": [{"a": "a", "b": "b", "cost": 1.0}]}}))  # fmt: skip
@settled(2000, 200)
def test_snapshot(world: Any) -> None:
    from pydantic import ValidationError

    try:
        snapshot = WorldSnapshot.model_validate_json(json.dumps(world))
    except ValidationError:  # what the codec answers with `bad_body`
        return
    with own_words():
        World.from_snapshot(snapshot)
