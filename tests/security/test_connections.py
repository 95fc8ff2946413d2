"""Connections that do not play: closed in time, limited in number, and slow to guess the token."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import zmq

from npc_brain.clock import FakeClock
from npc_brain.protocol.codec import encode
from npc_brain.protocol.messages import Body, Envelope, Error, Goodbye, Ping, Pong, Welcome
from npc_brain.session import wrong_tokens
from npc_brain.session.dispatcher import HELLO_TIMEOUT_S
from npc_brain.transport import router, server
from tests.integration.wire_server import TOKEN, RawPeer, Served, hello, raw_peer, serving
from tests.pace import PATIENCE_S, until

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)


def ready() -> bytes:
    body = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    return b"\x04" + bytes([len(body)]) + body


def message(envelope: Envelope) -> bytes:
    frame = encode(envelope)
    return b"\x00" + bytes([len(frame)]) + frame


WRONG = message(Envelope(type="hello", id=1, body=hello(token="wrong")))
SILENCES = {
    "nothing": b"",
    "half a greeting": GREETING[:10],
    "a greeting": GREETING,
    "a handshake": GREETING + ready(),
    "half a message": GREETING + ready() + WRONG[:40],
    "a wrong token": GREETING + ready() + WRONG,
    "a ping": GREETING + ready() + message(Envelope(type="ping", id=1, body=Ping())),
    "an older ZMTP": b"\x01\x00\x06\x00hello",
    "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def served(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(server, "_SWEEP_INTERVAL_S", 0.02)
    async with serving(clock=clock, max_sessions=64) as served:
        yield served


def address(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host, int(port)


async def read_to_end(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(4096):
            pass


async def ask(peer: RawPeer, body: Body) -> Body:
    """As `RawPeer.ask`, for as long as it may take."""
    message_id = peer.post(body)
    while (envelope := await peer.receive(PATIENCE_S)).reply_to != message_id:
        pass
    return envelope.body


@contextmanager
def idle(endpoint: str, number: int) -> Iterator[None]:
    """Connections that say nothing but answer each PING, and connect again when they are closed."""
    context = zmq.Context()
    dealers = [context.socket(zmq.DEALER) for _ in range(number)]
    for dealer in dealers:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(endpoint)
    try:
        yield
    finally:
        context.destroy()


@pytest.mark.parametrize("kind", SILENCES)
async def test_a_connection_without_hello_is_closed(
    served: Served, clock: FakeClock, kind: str
) -> None:
    reader, writer = await asyncio.open_connection(*address(served.endpoint))
    greeting, rest = SILENCES[kind][: len(GREETING)], SILENCES[kind][len(GREETING) :]
    writer.write(greeting)
    if rest:
        await reader.readexactly(len(GREETING))
        writer.write(rest)
    closed = asyncio.create_task(read_to_end(reader))
    await until(lambda: bool(served.server._router._connections.open()) or closed.done())
    clock.advance(HELLO_TIMEOUT_S / 2)
    if kind in ("a handshake", "half a message", "a wrong token", "a ping"):
        await asyncio.wait([closed], timeout=0.2)
        assert not closed.done(), "it has its ten seconds"
    clock.advance(HELLO_TIMEOUT_S / 2)
    async with asyncio.timeout(PATIENCE_S):
        await closed
    writer.close()


async def test_those_that_play_stay(served: Served, clock: FakeClock) -> None:
    async with raw_peer(served.endpoint) as player, raw_peer(served.endpoint) as leaver:
        await ask(player, hello())
        await ask(leaver, hello())
        for _ in range(5):
            clock.advance(HELLO_TIMEOUT_S)
            await asyncio.sleep(0.1)
        assert isinstance(await ask(player, Ping()), Pong)
        await ask(leaver, Goodbye())
        assert isinstance(await ask(leaver, hello()), Welcome), "may play again"
        await ask(leaver, Goodbye())
        connections = served.server._router._connections
        clock.advance(HELLO_TIMEOUT_S)
        await until(lambda: len(connections.open()) == 1)
        assert isinstance(await ask(player, Ping()), Pong)


async def test_idle_connections_are_limited_and_keep_nobody_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(router, "MAX_WITHOUT_SESSION", 80)
    async with serving() as served, raw_peer(served.endpoint) as before:
        await ask(before, hello())
        connections = served.server._router._connections
        with idle(served.endpoint, 100):
            await until(lambda: len(connections.open()) > 60)
            async with raw_peer(served.endpoint) as after:
                assert isinstance(await ask(after, hello()), Welcome)
                assert isinstance(await ask(before, Ping()), Pong)
                await until(lambda: len(connections.open()) <= 62)


@pytest.mark.skipif(sys.platform != "linux", reason="counts the files of a process in /proc")
async def test_a_low_limit_of_files_is_enough() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
    start = "import runpy; runpy.run_module('tests.integration.wire_server', run_name='__main__')"
    with subprocess.Popen(
        [sys.executable, "-c", limit + start, "serve", "--bind", "tcp://127.0.0.1:0"],
        stdout=subprocess.PIPE,
        env={**os.environ, "NPC_BRAIN_TOKEN": TOKEN},
    ) as process:
        try:
            assert process.stdout is not None
            endpoint = json.loads(process.stdout.readline())["endpoint"]
            with idle(endpoint, 300):
                files = Path(f"/proc/{process.pid}/fd")
                await until(lambda: len(list(files.iterdir())) > 150)
                await asyncio.sleep(1)  # for the rest of the crowd
                async with raw_peer(endpoint) as honest:
                    assert isinstance(await ask(honest, hello()), Welcome)
        finally:
            process.kill()


async def guess(peer: RawPeer, number: int) -> None:
    for _ in range(number):
        body = await ask(peer, hello(token="wrong"))
        assert isinstance(body, Error)
        assert body.code == "bad_token"


async def test_wrong_tokens_slow_down_and_others_do_not(served: Served, clock: FakeClock) -> None:
    burst = wrong_tokens.BURST
    async with raw_peer(served.endpoint) as guesser, raw_peer(served.endpoint) as player:
        await ask(player, hello())
        await guess(guesser, burst)
        held = asyncio.create_task(guess(guesser, 1))
        await asyncio.wait([held], timeout=0.3)
        assert not held.done(), "no time has passed"
        assert isinstance(await ask(player, Ping()), Pong), "players do not wait"
        async with raw_peer(served.endpoint) as honest:
            welcome = asyncio.create_task(ask(honest, hello()))
            await until(lambda: served.server._dispatcher._wrong_tokens.num_waiting == 2)
            clock.advance(2 / wrong_tokens.PER_SECOND)
            async with asyncio.timeout(PATIENCE_S):
                await held
                assert isinstance(await welcome, Welcome)


async def test_many_connections_guess_no_faster_and_an_honest_one_gets_its_turn() -> None:
    """On the true clock: the guessers' rate is bounded, the honest client's wait too."""
    async with serving() as served:
        guessers = [RawPeer(served.endpoint) for _ in range(20)]
        tasks = [asyncio.create_task(guess(peer, 1000)) for peer in guessers]
        try:
            await until(lambda: served.server._dispatcher.is_holding)
            async with raw_peer(served.endpoint) as honest:
                assert isinstance(await ask(honest, hello()), Welcome)
            loop = asyncio.get_running_loop()
            before, start_s = [peer.last_id for peer in guessers], loop.time()
            await asyncio.sleep(1)
            num_answered = sum(peer.last_id for peer in guessers) - sum(before)
            allowed = (loop.time() - start_s) * wrong_tokens.PER_SECOND + len(guessers)
            assert 0 < num_answered <= allowed + wrong_tokens.BURST
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for peer in guessers:
                peer.close()


async def test_who_floods_while_guessing_is_cut_off(served: Served) -> None:
    reader, writer = await asyncio.open_connection(*address(served.endpoint))
    number = wrong_tokens.BURST + wrong_tokens.MAX_HELD + 5
    guesses = (
        message(Envelope(type="hello", id=n, body=hello(token="wrong"))) for n in range(number)
    )
    writer.write(GREETING)
    await reader.readexactly(64)
    writer.write(ready() + b"".join(guesses))
    async with asyncio.timeout(PATIENCE_S):
        await read_to_end(reader)
    writer.close()
