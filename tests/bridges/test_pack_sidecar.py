"""The packed sidecar runs without Python, cache and network, and writes nothing beside itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine_bridges import pack_sidecar
from npc_brain import __version__
from npc_brain.client import Client, Handlers, Sidecar
from npc_brain.errors import NpcBrainError, UsageError
from npc_brain.protocol.messages import Status
from tests.bridges.patience import PROGRAM_S
from tests.pace import PATIENCE_S, until
from tests.security.recorder import clean_environment, record

MODEL = "smollm2-135m"
GPL_LIBRARY = re.compile(r"lib(readline|gdbm)")
"""What Python's optional modules may bring, and a game cannot be shipped with."""
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478"
    "9c636800000082008177cd72b60000000049454e44ae426082"
)
"""A PNG file of one pixel."""
NPCS = Path(__file__).parents[2] / "sample_game" / "npcs"


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Processes started now find no programs, no network and nothing cached; gives the cache."""
    cache, programs = tmp_path / "cache", tmp_path / "programs"
    cache.mkdir()
    programs.mkdir()
    for name in [*os.environ]:
        if name.startswith(("PYTHON", "NPC_BRAIN", "PIP_", "VIRTUAL_ENV")):
            monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(cache))
    return cache


@pytest.mark.model
async def test_an_npc_of_the_folder_speaks_with_its_model(
    packed_sidecar: Path, tmp_path: Path, bare_machine: Path
) -> None:
    before = content(packed_sidecar)
    statuses: list[Status] = []
    log_path = tmp_path / "log"
    with Sidecar.start(
        packed_sidecar / "npcs",
        model=MODEL,
        log_path=log_path,
        command=[str(packed_sidecar / pack_sidecar.EXECUTABLE)],
    ) as sidecar:
        handlers = Handlers(on_status=statuses.append)
        async with Client.connect(sidecar.endpoint, sidecar.token, handlers=handlers) as client:
            await until_ready(statuses)
            assert statuses[-1].phase == "ready", statuses[-1]
            await client.spawn("mira", "mira")
            await client.see("mira", "player", PICTURE, caption="a grey dot")
            turn = client.hear(
                "mira", "player", "Tell me of your uncle.", deadline_ms=int(PATIENCE_S * 1000)
            )
            line = await turn.line()
    assert line is not None, log_path.read_text()
    assert (line.source, bool(line.text)) == ("model", True)
    assert content(packed_sidecar) == before
    left = [path for path in bare_machine.rglob("*") if path.is_file()]
    assert all(path.parent.name == "vectors" for path in left), left


@pytest.mark.model
@pytest.mark.usefixtures("bare_machine")
def test_the_executable_tells_what_it_can_and_cannot(packed_sidecar: Path) -> None:
    assert run_packed(packed_sidecar, "--version").stdout.strip() == f"npc-brain {__version__}"
    assert run_packed(packed_sidecar, "validate", str(packed_sidecar / "npcs")).returncode == 0
    refused = run_packed(packed_sidecar, "model", "pull", MODEL)
    assert refused.returncode == 2
    assert "invalid choice: 'model'" in refused.stderr


@pytest.mark.model
def test_the_folder_tells_what_it_holds(packed_sidecar: Path) -> None:
    manifest = json.loads((packed_sidecar / pack_sidecar.MANIFEST).read_text())
    assert manifest["version"] == __version__
    assert manifest["models"] == [MODEL, "minilm-l6"]
    assert manifest["npcs"] == sorted(path.stem for path in NPCS.glob("*.yaml"))
    told = (packed_sidecar / "licences" / "licences.txt").read_text()
    for name in ("Python", "numpy", "onnxruntime", "pyzmq", f"model {MODEL}", "model minilm-l6"):
        assert f"\n{name}" in told
    assert any((packed_sidecar / "licences").glob("numpy-*/*LICENSE*"))
    gpl = [path.name for path in packed_sidecar.rglob("*") if GPL_LIBRARY.match(path.name)]
    assert gpl == []
    if sys.platform == "linux":
        assert not any(path.is_symlink() for path in packed_sidecar.rglob("*"))


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NpcBrainError("no compiler")

    monkeypatch.setattr(pack_sidecar, "resolve_model", lambda *_: tmp_path)
    monkeypatch.setattr(pack_sidecar, "verify", lambda *_: None)
    monkeypatch.setattr(pack_sidecar, "_build", fail)
    with pytest.raises(NpcBrainError, match="no compiler"):
        pack_sidecar.pack(tmp_path / "new", npcs=NPCS)
    assert list((tmp_path / "new").iterdir()) == []

    earlier = tmp_path / "old" / pack_sidecar.FOLDER / pack_sidecar.MANIFEST
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}")
    with pytest.raises(NpcBrainError, match="no compiler"):
        pack_sidecar.pack(tmp_path / "old", npcs=NPCS)
    assert [path.name for path in (tmp_path / "old").iterdir()] == [pack_sidecar.FOLDER]
    assert earlier.read_text() == "{}"


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / pack_sidecar.FOLDER / "diary.txt"
    mine.parent.mkdir()
    mine.write_text("dear diary")
    with pytest.raises(UsageError, match="was not made by this program"):
        pack_sidecar.pack(tmp_path, npcs=NPCS)
    assert mine.read_text() == "dear diary"


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_npc_files_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert pack_sidecar.main([str(tmp_path), "--npcs", str(tmp_path / name)]) == 2
    assert "no NPC files (*.yaml)" in capsys.readouterr().err


def test_an_unknown_model_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack_sidecar.main([str(tmp_path), "--model", "gpt-9"]) == 1
    told = capsys.readouterr().err
    assert "gpt-9" in told
    assert "hint:" in told
    assert list(tmp_path.iterdir()) == []


def run_packed(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(folder / pack_sidecar.EXECUTABLE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)


async def until_ready(statuses: list[Status]) -> None:
    """Return once the model is loaded, or cannot be."""
    await until(lambda: statuses and statuses[-1].phase in ("ready", "degraded"))


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file below a folder."""
    files = {path: path.stat() for path in folder.rglob("*")}
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in files.items()}


@pytest.mark.model
def test_the_packed_sidecar_keeps_to_itself(packed_sidecar: Path, tmp_path: Path) -> None:
    """No telemetry of a library that it holds: nothing sent, looked up, or left in the home."""
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    program = str(packed_sidecar / pack_sidecar.EXECUTABLE)
    serve = ["serve", "--npcs", str(packed_sidecar / "npcs"), "--model", MODEL]
    recording = record(
        ["timeout", "--preserve-status", "10", program, *serve],
        tmp_path / "calls",
        env=clean_environment(home, NPC_BRAIN_CACHE=str(cache)),
        cwd=tmp_path,
    )
    assert '"listening"' in recording.output
    assert recording.changed_outside(cache, home / "tmp") == []
    assert not recording.looked_up | recording.met
