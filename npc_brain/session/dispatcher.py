"""From a frame to its reply: handshake, routing to the session, and the one catch-all.

Every message is answered by exactly one reply or `error`. Knows messages and sessions; frames come
from and go to a transport that it does not know.

A session may take its time over a message (`registry.Work`), and large messages are read on a
thread beside the loop. A session's later messages then wait their turn, but for `ping`; other
sessions go on.
"""

import asyncio
import hmac
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from npc_brain.clock import Clock
from npc_brain.decision.fair_thread import FairThread
from npc_brain.errors import ErrorCode, NpcBrainError, ProtocolError, SessionError
from npc_brain.protocol.codec import DecodeError, decode, peek_id
from npc_brain.protocol.messages import (
    PROTOCOL_VERSION,
    Body,
    Direction,
    Envelope,
    Error,
    Goodbye,
    Hello,
    Limits,
    Ok,
    Ping,
    Pong,
    Welcome,
)
from npc_brain.session.peer import Deliver, Peer
from npc_brain.session.registry import Session, SessionRegistry, Work
from npc_brain.session.wrong_tokens import WrongTokens

HELLO_TIMEOUT_S = 10.0
"""A connection that has not begun a session by then is forgotten, and closed by the transport."""
MAX_BYTES_BEFORE_HELLO = 4096
"""Before the token was shown, larger frames are not even read."""

LARGE_BYTES = 16 * 1024
"""Longer messages are read beside the loop, since reading one may take 100 ms."""

