"""`schemas/` is the contract with the bridges: up to date, complete, and true of real messages."""

import json
from pathlib import Path

import msgpack
import pytest

from npc_brain.cli.schema import FILES
from npc_brain.errors import ErrorCode, UsageError
from npc_brain.protocol.codec import as_json, decode, encode
from npc_brain.protocol.export import check, export
from npc_brain.protocol.messages import MESSAGES, PROTOCOL_VERSION, Direction

SCHEMAS = Path(__file__).parents[2] / "schemas"
GOLDEN = sorted((SCHEMAS / "golden").glob("*.msgpack"))


def direction_of(golden: Path) -> Direction:
    type_name = msgpack.unpackb(golden.read_bytes())["type"]
    if type_name == "stats":
        return Direction.INBOUND if "request" in golden.stem else Direction.OUTBOUND
    [direction] = [direction for direction, models in MESSAGES.items() if type_name in models]
    return direction


def test_nothing_is_stale() -> None:
    assert check(SCHEMAS, FILES) == [], "run `npc-brain schema export schemas`"


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


def test_changes_leftovers_and_gaps_are_found_and_mended(tmp_path: Path) -> None:
    assert export(tmp_path, FILES)
    assert check(tmp_path, FILES) == []
    (tmp_path / "golden" / "ping.msgpack").write_bytes(b"\x80")
    (tmp_path / "golden" / "gone.json").write_text("{}")
    (tmp_path / "engine_to_sidecar" / "ping.json").unlink()
    document = tmp_path / "protocol.md"
    by_hand = "# By hand\n\n" + document.read_text(encoding="utf-8")
    document.write_text(by_hand.replace("`hello_first`", "`hello_last`"), encoding="utf-8")
    stale = [
        Path("engine_to_sidecar/ping.json"), Path("golden/gone.json"),
        Path("golden/ping.msgpack"), Path("protocol.md"),
    ]  # fmt: skip
    assert check(tmp_path, FILES) == stale
    assert export(tmp_path, FILES) == stale
    assert check(tmp_path, FILES) == []
    assert document.read_text(encoding="utf-8") == by_hand


def test_check_wants_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        check(tmp_path / "none", FILES)
