"""The ROUTER socket: frames in, frames out, and word of connections that are gone.

Fairness and memory are left to libzmq: a ROUTER takes one message from each connection in turn, and
stops reading from one whose few waiting messages (`RCVHWM`) were not taken yet. So a flood slows
only its sender, and nothing has to be queued or refused here. A reader that leaves `SEND_QUEUE`
messages unread is cut off (`send` is False): its session can be resumed, the sidecar's memory not.

Closed connections: libzmq's monitor names them by file descriptor, and the first message of each
identity has its descriptor (`ZMQ_SRCFD`). Messages cannot overtake the monitor's events, so
reading those first keeps a reused descriptor apart from its earlier owner.

Closing connections: libzmq has no call for it, so the descriptor is shut down, after a check of the
addresses of its two ends, which no other connection shares. Those without a session
have `HELLO_TIMEOUT_S`, and only so many may be open: beyond that the newest gets the place of the
oldest, silent ones first, since a game says `hello` within milliseconds.
Source: https://libzmq.readthedocs.io/en/latest/zmq_setsockopt.html and zmq_socket_monitor.html.
"""

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from npc_brain.clock import Clock
from npc_brain.errors import UsageError
from npc_brain.session.dispatcher import HELLO_TIMEOUT_S

SEND_QUEUE = 1000
"""Messages waiting for one engine, beyond what the kernel holds; some ten seconds of tokens."""
RECEIVE_QUEUE = 32
"""Messages of one engine waiting to be read, each at most `max_message_bytes`."""
HEARTBEAT_INTERVAL_MS = 5_000
HEARTBEAT_TIMEOUT_MS = 15_000
"""An engine that answers no ZMTP PING for so long is gone. Stalled frames must not look like it."""
HANDSHAKE_TIMEOUT_MS = 5_000
MAX_WITHOUT_SESSION = 512
"""Connections without a session, where the process may open enough files. So many that a crowd
which connects again and again leaves the newest the time for its handshake."""
SPARED_FILES = 96
"""What is left of the files that the process may open: for players, models and files."""
SHARE_OF_ADDRESS = 0.75
"""Of the connections without a session, the most that may come from one address."""
OVERSIZE_BYTES = 2**20
"""Messages up to this much over the limit still get an answer; on longer ones libzmq hangs up."""


class Router:
    """A bound ROUTER socket of one event loop.

    Args:
        bind: `tcp://HOST:PORT` (port 0: any free one) or `ipc://PATH`.
        max_message_bytes: The limit that is announced to engines.
        on_gone: Called with the identity of a connection that was closed.
        has_session: Whether the connection of an identity may stay.
        clock: Times how long connections have been without a session.
        allow_remote: Permit addresses that other machines can reach.
        curve_secret_key: Z85 CURVE secret key; engines must then encrypt to its public key.

    Raises:
        UsageError: `bind` is not understood, reachable from outside without `allow_remote`, or
            taken.
    """

    def __init__(
        self,
        bind: str,
        *,
        max_message_bytes: int,
        on_gone: Callable[[bytes], None],
        has_session: Callable[[bytes], bool],
        clock: Clock,
        allow_remote: bool = False,
        curve_secret_key: bytes | None = None,
    ) -> None:
        if not allow_remote and not is_local(bind):
            raise UsageError(
                f"{bind} can be reached from other machines",
                hint="Bind to tcp://127.0.0.1:0, or allow remote engines explicitly.",
            )
        self._connections = _Connections(on_gone)
        self._has_session = has_session
        self._clock = clock
        self._max_without_session = _max_without_session()
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in {
            zmq.ROUTER_MANDATORY: 1,
            zmq.LINGER: 0,
            zmq.SNDHWM: SEND_QUEUE,
            zmq.RCVHWM: RECEIVE_QUEUE,
            zmq.MAXMSGSIZE: max_message_bytes + OVERSIZE_BYTES,
            zmq.HANDSHAKE_IVL: HANDSHAKE_TIMEOUT_MS,
            zmq.HEARTBEAT_IVL: HEARTBEAT_INTERVAL_MS,
            zmq.HEARTBEAT_TIMEOUT: HEARTBEAT_TIMEOUT_MS,
            zmq.IPV6: int("[" in bind),
        }.items():
            self._socket.setsockopt(option, value)
        if curve_secret_key is not None:
            self._socket.curve_server = True
            self._socket.curve_secretkey = curve_secret_key
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        try:
            self._socket.bind(bind)
        except zmq.ZMQError as e:
            self.close()
            raise UsageError(f"cannot listen on {bind}: {e.strerror}") from e
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    async def receive(self) -> tuple[bytes, list[bytes]]:
        """The next message: who sent it, and its frames.

        The connection's identity is new with every connection.
        """
        while True:
            identity_frame, *frames = await self._socket.recv_multipart(copy=False)
            identity = identity_frame.bytes
            if identity in self._connections or (frames and self._connect(identity, frames[0])):
                return identity, [frame.bytes for frame in frames]

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send without waiting. False: the connection is gone, or has too much unread."""
        error = _done(self._socket.send_multipart([identity, frame], flags=zmq.NOBLOCK)).exception()
        if error is None:
            return True
        if isinstance(error, zmq.ZMQError) and error.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
            return False
        raise error

    async def watch(self) -> None:
        """Report closed connections until cancelled."""
        while True:
            await self._monitor.poll()
            self._read_monitor()

    def hang_up(self, identity: bytes) -> None:
        """Close a connection; nothing happens when it is closed already."""
        for connection in self._connections.open():
            if connection.identity == identity:
                connection.hang_up()

    def sweep(self) -> None:
        """Close the connections that have been without a session for `HELLO_TIMEOUT_S`."""
        now_s = self._clock.now_s()
        waiting = self._without_session()
        for connection in self._connections.open():
            if connection not in waiting:
                connection.since_s = now_s
            elif now_s - connection.since_s >= HELLO_TIMEOUT_S:
                connection.hang_up()

    def close(self) -> None:
        """Close the socket; unsent messages are dropped."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()
        self._context.term()

    def _connect(self, identity: bytes, frame: zmq.Frame) -> bool:
        """Note a new connection by its first frame; False for one that is to be ignored."""
        self._read_monitor()
        try:
            descriptor = int(frame.get(zmq.SRCFD))
        except zmq.ZMQError:  # libzmq takes stray bytes for ZMTP 1, which has no handshake
            return False
        if not self._connections.add(identity, descriptor):
            asyncio.get_running_loop().call_soon(self._connections.closed, descriptor)
        return True

    def _read_monitor(self) -> None:
        while True:
            received = _done(self._monitor.recv_multipart(flags=zmq.NOBLOCK))
            if isinstance(received.exception(), zmq.Again):
                return
            event = parse_monitor_message(received.result())
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._connections.accepted(int(event["value"]), self._clock.now_s())
                self._make_room()
            else:
                self._connections.closed(int(event["value"]))

    def _without_session(self) -> list["_Connection"]:
        """The connections without a session, oldest first."""
        return [
            connection
            for connection in self._connections.open()
            if connection.identity is None or not self._has_session(connection.identity)
        ]

    def _make_room(self) -> None:
        """Close a connection if the one just accepted, the last in order, is one too many."""
        waiting = [
            connection for connection in self._without_session() if not connection.is_closing
        ]
        *crowd, newcomer = waiting
        if len(waiting) <= self._max_without_session:
            crowd = [connection for connection in crowd if connection.address == newcomer.address]
            if len(crowd) < SHARE_OF_ADDRESS * self._max_without_session:
                return
        silent = [connection for connection in crowd if connection.identity is None]
        (silent or crowd)[0].hang_up()


