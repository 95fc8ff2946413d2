"""The recipes of CONTRIBUTING.md, followed on a copy of the tree."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.tiny_gguf import write_tiny_gguf

ROOT = Path(__file__).parents[2]
COPIED = ("npc_brain", "schemas", "docs", "engine_bridges", "sample_game")
"""The product, and what is generated from it."""
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".godot", "bin", "obj")

SCENARIO = """\
name: The NPC drops what it is told to
given:
  npc: ned
  engine: {inventory_drop: done}
steps:
  - hear: Put that ale down!
    expect:
      tools: [{tool: inventory_drop, args: {item: ale}, ok: true}]
      actions: [{tool: inventory_drop, args: {item: ale, count: 1}}]
      states: [idle]
      line: {contains: "There, on the ground: 1 ale."}
  - hear: Throw away nine ales.
    expect:
      tools: [{tool: inventory_drop, ok: false, reason: too_few}]
      line: {contains: I don't have that many.}
"""
NPC = """\
persona: {name: Ned, role: villager}
lines: {fallback: {default: Hm.}}
inventory: {ale: 3}
initial: busy
states:
  busy: {tools: [inventory_list, inventory_give, inventory_drop], on: {dropped_item: idle}}
  idle: {tools: [inventory_drop]}
"""
INSPECT = """\
import asyncio
from pathlib import Path

from npc_brain.clock import MonotonicClock
from npc_brain.decision.models import Models
from npc_brain.npc.loader import load_definition
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol import messages as m
from npc_brain.protocol.codec import DEFAULT_LIMITS, decode
from npc_brain.session.session import StageSession
from npc_brain.tools.registry import BUILT_INS
from npc_brain.understanding.lexical import LexicalEncoder


async def main():
    told = []
    session = StageSession(
        "s", lambda body, npc_id: told.append(body),
        models=Models(LexicalEncoder()), library=NpcLibrary(None), clock=MonotonicClock(),
        limits=DEFAULT_LIMITS, num_sessions=lambda: 1,
    )
    mira = load_definition(Path("sample_game/npcs/mira.yaml"), BUILT_INS)
    session.stage.spawn("mira", mira)
    frame = Path("schemas/golden/npc.inspect.msgpack").read_bytes()
    assert session.handle(decode(frame, m.Direction.INBOUND)) == m.Ok()
    print(*(body.event for body in told if isinstance(body, m.NpcState)))
    await session.close()


asyncio.run(main())
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the parts of the tree that a recipe may touch."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=NOT_COPIED)
    return tmp_path


def steps(recipe: str) -> list[tuple[Path, str]]:
    """The path at the start of each step that has one, and the step's text."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"### {recipe}\n")
    section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^\d\. `([^`]+)`:(.*?)(?=^\d\. |\Z)", section, re.M | re.S)
    return [(Path(path), step) for path, step in found]


def snippets(recipe: str) -> dict[Path, str]:
    """The files that a recipe creates, by their path."""
    return {
        path: textwrap.dedent(block)
        for path, step in steps(recipe)
        for block in re.findall(r"^   ```\w+\n(.*?)^   ```", step, re.M | re.S)
    }


def insert(root: Path, recipe: str) -> set[Path]:
    """Put each block of a recipe before the first line with the text it names, indented alike."""
    for path, step in steps(recipe):
        for anchor, block in re.findall(
            r"before\s+(?:the line with )?`([^`]+)`:\n\n   ```\w+\n(.*?)^   ```",
            step,
            re.M | re.S | re.I,
        ):
            lines = (root / path).read_text(encoding="utf-8").splitlines(keepends=True)
            at = next(i for i, line in enumerate(lines) if anchor in line)
            indent = re.match(" *", lines[at])
            assert indent is not None
            new = textwrap.indent(re.sub("^   ", "", block, flags=re.M), indent[0])
            is_definition = new.count("\n") > 1
            lines.insert(at, new + "\n" * is_definition * (1 if indent[0] else 2))
            (root / path).write_text("".join(lines), encoding="utf-8")
    return {path for path, _ in steps(recipe)}


def contents(root: Path) -> dict[Path, str]:
    """The hash of every file under `root` that is not made by running it."""
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def touched(root: Path, before: dict[Path, str]) -> set[Path]:
    """The files that are new, gone or changed since `before`."""
    after = contents(root)
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def run(root: Path, *args: str, module: str = "npc_brain") -> str:
    """What `npc-brain ARGS` prints in the copy; it has to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *args],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_tool_is_two_files(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Chosen without a model, carried out by the game, spoken of with its own lines."""
    before = contents(tree)
    files = snippets("Add a tool")
    assert sorted(files) == [
        Path("npc_brain/language/en/tools/inventory_drop.yaml"),
        Path("npc_brain/tools/builtin/inventory_drop.py"),
    ]
    for path, content in files.items():
        (tree / path).write_text(content, encoding="utf-8")
    generated = {Path(line) for line in run(tree, "schema", "export").splitlines()}
    assert generated == {
        Path("docs/npc_files.md"),
        Path("engine_bridges/godot/addons/npc_brain/nodes/npc_methods.gd"),
        Path("engine_bridges/unity/com.npcbrain.bridge/Runtime/Unity/NpcTool.cs"),
    }
    game = tmp_path_factory.mktemp("game")
    (game / "npcs").mkdir()
    (game / "npcs" / "ned.yaml").write_text(NPC, encoding="utf-8")
    (game / "drop.scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    run(tree, "test", str(game))
    assert touched(tree, before) == {*files} | generated


def test_an_architecture_is_a_module_and_its_test(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A tiny model of it is imported and generates tokens; its own test passes."""
    for name in ("pyproject.toml", "tests/tiny_gguf.py", "tests/float_decoder.py"):
        (tree / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    before = contents(tree)
    files = snippets("Add a model architecture")
    assert sorted(files) == [
        Path("npc_brain/importing/architectures/qwen3.py"),
        Path("tests/unit/importing/test_qwen3.py"),
    ]
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(content, encoding="utf-8")
    run(tree, "-q", "-p", "no:cacheprovider", "tests", module="pytest")
    away = tmp_path_factory.mktemp("model")
    source = write_tiny_gguf(away / "tiny.gguf", "qwen3", extra={"tokenizer.ggml.pre": "qwen2"})
    run(tree, "model", "import", str(source), str(away / "model"))
    generate = ("generate", "--model", str(away / "model"), "--prompt", "the", "--max-tokens", "5")
    assert 1 <= len(json.loads(run(tree, *generate, "--json"))["token_ids"]) <= 5
    assert "tool_choice encoder" in run(tree, "model", "info", str(away / "model"))
    assert touched(tree, before) == {*files}


def test_a_message_is_declared_once(tree: Path) -> None:
    """It is acted upon, each bridge has it, and what is written by hand is clean code."""
    for name in ("pyproject.toml", "tests/bridges/test_bridge_table.py", "tests/npc_files.py"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
    before = contents(tree)
    by_hand = insert(tree, "Add a message")
    assert len(by_hand) == 7
    generated = {Path(line) for line in run(tree, "schema", "export").splitlines()}
    assert generated == {
        Path("schemas/engine_to_sidecar/npc.inspect.json"),
        Path("schemas/golden/npc.inspect.json"),
        Path("schemas/golden/npc.inspect.msgpack"),
        Path("schemas/protocol.md"),
    }
    (tree / "inspect_it.py").write_text(INSPECT, encoding="utf-8")
    assert run(tree, module="inspect_it") == "spawn inspect\n"
    (tree / "inspect_it.py").unlink()
    run(tree, "-q", "-p", "no:cacheprovider", "tests/bridges", module="pytest")
    python = sorted(path.as_posix() for path in by_hand if path.suffix == ".py")
    run(tree, "check", "--no-cache", *python, module="ruff")
    run(tree, "format", "--check", "--no-cache", *python, module="ruff")
    scripts = sorted(path.as_posix() for path in by_hand if path.suffix == ".gd")
    run(tree, "--check", *scripts, module="gdtoolkit.formatter")
    assert touched(tree, before) == by_hand | generated
