"""The `openai` backend at servers that do not stop, have no time, or never come to an end."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from npc_brain.clock import FakeClock, MonotonicClock
from npc_brain.errors import InferenceError
from npc_brain.inference.chat import ChatRequest, Finished
from npc_brain.servers import http
from npc_brain.servers import openai as openai_module
from npc_brain.servers.backoff import FIRST_S, MAX_RETRY_AFTER_S, MAX_S, BackOff
from npc_brain.servers.openai import OpenAIBackend
from tests.pace import wait_until
from tests.unit.servers.openai_server import (
    OWNERS,
    Answer,
    FakeServer,
    Json,
    piece,
    running,
    text_stream,
)
from tests.unit.servers.test_openai_backend import HELLO, Receiver

WAIT_S = 60.0


class SlowServer:
    """Works at every request to its end, whether or not somebody still wants the answer."""

    def __init__(self) -> None:
        self.num_in_flight = 0
        self.most_in_flight = 0
        self.may_answer = threading.Event()
        self.changed = threading.Condition()

    def __call__(self, request: Json) -> Answer:
        with self.changed:
            self.num_in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.num_in_flight)
            self.changed.notify_all()
        self.may_answer.wait(WAIT_S)
        with self.changed:
            self.num_in_flight -= 1
            self.changed.notify_all()
        return Answer(text_stream("Well met."))

    def wait_for(self, num_in_flight: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.num_in_flight == num_in_flight, WAIT_S)


class Silent:
    """A socket on which the time allowed for silence is over whenever the test says so."""

    def __init__(
        self, connected: socket.socket, silence: threading.Event, timeouts: list[float]
    ) -> None:
        self._connected = connected
        self._silence = silence
        self._timeouts = timeouts
        self._allowed_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def settimeout(self, seconds: float) -> None:
        self._allowed_s = seconds
        self._connected.settimeout(seconds)

    def recv_into(self, buffer: Any) -> int:
        while not select.select([self._connected], [], [], 0.005)[0]:
            if self._silence.is_set():
                self._timeouts.append(self._allowed_s)
                raise TimeoutError
        return self._connected.recv_into(buffer)


@contextmanager
def asking(
    script: Any, *, dialect: str = "llama.cpp", **settings: Any
) -> Iterator[tuple[FakeServer, OpenAIBackend]]:
    fake = FakeServer(script, owner=OWNERS[dialect])
    with running(fake):
        backend = OpenAIBackend(fake.address, **settings)
        try:
            yield fake, backend
        finally:
            backend.close()


def try_to_ask(backend: OpenAIBackend, within_s: float | None = None) -> Finished:
    """How a generation ends; one that is refused at once counts as failed."""
    receiver = Receiver()
    deadline_s = None if within_s is None else MonotonicClock().now_s() + within_s
    try:
        backend.submit(ChatRequest(HELLO, deadline_s=deadline_s), receiver)
    except InferenceError as error:
        return Finished("error", error=error.message)
    return receiver.finished()


def give_up(backend: OpenAIBackend, server: SlowServer, num: int) -> None:
    """Give up `num` generations, each once the server works at it."""
    for number in range(num):
        receiver = Receiver()
        generation = backend.submit(ChatRequest(HELLO), receiver)
        server.wait_for(number + 1)
        generation.cancel()
        assert receiver.finished().reason == "cancelled"


def ask_until_answered(backend: OpenAIBackend) -> None:
    end_s = MonotonicClock().now_s() + WAIT_S
    while try_to_ask(backend).reason != "stop":
        assert MonotonicClock().now_s() < end_s
        threading.Event().wait(0.02)


@pytest.mark.parametrize("dialect", OWNERS)
def test_a_server_never_has_more_requests_than_slots(dialect: str) -> None:
    """After twelve turns that came too late eight were queued there, and all fell back for ever."""
    server = SlowServer()
    with asking(server, dialect=dialect, num_parallel=2) as (fake, backend):
        backend.check()
        give_up(backend, server, 2)
        for _ in range(10):
            assert try_to_ask(backend, within_s=0.05).reason in ("deadline", "error")
        assert server.most_in_flight == len(fake.requests) == 2
        server.may_answer.set()
        ask_until_answered(backend)
        assert server.most_in_flight == 2


def test_while_a_server_is_stuck_generations_fail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_module, "PATIENCE_S", 0.05)
    server = SlowServer()
    with asking(server, num_parallel=2) as (_, backend):
        give_up(backend, server, 2)
        threading.Event().wait(0.1)
        assert "still busy with 2 answers" in try_to_ask(backend, within_s=WAIT_S).error
        server.may_answer.set()
        ask_until_answered(backend)


def test_a_silent_server_keeps_its_slot_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute it got another request, although it may have worked at the one before."""
    monkeypatch.setattr(openai_module, "DRAIN_TIMEOUT_S", 0.05)
    monkeypatch.setattr(openai_module, "PATIENCE_S", 0.05)
    silence, timeouts = threading.Event(), list[float]()
    incoming = http._Incoming
    monkeypatch.setattr(
        http, "_Incoming", lambda s, end_s: incoming(Silent(s, silence, timeouts), end_s)
    )
    server = SlowServer()
    with asking(server, num_parallel=1) as (fake, backend):
        give_up(backend, server, 1)
        silence.set()
        wait_until(lambda: len(timeouts) > 3)
        for _ in range(20):
            assert try_to_ask(backend, within_s=0.05).reason in ("deadline", "error")
        assert len(fake.requests) == 1
        silence.clear()
        server.may_answer.set()
        ask_until_answered(backend)
        assert server.most_in_flight == 1


