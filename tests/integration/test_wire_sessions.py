"""Handshake, resume and isolation over real sockets on loopback."""

import time
from collections.abc import AsyncIterator

import msgpack
import pytest

from npc_brain.protocol.messages import (
    Error,
    Goodbye,
    NpcHear,
    NpcSpawn,
    NpcState,
    Ok,
    Ping,
    Pong,
    Status,
    TurnCancel,
    TurnEnded,
    TurnStarted,
    Welcome,
)
from tests.integration.wire_server import RawPeer, Served, hello, raw_peer, serving
from tests.pace import limit_s, until


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as server:
        yield server


@pytest.fixture
async def peer(served: Served) -> AsyncIterator[RawPeer]:
    async with raw_peer(served.endpoint) as dealer:
        yield dealer


def code(reply: object) -> str:
    body = getattr(reply, "body", None)
    assert isinstance(body, Error)
    return body.code


async def test_hello_is_welcomed_with_limits(peer: RawPeer) -> None:
    reply = await peer.ask(hello())
    assert isinstance(reply.body, Welcome)
    assert not reply.body.resumed
    assert reply.body.limits.max_message_bytes == 4 * 2**20


@pytest.mark.measures
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (hello(token="wrong"), "bad_token"),
        (hello(token=""), "bad_token"),
        (hello(protocol=(2, 0)), "bad_protocol"),
        (hello(resume="nobody"), "unknown_session"),
        (Ping(), "hello_first"),
    ],
)
async def test_refusals_come_within_a_second(peer: RawPeer, message: Ping, expected: str) -> None:
    start_s = time.monotonic()
    assert code(await peer.ask(message)) == expected
    assert time.monotonic() - start_s < limit_s(1)
    assert isinstance((await peer.ask(hello())).body, Welcome), "a refused peer may try again"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([b"junk"], "bad_frame"),
        ([b""], "bad_frame"),
        ([b"", b"as REQ sends"], "bad_frame"),
        ([msgpack.packb({"type": "hello", "id": 1, "body": {"token": 5}})], "bad_body"),
        ([msgpack.packb({"type": "hallo", "id": 1, "body": {}})], "unknown_type"),
        ([b"\x81" * 20_000], "hello_first"),
    ],
)
async def test_bad_frames_before_hello(peer: RawPeer, frames: list[bytes], expected: str) -> None:
    peer.post_bytes(*frames)
    assert code(await peer.receive()) == expected


async def test_oversize_is_answered_and_nothing_else_is_lost(peer: RawPeer) -> None:
    await peer.ask(hello())
    peer.post_bytes(bytes(4 * 2**20 + 1))
    ping_id = peer.post(Ping())
    assert code(await peer.receive()) == "too_large"
    assert (await peer.receive()).reply_to == ping_id


async def test_repeated_id(peer: RawPeer) -> None:
    await peer.ask(hello())
    peer.last_id = 0
    reply = await peer.ask(Ping())
    assert (code(reply), reply.reply_to) == ("repeated_id", 1)


async def test_replies_come_before_what_they_cause(peer: RawPeer) -> None:
    await peer.ask(hello())
    spawned = await peer.ask(NpcSpawn(definition="innkeeper"), "mira")
    assert isinstance(spawned.body, NpcState)
    hear_id = peer.post(NpcHear(speaker_id="player", text="good evening"), "mira")
    envelopes = [await peer.receive() for _ in range(5)]
    assert [e.type for e in envelopes] == ["turn.started", *["turn.token"] * 2, "turn.line",
                                           "turn.ended"]  # fmt: skip
    assert [e.reply_to for e in envelopes] == [hear_id, None, None, None, None]
    assert {e.npc_id for e in envelopes} == {"mira"}
    assert [e.id for e in envelopes] == [3, 4, 5, 6, 7]


async def test_a_fault_is_not_leaked(peer: RawPeer, caplog: pytest.LogCaptureFixture) -> None:
    await peer.ask(hello())
    await peer.ask(NpcSpawn(definition="x"), "mira")
    reply = await peer.ask(NpcHear(speaker_id="player", text="crash"), "mira")
    assert isinstance(reply.body, Error)
    assert reply.body.code == "internal"
    assert "secret" not in reply.body.message + reply.body.hint
    assert "a secret of the sidecar" in caplog.text
    assert isinstance((await peer.ask(Ping())).body, Pong)


