"""The link to a sidecar: hello, matching of replies, reconnection with resume.

Knows the handshake and message ids; turns, tools and actions are the client's business.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Literal

from npc_brain.client.socket import DealerSocket, connection_lost, first_of
from npc_brain.errors import ErrorCode, NpcBrainError, ProtocolError, SessionError
from npc_brain.protocol.messages import (
    PROTOCOL_VERSION,
    Body,
    ClientInfo,
    Envelope,
    Error,
    Hello,
    Welcome,
)

Link = Literal["connected", "lost", "resumed", "new_session"]
"""`new_session`: the sidecar forgot the NPCs (it was restarted, or was away for too long)."""
Way = Literal["in", "out"]
Observer = Callable[[Way, int, Envelope], None]
"""Sees every message: `in` is to the sidecar; milliseconds since the connection was made."""
OnReply = Callable[[Body | NpcBrainError], None]

HELLO_TIMEOUT_S = 2.0
_FIRST_BACK_OFF_S = 0.1
_MAX_BACK_OFF_S = 5.0
_FATAL = {ErrorCode.BAD_TOKEN, ErrorCode.BAD_PROTOCOL}

_log = logging.getLogger(__name__)


class Connection:
    """A connection that re-establishes itself. All calls come from one event loop.

    Args:
        endpoint: Where the sidecar listens, asked again before each attempt; None: not yet known.
        token: The sidecar's token.
        client: Who connects.
        on_unsolicited: Called with each message that answers none.
        on_link: Called when the link changes.
        observe: Sees every message.
    """

    def __init__(
        self,
        endpoint: Callable[[], str | None],
        token: str,
        client: ClientInfo,
        *,
        on_unsolicited: Callable[[Envelope], None],
        on_link: Callable[[Link], None],
        observe: Observer | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._token = token
        self._client = client
        self._on_unsolicited = on_unsolicited
        self._on_link = on_link
        self._observe = observe
        self._started_s = time.monotonic()
        self._socket: DealerSocket | None = None
        self._last_id = 0
        self._pending: dict[int, OnReply] = {}
        self._session_id: str | None = None
        self._is_linked = False
        self._keeper: asyncio.Task[None] | None = None
        self._first: asyncio.Future[Welcome] | None = None

    @property
    def is_linked(self) -> bool:
        """Whether a session is up."""
        return self._is_linked

    async def open(self, timeout_s: float) -> Welcome:
        """Connect and keep connected until `close`.

        Raises:
            SessionError: `connection_lost` after `timeout_s`, or the sidecar's refusal.
        """
        self._first = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep_linked())
        try:
            return await asyncio.wait_for(asyncio.shield(self._first), timeout_s)
        except TimeoutError as e:
            await self.close()
            raise connection_lost(f"no sidecar answered within {timeout_s:g} s") from e
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop the link for good; pending requests fail with `connection_lost`.

        `on_link` is not called: nothing was lost.
        """
        self._is_linked = False
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None

    def send(self, body: Body, npc_id: str | None, on_reply: OnReply) -> None:
        """Send a message; `on_reply` gets the reply's body, or the error, before later messages.

        Raises:
            SessionError: `connection_lost`; `on_reply` is not called.
            ProtocolError: The body cannot be encoded.
        """
        if self._socket is None or not (self._is_linked or isinstance(body, Hello)):
            raise connection_lost(f"{body.type} was not sent: there is no link to the sidecar")
        envelope = Envelope(type=body.type, id=self._last_id + 1, npc_id=npc_id, body=body)
        self._socket.send(envelope)
        self._last_id = envelope.id
        self._pending[envelope.id] = on_reply
        self._show("in", envelope)

    async def request(self, body: Body, npc_id: str | None = None, timeout_s: float = 10.0) -> Body:
        """Send a message and wait for its reply.

        Raises:
            NpcBrainError: The sidecar's `error`, or `connection_lost` when none came in time.
        """
        reply: asyncio.Future[Body] = asyncio.get_running_loop().create_future()

        def settle(answer: Body | NpcBrainError) -> None:
            if reply.done():
                return
            if isinstance(answer, NpcBrainError):
                reply.set_exception(answer)
            else:
                reply.set_result(answer)

        self.send(body, npc_id, settle)
        try:
            return await asyncio.wait_for(reply, timeout_s)
        except TimeoutError as e:
            raise connection_lost(f"no answer to {body.type} within {timeout_s:g} s") from e

    async def _keep_linked(self) -> None:
        back_off_s = _FIRST_BACK_OFF_S
        while True:
            try:
                if await self._link_once():
                    back_off_s = _FIRST_BACK_OFF_S
            except SessionError as e:
                if self._is_final(e):
                    return
            except ProtocolError as e:
                if self._is_final(e):
                    return
                _log.error("the sidecar broke the protocol: %s", e.message)
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)

    def _is_final(self, error: NpcBrainError) -> bool:
        if error.code not in _FATAL:
            return False
        _log.error("the sidecar refuses this client: %s", error.message)
        if self._first is not None and not self._first.done():
            self._first.set_exception(error)
        return True

    async def _link_once(self) -> bool:
        """Connect, say hello, and read until the connection is lost; whether there was a link."""
        endpoint = self._endpoint()
        if endpoint is None:
            return False
        socket = self._socket = DealerSocket(endpoint)
        self._last_id = 0
        try:
            await first_of(self._read(socket), self._watch(socket), self._stay_linked())
        finally:
            was_linked = self._is_linked
            self._unlink(socket)
        return was_linked

    async def _stay_linked(self) -> None:
        hello = Hello(
            protocol=PROTOCOL_VERSION,
            token=self._token,
            client=self._client,
            resume=self._session_id,
        )
        try:
            welcome = await self.request(hello, timeout_s=HELLO_TIMEOUT_S)
        except SessionError as e:
            if e.code is not ErrorCode.UNKNOWN_SESSION:
                raise
            hello = hello.model_copy(update={"resume": None})
            welcome = await self.request(hello, timeout_s=HELLO_TIMEOUT_S)
        if not isinstance(welcome, Welcome):
            raise ProtocolError(f"hello was answered by {welcome.type}, wanted welcome")
        link: Link = "connected"
        if self._session_id is not None:
            link = "resumed" if welcome.resumed else "new_session"
        self._session_id = welcome.session_id
        self._is_linked = True
        if self._first is not None and not self._first.done():
            self._first.set_result(welcome)
        self._on_link(link)
        await asyncio.Event().wait()

    async def _read(self, socket: DealerSocket) -> None:
        while True:
            self._handle(await socket.receive())

    async def _watch(self, socket: DealerSocket) -> None:
        await socket.wait_lost()
        for envelope in socket.unread():
            self._handle(envelope)

    def _handle(self, envelope: Envelope) -> None:
        self._show("out", envelope)
        body = envelope.body
        on_reply = None
        if envelope.reply_to is not None:
            on_reply = self._pending.pop(envelope.reply_to, None)
        if on_reply is not None:
            on_reply(_error(body) if isinstance(body, Error) else body)
        elif isinstance(body, Error):
            _log.warning("the sidecar reports %s: %s %s", body.code, body.message, body.hint)
        else:
            self._on_unsolicited(envelope)
        if isinstance(body, Error) and body.code == ErrorCode.HELLO_FIRST and self._is_linked:
            raise connection_lost("the sidecar cut this client off: it left too much unread")

    def _unlink(self, socket: DealerSocket) -> None:
        socket.close()
        self._socket = None
        was_linked, self._is_linked = self._is_linked, False
        pending, self._pending = self._pending, {}
        for on_reply in pending.values():
            on_reply(connection_lost("the link to the sidecar was lost before it answered"))
        if was_linked:
            self._on_link("lost")

    def _show(self, direction: Way, envelope: Envelope) -> None:
        if self._observe is not None:
            t_ms = round((time.monotonic() - self._started_s) * 1000)
            self._observe(direction, t_ms, envelope)


def _error(body: Error) -> NpcBrainError:
    try:
        code = ErrorCode(body.code)
    except ValueError:  # of a newer sidecar
        code = ErrorCode.INTERNAL
    return SessionError(body.message, code=code, hint=body.hint, retryable=body.retryable)
