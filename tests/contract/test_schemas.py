"""`schemas/` is the contract with the bridges: up to date, complete, and true of real messages."""

import json
import shutil
from pathlib import Path

import msgpack
import pytest

from npc_brain.cli import main
from npc_brain.cli.schema import PARTS, with_parts
from npc_brain.errors import ErrorCode, UsageError
from npc_brain.protocol.codec import as_json, decode, encode
from npc_brain.protocol.messages import MESSAGES, PROTOCOL_VERSION, Direction

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
GOLDEN = sorted((SCHEMAS / "golden").glob("*.msgpack"))


def direction_of(golden: Path) -> Direction:
    type_name = msgpack.unpackb(golden.read_bytes())["type"]
    if type_name == "stats":
        return Direction.INBOUND if "request" in golden.stem else Direction.OUTBOUND
    [direction] = [direction for direction, models in MESSAGES.items() if type_name in models]
    return direction


def test_nothing_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "check", str(ROOT)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_golden_bytes_are_read_and_written_alike(golden: Path) -> None:
    frame = golden.read_bytes()
    envelope = decode(frame, direction_of(golden))
    assert encode(envelope) == frame
    assert as_json(envelope) == json.loads(golden.with_suffix(".json").read_bytes())


def test_every_message_has_a_golden_example() -> None:
    shown = {(direction_of(path), msgpack.unpackb(path.read_bytes())["type"]) for path in GOLDEN}
    assert shown == {(d, name) for d, models in MESSAGES.items() for name in models}


def test_the_document_tells_version_messages_and_codes() -> None:
    document = (SCHEMAS / "protocol.md").read_text(encoding="utf-8")
    assert "Version {}.{}.".format(*PROTOCOL_VERSION) in document
    for models in MESSAGES.values():
        for name in models:
            assert f"### `{name}`" in document
    for code in ErrorCode:
        assert f"| `{code}` |" in document


def test_changes_leftovers_and_gaps_are_found_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for directory in ("schemas", "sample_game/npcs"):
        shutil.copytree(ROOT / directory, tmp_path / directory)
    shutil.copy(ROOT / "sample_game" / "world.json", tmp_path / "sample_game")
    for path in PARTS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
        text = (tmp_path / path).read_text(encoding="utf-8")
        begin, marked, rest = text.rpartition("end of generated part")
        (tmp_path / path).write_text(f"{begin}{marked}{rest} by hand", encoding="utf-8")
    by_hand = {path: (tmp_path / path).read_bytes() for path in PARTS}
    for path in PARTS:
        lines = (tmp_path / path).read_text(encoding="utf-8").splitlines(keepends=True)
        [*_, end] = [i for i, line in enumerate(lines) if "end of generated part" in line]
        (tmp_path / path).write_text("".join([*lines[:end], "stale\n", *lines[end:]]), "utf-8")
    (tmp_path / "schemas/golden/ping.msgpack").write_bytes(b"\x80")
    (tmp_path / "schemas/golden/gone.json").write_text("{}")
    (tmp_path / "schemas/engine_to_sidecar/ping.json").unlink()
    changed = ["engine_to_sidecar/ping.json", "golden/gone.json", "golden/ping.msgpack"]
    stale = sorted({Path("schemas") / name for name in changed} | PARTS.keys())
    assert main(["schema", "check", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[:-1] == [f"stale: {p.as_posix()}" for p in stale]
    assert main(["schema", "export", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [path.as_posix() for path in stale]
    assert main(["schema", "check", str(tmp_path)]) == 0
    assert {path: (tmp_path / path).read_bytes() for path in PARTS} == by_hand


def test_a_directory_that_is_not_the_repository_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", "export", str(tmp_path)]) == 2
    assert "protocol.md" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "// generated: tools\n", "// end of generated part\n// generated: tools\n"]
)
def test_a_missing_marker_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="generated"):
        with_parts(text, {"tools": "stop\n"})
