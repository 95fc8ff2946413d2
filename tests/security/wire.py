"""Messages to real sessions, without a socket."""

from typing import Any

import msgpack

from npc_brain.clock import MonotonicClock
from npc_brain.protocol import messages as m
from npc_brain.protocol.codec import DEFAULT_LIMITS, decode, encode
from npc_brain.session.dispatcher import Dispatcher
from npc_brain.session.registry import SessionRegistry
from tests.integration.wire_stage import make_session
from tests.pace import until


class Wire:
    """A dispatcher with real sessions, and what it sent to each engine, in order."""

    def __init__(self) -> None:
        clock = MonotonicClock()
        self.sent: dict[bytes, list[m.Envelope]] = {}
        self.registry = SessionRegistry(make_session, clock, dispose=lambda _: None)
        self.dispatcher = Dispatcher(
            self.registry,
            self._deliver,
            token="t",
            limits=DEFAULT_LIMITS,
            make_welcome=self._welcome,
            clock=clock,
        )
        self._last_id = 0
        self.peers: dict[bytes, Any] = {}

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self.registry.attached_peers():
            session = self.registry.session_of(peer)
            assert session is not None
            await session.close()
        await self.dispatcher.stop()

    def send(self, who: bytes, body: m.Body, npc_id: str | None = None) -> int:
        if who not in self.sent:
            self.sent[who] = []
            client = m.ClientInfo(name="test", version="1", engine="none")
            self.send(who, m.Hello(protocol=(1, 0), token="t", client=client))
        self._last_id += 1
        envelope = m.Envelope(type=body.type, id=self._last_id, npc_id=npc_id, body=body)
        self.dispatcher.receive(who, [encode(envelope)])
        return self._last_id

    def send_packed(self, who: bytes, body: bytes, type_name: str = "world.sync") -> int:
        """Send a body that is msgpack already: it costs nothing, and may be wrong."""
        self._last_id += 1
        head = msgpack.packb({"type": type_name, "id": self._last_id, "body": None})[:-1]
        self.dispatcher.receive(who, [head + body])
        return self._last_id

    def replies(self, who: bytes, message_id: int) -> list[m.Body]:
        return [sent.body for sent in self.sent[who] if sent.reply_to == message_id]

    async def ask(self, who: bytes, body: m.Body, npc_id: str | None = None) -> m.Body:
        return await self.reply(who, self.send(who, body, npc_id))

    async def reply(self, who: bytes, message_id: int) -> m.Body:
        """Wait for the one reply to a message."""
        await until(lambda: bool(self.replies(who, message_id)))
        [reply] = self.replies(who, message_id)
        return reply

    def _deliver(self, who: bytes, frame: bytes) -> bool:
        self.sent[who].append(decode(frame, m.Direction.OUTBOUND))
        return True

    @staticmethod
    def _welcome(session_id: str, resumed: bool) -> m.Welcome:
        return m.Welcome(
            session_id=session_id,
            protocol=m.PROTOCOL_VERSION,
            version="1",
            model=m.ModelStatus(name="none", phase="ready"),
            resumed=resumed,
            features=(),
            limits=DEFAULT_LIMITS,
        )
