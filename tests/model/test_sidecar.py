"""A sidecar and its model: one that comes up later, and one that cannot do what it is told."""

import asyncio
from typing import Any

import pytest

from npc_brain import sidecar
from npc_brain.sidecar import Service, SidecarOptions
from tests.integration.wire_server import RawPeer, hello
from tests.pace import PATIENCE_S
from tests.unit.servers import openai_server
from tests.unit.servers.openai_server import FakeServer, free_port

pytestmark = pytest.mark.model


async def test_a_server_that_comes_up_later_makes_the_sidecar_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sidecar, "SERVER_RETRY_S", 0.05)
    port = free_port()
    served = Service(SidecarOptions(None, f"openai:http://127.0.0.1:{port}/v1", token="secret"))
    peer = RawPeer(await served.start())
    try:
        await peer.ask(hello("secret"))
        status = await phase(peer, "degraded")
        assert f"nothing listens at http://127.0.0.1:{port}/v1" in status["detail"]
        with openai_server.running(FakeServer(), port):
            assert (await phase(peer, "ready"))["detail"] == ""
    finally:
        peer.close()
        await served.stop()


async def test_a_model_that_cannot_think_is_told() -> None:
    served = Service(SidecarOptions(None, "smollm2-135m", token="secret", thinking_tokens=64))
    peer = RawPeer(await served.start())
    try:
        await peer.ask(hello("secret"))
        assert "think" in (await phase(peer, "degraded"))["detail"]
    finally:
        peer.close()
        await served.stop()


async def phase(peer: RawPeer, wanted: str) -> dict[str, Any]:
    """The first status of that phase."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            envelope = await peer.receive()
            if envelope.type == "status" and envelope.body.phase == wanted:
                return envelope.body.model_dump()
