"""Floods, slow readers and half-open connections: nobody else may notice."""

import asyncio
import socket
from contextlib import suppress

import pytest
import zmq

from npc_brain.protocol.codec import encode
from npc_brain.protocol.messages import (
    Envelope,
    Error,
    NpcHear,
    NpcSpawn,
    Ping,
    Pong,
    StateSave,
    Status,
    Welcome,
)
from npc_brain.transport import router
from npc_brain.transport.router import SEND_QUEUE
from tests.integration.wire_server import RawPeer, hello, raw_peer, serving
from tests.integration.wire_timing import Stopwatch
from tests.pace import PATIENCE_S, limit_s, until


async def slowest_ping_ms(peer: RawPeer, num_pings: int) -> float:
    slowest_ms = 0.0
    for _ in range(num_pings):
        watch = Stopwatch()
        assert isinstance((await peer.ask(Ping())).body, Pong)
        slowest_ms = max(slowest_ms, watch.fair_ms())
        await asyncio.sleep(0.002)
    return slowest_ms


async def flood(peer: RawPeer) -> None:
    frame_id = 10**6
    while True:
        for _ in range(20):
            frame_id += 1
            frame = encode(Envelope(type="ping", id=frame_id, body=Ping()))
            with suppress(zmq.Again):
                peer.post_bytes(frame)
        while await peer.socket.poll(0):
            await peer.socket.recv()
        await asyncio.sleep(0)


@pytest.mark.measures
async def test_a_flood_does_not_delay_another_engine() -> None:
    async with (
        serving() as served,
        raw_peer(served.endpoint) as flooder,
        raw_peer(served.endpoint) as good,
    ):
        await flooder.ask(hello())
        await good.ask(hello())
        flooding = asyncio.create_task(flood(flooder))
        try:
            assert await slowest_ping_ms(good, 100) < limit_s(0.1) * 1000
        finally:
            flooding.cancel()
            await asyncio.wait([flooding])
        assert isinstance((await good.ask(Ping())).body, Pong)


@pytest.mark.measures
async def test_a_slow_reader_is_cut_off_and_can_resume() -> None:
    """It leaves the replies to its large requests unread; the other engine and memory are fine."""
    async with (
        serving() as served,
        raw_peer(served.endpoint, RCVHWM=1, RCVBUF=4096) as slow,
        raw_peer(served.endpoint) as good,
    ):
        welcome = (await slow.ask(hello())).body
        assert isinstance(welcome, Welcome)
        await good.ask(hello())
        [slow_session, good_session] = served.sessions
        for _ in range(SEND_QUEUE + 100):
            slow.post(StateSave())
            if slow_session.num_detached:
                break
            await asyncio.sleep(0)
        await until(lambda: slow_session.num_detached)
        assert await slowest_ping_ms(good, 20) < limit_s(0.1) * 1000
        assert good_session.num_detached == 0
        async with raw_peer(served.endpoint) as again:
            resumed = (await again.ask(hello(resume=welcome.session_id))).body
            assert isinstance(resumed, Welcome)
            assert resumed.resumed


async def test_status_reaches_all_while_one_is_cut_off() -> None:
    async with serving() as served, raw_peer(served.endpoint) as good:
        await good.ask(hello())
        async with raw_peer(served.endpoint) as gone:
            await gone.ask(hello())
        served.server.broadcast(Status(phase="ready", progress=1.0))
        assert isinstance((await good.receive()).body, Status)


@pytest.mark.measures
@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f",  # a greeting, cut short
        b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48),  # a greeting, and no READY
        b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48) + b"\x04\x05READY" + b"\xff" * 50,
        b"\x00" * 5000,
        b"\x01\x00" + b"\x06\x00hello",  # ZMTP 1: an empty identity, then a message
        bytes(range(256)) * 200,
    ],
)
async def test_raw_tcp_harms_nobody(bytes_sent: bytes) -> None:
    async with serving() as served, raw_peer(served.endpoint) as good:
        await good.ask(hello())
        host, port = served.endpoint.removeprefix("tcp://").split(":")
        connections = [socket.create_connection((host, int(port))) for _ in range(20)]
        try:
            for connection in connections:
                with suppress(OSError):
                    connection.sendall(bytes_sent)
            assert await slowest_ping_ms(good, 10) < limit_s(0.1) * 1000
        finally:
            for connection in connections:
                connection.close()
        assert await slowest_ping_ms(good, 10) < limit_s(0.1) * 1000
        assert len(served.sessions) == 1


async def test_half_a_handshake_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "HANDSHAKE_TIMEOUT_MS", 100)
    async with serving() as served:
        host, port = served.endpoint.removeprefix("tcp://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48))
        async with asyncio.timeout(PATIENCE_S):
            while await reader.read(1000):
                pass
        writer.close()


async def test_a_vanished_engine_is_noticed_by_its_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It keeps its connection, but answers no PING."""
    monkeypatch.setattr(router, "HEARTBEAT_INTERVAL_MS", 100)
    monkeypatch.setattr(router, "HEARTBEAT_TIMEOUT_MS", 1000)
    async with serving() as served:
        host, port = served.endpoint.removeprefix("tcp://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48))
        await reader.readexactly(64)
        ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
        writer.write(b"\x04" + bytes([len(ready)]) + ready)
        frame = encode(Envelope(type="hello", id=1, body=hello()))
        writer.write(b"\x00" + bytes([len(frame)]) + frame)
        await until(lambda: served.sessions and served.sessions[0].num_detached)
        assert b"welcome" in await reader.read(1000)
        writer.close()


async def test_reused_descriptors_detach_the_right_session() -> None:
    """Connections come and go on the same file descriptors; only their own sessions notice."""
    async with serving(max_sessions=64) as served, raw_peer(served.endpoint) as good:
        await good.ask(hello())
        await good.ask(NpcSpawn(definition="x"), "mira")
        for _ in range(30):
            async with raw_peer(served.endpoint) as brief:
                brief.post(hello())
                if _ % 2:
                    await brief.receive()
            host, port = served.endpoint.removeprefix("tcp://").split(":")
            socket.create_connection((host, int(port))).close()
        await until(lambda: all(session.num_detached for session in served.sessions[1:]))
        assert served.sessions[0].num_detached == 0
        heard = await good.ask(NpcHear(speaker_id="player", text="still there?"), "mira")
        assert not isinstance(heard.body, Error)
