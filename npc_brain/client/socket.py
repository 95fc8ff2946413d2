"""One DEALER connection: envelopes in and out, and the moment it is lost. Never reconnects."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import zmq
import zmq.asyncio

from npc_brain.errors import ErrorCode, SessionError
from npc_brain.protocol.codec import DEFAULT_LIMITS, DecodeError, decode, encode
from npc_brain.protocol.messages import Direction, Envelope

_log = logging.getLogger(__name__)

HEARTBEAT_INTERVAL_MS = 2_000
HEARTBEAT_TIMEOUT_MS = 10_000
"""A sidecar that answers no ZMTP PING for so long is gone."""
_LIMITS = DEFAULT_LIMITS.model_copy(update={"max_message_bytes": 64 * 2**20})
"""A saved state may be larger than what the sidecar takes in one message."""
_LOSS_EVENTS = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)


def connection_lost(problem: str) -> SessionError:
    """The error of a sidecar that does not answer."""
    return SessionError(
        problem,
        code=ErrorCode.CONNECTION_LOST,
        hint="Is the sidecar running? If it has ended, its log says why.",
        retryable=True,
    )


class DealerSocket:
    """A connection to `endpoint`, made in the background; sends wait in its queue until then."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        for option, value in {
            zmq.LINGER: 0,
            zmq.RECONNECT_IVL: -1,
            zmq.HEARTBEAT_IVL: HEARTBEAT_INTERVAL_MS,
            zmq.HEARTBEAT_TIMEOUT: HEARTBEAT_TIMEOUT_MS,
            zmq.IPV6: int("[" in endpoint),
        }.items():
            self._socket.setsockopt(option, value)
        self._monitor = self._socket.get_monitor_socket(_LOSS_EVENTS)
        self._socket.connect(endpoint)

    def send(self, envelope: Envelope) -> None:
        """Send without waiting.

        Raises:
            ProtocolError: The body cannot be encoded.
            SessionError: `connection_lost`; the sidecar takes nothing any more.
        """
        sent: Any = self._socket.send(encode(envelope), flags=zmq.NOBLOCK)
        if isinstance(sent.exception(), zmq.Again):
            raise connection_lost("the sidecar does not take messages any more")
        sent.result()

    async def receive(self) -> Envelope:
        """The next message; what this client does not understand is logged and passed over."""
        while True:
            envelope = _read(await self._socket.recv())
            if envelope is not None:
                return envelope

    def unread(self) -> Iterator[Envelope]:
        """The messages that have come already."""
        while True:
            received: Any = self._socket.recv(flags=zmq.NOBLOCK)
            if isinstance(received.exception(), zmq.Again):
                return
            envelope = _read(received.result())
            if envelope is not None:
                yield envelope

    async def wait_lost(self) -> None:
        """Return when the connection is closed, or could not be made."""
        await self._monitor.poll()

    def close(self) -> None:
        """Close the socket; unsent messages are dropped. May be called only once."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()
        self._context.term()


def _read(frame: bytes) -> Envelope | None:
    try:
        return decode(frame, Direction.OUTBOUND, _LIMITS)
    except DecodeError as e:  # of a newer sidecar, most likely
        _log.warning("passing over a message: %s", e.message)
        return None


async def first_of(*awaitables: Any) -> None:
    """Wait until one ends, cancel the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
            raise result
