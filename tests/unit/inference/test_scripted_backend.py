import threading
from typing import Any

import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.inference.backends.scripted import Script, ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import (
    CallEvent,
    ChatEvent,
    ChatRequest,
    Finished,
    FunctionCall,
    FunctionSchema,
    LineRule,
    Message,
    TextDelta,
)
from tests.pace import PATIENCE_S

LIST = FunctionSchema("inventory_list", "List.", {"type": "object", "properties": {}})
CALL = FunctionCall("inventory_list", {})
ASK = (Message("system", "You are Mira."), Message("user", "What do you HAVE?"))
RESULT = (*ASK, Message("assistant", calls=(CALL,)), Message("tool", "ale", name="inventory_list"))


def play(
    script: Script, messages: tuple[Message, ...] = ASK, *, clock: Any = None, **options: Any
) -> tuple[str, list[FunctionCall], Finished]:
    """One generation of a backend that does not wait."""
    speed = options.pop("tokens_per_s", 0.0)
    backend = ScriptedBackend(
        script, tokens_per_s=speed, clock=clock or FakeClock(), is_threaded=False
    )
    events: list[ChatEvent] = []
    backend.submit(ChatRequest(messages, **options), events.append)
    *others, last = events
    assert isinstance(last, Finished)
    text = "".join(event.text for event in others if isinstance(event, TextDelta))
    return text, [event.call for event in others if isinstance(event, CallEvent)], last


def test_a_line_is_streamed_by_words() -> None:
    backend = ScriptedBackend([ScriptedReply("Ale and bread.")], is_threaded=False)
    events: list[ChatEvent] = []
    backend.submit(ChatRequest(ASK), events.append)
    assert events[:-1] == [TextDelta("Ale"), TextDelta(" and"), TextDelta(" bread.")]
    assert backend.requests == [ChatRequest(ASK)]
    assert backend.stats.num_by_reason == {"stop": 1}


def test_the_first_reply_that_fits_is_used() -> None:
    script = [
        ScriptedReply("North.", when="market"),
        ScriptedReply("Once.", when="what", max_uses=1),
        ScriptedReply("Ale.", when="do you have"),
    ]
    backend = ScriptedBackend(script, is_threaded=False)
    texts = []
    for content in ("What do you HAVE?", "What do you HAVE?", "Which market?", "Bye"):
        events: list[ChatEvent] = []
        backend.submit(ChatRequest((Message("user", content),)), events.append)
        texts.append(events[0])
    assert texts == [TextDelta("Once."), TextDelta("Ale."), TextDelta("North."), TextDelta("Hm.")]


def test_calls_are_made_once_and_their_result_is_spoken_to() -> None:
    script = [ScriptedReply(calls=(CALL,)), ScriptedReply("Only ale.", after="inventory_list")]
    assert play(script, functions=(LIST,))[1:] == (
        [CALL],
        Finished("calls", num_prompt_tokens=7, num_completion_tokens=1),
    )
    assert play(script, RESULT, functions=(LIST,))[0] == "Only ale."


def test_a_reply_without_calls_also_answers_a_result() -> None:
    assert play([ScriptedReply(calls=(CALL,)), ScriptedReply("Ale.")], RESULT)[0] == "Ale."


def test_a_script_may_be_a_function() -> None:
    def script(request: ChatRequest) -> ScriptedReply:
        return ScriptedReply(f"You said {request.messages[-1].content}")

    assert play(script)[0] == "You said What do you HAVE?"


@pytest.mark.parametrize(
    ("text", "line", "expected", "reason"),
    [
        ("A *bold*\n<b>word</b>", LineRule(), "A bold bword/b", "stop"),
        ("Ale.", LineRule(openers=("Sorry,", "Well,")), "Sorry, Ale.", "stop"),
        ("Well, ale.", LineRule(openers=("Sorry,", "Well,")), "Well, ale.", "stop"),
        ("", LineRule(openers=("It is 12 steps east.",)), "It is 12 steps east.", "stop"),
        ("Much too long", LineRule(max_chars=5), "Much", "length"),
    ],
)
def test_lines_keep_the_rule(text: str, line: LineRule, expected: str, reason: str) -> None:
    spoken, _, finished = play([ScriptedReply(text)], line=line)
    assert (spoken, finished.reason) == (expected, reason)


