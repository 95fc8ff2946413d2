from typing import Any

import pytest

from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.inference.backends.decoder import DecoderBackend
from npc_brain.inference.chat import (
    ChatEvent,
    ChatRequest,
    Finished,
    FunctionSchema,
    LineRule,
    Message,
    TextDelta,
)
from npc_brain.inference.formats import chat_format
from tests.inference_doubles import RandomDecoder, byte_level_tokenizer

HELLO = (Message("system", "You are Mira."), Message("user", "Hello"))


@pytest.fixture
def backend() -> DecoderBackend:
    form = chat_format("chatml", byte_level_tokenizer())
    decoder = RandomDecoder(form.tokenizer.vocab_size, max_context=300)
    return DecoderBackend(decoder, form, model_name="random", starts_thread=False, max_queued=2)


def ask(backend: DecoderBackend, messages: tuple[Message, ...] = HELLO, **options: Any) -> Any:
    events: list[ChatEvent] = []
    backend.submit(ChatRequest(messages, **({"max_tokens": 20} | options)), events.append)
    while backend.engine.step():
        pass
    last = events[-1]
    assert isinstance(last, Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), last


def test_an_opener_is_said_whole_whatever_the_limits(backend: DecoderBackend) -> None:
    opener = "First to the smithy, 12 steps east, then to the market, and last to the harbour"
    rule = LineRule(openers=(opener,), max_chars=10)
    text, finished = ask(backend, line=rule, max_tokens=3)
    assert text == opener
    assert finished.reason == "length"


def test_a_long_conversation_loses_its_oldest_exchanges(backend: DecoderBackend) -> None:
    exchange = (Message("user", "word " * 20), Message("assistant", "I see."))
    _, short = ask(backend, (HELLO[0], HELLO[1]))
    _, long = ask(backend, (HELLO[0], *exchange * 30, HELLO[1]))
    assert short.num_prompt_tokens < long.num_prompt_tokens <= 300 - 20


def test_what_cannot_be_made_to_fit_is_refused(backend: DecoderBackend) -> None:
    with pytest.raises(InferenceError, match="do not fit a context of 300"):
        ask(backend, (Message("system", "word " * 400), HELLO[1]))


def test_a_schema_that_cannot_be_enforced_is_refused_by_name(backend: DecoderBackend) -> None:
    parameters = {"type": "object", "properties": {"when": {"type": "string", "format": "date"}}}
    with pytest.raises(InferenceError, match=r"'wait': 'format' .* at when") as caught:
        ask(backend, functions=(FunctionSchema("wait", "Wait.", parameters),))
    assert caught.value.code is ErrorCode.BAD_TOOL


def test_a_full_queue_refuses(backend: DecoderBackend) -> None:
    for _ in range(2):
        backend.submit(ChatRequest(HELLO), lambda event: None)
    with pytest.raises(InferenceError) as caught:
        backend.submit(ChatRequest(HELLO), lambda event: None)
    assert caught.value.code is ErrorCode.TOO_MANY_QUEUED


def test_a_prewarmed_persona_is_cached(backend: DecoderBackend) -> None:
    persona = Message("system", "You are Joan, the smith of Alderbrook.")
    backend.prewarm([persona])
    while backend.engine.step():
        pass
    _, finished = ask(backend, (persona, HELLO[1]))
    assert finished.num_cached_tokens > 10
    assert backend.stats.num_requests == 2


def test_close_ends_the_thread() -> None:
    form = chat_format("chatml", byte_level_tokenizer())
    decoder = RandomDecoder(form.tokenizer.vocab_size)
    backend = DecoderBackend(decoder, form, model_name="random")
    backend.close()
    assert decoder.is_closed
    with pytest.raises(InferenceError, match="closed"):
        backend.submit(ChatRequest(HELLO), lambda event: None)
