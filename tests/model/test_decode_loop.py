"""The decode loop on real weights and real tokenizers."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as HfTokenizer

from npc_brain.clock import MonotonicClock
from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.backends.onnx import OnnxBackend
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
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.formats import chat_format
from npc_brain.inference.formats.base import ChatFormat
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.profile import SMALL, Sampling
from npc_brain.inference.tokenizer import Tokenizer
from tests.counts import count
from tests.pace import limit_s, wait_until
from tests.random_turns import check, check_line, run_random_turns

pytestmark = pytest.mark.model

MODELS = ("smollm2-135m", "gemma3-270m")
PERSONA = (
    "You are Mira, the innkeeper of the Copper Kettle in Alderbrook. You are warm, quick to joke "
    "and proud of your stew. The smithy lies twelve steps east along the road, the market is north."
) * 4
GREEDY = Sampling(temperature=0)
FIRST = (Message("system", PERSONA), Message("user", "Good evening! What do you serve?"))


def load_format(name: str) -> ChatFormat:
    model_dir = resolve_model(name)
    info = load_model_info(model_dir)
    return chat_format(
        info.chat_format, Tokenizer.load(model_dir), bos_id=info.bos_id, stop_ids=info.stop_ids
    )


@pytest.fixture(scope="module", params=MODELS)
def form(request: pytest.FixtureRequest) -> ChatFormat:
    return load_format(request.param)


@pytest.mark.parametrize("name", MODELS)
def test_prompts_are_tokenized_as_the_template_is(name: str) -> None:
    """The ids are those of the whole prompt text, read by the model's own tokenizer.json."""
    form = load_format(name)
    reference = HfTokenizer.from_file(str(resolve_model(name) / "tokenizer.json"))
    messages = [
        *FIRST,
        Message("assistant", "Stew, ale & fresh bread\n\n- 12 copper."),
        Message("user", "¿Dónde está   la herrería? It's 3.5 miles!"),
    ]
    token_ids = form.render(messages).token_ids
    text = form.tokenizer.describe(token_ids)
    assert list(token_ids) == reference.encode(text, add_special_tokens=False).ids


MARKS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<bos>",
    "<eos>",
    "<unused7>",
    "<tool_call>",
    "</tool_response>",
    '<|"|>',
    "[multimodal]",
    "system\n",
    "\n\n",
)
hostile_text = st.lists(st.one_of(st.sampled_from(MARKS), st.text(max_size=6)), max_size=8).map(
    "".join
)


@settings(max_examples=count(2000, 100), deadline=None)
@given(player=hostile_text)
def test_player_text_stays_plain_text(form: ChatFormat, player: str) -> None:
    control_ids = set(form.tokenizer.control_ids.values())

    def controls(player: str) -> list[int]:
        messages = [
            Message("system", "You are Mira."),
            Message("user", player),
            Message("assistant", player),
            Message("tool", player, name="recall"),
            Message("user", player),
        ]
        return [token for token in form.render(messages).token_ids if token in control_ids]

    assert controls(player) == controls("Hello")


@pytest.mark.timeout(1800)
def test_random_logits_yield_valid_turns() -> None:
    for outcome in run_random_turns(load_format("smollm2-135m"), count(10_000, 300)):
        check(outcome)


@dataclass
class Reply:
    """Collects what one generation emits."""

    events: list[ChatEvent] = field(default_factory=list)
    has_begun: threading.Event = field(default_factory=threading.Event)
    has_ended: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: ChatEvent) -> None:
        self.events.append(event)
        self.has_begun.set()
        if isinstance(event, Finished):
            self.has_ended.set()

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def calls(self) -> list[FunctionCall]:
        return [event.call for event in self.events if isinstance(event, CallEvent)]

    @property
    def finished(self) -> Finished:
        assert self.has_ended.wait(120)
        last = self.events[-1]
        assert isinstance(last, Finished)
        assert last.error == ""
        return last


@pytest.fixture(scope="module")
def backend() -> Iterator[OnnxBackend]:
    backend = OnnxBackend(
        resolve_model("smollm2-135m"), SMALL, DecoderOptions(num_slots=2, max_context=1024)
    )
    yield backend
    backend.close()


def ask(backend: OnnxBackend, messages: tuple[Message, ...], **options: Any) -> Reply:
    reply = Reply()
    backend.submit(ChatRequest(messages, **({"sampling": GREEDY} | options)), reply)
    assert reply.finished
    return reply


