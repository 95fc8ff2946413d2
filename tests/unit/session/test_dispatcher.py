"""Dispatcher and registry without sockets: handshake, numbering, expiry, who gets what."""

import json
import math
from typing import Any

import msgpack
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from npc_brain.clock import FakeClock
from npc_brain.errors import ErrorCode, ProtocolError, SessionError
from npc_brain.protocol.codec import DEFAULT_LIMITS, decode, encode
from npc_brain.protocol.messages import (
    Body,
    Direction,
    Envelope,
    Error,
    Goodbye,
    Hello,
    ModelStatus,
    NpcEvent,
    Ok,
    Ping,
    Pong,
    Status,
    Welcome,
)
from npc_brain.session.dispatcher import HELLO_TIMEOUT_S, Dispatcher
from npc_brain.session.peer import Peer
from npc_brain.session.registry import Outbox, Session, SessionRegistry
from npc_brain.transport.server import Server
from tests.counts import count
from tests.pace import until

TOKEN = "token"
MODEL = ModelStatus(name="none", phase="ready")


class SpySession:
    """Remembers what happens to it; says `status` during every message."""

    def __init__(self, session_id: str, outbox: Outbox) -> None:
        self.session_id = session_id
        self.outbox = outbox
        self.history: list[str] = []
        self.fault: Exception | None = None

    def handle(self, envelope: Envelope) -> Body:
        self.history.append(envelope.type)
        self.outbox(Status(phase="ready", progress=1.0), None)
        if self.fault is not None:
            raise self.fault
        return Ok()

    def attach(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.history.append("attach")
        outbox(Status(phase="ready", progress=1.0), None)

    def detach(self) -> None:
        self.history.append("detach")

    async def close(self) -> None:
        raise AssertionError("the registry leaves this to its owner")


class Wire:
    """A dispatcher, and what it sent to each identity."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.sessions: list[SpySession] = []
        self.disposed: list[Session] = []
        self.sent: dict[bytes, list[Envelope]] = {}
        self.deaf: set[bytes] = set()
        self.last_ids: dict[bytes, int] = {}
        self.registry = SessionRegistry(
            self._make, self.clock, dispose=self.disposed.append, **options
        )
        self.dispatcher = Dispatcher(
            self.registry,
            self._deliver,
            token=TOKEN,
            limits=DEFAULT_LIMITS,
            make_welcome=self._welcome,
            clock=self.clock,
        )

    def say(self, identity: bytes, body: Body, npc_id: str | None = None) -> list[Envelope]:
        """Send a message; what came to that identity because of it."""
        message_id = self.last_ids[identity] = self.last_ids.get(identity, 0) + 1
        envelope = Envelope(type=body.type, id=message_id, npc_id=npc_id, body=body)
        before = len(self.sent.setdefault(identity, []))
        self.dispatcher.receive(identity, [encode(envelope)])
        return self.sent[identity][before:]

    def hello(self, identity: bytes, resume: str | None = None, token: str = TOKEN) -> Body:
        client = {"name": "x", "version": "1", "engine": "x"}
        hello = Hello.model_validate(
            {"protocol": (1, 0), "token": token, "client": client, "resume": resume}
        )
        return self.say(identity, hello)[0].body

    def welcome(self, identity: bytes, resume: str | None = None) -> str:
        body = self.hello(identity, resume)
        assert isinstance(body, Welcome)
        return body.session_id

    def refusal(self, identity: bytes, body: Body, npc_id: str | None = None) -> str:
        answer = self.say(identity, body, npc_id)[0].body
        assert isinstance(answer, Error)
        return answer.code

    def _make(self, session_id: str, outbox: Outbox) -> SpySession:
        outbox(Status(phase="ready", progress=1.0), None)  # too early: must not precede `welcome`
        self.sessions.append(SpySession(session_id, outbox))
        return self.sessions[-1]

    def _deliver(self, identity: bytes, frame: bytes) -> bool:
        if identity in self.deaf:
            return False
        self.sent.setdefault(identity, []).append(decode(frame, Direction.OUTBOUND))
        return True

    def _welcome(self, session_id: str, resumed: bool) -> Welcome:
        return Welcome(
            session_id=session_id,
            protocol=(1, 0),
            version="0",
            model=MODEL,
            resumed=resumed,
            features=(),
            limits=DEFAULT_LIMITS,
        )


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_welcome_comes_first_then_what_the_session_says(wire: Wire) -> None:
    session_id = wire.welcome(b"a")
    wire.dispatcher.lose(b"a")
    assert wire.welcome(b"b", resume=session_id) == session_id
    assert [e.type for e in wire.sent[b"a"]] == ["welcome"]
    assert [e.type for e in wire.sent[b"b"]] == ["welcome", "status"]
    assert wire.sessions[0].history == ["detach", "attach"]


def test_the_reply_comes_first_and_ids_rise(wire: Wire) -> None:
    wire.welcome(b"a")
    answers = wire.say(b"a", NpcEvent(event="bell"), "mira")
    assert [(e.type, e.id, e.reply_to, e.npc_id) for e in answers] == [
        ("ok", 2, 2, "mira"),
        ("status", 3, None, None),
    ]


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (SessionError("no such", code=ErrorCode.UNKNOWN_NPC, hint="h"), "unknown_npc", "no such"),
        (KeyError("secret"), "internal", "a fault in the sidecar"),
    ],
)
def test_errors_of_a_session_become_replies(
    wire: Wire, fault: Exception, code: str, told: str
) -> None:
    wire.welcome(b"a")
    wire.sessions[0].fault = fault
    error, status = wire.say(b"a", NpcEvent(event="bell"), "mira")
    assert isinstance(error.body, Error)
    assert (error.reply_to, error.npc_id, error.body.code) == (2, "mira", code)
    assert told in error.body.message
    assert "secret" not in error.body.message
    assert status.type == "status", "what was said before the fault is not lost"


def test_a_reply_that_cannot_be_encoded_does_not_end_the_server(wire: Wire) -> None:
    wire.welcome(b"a")
    session = wire.sessions[0]
    session.outbox(Status(phase="ready", progress=0.5), None)
    with pytest.raises(ProtocolError):
        session.outbox(Status.model_construct(phase="ready", progress=float("nan")), None)
    assert isinstance(wire.say(b"a", Ping())[0].body, Pong)


def test_repeated_ids_are_not_acted_upon(wire: Wire) -> None:
    wire.welcome(b"a")
    wire.say(b"a", NpcEvent(event="bell"), "mira")
    wire.last_ids[b"a"] = 1
    assert wire.refusal(b"a", NpcEvent(event="bell"), "mira") == "repeated_id"
    assert wire.sessions[0].history == ["npc.event"]


def test_a_refused_message_uses_up_its_id(wire: Wire) -> None:
    wire.welcome(b"a")
    wire.dispatcher.receive(b"a", [b"\x83\xa4type\xa1x\xa2id\x07\xa4body\x80"])
    assert wire.sent[b"a"][-1].reply_to == 7
    wire.last_ids[b"a"] = 6
    assert wire.refusal(b"a", Ping()) == "repeated_id"


def test_ping_tells_the_uptime(wire: Wire) -> None:
    wire.welcome(b"a")
    wire.clock.advance(1.5)
    assert wire.say(b"a", Ping())[0].body == Pong(uptime_ms=1500)


def test_detached_sessions_expire_and_attached_ones_do_not(wire: Wire) -> None:
    session_id, _ = wire.welcome(b"a"), wire.welcome(b"b")
    wire.dispatcher.lose(b"a")
    wire.clock.advance(299)
    wire.dispatcher.sweep()
    assert wire.disposed == []
    wire.clock.advance(1)
    wire.dispatcher.sweep()
    assert wire.disposed == [wire.sessions[0]]
    assert isinstance(wire.hello(b"c", resume=session_id), Error)
    assert isinstance(wire.say(b"b", Ping())[0].body, Pong)


def test_peers_that_never_say_hello_are_forgotten(wire: Wire) -> None:
    wire.say(b"idle", Ping())
    wire.welcome(b"busy")
    wire.clock.advance(HELLO_TIMEOUT_S)
    wire.dispatcher.sweep()
    assert list(wire.dispatcher._peers) == [b"busy"]


def test_a_peer_that_takes_nothing_loses_its_session(wire: Wire) -> None:
    wire.welcome(b"a")
    wire.deaf.add(b"a")
    wire.sessions[0].outbox(Status(phase="ready", progress=1.0), None)
    assert wire.sessions[0].history == [], "never from within its own send"
    wire.dispatcher.sweep()
    assert wire.sessions[0].history == ["detach"]
    wire.deaf.clear()
    assert wire.refusal(b"a", Ping()) == "hello_first"


def test_an_old_outbox_is_dead(wire: Wire) -> None:
    session_id = wire.welcome(b"a")
    old = wire.sessions[0].outbox
    wire.welcome(b"b", resume=session_id)
    before = len(wire.sent[b"a"]), len(wire.sent[b"b"])
    old(Status(phase="ready", progress=1.0), None)
    assert (len(wire.sent[b"a"]), len(wire.sent[b"b"])) == before


def test_hello_again_leaves_the_first_session_to_be_resumed(wire: Wire) -> None:
    first = wire.welcome(b"a")
    second = wire.welcome(b"a")
    assert first != second
    assert wire.sessions[0].history == ["detach"]
    assert wire.welcome(b"a", resume=first) == first


def test_session_ids_cannot_be_guessed(wire: Wire) -> None:
    ids = {wire.welcome(b"%d" % n) for n in range(8)}
    assert len(ids) == 8
    assert min(map(len, ids)) >= 32


def test_a_server_without_token_is_refused() -> None:
    with pytest.raises(Exception, match="token is empty"):
        Server(SpySession, "", model=lambda: MODEL)


class SessionsUnderChurn(RuleBasedStateMachine):
    """Connections and sessions come and go in any order; each session has at most one peer."""

    identities = st.sampled_from([b"a", b"b", b"c"])

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(max_sessions=3, detached_ttl_s=10.0)
        self.known: list[str] = []

    @rule(identity=identities)
    def begin(self, identity: bytes) -> None:
        body = self.wire.hello(identity)
        if isinstance(body, Welcome):
            self.known.append(body.session_id)

    @rule(identity=identities, index=st.integers(0, 20))
    def resume(self, identity: bytes, index: int) -> None:
        if self.known:
            session_id = self.known[index % len(self.known)]
            body = self.wire.hello(identity, resume=session_id)
            assert isinstance(body, Welcome) == (session_id in self.alive())

    @rule(identity=identities)
    def goodbye(self, identity: bytes) -> None:
        self.wire.say(identity, Goodbye())

    @rule(identity=identities)
    def lose(self, identity: bytes) -> None:
        self.wire.dispatcher.lose(identity)
        self.wire.last_ids.pop(identity, None)

    @rule(seconds=st.floats(0, 12))
    def wait(self, seconds: float) -> None:
        self.wire.clock.advance(seconds)
        before = dict(self.wire.last_ids)
        self.wire.dispatcher.sweep()
        known = self.wire.dispatcher._peers
        self.wire.last_ids = {i: n for i, n in before.items() if i in known}

    def alive(self) -> set[str]:
        return set(self.wire.registry._by_id)

    @invariant()
    def counts_agree(self) -> None:
        made, disposed = self.wire.sessions, self.wire.disposed
        assert len(disposed) == len({id(session) for session in disposed}), "disposed twice"
        alive = {s.session_id for s in made if s not in disposed}
        assert alive == self.alive()
        assert len(alive) <= 3

    @invariant()
    def each_session_has_at_most_one_peer(self) -> None:
        peers = self.wire.registry.attached_peers()
        attached = [self.wire.registry.session_of(peer) for peer in peers]
        assert len({id(session) for session in attached}) == len(attached)
        assert all(isinstance(peer, Peer) for peer in peers)

    @invariant()
    def attached_and_detached_alternate(self) -> None:
        for session in self.wire.sessions:
            moves = [move for move in session.history if move in ("attach", "detach")]
            assert moves == ["detach", "attach"] * (len(moves) // 2) + ["detach"] * (len(moves) % 2)


TestSessionsUnderChurn = SessionsUnderChurn.TestCase
TestSessionsUnderChurn.settings = settings(
    max_examples=count(500, 40), stateful_step_count=30, deadline=None
)


@pytest.mark.parametrize("order", [["type", "id", "body"], ["body", "id", "type"]])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"revision": 1, "entities": [0] * 10_001}, "too_large"),
        ({"revision": 1, "places": [[0] * 9_000] * 12}, "too_large"),
        ({"revision": 1, "nav": b"x" * DEFAULT_LIMITS.max_message_bytes}, "too_large"),
        ({"revision": json.loads("[" * 40 + "]" * 40)}, "too_deep"),
        ({"revision": json.loads("[" * 900 + "]" * 900)}, "too_deep"),
        ({"revision": 2**63}, "bad_body"),
        ({"revision": 1, "facts": {"a": math.nan}}, "bad_body"),
        ({"revision": 1, 5: 6}, "bad_frame"),
        ([], "bad_body"),
    ],
    ids=range(9),
)
async def test_each_refusal_names_the_message(order: list[str], body: Any, code: str) -> None:
    """`too_large` for 10,001 entities once had no `reply_to`."""
    wire = Wire()
    wire.welcome(b"a")
    fields = {"type": "world.sync", "id": 77, "body": body}
    before = len(wire.sent[b"a"])
    wire.dispatcher.receive(b"a", [msgpack.packb({key: fields[key] for key in order})])
    await until(lambda: len(wire.sent[b"a"]) > before)
    await wire.dispatcher.stop()
    [answer] = [e for e in wire.sent[b"a"][before:] if isinstance(e.body, Error)]
    assert isinstance(answer.body, Error)
    assert (answer.body.code, answer.reply_to) == (code, 77)


def test_a_long_message_before_hello_is_named_too() -> None:
    wire = Wire()
    frame = msgpack.packb({"type": "world.sync", "id": 9, "body": {"x": [0] * 10_000}})
    wire.dispatcher.receive(b"a", [frame])
    [answer] = wire.sent[b"a"]
    assert isinstance(answer.body, Error)
    assert (answer.body.code, answer.reply_to) == ("hello_first", 9)