def _done(operation: Awaitable[Any]) -> asyncio.Future[Any]:
    """With NOBLOCK, pyzmq's asyncio sockets give futures that are done."""
    assert isinstance(operation, asyncio.Future)
    assert operation.done()
    return operation


def is_local(bind: str) -> bool:
    """Whether only this machine can reach an address: loopback TCP or `ipc://`."""
    scheme, _, rest = bind.partition("://")
    if scheme == "ipc":
        return True
    host = rest.rpartition(":")[0].strip("[]")
    if scheme != "tcp" or not host:
        raise UsageError(
            f"cannot bind to {bind!r}", hint="Use tcp://HOST:PORT (port 0: any) or ipc://PATH."
        )
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _max_without_session() -> int:
    if sys.platform == "win32":
        return MAX_WITHOUT_SESSION  # sockets are no files there
    import resource

    max_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if max_files == resource.RLIM_INFINITY:
        return MAX_WITHOUT_SESSION
    return max(1, min(MAX_WITHOUT_SESSION, max_files - SPARED_FILES))


@dataclass(eq=False)
class _Connection:
    """An accepted connection.

    Attributes:
        ends: Its two addresses; None when it was closed before they were asked for.
        since_s: When it was accepted, or last seen with a session.
        identity: Who speaks on it; None before the first message.
    """

    descriptor: int
    ends: tuple[Any, Any] | None
    since_s: float
    identity: bytes | None = None
    is_closing: bool = False

    @property
    def address(self) -> str:
        """The peer's, without port; empty for `ipc://`."""
        return str(self.ends[1][0]) if self.ends and self.ends[1] else ""

    def hang_up(self) -> None:
        """Make libzmq see the connection's end, which the monitor then reports."""
        self.is_closing = True
        with suppress(OSError), _borrowed(self.descriptor) as connection:
            if self.ends == (connection.getsockname(), connection.getpeername()):
                connection.shutdown(socket.SHUT_RDWR)


def _ends(descriptor: int) -> tuple[Any, Any] | None:
    with suppress(OSError), _borrowed(descriptor) as connection:
        return connection.getsockname(), connection.getpeername()
    return None


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """A socket that stays libzmq's; a duplicate would need a descriptor, which may be lacking."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


class _Connections:
    """Which identity speaks on which file descriptor."""

    def __init__(self, on_gone: Callable[[bytes], None]) -> None:
        self._on_gone = on_gone
        self._identities: dict[int, bytes] = {}
        self._descriptors: dict[bytes, int] = {}
        self._open: dict[int, _Connection] = {}

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._descriptors

    def open(self) -> list[_Connection]:
        """The open connections, in the order of their beginnings."""
        return list(self._open.values())

    def accepted(self, descriptor: int, now_s: float = 0.0) -> None:
        self._open.pop(descriptor, None)
        self._open[descriptor] = _Connection(descriptor, _ends(descriptor), now_s)

    def closed(self, descriptor: int) -> None:
        """The connection on `descriptor` is gone, and its identity with it."""
        self._open.pop(descriptor, None)
        self._forget(descriptor)

    def add(self, identity: bytes, descriptor: int) -> bool:
        """Note who speaks on `descriptor`. False: that connection is closed already."""
        self._forget(descriptor)  # its earlier owner must be gone
        self._identities[descriptor] = identity
        self._descriptors[identity] = descriptor
        connection = self._open.get(descriptor)
        if connection is None:
            return False
        connection.identity = identity
        return True

    def _forget(self, descriptor: int) -> None:
        identity = self._identities.pop(descriptor, None)
        if identity is not None:
            del self._descriptors[identity]
            self._on_gone(identity)
