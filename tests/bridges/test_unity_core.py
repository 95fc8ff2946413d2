"""The Unity package's engine-free core under mono: codec, ZMTP, sessions with a real sidecar."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridges.mono import PACKAGE, ROOT, STANDALONE, compile_csharp, needs_mono, run_mono
from tests.bridges.patience import assert_ends
from tests.processes import is_running

pytestmark = needs_mono

CORE = PACKAGE / "Runtime" / "Core"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests as an assembly of their own, which sees only what is public."""
    folder = tmp_path_factory.mktemp("core")
    documentation = f"-doc:{folder / 'core.xml'}"  # a public name without a comment is an error
    core = compile_csharp(folder / "NpcBrain.Core.dll", CORE.rglob("*.cs"), documentation)
    sources = (STANDALONE / "Core").glob("*.cs")
    return compile_csharp(folder / "core_tests.exe", sources, references=[core])


def environment() -> dict[str, str]:
    """What the C# tests read: where the sidecar's program, NPC files and golden files are."""
    return {
        **os.environ,
        "NPC_BRAIN_PROGRAM": str(Path(sys.executable).with_name("npc-brain")),
        "NPC_BRAIN_NPCS": str(ROOT / "sample_game" / "npcs"),
        "NPC_BRAIN_GOLDEN": str(ROOT / "schemas" / "golden"),
    }


def run_tests(program: Path, group: str) -> None:
    done = run_mono(program, group, env=environment())
    told = done.stdout + done.stderr
    print(told)
    assert re.search(r"^[1-9]\d* passed, 0 failed$", done.stdout, re.MULTILINE), told
    assert done.returncode == 0, told


def test_codec(program: Path) -> None:
    run_tests(program, "codec/")


def test_zmtp(program: Path) -> None:
    run_tests(program, "dealer/")


@pytest.mark.model
def test_sessions_with_a_real_sidecar(program: Path) -> None:
    run_tests(program, "session/")


def test_what_the_games_thread_pays(program: Path) -> None:
    run_tests(program, "cost/")


@pytest.mark.measures
@pytest.mark.skipif(os.name == "nt", reason="kills a process the POSIX way")
def test_a_killed_game_takes_its_sidecar_along(program: Path) -> None:
    """The game has no chance to clean up: the sidecar notices by itself, within two seconds."""
    command = ["mono", str(program), "idle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as game:
        assert game.stdout
        sidecar_pid = int(game.stdout.readline())
        assert is_running(sidecar_pid)
        game.kill()
        assert_ends(sidecar_pid, within_s=2)


def test_every_field_that_is_read_or_written_is_in_the_schemas() -> None:
    """The package has no classes of messages: this keeps its names from drifting."""
    code = "\n".join(path.read_text("utf-8") for path in (PACKAGE / "Runtime").rglob("*.cs"))
    read = set(re.findall(r'Fields\.\w+\((?:body|\w+\.Body|Body), "(\w+)"', code))
    written = set(re.findall(r'\b(?:body|heard)\["(\w+)"\] = ', code))
    assert len(read) > 20
    assert len(written) > 20
    assert sorted(read - fields_of("sidecar_to_engine")) == []
    assert sorted(written - fields_of("engine_to_sidecar") - fields_of("sidecar_to_engine")) == []


def fields_of(direction: str) -> set[str]:
    """The names of all fields that bodies of messages may have."""
    schemas = [json.loads(path.read_text()) for path in (ROOT / "schemas" / direction).glob("*")]
    return {field for schema in schemas for field in schema["properties"]["body"]["properties"]}


def test_the_core_knows_no_engine_and_no_reflection() -> None:
    sources = list(CORE.rglob("*.cs"))
    assert sources
    for path in sources:
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"UnityEngine|System\.Reflection|\bdynamic\b|\.Emit\b", code), path