def test_a_conversation_streams_and_reuses_its_prompt(backend: OnnxBackend) -> None:
    rule = LineRule(max_sentences=2)
    first = ask(backend, FIRST, line=rule)
    check_line(first.text, rule)
    assert len(first.events) > 5
    follow_up = (*FIRST, Message("assistant", first.text), Message("user", "Where is the smithy?"))
    second = ask(backend, follow_up, line=rule)
    new_tokens = second.finished.num_prompt_tokens - first.finished.num_prompt_tokens
    assert second.finished.num_cached_tokens >= first.finished.num_prompt_tokens - 1
    assert new_tokens < 100
    print(f"first {first.finished}\nsecond {second.finished}\n{first.text!r}\n{second.text!r}")


def test_a_prewarmed_persona_is_not_computed_again(backend: OnnxBackend) -> None:
    persona = Message("system", "You are Joan, the smith. " * 10)
    prewarmed = backend.prewarm([persona])
    wait_until(lambda: prewarmed.is_finished)
    hello = ask(backend, (persona, Message("user", "Hello!")))
    assert hello.finished.num_cached_tokens >= prewarmed.num_stable > 50


def test_an_outcome_is_put_into_the_line(backend: OnnxBackend) -> None:
    rule = LineRule(openers=("The smithy is 12 steps east along the road",), max_sentences=1)
    reply = ask(backend, FIRST, line=rule)
    check_line(reply.text, rule)


def test_calls_fit_their_schema(backend: OnnxBackend) -> None:
    places = ["smithy", "market", "harbour"]
    function = FunctionSchema(
        "find_path",
        "Find the way to a place.",
        {"type": "object", "properties": {"to": {"enum": places}}, "required": ["to"]},
    )
    reply = ask(backend, FIRST, functions=(function,), line=LineRule(is_allowed=False))
    assert reply.finished.reason == "calls"
    assert all(call.name == "find_path" for call in reply.calls)
    assert all(call.arguments["to"] in places for call in reply.calls)


def test_equal_seeds_give_equal_lines(backend: OnnxBackend) -> None:
    """On one schedule; the KV is the same too, as only the last prompt token is computed."""
    ask(backend, FIRST)
    lines = [ask(backend, FIRST, sampling=Sampling(seed=seed)).text for seed in (1, 1, 2)]
    assert lines[0] == lines[1] != lines[2]


@pytest.mark.measures
def test_cancel_and_deadline(backend: OnnxBackend) -> None:
    cancelled, late = Reply(), Reply()
    generation = backend.submit(ChatRequest(FIRST), cancelled)
    deadline_s = MonotonicClock().now_s() + 0.3
    backend.submit(ChatRequest(FIRST, max_tokens=500, deadline_s=deadline_s), late)
    assert cancelled.has_begun.wait(60)
    generation.cancel()
    num_before = len(cancelled.events)
    assert cancelled.finished.reason == "cancelled"
    assert len(cancelled.events) == num_before + 1
    assert late.finished.reason in ("deadline", "stop", "length")
    assert MonotonicClock().now_s() - deadline_s < limit_s(5)


def test_two_conversations_at_once(backend: OnnxBackend) -> None:
    """Batched and alone the same greedy lines come out: rows do not influence each other.

    The prompts are in KV before, since how many tokens are computed at once does change logits.
    """
    prompts = [(FIRST[0], Message("user", text)) for text in ("Who are you?", "One ale, please.")]
    rule = LineRule(max_sentences=1)
    for _ in range(2):
        alone = [ask(backend, prompt, line=rule).text for prompt in prompts]
    replies = [Reply(), Reply()]
    for prompt, reply in zip(prompts, replies, strict=True):
        backend.submit(ChatRequest(prompt, sampling=GREEDY, line=rule), reply)
    assert all(reply.finished for reply in replies)
    assert [reply.text for reply in replies] == alone


def test_a_long_conversation_forgets_its_oldest_exchanges(backend: OnnxBackend) -> None:
    words = "The cellar is dark and the key is lost. " * 12
    exchange = (Message("user", words), Message("assistant", "I see."))
    reply = ask(backend, (FIRST[0], *exchange * 12, FIRST[1]), line=LineRule(max_sentences=1))
    assert reply.text
    assert reply.finished.num_prompt_tokens < 1024


def test_gemma3_speaks_and_calls() -> None:
    """A base model: nothing is expected of what it says, all of how it says it."""
    backend = OnnxBackend(
        resolve_model("gemma3-270m"), SMALL, DecoderOptions(num_slots=1, max_context=512)
    )
    rule = LineRule(max_sentences=1)
    spoken = ask(backend, FIRST, line=rule)
    check_line(spoken.text, rule)
    function = FunctionSchema(
        "wave",
        "Wave.",
        {"type": "object", "properties": {"how": {"enum": ["wildly"]}}, "required": ["how"]},
    )
    waved = ask(backend, FIRST, functions=(function,), line=LineRule(is_allowed=False))
    assert waved.calls[0] == FunctionCall("wave", {"how": "wildly"})
    backend.close()
