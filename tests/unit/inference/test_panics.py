"""Native code panics with what is no `Exception`: that ends one request, not a thread."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npc_brain.clock import FakeClock, MonotonicClock
from npc_brain.decision.fair_thread import FairThread
from npc_brain.inference.backends.media_queue import MediaQueue
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import ChatRequest
from npc_brain.inference.grammar import GrammarCompiler
from npc_brain.inference.media.soft_tokens import MediaSpan
from npc_brain.media import Picture
from npc_brain.servers import openai as openai_module
from npc_brain.servers.answer import AnswerReader
from npc_brain.servers.openai import OpenAIBackend
from tests.inference_doubles import byte_level_tokenizer
from tests.pace import until, wait_until
from tests.unit.inference.test_engine import Rig
from tests.unit.servers.openai_server import Answer, FakeServer, running, text_stream
from tests.unit.servers.test_openai_backend import HELLO, Receiver


class PanicException(BaseException):
    """As `pyo3_runtime.PanicException`."""


PANICS: tuple[type[BaseException], ...] = (PanicException, SystemExit, KeyboardInterrupt)


def panicking(kind: type[BaseException]) -> Callable[..., Any]:
    def panic(*_: Any, **__: Any) -> Any:
        raise kind("index out of bounds")

    return panic


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig(num_slots=1)
    rig.engine.start()
    yield rig
    rig.engine.close()


def break_decoder(name: str) -> Callable[[Rig, type[BaseException]], dict[str, Any]]:
    def break_it(rig: Rig, kind: type[BaseException]) -> dict[str, Any]:
        works = getattr(rig.decoder, name)

        def once(*_: Any, **__: Any) -> Any:
            setattr(rig.decoder, name, works)
            raise kind("index out of bounds")

        setattr(rig.decoder, name, once)
        return {}

    return break_it


def break_mask(_: Rig, kind: type[BaseException]) -> dict[str, Any]:
    return {"constraint": SimpleNamespace(accept_forced=list, mask=panicking(kind))}


def break_begin(_: Rig, kind: type[BaseException]) -> dict[str, Any]:
    return {"constraint": SimpleNamespace(accept_forced=panicking(kind))}


def break_emit(_: Rig, kind: type[BaseException]) -> dict[str, Any]:
    return {"emit": panicking(kind)}


FAULTS: dict[str, Callable[[Rig, type[BaseException]], dict[str, Any]]] = {
    "prefill": break_decoder("prefill"),
    "decode": break_decoder("decode"),
    "truncate": break_decoder("truncate"),
    "mask": break_mask,
    "begin": break_begin,
    "emit": break_emit,
}


@pytest.mark.parametrize("kind", PANICS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_inference_thread_outlives_a_panic(
    fault: str, kind: type[BaseException], rig: Rig
) -> None:
    bad = rig.submit("bad", [1, 2], **FAULTS[fault](rig, kind))
    wait_until(lambda: bad.is_finished)
    if fault != "emit":
        assert rig.finished("bad").reason == "error"
    good = rig.submit("good", [3, 4])
    wait_until(lambda: good.is_finished)
    assert rig.finished("good").reason == "length"


def test_a_panic_of_a_parser_ends_one_of_two_completions() -> None:
    rig = Rig(num_slots=2)
    bad, good = rig.submit("bad", [1, 2]), rig.submit("good", [3, 4])
    bad.parser = SimpleNamespace(feed=panicking(PanicException))  # type: ignore[assignment]
    rig.run()
    assert rig.finished("bad").reason == "error"
    assert rig.finished("good").reason == "length"
    assert good.is_finished


def test_the_thread_of_masks_outlives_a_panic() -> None:
    compiler = GrammarCompiler(byte_level_tokenizer(), [0], 700)
    compiler._worker = ThreadPoolExecutor(1)
    works, compiler.mask_of = compiler.mask_of, panicking(PanicException)  # type: ignore[method-assign]
    matcher = compiler.matcher('start: "a" | "b"')
    failed = compiler.mask_ahead(matcher)
    assert failed is not None
    assert isinstance(failed.exception(), PanicException)
    compiler.mask_of = works  # type: ignore[method-assign]
    ahead = compiler.mask_ahead(matcher)
    assert ahead is not None
    assert ahead.result().any()


@pytest.mark.parametrize("kind", PANICS)
def test_the_thread_of_pictures_outlives_a_panic(kind: type[BaseException], rig: Rig) -> None:
    encoder = SimpleNamespace(senses=frozenset({"see"}), encode=panicking(kind), close=lambda: None)
    queue = MediaQueue(encoder, rig.engine, FakeClock())
    span = MediaSpan(0, Picture(b"x"))
    bad = detached(rig, "bad")
    queue.submit(bad, [span])
    wait_until(lambda: bad.is_finished)
    assert rig.finished("bad").reason == "error"
    encoder.encode = lambda _: np.zeros((1, 4), np.float32)
    good = detached(rig, "good")
    queue.submit(good, [])
    wait_until(lambda: good.is_finished)
    assert rig.finished("good").reason == "length"
    queue._thread.shutdown()


def detached(rig: Rig, name: str) -> Any:
    """A request that was not submitted yet."""
    submit, rig.engine.submit = rig.engine.submit, lambda request: None  # type: ignore[method-assign]
    try:
        return rig.submit(name, [1, 2])
    finally:
        rig.engine.submit = submit  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", PANICS)
def test_the_threads_of_a_server_outlive_a_panic(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeServer(lambda _: Answer(text_stream("Well met.")))
    with running(fake):
        backend = OpenAIBackend(fake.address, num_parallel=1)
        try:
            for broken, name in ((openai_module, "build_prompt"), (AnswerReader, "feed")):
                with monkeypatch.context() as patch:
                    patch.setattr(broken, name, panicking(kind))
                    receiver = Receiver()
                    backend.submit(ChatRequest(HELLO), receiver)
                    assert receiver.finished().reason == "error"
            backend.submit(ChatRequest(HELLO), panicking(kind))
            backend.submit(ChatRequest(HELLO, deadline_s=0.0), panicking(kind))  # on the watch
            receiver = Receiver()
            backend.submit(ChatRequest(HELLO), receiver)
            assert receiver.finished().reason == "stop"
            late = Receiver()
            backend.submit(ChatRequest(HELLO, deadline_s=0.0), late)
            assert late.finished().reason == "deadline"
            assert all(thread.is_alive() for thread in backend._threads)
        finally:
            backend.close()


def test_the_thread_of_a_script_outlives_a_panic() -> None:
    backend = ScriptedBackend([], default=ScriptedReply(text="Hello."), clock=MonotonicClock())
    backend.submit(ChatRequest(HELLO), panicking(PanicException))
    receiver = Receiver()
    backend.submit(ChatRequest(HELLO), receiver)
    assert receiver.finished().reason == "stop"
    backend.close()


@pytest.mark.parametrize("kind", [*PANICS, StopIteration])
async def test_threads_of_understanding_outlive_a_panic(kind: type[BaseException]) -> None:
    """What comes of it is an `Exception`, or nobody would answer whoever has asked."""
    thread = FairThread("test")
    caught: list[BaseException] = []

    async def ask() -> None:
        try:
            await thread.run(panicking(kind))
        except Exception as error:
            caught.append(error)

    task = asyncio.create_task(ask())
    await until(task.done)
    assert kind.__name__ in str(caught)
    assert await thread.run(lambda: 5) == 5
    await asyncio.to_thread(thread.close)
