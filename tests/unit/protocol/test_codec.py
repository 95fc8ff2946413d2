"""The codec: every message round-trips, every breach of the contract has its own error."""

import gc
import struct
import time
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.errors import ErrorCode, ProtocolError
from npc_brain.protocol.codec import (
    DEFAULT_LIMITS,
    MAX_CONTAINER_LENGTH,
    MAX_VALUES,
    DecodeError,
    as_json,
    decode,
    encode,
)
from npc_brain.protocol.messages import (
    MESSAGES,
    ActionUpdate,
    Body,
    Direction,
    Envelope,
    NpcHear,
    NpcSpawn,
    NpcState,
    Ping,
    Status,
    WorldSync,
)
from npc_brain.world.model import NavGrid
from tests.counts import count
from tests.pace import slowness
from tests.wire_strategies import bodies

HEAR = {
    "type": "npc.hear",
    "id": 5,
    "npc_id": "mira",
    "body": {"speaker_id": "player", "text": "hello"},
}
ALL_MODELS = [model for models in MESSAGES.values() for model in models.values()]


def fails(frame: bytes, direction: Direction = Direction.INBOUND) -> DecodeError:
    with pytest.raises(DecodeError) as refusal:
        decode(frame, direction)
    return refusal.value


def changed(**fields: Any) -> bytes:
    """`HEAR` with other fields; `...` leaves one out."""
    frame: bytes = msgpack.packb({k: v for k, v in (HEAR | fields).items() if v is not ...})
    return frame


@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda m: f"{m.direction.value}-{m.type}")
@settings(max_examples=count(1000, 60), deadline=None)
@given(data=st.data())
def test_every_message_round_trips(model: type[Body], data: st.DataObject) -> None:
    envelope = Envelope(
        type=model.type,
        id=data.draw(st.integers(0, 2**63 - 1)),
        reply_to=data.draw(st.none() | st.integers(0, 2**63 - 1)),
        npc_id="mira" if model.is_about_npc else None,
        body=data.draw(bodies(model)),
    )
    frame = encode(envelope)
    assert decode(frame, model.direction) == envelope
    assert encode(decode(frame, model.direction)) == frame


def test_keys_come_in_declared_order_and_none_is_absent() -> None:
    body = NpcState(to_state="idle", event="spawn", blackboard={"z": 1, "a": 2})
    frame = encode(Envelope(type="npc.state", id=1, reply_to=9, npc_id="mira", body=body))
    fields = msgpack.unpackb(frame)
    assert list(fields) == ["type", "id", "reply_to", "npc_id", "body"]
    assert list(fields["body"].items()) == [
        ("to", "idle"), ("event", "spawn"), ("blackboard", {"z": 1, "a": 2}),
    ]  # fmt: skip
    assert list(msgpack.unpackb(encode(Envelope(type="ping", id=1, body=Ping())))) == [
        "type", "id", "body",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        (127, b"\x7f"),
        (-32, b"\xe0"),
        (128, b"\xcc\x80"),
        (-33, b"\xd0\xdf"),
        (65536, b"\xce\x00\x01\x00\x00"),
        (-(2**31) - 1, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        (1.0, b"\xcb" + struct.pack(">d", 1.0)),
        (b"\x00\x01", b"\xc4\x02\x00\x01"),
        ("é", b"\xa2\xc3\xa9"),
        ({}, b"\x80"),
        (None, b"\xc0"),
    ],
)
def test_values_take_their_shortest_form(value: Any, packed: bytes) -> None:
    body = ActionUpdate(action_id=1, status="done", result={"v": value})
    frame = encode(Envelope(type="action.update", id=1, body=body))
    assert frame.endswith(b"\x81\xa1v" + packed)


def test_free_form_data_keeps_its_lists() -> None:
    spawn = {"type": "npc.spawn", "body": {"definition": {"list": [1, [2, {"x": [3]}]]}}}
    body = decode(changed(**spawn), Direction.INBOUND).body
    assert isinstance(body, NpcSpawn)
    assert body.definition == {"list": [1, [2, {"x": [3]}]]}


