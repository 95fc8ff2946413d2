"""One connection to an engine: message ids both ways, and delivery. Knows nothing of sessions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from npc_brain.errors import ErrorCode, ProtocolError
from npc_brain.protocol.codec import encode
from npc_brain.protocol.messages import Body, Envelope

Deliver = Callable[[bytes, bytes], bool]
"""Hands a frame to the connection of that identity; False when it is gone or reads too slowly."""


class Peer:
    """One connection.

    Attributes:
        identity: The transport's name for the connection.
        since_s: When its first message came, by the registry's clock.
        is_lost: A message could not be delivered. Nothing more is sent; the owner detaches its
            session at the next opportunity, never from within a send.
    """

    def __init__(self, identity: bytes, deliver: Deliver, since_s: float) -> None:
        self.identity = identity
        self.since_s = since_s
        self.is_lost = False
        self._deliver = deliver
        self._last_received_id = -1
        self._last_sent_id = 0
        self._held: list[tuple[Body, str | None]] | None = None

    @contextmanager
    def replying(self) -> Iterator[None]:
        """While a message is acted upon: what it causes is sent after its reply, in order."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for body, npc_id in held:
                self.send(body, npc_id=npc_id)

    def note_id(self, message_id: int) -> None:
        """Remember the id of a received message.

        Raises:
            ProtocolError: `repeated_id`, when it is not above all earlier ones.
        """
        if message_id <= self._last_received_id:
            raise ProtocolError(
                f"got message id {message_id} after {self._last_received_id}",
                code=ErrorCode.REPEATED_ID,
                hint="Ids increase with every message of a connection; the message was ignored.",
            )
        self._last_received_id = message_id

    def send(self, body: Body, *, reply_to: int | None = None, npc_id: str | None = None) -> None:
        """Send a message under the next id; dropped when the peer is lost.

        Raises:
            ProtocolError: The body cannot be encoded; also when it is held back, so that whoever
                sends it can send another.
        """
        if self.is_lost:
            return
        envelope = Envelope(
            type=body.type, id=self._last_sent_id + 1, reply_to=reply_to, npc_id=npc_id, body=body
        )
        frame = encode(envelope)
        if self._held is not None and reply_to is None:
            self._held.append((body, npc_id))
            return
        self._last_sent_id = envelope.id
        self.is_lost = not self._deliver(self.identity, frame)