def test_max_tokens_cuts() -> None:
    text, _, finished = play([ScriptedReply("one two three")], max_tokens=2)
    assert (text, finished.reason, finished.num_completion_tokens) == ("one two", "length", 2)


@pytest.mark.parametrize(
    ("reply", "options", "problem"),
    [
        (ScriptedReply(calls=(CALL,)), {}, "calls inventory_list, offered are []"),
        (
            ScriptedReply("Hi"),
            {"functions": (LIST,), "line": LineRule(is_allowed=False)},
            "speaks, but must call",
        ),
    ],
)
def test_a_reply_that_is_not_allowed_is_an_error(
    reply: ScriptedReply, options: dict[str, Any], problem: str
) -> None:
    text, calls, finished = play([reply], **options)
    assert (text, calls, finished.reason) == ("", [], "error")
    assert problem in finished.error


@pytest.mark.parametrize(
    ("deadline_s", "expected"), [(0.5, ""), (1.5, ""), (3.2, "one two"), (9.0, "one two three")]
)
def test_time_passes_without_waiting(deadline_s: float, expected: str) -> None:
    script = [ScriptedReply("one two three", delay_s=1.0)]
    text, _, finished = play(script, tokens_per_s=1.0, deadline_s=deadline_s)
    assert text == expected
    assert finished.reason == ("stop" if deadline_s == 9.0 else "deadline")


class Receiver:
    """Waits for events of a backend's thread."""

    def __init__(self) -> None:
        self.events: list[ChatEvent] = []
        self.has_begun, self.has_ended = threading.Event(), threading.Event()

    def __call__(self, event: ChatEvent) -> None:
        self.events.append(event)
        self.has_begun.set()
        if isinstance(event, Finished):
            self.has_ended.set()


def test_a_threaded_backend_streams_and_cancels_exactly() -> None:
    backend = ScriptedBackend([ScriptedReply("word " * 80)], tokens_per_s=200.0)
    slow, cancelled = Receiver(), Receiver()
    backend.submit(ChatRequest(ASK, max_tokens=20), slow)
    generation = backend.submit(ChatRequest(ASK), cancelled)
    assert cancelled.has_begun.wait(PATIENCE_S)
    generation.cancel()
    num_before = len(cancelled.events)
    assert cancelled.has_ended.wait(PATIENCE_S)
    assert [type(event) for event in cancelled.events[num_before:]] == [Finished]
    assert slow.has_ended.wait(PATIENCE_S)
    assert len(slow.events) == 21
    generation.cancel()
    backend.close()


def test_a_threaded_backend_keeps_deadlines() -> None:
    backend = ScriptedBackend([ScriptedReply("late", delay_s=60.0)])
    receiver = Receiver()
    backend.submit(ChatRequest(ASK, deadline_s=0.0), receiver)
    assert receiver.has_ended.wait(PATIENCE_S)
    assert receiver.events == [Finished("deadline")]
    backend.close()


def test_close_ends_what_is_under_way_and_refuses_more() -> None:
    backend = ScriptedBackend([ScriptedReply("late", delay_s=60.0)], max_queued=1)
    receiver = Receiver()
    backend.submit(ChatRequest(ASK), receiver)
    with pytest.raises(InferenceError) as caught:
        backend.submit(ChatRequest(ASK), receiver)
    assert caught.value.code is ErrorCode.TOO_MANY_QUEUED
    backend.close()
    assert receiver.events == [Finished("cancelled")]
    with pytest.raises(InferenceError, match="closed"):
        backend.submit(ChatRequest(ASK), receiver)


def test_a_receiver_that_raises_does_not_end_the_thread() -> None:
    backend = ScriptedBackend([ScriptedReply("one two")])

    def emit(event: ChatEvent) -> None:
        raise RuntimeError("boom")

    backend.submit(ChatRequest(ASK), emit)
    receiver = Receiver()
    backend.submit(ChatRequest(ASK), receiver)
    assert receiver.has_ended.wait(PATIENCE_S)
    backend.close()