MAX_WAITING_MESSAGES = 8192
"""Messages of a session that may wait while it works; more are refused, to be sent again.

An engine may send a world and all NPCs at once, which are `limits.max_npcs` at most.
"""
MAX_WAITING_BYTES = 16 * 2**20
"""Total size of the waiting messages of a session."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """Answers messages.

    Args:
        registry: The sessions.
        deliver: Sends a frame.
        token: What `hello` must show; not empty.
        limits: What is accepted.
        make_welcome: The `welcome` for a session id, and whether it was resumed.
        clock: Times the handshake and `pong.uptime_ms`.
    """

    def __init__(
        self,
        registry: SessionRegistry,
        deliver: Deliver,
        *,
        token: str,
        limits: Limits,
        make_welcome: Callable[[str, bool], Welcome],
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._deliver = deliver
        self._token = token.encode()
        self._limits = limits
        self._make_welcome = make_welcome
        self._clock = clock
        self._started_s = clock.now_s()
        self._peers: dict[bytes, Peer] = {}
        self._wrong_tokens = WrongTokens(clock)
        self._working: dict[Session, _Line] = {}
        self._reading: FairThread | None = None

    @property
    def is_holding(self) -> bool:
        """Whether messages wait for `release`."""
        return self._wrong_tokens.num_waiting > 0

    def receive(self, identity: bytes, frames: Sequence[bytes]) -> bool:
        """Act upon one message and send its reply, now or at a later `release`; never raises.

        `frames` are those of a ZeroMQ message, of which there must be one. False: the connection
        is to be closed, since it sends more than it may before its session.
        """
        is_free = self.has_session(identity) or self._wrong_tokens.may_look()
        if is_free and not self._wrong_tokens.is_held(identity):
            self._take(identity, frames)
            return True
        is_small = sum(map(len, frames)) <= MAX_BYTES_BEFORE_HELLO
        return is_small and self._wrong_tokens.hold(identity, frames)

    def release(self) -> None:
        """Act upon waiting messages whose turn it is; never raises."""
        for identity, frames in self._wrong_tokens.due():
            self._take(identity, frames)

    def has_session(self, identity: bytes) -> bool:
        """Whether a connection has a session."""
        peer = self._peers.get(identity)
        return peer is not None and self._registry.session_of(peer) is not None

    def lose(self, identity: bytes) -> None:
        """The connection is gone: its session is detached. Unknown identities are ignored."""
        self._wrong_tokens.forget(identity)
        peer = self._peers.pop(identity, None)
        if peer is not None:
            self._registry.detach(peer)

    def broadcast(self, body: Body) -> None:
        """Send a message to every engine that has a session."""
        for peer in self._registry.attached_peers():
            peer.send(body)

    def sweep(self) -> None:
        """Drop what has gone stale: lost peers, peers without a session, detached sessions."""
        latest_s = self._clock.now_s() - HELLO_TIMEOUT_S
        for peer in list(self._peers.values()):
            is_idle = peer.since_s <= latest_s and self._registry.session_of(peer) is None
            if peer.is_lost or is_idle:
                self.lose(peer.identity)
        self._registry.expire()

    def _take(self, identity: bytes, frames: Sequence[bytes]) -> None:
        peer = self._peers.get(identity)
        if peer is None:
            peer = self._peers[identity] = Peer(identity, self._deliver, self._clock.now_s())
        try:
            with peer.replying():
                self._answer(peer, frames)
        except NpcBrainError:  # of a body that cannot be encoded
            _log.exception("messages to %r were dropped", identity)
        if peer.is_lost:
            self.lose(identity)

    async def stop(self) -> None:
        """End the work under way; what waits for it is not answered any more."""
        tasks = [line.task for line in self._working.values() if line.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._reading is not None:
            await asyncio.to_thread(self._reading.close)

    def _answer(self, peer: Peer, frames: Sequence[bytes]) -> None:
        with self._refusing(peer) as about:
            session = self._registry.session_of(peer)
            num_bytes = sum(map(len, frames))
            line = self._working.get(session) if session is not None else None
            is_large = LARGE_BYTES < num_bytes <= self._limits.max_message_bytes
            if session is not None and len(frames) == 1 and is_large:
                about.id = peek_id(frames[0])
                self._line_of(session).put(peer, _Unread(frames[0], about.id), num_bytes)
                return
            try:
                envelope = self._read(peer, frames)
            except ProtocolError as error:
                if line is None:
                    raise
                line.put(peer, _Refused(error), num_bytes)
                return
            about.id, about.npc_id = envelope.id, envelope.npc_id
            if line is None:
                self._act_in_turn(peer, envelope)
            elif isinstance(envelope.body, Ping):
                self._act(peer, envelope)
            else:
                line.put(peer, envelope, num_bytes)

    def _act_in_turn(self, peer: Peer, envelope: Envelope) -> None:
        """Act upon a message once; a `ping` that overtakes others has no turn, and does no harm."""
        peer.note_id(envelope.id)
        self._act(peer, envelope)

    @contextmanager
    def _refusing(self, peer: Peer) -> Iterator["_About"]:
        """Answer what is raised about a message with an `error`."""
        about = _About()
        try:
            yield about
        except DecodeError as e:
            self._refuse(peer, e, about.id if e.reply_to is None else e.reply_to, about.npc_id)
        except NpcBrainError as e:
            self._refuse(peer, e, about.id, about.npc_id)
        except Exception:
            _log.exception(
                "message %s about npc %s from %r failed", about.id, about.npc_id, peer.identity
            )
            fault = NpcBrainError(
                "a fault in the sidecar; the message was not acted upon",
                code=ErrorCode.INTERNAL,
                hint="The sidecar's log has the details. Please report it.",
            )
            self._refuse(peer, fault, about.id, about.npc_id)

    async def _work(self, session: Session, line: "_Line") -> None:
        """Do a session's work, and then what has waited for it."""
        try:
            while line.work is not None or line.waiting:
                if line.work is not None:
                    (peer, envelope, work), line.work = line.work, None
                    await self._do(peer, envelope, work)
                else:
                    peer, message = line.take()
                    with self._refusing(peer) as about:
                        if isinstance(message, _Refused):
                            raise message.error
                        about.id = message.id
                        if isinstance(message, _Unread):
                            message = await self._read_aside(session, message)
                        about.id, about.npc_id = message.id, message.npc_id
                        with peer.replying():
                            self._act_in_turn(peer, message)
                    await asyncio.sleep(0)
        finally:
            del self._working[session]

    async def _read_aside(self, session: Session, unread: "_Unread") -> Envelope:
        """Read a large message of a session."""
        if self._reading is None:
            self._reading = FairThread("npc-brain-reading")
        read = partial(decode, unread.frame, Direction.INBOUND, self._limits)
        return await self._reading.run(read, session)

    async def _do(self, peer: Peer, envelope: Envelope, work: Work) -> None:
        has_replied = False

        def reply(body: Body) -> None:
            nonlocal has_replied
            has_replied = True
            peer.send(body, reply_to=envelope.id, npc_id=envelope.npc_id)

        with self._refusing(peer) as about:
            about.id, about.npc_id = envelope.id, envelope.npc_id
            try:
                await work(reply)
            except Exception:
                if not has_replied:
                    raise
                _log.exception("what follows from message %d failed", envelope.id)

    def _read(self, peer: Peer, frames: Sequence[bytes]) -> Envelope:
        if len(frames) != 1:
            raise ProtocolError(
                f"got a message of {len(frames)} frames, wanted one",
                hint="Use a DEALER socket, which adds no empty frame, and send without SNDMORE.",
            )
        [frame] = frames
        if len(frame) > MAX_BYTES_BEFORE_HELLO and self._registry.session_of(peer) is None:
            refusal = _hello_first(f"a message of {len(frame)} bytes")
            refusal.reply_to = peek_id(frame[:MAX_BYTES_BEFORE_HELLO])
            raise refusal
        return decode(frame, Direction.INBOUND, self._limits)

    def _act(self, peer: Peer, envelope: Envelope) -> None:
        body = envelope.body
        if isinstance(body, Hello):
            self._hello(peer, envelope.id, body)
            return
        session = self._registry.session_of(peer)
        if session is None:
            raise _hello_first(envelope.type)
        reply: Body
        if isinstance(body, Ping):
            reply = Pong(uptime_ms=round((self._clock.now_s() - self._started_s) * 1000))
        elif isinstance(body, Goodbye):
            reply = Ok()
        else:
            answer = session.handle(envelope)
            if not isinstance(answer, Body):
                self._begin(session, peer, envelope, answer)
                return
            reply = answer
        peer.send(reply, reply_to=envelope.id, npc_id=envelope.npc_id)
        if isinstance(body, Goodbye):
            self._registry.end(peer)

    def _begin(self, session: Session, peer: Peer, envelope: Envelope, work: Work) -> None:
        self._line_of(session).work = (peer, envelope, work)

    def _line_of(self, session: Session) -> "_Line":
        """What a session works on; it begins with what is put there, if it works on nothing."""
        line = self._working.get(session)
        if line is None:
            line = self._working[session] = _Line()
            line.task = asyncio.get_running_loop().create_task(self._work(session, line))
        return line

    def _hello(self, peer: Peer, message_id: int, hello: Hello) -> None:
        if hello.protocol[0] != PROTOCOL_VERSION[0]:
            raise ProtocolError(
                f"the engine speaks protocol {hello.protocol[0]}.{hello.protocol[1]}, "
                f"this sidecar {PROTOCOL_VERSION[0]}.{PROTOCOL_VERSION[1]}",
                code=ErrorCode.BAD_PROTOCOL,
                hint="Use a sidecar and a bridge of the same major version.",
            )
        if not hmac.compare_digest(hello.token.encode(), self._token):
            if self._registry.session_of(peer) is None:
                self._wrong_tokens.note(peer.identity)
            raise SessionError(
                "the token is wrong" if hello.token else "the token is missing",
                code=ErrorCode.BAD_TOKEN,
                hint="Send the NPC_BRAIN_TOKEN that the sidecar was started with, or the one in "
                "its connection file.",
            )
        if hello.resume is None:
            session_id = self._registry.begin(peer)
            peer.send(self._make_welcome(session_id, False), reply_to=message_id)
        else:
            attach = self._registry.resume(hello.resume, peer)
            peer.send(self._make_welcome(hello.resume, True), reply_to=message_id)
            attach()

    def _refuse(
        self, peer: Peer, error: NpcBrainError, reply_to: int | None, npc_id: str | None
    ) -> None:
        if isinstance(error, DecodeError) and error.is_envelope and error.reply_to is not None:
            try:
                peer.note_id(error.reply_to)
            except ProtocolError as repeated:
                error = repeated
        body = Error(
            code=error.code, message=error.message, hint=error.hint, retryable=error.retryable
        )
        peer.send(body, reply_to=reply_to, npc_id=npc_id)


