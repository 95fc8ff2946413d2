"""A server with fake sessions: in this loop for most tests, as a process for those that kill it.

As a process it takes the arguments of `npc-brain serve` that `Sidecar` passes. The environment
variable `WIRE_SERVER_FACTORY` (`MODULE:NAME`) gives it other sessions than the fake ones, and
`WIRE_SERVER_FAILS` makes it exit with code 3.
"""

import argparse
import asyncio
import importlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.asyncio

from npc_brain.event_loop import run
from npc_brain.protocol.codec import decode, encode
from npc_brain.protocol.messages import Body, ClientInfo, Direction, Envelope, Hello
from npc_brain.session.registry import Outbox, SessionFactory
from npc_brain.transport.parent import watch_parent
from npc_brain.transport.server import Server
from tests.integration.wire_fakes import NO_MODEL, FakeSession
from tests.pace import PATIENCE_S

TOKEN = "the right token"
FAKE_FACTORY = "tests.integration.wire_fakes:FakeSession"


@dataclass
class Served:
    """A running server, and the fake sessions it has made."""

    server: Server
    endpoint: str
    sessions: list[FakeSession] = field(default_factory=list)


@asynccontextmanager
async def serving(
    *, factory: SessionFactory | None = None, **options: Any
) -> AsyncIterator[Served]:
    sessions: list[FakeSession] = []

    def make(session_id: str, outbox: Outbox) -> FakeSession:
        sessions.append(FakeSession(session_id, outbox))
        return sessions[-1]

    server = Server(factory or make, TOKEN, model=lambda: NO_MODEL, **options)
    endpoint = await server.start()
    try:
        yield Served(server, endpoint, sessions)
    finally:
        await server.stop()


def hello(token: str = TOKEN, protocol: tuple[int, int] = (1, 0), **fields: Any) -> Hello:
    return Hello(
        protocol=protocol,
        token=token,
        client=ClientInfo(name="test", version="1", engine="pytest"),
        **fields,
    )


class RawPeer:
    """A DEALER that says what it is told, right or wrong; not connected yet without endpoint."""

    def __init__(self, endpoint: str | None, **options: int) -> None:
        self._context = zmq.asyncio.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            self.socket.setsockopt(getattr(zmq, name), value)
        if endpoint is not None:
            self.socket.connect(endpoint)
        self.last_id = 0

    def post(self, body: Body, npc_id: str | None = None) -> int:
        self.last_id += 1
        envelope = Envelope(type=body.type, id=self.last_id, npc_id=npc_id, body=body)
        self.post_bytes(encode(envelope))
        return self.last_id

    def post_bytes(self, *frames: bytes) -> None:
        sent = self.socket.send_multipart(frames, flags=zmq.NOBLOCK)
        assert isinstance(sent, asyncio.Future)
        sent.result()

    async def receive(self, timeout_s: float = PATIENCE_S) -> Envelope:
        frame = await asyncio.wait_for(self.socket.recv(), timeout_s)
        return decode(frame, Direction.OUTBOUND)

    async def ask(self, body: Body, npc_id: str | None = None) -> Envelope:
        """The reply to a message; what comes before it is skipped."""
        message_id = self.post(body, npc_id)
        while (envelope := await self.receive()).reply_to != message_id:
            pass
        return envelope

    def close(self) -> None:
        self._context.destroy(linger=0)


@asynccontextmanager
async def raw_peer(endpoint: str, **options: int) -> AsyncIterator[RawPeer]:
    peer = RawPeer(endpoint, **options)
    try:
        yield peer
    finally:
        peer.close()


async def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("command", "--npcs", "--model", "--bind"):
        parser.add_argument(name)
    parser.add_argument("--parent-pid", type=int)
    args = parser.parse_args()
    if os.environ.get("WIRE_SERVER_FAILS"):
        return 3
    module, name = os.environ.get("WIRE_SERVER_FACTORY", FAKE_FACTORY).split(":")
    factory: SessionFactory = getattr(importlib.import_module(module), name)
    server = Server(factory, os.environ["NPC_BRAIN_TOKEN"], bind=args.bind, model=lambda: NO_MODEL)
    endpoint = await server.start()
    print(json.dumps({"event": "listening", "endpoint": endpoint}), flush=True)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    if args.parent_pid is not None:
        watch_parent(args.parent_pid, lambda: loop.call_soon_threadsafe(stopped.set))
    stopping = asyncio.create_task(stopped.wait())
    running = asyncio.create_task(server.run())
    await asyncio.wait([stopping, running], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    await server.stop()
    return 0


if __name__ == "__main__":
    logging.basicConfig()
    sys.exit(run(main()))