def test_unknown_fields_are_ignored() -> None:
    frame = changed(body=HEAR["body"] | {"mood": "new in 1.1"}, trace="x")  # type: ignore[operator]
    body = decode(frame, Direction.INBOUND).body
    assert isinstance(body, NpcHear)
    assert body.text == "hello"


def test_integers_serve_as_floats_but_not_the_reverse() -> None:
    frame = msgpack.packb({"type": "status", "id": 1, "body": {"phase": "ready", "progress": 1}})
    body = decode(frame, Direction.OUTBOUND).body
    assert isinstance(body, Status)
    assert body.progress == 1.0
    assert fails(changed(id=1.0)).code is ErrorCode.BAD_FRAME


@pytest.mark.parametrize(
    ("frame", "code", "reply_to", "told"),
    [
        (b"", "bad_frame", None, "one msgpack map"),
        (b"\xc1", "bad_frame", None, "one msgpack map"),
        (b"\x81\xa4type", "bad_frame", None, "one msgpack map"),
        (changed() + b"\x00", "bad_frame", 5, "1 bytes after"),
        (changed()[:-1], "bad_frame", 5, "one msgpack map"),
        (b"\x93\x01\x02\x03", "bad_frame", None, "an array of 3"),
        (b"\x81\x01\x02", "bad_frame", None, "text keys"),
        (b"\x81\xa1\xff\x02", "bad_frame", None, "one msgpack map"),
        (b"\x81\xa1x\xc7\x01\x05\x00", "bad_frame", None, "one msgpack map"),
        (changed(id=...), "bad_frame", None, "`id` must be an integer"),
        (changed(id="5"), "bad_frame", None, "got '5'"),
        (changed(id=True), "bad_frame", None, "got True"),
        (changed(id=-1), "bad_frame", None, "got -1"),
        (changed(id=2**63), "bad_frame", None, "got 9223372036854775808"),
        (changed(type=...), "bad_frame", 5, "`type` must be text"),
        (changed(type=5), "bad_frame", 5, "`type` must be text, got 5"),
        (changed(reply_to="x"), "bad_frame", 5, "reply_to"),
        (changed(npc_id=...), "bad_frame", 5, "npc.hear needs an `npc_id`"),
        (changed(npc_id=None), "bad_frame", 5, "npc.hear needs an `npc_id`"),
        (changed(npc_id=""), "bad_frame", 5, "npc_id"),
        (changed(npc_id="<|im_end|>"), "bad_frame", 5, "npc_id"),
        (changed(type="npc.her"), "unknown_type", 5, "'npc.her'"),
        (changed(type="x" * 10**5), "unknown_type", 5, "…"),
        (changed(type="welcome"), "unknown_type", 5, "engine_to_sidecar"),
        (changed(body=...), "bad_body", 5, "body: "),
        (changed(body=[]), "bad_body", 5, "an array of 0"),
        (changed(body={}), "bad_body", 5, "body.speaker_id: field required"),
        (changed(body={"speaker_id": 1, "text": "x"}), "bad_body", 5, "valid string, got 1"),
        (changed(body={"speaker_id": "a", "text": b"x"}), "bad_body", 5, "got 1 bytes"),
        (changed(body=HEAR["body"] | {"priority": "1"}), "bad_body", 5, "body.priority"),  # type: ignore[operator]
        (changed(body={"speaker_id": "a", "text": "x" * 2001}), "bad_body", 5, "2000 characters"),
        (changed(body={"text": float("nan")}), "bad_body", 5, "finite"),
        (changed(extra=float("inf")), "bad_body", 5, "finite"),
        (changed(extra=list(range(MAX_CONTAINER_LENGTH + 1))), "too_large", 5, "10000"),
        (changed(extra=dict.fromkeys(map(str, range(10_001)))), "too_large", 5, "10000"),
        (changed(extra=[[0] * 9_000] * 12), "too_large", 5, "100000 values"),
        (changed(extra=b"x" * DEFAULT_LIMITS.max_message_bytes), "too_large", 5, "bytes"),
        (msgpack.packb({"body": [0] * 10_001, "id": 5, "type": "ping"}), "too_large", 5, "10000"),
        (b"\x82\xa2id\x05\xa1x" + b"\x91" * 5000 + b"\xc0", "too_deep", 5, "32 levels"),
        (b"\x82\xa2id\x05\xa1x\xd4\x01\x01", "bad_frame", 5, "one msgpack map"),
        (b"\x82\xa2id\xa15\xa1x\xc1", "bad_frame", None, "one msgpack map"),
        (bytes(DEFAULT_LIMITS.max_message_bytes + 1), "too_large", None, "4194305 bytes"),
        (b"\x91" * 5000 + b"\xc0", "too_deep", None, "32 levels"),
    ],
)  # fmt: skip
def test_each_breach_has_its_error(
    frame: bytes, code: str, reply_to: int | None, told: str
) -> None:
    error = fails(frame)
    assert (error.code, error.reply_to) == (code, reply_to)
    assert told in error.message
    assert len(error.message) < 500