@dataclass(slots=True)
class _About:
    """The message that an error would be about."""

    id: int | None = None
    npc_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Unread:
    """A large message, and its `id` where that could be found."""

    frame: bytes
    id: int | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """A message that is refused when its turn comes: answers without an id go by their order."""

    error: ProtocolError


_Waiting = Envelope | _Unread | _Refused


@dataclass(slots=True)
class _Line:
    """What a session works on, and what has to wait for that."""

    work: tuple[Peer, Envelope, Work] | None = None
    waiting: deque[tuple[Peer, _Waiting, int]] = field(default_factory=deque)
    num_bytes: int = 0
    task: asyncio.Task[None] | None = None

    def put(self, peer: Peer, message: _Waiting, num_bytes: int) -> None:
        """Let a message wait; raises SessionError (`too_many_queued`) when there are too many."""
        if (
            len(self.waiting) >= MAX_WAITING_MESSAGES
            or self.num_bytes + num_bytes > MAX_WAITING_BYTES
        ):
            raise SessionError(
                f"{len(self.waiting)} messages wait for an earlier one already",
                code=ErrorCode.TOO_MANY_QUEUED,
                hint="wait for the answer to a large message, `state.save` or `state.load`",
                retryable=True,
            )
        self.waiting.append((peer, message, num_bytes))
        self.num_bytes += num_bytes

    def take(self) -> tuple[Peer, _Waiting]:
        """The message that has waited longest."""
        peer, message, num_bytes = self.waiting.popleft()
        self.num_bytes -= num_bytes
        return peer, message


def _hello_first(what: str) -> DecodeError:
    return DecodeError(
        f"got {what} before the session began",
        code=ErrorCode.HELLO_FIRST,
        hint="Send `hello` first, and again (with `resume`) after the connection was lost.",
    )
