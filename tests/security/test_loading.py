"""Loading comes to an end whatever is loaded, and so does the process whatever it is doing."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from npc_brain import sidecar as sidecar_module
from npc_brain.errors import ModelError
from npc_brain.inference import model_dir
from npc_brain.inference.chat import ChatEvent, ChatRequest, Finished, Message
from npc_brain.servers import dialect
from npc_brain.servers.openai import OpenAIBackend
from npc_brain.sidecar import Service, SidecarOptions
from tests.pace import PATIENCE_S, wait_until
from tests.processes import is_running

ERRORS: tuple[Callable[[], BaseException], ...] = (
    lambda: RecursionError("maximum recursion depth exceeded"),
    lambda: OverflowError("Python int too large to convert to C long"),
    lambda: TypeError("'int' object is not iterable"),
    lambda: KeyError("data"),
    lambda: MemoryError(),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "\ud800"),
    lambda: type("PanicException", (BaseException,), {})("x" * 100_000),
    lambda: SystemExit(3),
)


class Told(Service):
    """A sidecar that notes what it tells."""

    def __init__(self, model: str) -> None:
        super().__init__(SidecarOptions(None, model, token="secret"))
        self.told: list[tuple[str, str]] = []

    def _tell(self, phase: Any, detail: str, progress: float) -> None:
        super()._tell(phase, detail, progress)
        self.told.append((self._status.phase, self._status.detail))

    async def until(self, phase: str) -> str:
        """The detail of the first status of that phase."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for told_phase, detail in self.told:
                    if told_phase == phase:
                        return detail
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def started(model: str) -> Any:
    sidecar = Told(model)
    await sidecar.start()
    try:
        yield sidecar
    finally:
        await sidecar.stop()


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    async def load(_: Any) -> None: ...

    monkeypatch.setattr(Service, "_load_encoder", load)


@pytest.mark.parametrize("make_error", ERRORS, ids=lambda make: type(make()).__name__)
async def test_whatever_loading_raises_is_told(
    make_error: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Parallel test runs cannot transfer half a character in a captured log.
    monkeypatch.setattr(sidecar_module._log, "disabled", True)

    def fail(*_: Any, **__: Any) -> Any:
        raise make_error()

    monkeypatch.setattr(sidecar_module, "resolve_model", fail)
    async with started("some-model") as sidecar:
        detail = await sidecar.until("degraded")
        assert "no sentence encoder: " in detail
        assert len(detail) <= 500
        assert type(make_error()).__name__ in detail
        detail.encode()


def test_ids_that_no_model_has_are_refused(tmp_path: Path) -> None:
    dims = {"layers": 1, "hidden": 1, "heads": 1, "vocab": 9, "context": 9}
    info = {"kind": "decoder", "name": "x", "architecture": "llama", "dims": dims}
    odd: list[list[Any]] = [[10**18, -5], [-1], [2**31], [float("inf")], ["x"], [[]]]
    for ids in odd:
        text = json.dumps({**info, "stop_ids": ids})
        (tmp_path / "model.json").write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match=r"stop_ids|not finite"):
            model_dir.load_model_info(tmp_path)


async def test_loading_without_progress_is_told_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, no_encoder: None
) -> None:
    monkeypatch.setattr(sidecar_module, "STALL_S", 0.05)
    may_go_on = threading.Event()
    monkeypatch.setattr(
        sidecar_module, "resolve_model", lambda *_: may_go_on.wait(PATIENCE_S) and Path("nowhere")
    )
    async with started("some-model") as sidecar:
        assert "no progress for" in await sidecar.until("degraded")
        may_go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            while "no language model" not in sidecar.told[-1][1]:
                await asyncio.sleep(0.005)


# Servers that are not what they should be


class Handler(BaseHTTPRequestHandler):
    """Answers `/models` with what its server was given, and completions with a line."""

    server: "OddServer"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        answer = self.server.models
        with contextlib.suppress(ConnectionError):
            if callable(answer):
                answer(self)
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
                self.wfile.write(answer)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        chunk = {"choices": [{"delta": {"content": "Well met."}, "finish_reason": "stop"}]}
        with contextlib.suppress(ConnectionError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            self.wfile.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())


GOOD = b'{"data": [{"id": "gemma", "owned_by": "llamacpp"}]}'


class OddServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, models: Any) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models = models
        self.is_over = threading.Event()
        self.url = f"openai:http://127.0.0.1:{self.server_address[1]}/v1"
        self._thread = threading.Thread(target=lambda: self.serve_forever(poll_interval=0.01))

    def handle_error(self, request: Any, client_address: Any) -> None: ...

    def __enter__(self) -> "OddServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


def dripping(head: bytes, drop: bytes) -> Callable[[Handler], None]:
    """Sends `head`, then `drop` again and again, never long enough apart to time out."""

    def drip(handler: Handler) -> None:
        handler.wfile.write(head)
        while not handler.server.is_over.wait(0.05):
            handler.wfile.write(drop)

    return drip