def test_a_server_that_goes_on_and_on_is_broken_off_and_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openai_module, "DRAIN_TIMEOUT_S", 0.05)
    is_quick, has_ended = threading.Event(), threading.Event()

    def chunks() -> Iterator[Json]:
        try:
            while True:
                yield piece("Well, ")
                threading.Event().wait(0.01)
        finally:
            has_ended.set()

    def answer(_: Json) -> Answer:
        return Answer(text_stream("Well met.") if is_quick.is_set() else chunks())

    with asking(answer, dialect="unknown", num_parallel=1) as (_, backend):
        receiver = Receiver()
        generation = backend.submit(ChatRequest(HELLO), receiver)
        receiver.wait_for(lambda: receiver.text)
        generation.cancel()
        is_quick.set()
        assert has_ended.wait(WAIT_S)
        ask_until_answered(backend)


# Personas that are read ahead


def prewarm(backend: OpenAIBackend, num: int) -> None:
    backend.check()
    for _ in range(num):
        backend.prewarm(HELLO)


def test_no_line_waits_for_personas() -> None:
    """They had no deadline, took all slots of a slow server, and filled the queue."""
    server = SlowServer()

    def answer(request: Json) -> Answer:
        return server(request) if request["max_tokens"] == 1 else Answer(text_stream("Well met."))

    with asking(answer, num_parallel=2, max_queued=8) as (fake, backend):
        prewarm(backend, 200)
        server.wait_for(1)
        assert [try_to_ask(backend).reason for _ in range(10)] == ["stop"] * 10
        assert server.most_in_flight == 1
        threading.Event().wait(1.1)
        server.may_answer.set()
        server.wait_for(0)
        ask_until_answered(backend)
        assert sum(each["max_tokens"] == 1 for each in fake.requests) == 1
        assert backend.prewarm(HELLO) is None  # it did not stop


def test_personas_are_read_one_by_one_while_nothing_else_is_asked() -> None:
    with asking(lambda _: Answer(text_stream("A")), num_parallel=2) as (fake, backend):
        prewarm(backend, 5)
        wait_until(lambda: len(fake.requests) == 5)


def test_a_persona_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_module, "PREWARM_TIMEOUT_S", 0.05)
    server = SlowServer()
    with asking(server, num_parallel=2) as (_, backend):
        backend.check()
        generation = backend.prewarm(HELLO)
        assert generation is not None
        wait_until(lambda: generation.is_finished)
        server.may_answer.set()


def test_the_only_slot_is_for_lines() -> None:
    with asking(lambda _: Answer(text_stream("A")), num_parallel=1) as (_, backend):
        backend.check()
        assert backend.prewarm(HELLO) is None


def test_an_unknown_server_is_heard_to_the_end() -> None:
    """It may not notice who hangs up: when it is free again shows only at the end."""
    may_go_on = threading.Event()

    def chunks() -> Iterator[Json]:
        yield piece("One. ")
        assert may_go_on.wait(WAIT_S)
        yield from text_stream("Two.")

    answers = [Answer(chunks()), Answer(text_stream("Three."))]
    with asking(answers, dialect="unknown", num_parallel=1) as (fake, backend):
        receiver = Receiver()
        generation = backend.submit(ChatRequest(HELLO), receiver)
        receiver.wait_for(lambda: receiver.text)
        generation.cancel()
        receiver = Receiver()
        backend.submit(ChatRequest(HELLO), receiver)
        assert len(fake.requests) == 1
        may_go_on.set()
        assert receiver.finished().reason == "stop"
        assert not fake.gone.is_set()


