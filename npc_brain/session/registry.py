"""Which session belongs to which connection, and when a session ends.

A session outlives its connection: it stays for a while so that `hello` with `resume` finds the same
NPCs. Its id is the only thing needed for that, so it cannot be guessed. Pure bookkeeping over a
clock: no sockets, no tasks.
"""

import secrets
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from npc_brain.clock import Clock
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.protocol.messages import Body, Envelope
from npc_brain.session.peer import Peer

Outbox = Callable[[Body, str | None], None]
"""Sends a message that answers none, about an NPC or (None) the session; drops it once detached."""


Reply = Callable[[Body], None]
Work = Callable[[Reply], Awaitable[None]]
"""What takes a while: sends its reply, once, and then whatever follows from it; may wait.

Raises NpcBrainError instead of replying when the message cannot be acted upon.
"""


class Session(Hashable, Protocol):
    """What the dispatcher needs of a session. All calls come from the event loop."""

    def handle(self, envelope: Envelope) -> Body | Work:
        """Act upon a message and return the body of its reply, or the work that it takes.

        While that is done nothing else but `attach`, `detach` and `close` is called.

        Raises:
            NpcBrainError: The message cannot be acted upon; becomes an `error` reply.
        """
        ...

    def attach(self, outbox: Outbox) -> None:
        """The engine is back; unsolicited messages go to `outbox` from now on."""
        ...

    def detach(self) -> None:
        """The connection is lost: turns under way end as cancelled."""
        ...

    async def close(self) -> None:
        """Forget everything; called once, last."""
        ...


SessionFactory = Callable[[str, Outbox], Session]
"""Makes a session of that id. It sends nothing before it returns: `welcome` comes first."""


@dataclass(eq=False)
class _Entry:
    session_id: str
    session: Session
    peer: Peer | None
    detached_s: float = 0.0


class SessionRegistry:
    """The sessions of a sidecar.

    Args:
        factory: Makes a session.
        clock: Times expiry.
        dispose: Called with each session that has ended, to close it.
        max_sessions: How many may exist. A new one pushes out the one detached longest ago.
        detached_ttl_s: How long a session without a connection is kept.
    """

    def __init__(
        self,
        factory: SessionFactory,
        clock: Clock,
        *,
        dispose: Callable[[Session], None],
        max_sessions: int = 8,
        detached_ttl_s: float = 300.0,
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._dispose = dispose
        self._max_sessions = max_sessions
        self._detached_ttl_s = detached_ttl_s
        self._by_id: dict[str, _Entry] = {}
        self._by_peer: dict[Peer, _Entry] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def session_of(self, peer: Peer) -> Session | None:
        """The session attached to a connection, if any."""
        entry = self._by_peer.get(peer)
        return None if entry is None else entry.session

    def attached_peers(self) -> list[Peer]:
        """Every connection that has a session."""
        return list(self._by_peer)

    def begin(self, peer: Peer) -> str:
        """Start a session for a connection and return its id.

        Raises:
            SessionError: `too_many_sessions`.
        """
        self.detach(peer)
        self._make_room()
        session_id = secrets.token_urlsafe(24)
        session = self._factory(session_id, self._outbox(session_id, peer))
        entry = _Entry(session_id, session, peer)
        self._by_id[session_id] = entry
        self._by_peer[peer] = entry
        return session_id

    def resume(self, session_id: str, peer: Peer) -> Callable[[], None]:
        """Move a session to a new connection; an older one loses it.

        Returns:
            What must be called, once `welcome` is sent, to let the session send again.

        Raises:
            SessionError: `unknown_session`.
        """
        entry = self._by_id.get(session_id)
        if entry is None:
            raise SessionError(
                "there is no such session to resume",
                code=ErrorCode.UNKNOWN_SESSION,
                hint="It has expired or the sidecar was restarted. Say hello without `resume`, "
                "then send the world and spawn the NPCs again.",
            )
        self.detach(peer)
        if entry.peer is not None:
            self.detach(entry.peer)
        entry.peer = peer
        self._by_peer[peer] = entry
        return lambda: entry.session.attach(self._outbox(session_id, peer))

    def detach(self, peer: Peer) -> None:
        """Part a connection from its session, which then waits to be resumed."""
        entry = self._by_peer.pop(peer, None)
        if entry is not None:
            entry.peer = None
            entry.detached_s = self._clock.now_s()
            entry.session.detach()

    def end(self, peer: Peer) -> None:
        """End a connection's session for good."""
        entry = self._by_peer.pop(peer, None)
        if entry is not None:
            self._remove(entry)

    def expire(self) -> None:
        """End the sessions that were detached for too long."""
        oldest_s = self._clock.now_s() - self._detached_ttl_s
        for entry in list(self._by_id.values()):
            if entry.peer is None and entry.detached_s <= oldest_s:
                self._remove(entry)

    def end_all(self) -> None:
        """End every session."""
        self._by_peer.clear()
        for entry in list(self._by_id.values()):
            self._remove(entry)

    def _remove(self, entry: _Entry) -> None:
        entry.peer = None
        del self._by_id[entry.session_id]
        self._dispose(entry.session)

    def _make_room(self) -> None:
        if len(self._by_id) < self._max_sessions:
            return
        detached = [entry for entry in self._by_id.values() if entry.peer is None]
        if not detached:
            raise SessionError(
                f"{len(self._by_id)} engines are connected, at most {self._max_sessions} may be",
                code=ErrorCode.TOO_MANY_SESSIONS,
                hint="Disconnect one, or start another sidecar.",
                retryable=True,
            )
        self._remove(min(detached, key=lambda entry: entry.detached_s))

    def _outbox(self, session_id: str, peer: Peer) -> Outbox:
        def send(body: Body, npc_id: str | None) -> None:
            entry = self._by_peer.get(peer)
            if entry is not None and entry.session_id == session_id:
                peer.send(body, npc_id=npc_id)

        return send