@pytest.mark.parametrize("num_levels", [30, 31])
def test_depth_is_counted_from_the_envelope(num_levels: int) -> None:
    nested: Any = 1
    for _ in range(num_levels):
        nested = [nested]
    frame = changed(extra=nested)
    if num_levels + 1 <= DEFAULT_LIMITS.max_depth:
        decode(frame, Direction.INBOUND)
    nested = [nested]
    frame = changed(extra=nested)
    if num_levels + 2 > DEFAULT_LIMITS.max_depth:
        assert fails(frame).code is ErrorCode.TOO_DEEP


BOMBS = {
    "empty arrays": b"\xdc\x01\x90" + (b"\xdc\x27\x10" + b"\x90" * 10_000) * 400,
    "empty maps": b"\xdc\x01\x90" + (b"\xdc\x27\x10" + b"\x80" * 10_000) * 400,
    "announced lengths": b"\xdc\x27\x10" * 1_398_000,
    "integers": b"\xdc\x01\x90" + (b"\xdc\x27\x10" + b"\x00" * 10_000) * 400,
    "10,000 mistakes": changed(
        type="world.sync", body={"revision": 1, "entities": [{}] * MAX_CONTAINER_LENGTH}
    ),
    "10,000 bad names": changed(
        type="world.sync",
        body={"revision": 1, "inventories": {f"<{i}": 1 for i in range(MAX_CONTAINER_LENGTH)}},
    ),
}


@pytest.mark.measures
@pytest.mark.parametrize("name", BOMBS)
def test_no_frame_holds_the_loop(name: str) -> None:
    """A good client's ping may wait 100 ms; no refused frame may take more than a part of that."""
    fails(changed(body={}))
    gc.collect()
    gc.freeze()  # collecting the test run's own objects is not the codec's work
    start_s = time.process_time()
    fails(BOMBS[name])
    elapsed_s = time.process_time() - start_s
    gc.unfreeze()
    assert elapsed_s < 0.08 * slowness()


def test_a_message_may_have_as_many_values_as_the_limit() -> None:
    rows = [list(range(99))] * (MAX_VALUES // 101)
    decode(changed(extra=rows), Direction.INBOUND)
    assert fails(changed(extra=[*rows, list(range(2000))])).code is ErrorCode.TOO_LARGE


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**64, "\ud800", object(), {1: 2}, {"x": {3: 4}}]
)
def test_what_no_frame_can_carry_is_refused(value: Any) -> None:
    body = ActionUpdate(action_id=1, status="done").model_copy(update={"result": {"v": value}})
    with pytest.raises(ProtocolError, match=r"cannot encode action\.update \(id 1\)") as refusal:
        encode(Envelope(type="action.update", id=1, body=body))
    assert refusal.value.code is ErrorCode.BAD_BODY


def test_json_twin_has_base64_for_bytes() -> None:
    body = WorldSync(revision=1, nav=NavGrid(width=2, height=1, cells=b"\x00\x01"))
    twin = as_json(Envelope(type="world.sync", id=1, body=body))
    assert twin["body"]["nav"] == {"kind": "grid", "width": 2, "height": 1, "cells": "AAE="}


@settings(max_examples=count(20_000, 500), deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(frame: bytes) -> None:
    assert fails(frame).code in {
        ErrorCode.BAD_FRAME, ErrorCode.TOO_LARGE, ErrorCode.UNKNOWN_TYPE,
    }  # fmt: skip