def sending(data: bytes) -> Callable[[Handler], None]:
    def send(handler: Handler) -> None:
        handler.wfile.write(data)

    return send


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
ODD_MODELS: dict[str, Any] = {
    "a number": b'{"data": 5}',
    "text": b'{"data": "gemma"}',
    "nothing": b"",
    "null": b"null",
    "deep": b"[" * 200_000,
    "deep and whole": b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}",
    "deep objects": b'{"a": ' * 100_000,
    "ids of other types": b'{"data": [{"id": 5}, {"id": null}, {"id": ["x"]}, 7]}',
    "an id without end": b'{"data": [{"id": "' + b"x" * 300_000 + b'"}]}',
    "an id that is no text": b'{"data": [{"id": "\\ud800"}]}',
    "absurd numbers": b'{"data": 1' + b"0" * 5000 + b"}",
    "not a number": b'{"data": NaN}',
    "two megabytes": b'{"data": [' + b"1," * (1 << 20) + b"1]}",
    "binary": bytes(range(256)) * 16,
    "UTF-16": GOOD.decode().replace("data", "daten").encode("utf-16"),
    "a redirect": sending(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
    "an odd version": sending(b"HTTP/9.9 200 OK\r\n\r\n"),
    "an odd status": sending(b"HTTP/1.1 99999999999 OK\r\n\r\n"),
    "an endless status": sending(b"HTTP/1.1 200 " + b"x" * 100_000),
    "many headers": sending(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000 + b"\r\n"),
    "a bad length": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 9" + b"9" * 5000 + b"\r\n\r\n{"),
    "a bad chunk": sending(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n{}"
    ),
    "gzip": sending(JSON_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b" + b"\0" * 99),
    "dripping headers": dripping(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "a dripping header": dripping(b"HTTP/1.1 200 OK\r\nA: ", b"b"),
    "a dripping body": dripping(JSON_HEAD, b" "),
    "100 without end": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "silence": dripping(b"", b""),
}


@pytest.mark.parametrize("name", ODD_MODELS)
async def test_an_odd_server_is_told_and_a_good_one_heals_it(
    name: str, monkeypatch: pytest.MonkeyPatch, no_encoder: None
) -> None:
    """`loading` was told for ever when `/models` was `{"data": 5}`, or 200,000 brackets."""
    monkeypatch.setattr(sidecar_module, "SERVER_RETRY_S", 0.02)
    monkeypatch.setattr(dialect, "IDENTIFY_TIMEOUT_S", 0.5)
    with OddServer(ODD_MODELS[name]) as server:
        async with started(server.url) as sidecar:
            detail = await sidecar.until("degraded")
            assert detail.startswith("no language model: ")
            assert len(detail) <= 500
            server.models = GOOD
            await sidecar.until("ready")
            backend = sidecar._models.backend
            assert isinstance(backend, OpenAIBackend)
            assert await asyncio.to_thread(ask, backend) == "stop"


async def test_a_server_that_dies_and_comes_back_is_told(
    monkeypatch: pytest.MonkeyPatch, no_encoder: None
) -> None:
    """`status` said `ready` for ever after it had been so once."""
    monkeypatch.setattr(sidecar_module, "SERVER_RETRY_S", 0.02)
    with OddServer(GOOD) as server:
        async with started(server.url) as sidecar:
            await sidecar.until("ready")
            server.models = b"no\x1b[2J\r\nnot \xe2\x80\xae now"
            detail = await sidecar.until("degraded")
            assert detail.isprintable()
            backend = sidecar._models.backend
            assert isinstance(backend, OpenAIBackend)
            assert await asyncio.to_thread(ask, backend) == "stop"  # it is asked all the same
            sidecar.told.clear()
            server.models = GOOD
            await sidecar.until("ready")
            assert len(sidecar.told) == 1


@pytest.mark.parametrize(
    "message", ["a\nb\r\x1b[2Jc\x00\u2028d\u202ee\x85f", "x" * 10**6, "\n" * 10**6, "\ud800"]
)
async def test_what_is_told_and_logged_of_a_fault_is_one_short_line(
    message: str, monkeypatch: pytest.MonkeyPatch, no_encoder: None, caplog: Any
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ModelError(message)

    monkeypatch.setattr(sidecar_module, "resolve_model", fail)
    async with started("some-model") as sidecar:
        detail = await sidecar.until("degraded")
    logged = [each.getMessage() for each in caplog.records if each.name == "npc_brain.sidecar"]
    for text in (detail, *logged):
        assert "no language model:" in text
        assert text.isprintable()
        assert len(text) <= 500


def ask(backend: OpenAIBackend) -> str:
    finished = threading.Event()
    reasons: list[str] = []

    def emit(event: ChatEvent) -> None:
        if isinstance(event, Finished):
            reasons.append(event.reason)
            finished.set()

    backend.submit(ChatRequest((Message("user", "Hello!"),)), emit)
    assert finished.wait(PATIENCE_S)
    return reasons[0]


async def test_a_server_that_drips_names_is_told_too(
    monkeypatch: pytest.MonkeyPatch, no_encoder: None
) -> None:
    """The look-up of a name cannot be broken off, so it is not waited for."""
    monkeypatch.setattr(sidecar_module, "SERVER_TIMEOUT_S", 0.1)
    is_over = threading.Event()
    monkeypatch.setattr(OpenAIBackend, "check", lambda _: is_over.wait(PATIENCE_S))
    monkeypatch.setattr(OpenAIBackend, "look_again", lambda _: is_over.wait(PATIENCE_S))
    async with started("openai:http://slow.invalid/v1") as sidecar:
        assert "does not say what it is within" in await sidecar.until("degraded")
        is_over.set()
        await sidecar.until("ready")


# The end of the process

STUCK = """
import threading, time
from npc_brain.{module} import {owner}
{owner}.{name} = lambda *_, **__: time.sleep(600)
from npc_brain.cli import main
main({arguments!r})
"""
BUSY = """
from npc_brain.decision.stage import Stage
from npc_brain.transport.server import Server
async def busy(_):
    while True: pass
Server._sweep = busy
from npc_brain.cli import main
main({arguments!r})
"""

LITTERED = """
import sys, time
class Litter:
    def __del__(self, sleep=time.sleep):
        sleep(600)
sys.litter = Litter()
from npc_brain.cli import main
main({arguments!r})
"""
"""Thousands of NPCs take the interpreter as long to clear away, after all else has ended."""


@contextlib.contextmanager
def serving(tmp_path: Path, code: str, model: str = "none", **env: str) -> Iterator[Any]:
    """A sidecar that listens, run by `code`, with an empty cache."""
    file = tmp_path / "sidecar.json"
    arguments = ["serve", "--model", model, "--connection-file", str(file)]
    process = subprocess.Popen(
        [sys.executable, "-c", code.replace("{arguments!r}", repr(arguments))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "NPC_BRAIN_CACHE": str(tmp_path / "cache"), **env},
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "listening"
        assert file.exists()
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def end_s(
    process: "subprocess.Popen[bytes]", tmp_path: Path, number: int = signal.SIGTERM
) -> float:
    """How long the process takes to end once it is told to; its file is gone then."""
    told_s = time.monotonic()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    took_s = time.monotonic() - told_s
    assert not (tmp_path / "sidecar.json").exists()
    return took_s


def stuck(module: str, owner: str, name: str) -> str:
    code = STUCK.replace("{module}", module).replace("{owner}", owner)
    return code.replace("{name}", name)


RUN = "from npc_brain.cli import main\nmain({arguments!r})"
STATES = {
    "ready": (RUN, "none"),
    "a dripping server": (RUN, "server"),
    "a stuck close of the models": (stuck("decision.models", "Models", "close"), "none"),
    "stuck loading": (stuck("sidecar", "SentenceEncoder", "__new__"), "none"),
    "a busy event loop": (BUSY, "none"),
    "a download": (RUN, "smollm2-135m"),
    "much to clear away": (LITTERED, "none"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
@pytest.mark.parametrize("state", STATES)
def test_a_process_that_is_told_to_end_does(state: str, tmp_path: Path) -> None:
    """The promise is two seconds; more is allowed here for a machine with other things to do."""
    code, model = STATES[state]
    with OddServer(dripping(JSON_HEAD, b" ")) as server:
        index = server.url.removeprefix("openai:")
        env = {"PIP_INDEX_URL": index, "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
        with serving(tmp_path, code, server.url if model == "server" else model, **env) as process:
            if state == "a download":
                children = wait_for_children(process.pid)
            time.sleep(0.2)
            assert end_s(process, tmp_path) < 10
            if state == "a download":
                wait_until(
                    lambda: not any(map(is_running, children)), "the package client was left behind"
                )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_a_terminal_that_is_closed_ends_it_too(tmp_path: Path) -> None:
    """It ended, and left its connection file behind."""
    with serving(tmp_path, RUN) as process:
        end_s(process, tmp_path, signal.SIGHUP)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_one_that_was_told_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    ignoring = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    with serving(tmp_path, ignoring + RUN) as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        end_s(process, tmp_path)


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task")
    found = [(task / "children").read_text().split() for task in path.iterdir()]
    return [int(child) for children in found for child in children]


def wait_for_children(pid: int) -> list[int]:
    if not sys.platform.startswith("linux"):
        return []
    wait_until(lambda: children_of(pid), "nothing is downloaded")
    return children_of(pid)