async def test_sessions_are_isolated(served: Served) -> None:
    async with raw_peer(served.endpoint) as one, raw_peer(served.endpoint) as other:
        await one.ask(hello())
        await other.ask(hello())
        await one.ask(NpcSpawn(definition="x"), "mira")
        started = await one.ask(NpcHear(speaker_id="player", text="wait"), "mira")
        assert isinstance(started.body, TurnStarted)
        heard = await other.ask(NpcHear(speaker_id="player", text="hello"), "mira")
        assert code(heard) == "unknown_npc"
        cancelled = await other.ask(TurnCancel(turn_id=started.body.turn_id))
        assert code(cancelled) == "unknown_turn"
        served.server.broadcast(Status(phase="ready", progress=1.0))
        for peer in (one, other):
            assert isinstance((await peer.receive()).body, Status)
        with pytest.raises(TimeoutError):
            await other.receive(0.05)


async def test_resume_gets_back_the_same_npcs(served: Served) -> None:
    async with raw_peer(served.endpoint) as first:
        welcome = (await first.ask(hello())).body
        assert isinstance(welcome, Welcome)
        await first.ask(NpcSpawn(definition="x"), "mira")
        await first.ask(NpcHear(speaker_id="player", text="wait"), "mira")
    [session] = served.sessions
    await until(lambda: session.num_detached == 1)
    assert not session.running
    async with raw_peer(served.endpoint) as second:
        resumed = (await second.ask(hello(resume=welcome.session_id))).body
        assert isinstance(resumed, Welcome)
        assert resumed.resumed
        second.post(NpcHear(speaker_id="player", text="hello"), "mira")
        types = [(await second.receive()).type for _ in range(4)]
        assert types == ["turn.started", "turn.token", "turn.line", "turn.ended"]
    assert len(served.sessions) == 1


async def test_resume_replaces_the_older_connection(served: Served) -> None:
    async with raw_peer(served.endpoint) as first, raw_peer(served.endpoint) as second:
        welcome = (await first.ask(hello())).body
        assert isinstance(welcome, Welcome)
        await second.ask(hello(resume=welcome.session_id))
        assert code(await first.ask(Ping())) == "hello_first"
        served.server.broadcast(Status(phase="ready", progress=1.0))
        assert isinstance((await second.receive()).body, Status)


async def test_goodbye_ends_the_session(served: Served, peer: RawPeer) -> None:
    welcome = (await peer.ask(hello())).body
    assert isinstance(welcome, Welcome)
    assert isinstance((await peer.ask(Goodbye())).body, Ok)
    await until(lambda: served.sessions[0].is_closed)
    assert code(await peer.ask(hello(resume=welcome.session_id))) == "unknown_session"


async def test_detached_sessions_make_room_and_attached_do_not() -> None:
    async with serving(max_sessions=2) as served:
        async with raw_peer(served.endpoint) as gone:
            await gone.ask(hello())
        await until(lambda: served.sessions[0].num_detached == 1)
        async with (
            raw_peer(served.endpoint) as one,
            raw_peer(served.endpoint) as two,
            raw_peer(served.endpoint) as three,
        ):
            assert isinstance((await one.ask(hello())).body, Welcome)
            assert isinstance((await two.ask(hello())).body, Welcome)
            assert served.sessions[0].is_closed
            assert code(await three.ask(hello())) == "too_many_sessions"
            assert isinstance((await one.ask(Ping())).body, Pong)


async def test_stop_closes_every_session() -> None:
    async with serving() as served, raw_peer(served.endpoint) as peer:
        await peer.ask(hello())
        await served.server.stop()
        assert served.sessions[0].is_closed


async def test_turn_cancel_answer_precedes_the_end(peer: RawPeer) -> None:
    await peer.ask(hello())
    await peer.ask(NpcSpawn(definition="x"), "mira")
    started = (await peer.ask(NpcHear(speaker_id="player", text="wait"), "mira")).body
    assert isinstance(started, TurnStarted)
    assert isinstance((await peer.ask(TurnCancel(turn_id=started.turn_id))).body, Ok)
    ended = (await peer.receive()).body
    assert isinstance(ended, TurnEnded)
    assert ended.outcome == "cancelled"
