"""The `openai` backend against a real server program: llama-cpp-python's, with SmolLM2.

Needs `pip install 'llama-cpp-python[server]'`, which is compiled from source. Name the interpreter
that has it in NPC_BRAIN_LLAMA_CPP_PYTHON if it is not the one that runs the tests.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from npc_brain.cache import cache_dir
from npc_brain.errors import NpcBrainError
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
from npc_brain.inference.grammar import clean_line
from npc_brain.inference.profile import Sampling
from npc_brain.servers.openai import OpenAIBackend
from tests.counts import count
from tests.pace import PATIENCE_S, limit_s
from tests.unit.servers.openai_server import free_port

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

PYTHON = os.environ.get("NPC_BRAIN_LLAMA_CPP_PYTHON", sys.executable)
START_S = 120.0
WAIT_S = 120.0
ITEMS = ("bread", "iron_sword", "old_key")
GIVE = FunctionSchema(
    "give",
    "Give an item to the one you speak with.",
    {
        "type": "object",
        "properties": {
            "item": {"type": "string", "enum": list(ITEMS)},
            "count": {"type": "integer", "minimum": 1, "maximum": 3},
            "tags": {"type": "array", "items": {"enum": ["gift", "sale"]}, "maxItems": 2},
        },
        "required": ["item", "count"],
    },
)
MESSAGES = (
    Message("system", "You are Mira, who keeps a shop. Answer in one short sentence."),
    Message("user", "Good morning! Could you give me a bread?"),
)


def weights() -> Path | None:
    """The GGUF file that the catalogue's SmolLM2 is made from, if it was fetched."""
    files = sorted(cache_dir("downloads", "smollm2-135m").rglob("*.gguf"))
    return files[0] if files else None


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        found = subprocess.run(
            [PYTHON, "-c", "import llama_cpp.server.app"], capture_output=True, timeout=PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{PYTHON} does not run: {error}")
    if found.returncode:
        pytest.skip("llama-cpp-python[server] is not installed (it is compiled from source)")
    model = weights()
    if model is None:
        pytest.skip("the GGUF of smollm2-135m was not fetched: npc-brain model pull smollm2-135m")
    port = free_port()
    arguments = ["--model", str(model), "--port", str(port), "--n_ctx", "2048"]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PYTHON, "-m", "llama_cpp.server", *arguments, "--interrupt_requests", "False"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(process, f"openai:http://127.0.0.1:{port}/v1", log)
            yield f"openai:http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def _wait_until_up(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    backend = OpenAIBackend(url)
    deadline_s = time.monotonic() + START_S
    try:
        while True:
            try:
                backend.check()
                return
            except NpcBrainError as error:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    pytest.fail(f"the server did not start: {error}\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
    finally:
        backend.close()


@pytest.fixture
def backend(url: str) -> Iterator[OpenAIBackend]:
    backend = OpenAIBackend(url)
    yield backend
    backend.close()


class Receiver:
    """Collects the events of a generation and when they came."""

    def __init__(self) -> None:
        self.events: list[ChatEvent] = []
        self.times_s: list[float] = []
        self.has_begun = threading.Event()
        self.is_over = threading.Event()

    def __call__(self, event: ChatEvent) -> None:
        self.events.append(event)
        self.times_s.append(time.monotonic())
        self.has_begun.set()
        if isinstance(event, Finished):
            self.is_over.set()

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def calls(self) -> list[FunctionCall]:
        return [event.call for event in self.events if isinstance(event, CallEvent)]

    def finished(self) -> Finished:
        assert self.is_over.wait(WAIT_S)
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last


def ask(
    backend: OpenAIBackend,
    *functions: FunctionSchema,
    line: LineRule = LineRule(max_sentences=2),  # noqa: B008
    seed: int = 1,
    max_tokens: int = 48,
) -> Receiver:
    receiver = Receiver()
    request = ChatRequest(
        MESSAGES, functions, line, Sampling(temperature=1.0, seed=seed), max_tokens=max_tokens
    )
    backend.submit(request, receiver)
    finished = receiver.finished()
    assert finished.reason != "error", finished.error
    return receiver


def check_call(call: FunctionCall) -> None:
    """What the schema allows, spelled out once more."""
    assert call.name == "give"
    assert call.arguments.keys() <= {"item", "count", "tags"}
    assert call.arguments["item"] in ITEMS
    assert call.arguments["count"] in (1, 2, 3)
    assert set(call.arguments.get("tags", ())) <= {"gift", "sale"}


def test_the_server_is_known(backend: OpenAIBackend) -> None:
    assert backend.check().dialect.name == "llama-cpp-python"


def test_a_line_is_streamed_as_it_is_made(backend: OpenAIBackend) -> None:
    receiver = ask(backend)
    assert receiver.text
    assert receiver.text == clean_line(receiver.text)
    assert len(receiver.events) > 3
    assert receiver.times_s[-1] > receiver.times_s[0]


@pytest.mark.parametrize("seed", range(count(20, 3)))
def test_the_model_begins_with_an_opener(backend: OpenAIBackend, seed: int) -> None:
    openers = ("It costs 5 gold coins.", "You cannot have (any) more than 3!", "Yes")
    receiver = ask(backend, line=LineRule(openers=openers, max_sentences=1), seed=seed)
    assert receiver.text.startswith(openers)


@pytest.mark.parametrize("seed", range(count(50, 3)))
def test_a_call_is_what_the_schema_allows(backend: OpenAIBackend, seed: int) -> None:
    receiver = ask(backend, GIVE, line=LineRule(is_allowed=False), seed=seed, max_tokens=96)
    assert receiver.text == ""
    (call,) = receiver.calls
    check_call(call)


@pytest.mark.parametrize("seed", range(count(50, 4)))
def test_a_turn_is_a_line_or_a_call(backend: OpenAIBackend, seed: int) -> None:
    receiver = ask(backend, GIVE, seed=seed, max_tokens=96)
    assert bool(receiver.text) != bool(receiver.calls)
    assert "{" not in receiver.text
    for call in receiver.calls:
        check_call(call)


@pytest.mark.measures
def test_cancel_frees_the_server(backend: OpenAIBackend) -> None:
    receiver = Receiver()
    long_line = LineRule(max_chars=2000)
    request = ChatRequest(MESSAGES[1:], (), long_line, Sampling(seed=3), max_tokens=1500)
    generation = backend.submit(request, receiver)
    assert receiver.has_begun.wait(WAIT_S)
    generation.cancel()
    cancelled_s = time.monotonic()
    num_events = len(receiver.events)
    assert receiver.finished().reason == "cancelled"
    assert receiver.times_s[-1] - cancelled_s < limit_s(1)
    assert ask(backend).text  # the server has stopped as well, or this would have to wait
    assert len(receiver.events) <= num_events + 1


def test_several_at_once_wait_for_one_another(backend: OpenAIBackend) -> None:
    receivers = [Receiver() for _ in range(3)]
    for seed, receiver in enumerate(receivers):
        request = ChatRequest(MESSAGES, sampling=Sampling(seed=seed), max_tokens=12)
        backend.submit(request, receiver)
    for receiver in receivers:
        assert receiver.finished().reason in ("stop", "length"), receiver.finished().error
        assert receiver.text