def test_a_complete_answer_does_not_wait_for_what_may_never_come() -> None:
    answer = Answer([piece("Well met."), piece(reason="stop")], hold=True)
    with asking([answer]) as (_, backend):
        assert try_to_ask(backend).reason == "stop"


# Being told to wait


def refusal(status: int, *headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status} No", *headers, "Content-Length: 2", "", "{}"]
    return Answer(raw="\r\n".join(lines).encode())


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int) -> None:
    """`Retry-After: 30` was answered with ten requests in two seconds."""
    clock = FakeClock(100.0)
    answers = [refusal(status, "Retry-After: 30"), *[Answer(text_stream("Well met."))] * 2]
    with asking(answers, clock=clock) as (fake, backend):
        assert f"refused ({status}" in try_to_ask(backend).error
        for _ in range(10):
            assert "not asked for another" in try_to_ask(backend).error
            clock.advance(2.99)
        assert len(fake.requests) == 1
        clock.advance(0.2)
        assert [try_to_ask(backend).reason for _ in range(2)] == ["stop", "stop"]


def test_generations_that_wait_are_not_sent_either() -> None:
    clock = FakeClock(100.0)
    asked, may_refuse = threading.Event(), threading.Event()

    def refuse(_: Json) -> Answer:
        asked.set()
        may_refuse.wait(WAIT_S)
        return refusal(503, "Retry-After: 30")

    with asking(refuse, clock=clock, num_parallel=1) as (fake, backend):
        receivers = [Receiver() for _ in range(5)]
        for receiver in receivers:
            backend.submit(ChatRequest(HELLO), receiver)
        assert asked.wait(WAIT_S)
        may_refuse.set()
        assert {receiver.finished().reason for receiver in receivers} == {"error"}
        assert len(fake.requests) == 1


def test_identifying_keeps_to_it_too() -> None:
    clock = FakeClock(100.0)
    with asking([]) as (fake, backend):
        backend._clock = clock
        backend._back_off = BackOff(clock)
        backend._back_off.refuse("30")
        with pytest.raises(InferenceError, match="not asked for another"):
            backend.check()
        clock.advance(30)
        assert backend.check().model == fake.models[0]


def test_without_a_time_pauses_grow_and_a_good_answer_ends_them() -> None:
    clock = FakeClock(100.0)
    for jitter in (0.0, 1.0):
        back_off = BackOff(clock, lambda jitter=jitter: jitter)  # type: ignore[misc]
        pauses = []
        for _ in range(8):
            back_off.refuse()
            pauses.append(back_off.left_s)
            clock.advance(back_off.left_s)
            assert back_off.left_s == 0.0
        whole = [FIRST_S * 2**n for n in range(8)]
        assert pauses == pytest.approx([min(MAX_S, s) * (0.5 + 0.5 * jitter) for s in whole])
        back_off.refuse()
        back_off.succeed()
        assert back_off.left_s == 0.0
        back_off.refuse()
        assert back_off.left_s == pytest.approx(pauses[0])


@pytest.mark.parametrize(
    ("header", "pause_s"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("0", FIRST_S),
        ("-5", FIRST_S),
        ("9" * 5000, MAX_RETRY_AFTER_S),
        ("1e9", FIRST_S),
        ("٣", FIRST_S),
        ("soon", FIRST_S),
        ("", FIRST_S),
        ("\ud800", FIRST_S),
        ("Mon, 99 Foo 99999 99:99:99 GMT", FIRST_S),
        ("Wed, 21 Oct 2015 07:28:00 GMT", FIRST_S),
        ("Wed, 21 Oct 2099 07:28:00 GMT", MAX_RETRY_AFTER_S),
    ],
)
def test_what_the_header_may_say(header: str, pause_s: float) -> None:
    back_off = BackOff(FakeClock(100.0), lambda: 1.0)
    back_off.refuse(header)
    assert back_off.left_s == pytest.approx(pause_s)


def test_the_header_may_be_a_date() -> None:
    back_off = BackOff(FakeClock(100.0))
    back_off.refuse(format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True))
    assert 200 < back_off.left_s <= 300
