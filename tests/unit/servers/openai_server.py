"""A server in this process that speaks OpenAI's protocol in every dialect, and with every fault."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
OWNERS = {
    "llama.cpp": "llamacpp",
    "llama-cpp-python": "me",
    "vLLM": "vllm",
    "Ollama": "library",
    "LM Studio": "organization_owner",
    "unknown": "somebody",
}


def piece(
    text: str | None = None,
    *,
    calls: list[Json] | None = None,
    reason: str | None = None,
    **delta: Any,
) -> Json:
    """One chunk of a stream."""
    if text is not None:
        delta["content"] = text
    if calls is not None:
        delta["tool_calls"] = calls
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def call_part(index: int | None, name: str = "", arguments: str = "", call_id: str = "") -> Json:
    """A streamed part of a call."""
    part: Json = {"type": "function", "function": {"arguments": arguments}}
    if name:
        part["function"]["name"] = name
    if index is not None:
        part["index"] = index
    if call_id:
        part["id"] = call_id
    return part


def text_stream(*texts: str, reason: str = "stop") -> list[Json]:
    """A whole answer in text."""
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": len(texts),
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    return [
        piece(None, role="assistant"),
        *map(piece, texts),
        piece(reason=reason),
        {"choices": [], "usage": usage},
    ]


@dataclass
class Answer:
    """What the server does with a completion request.

    `raw` is sent after the status line instead of everything else; `hold` keeps the stream open
    after the chunks until the client goes away or the server ends.
    """

    chunks: Iterable[Json] = ()
    status: int = 200
    body: bytes | None = None
    content_type: str = "text/event-stream"
    raw: bytes | None = None
    has_done: bool = True
    hold: bool = False
    separator: str = "\n\n"


@dataclass
class FakeServer:
    """Its state; answers are taken from `script`, which is a list or makes one for a request."""

    script: list[Answer] | Callable[[Json], Answer] = field(default_factory=list)
    owner: str = "llamacpp"
    models: tuple[str, ...] = ("gemma",)
    versions: dict[str, str] = field(default_factory=dict)
    key: str = ""
    requests: list[Json] = field(default_factory=list)
    url: str = ""
    gone: threading.Event = field(default_factory=threading.Event)
    is_held: threading.Event = field(default_factory=threading.Event)
    ending: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return f"openai:{self.url}"

    def answer_to(self, request: Json) -> Answer:
        with self.lock:
            self.requests.append(request)
            if not callable(self.script):
                return self.script.pop(0)
        return self.script(request)


class Handler(BaseHTTPRequestHandler):
    server: "FakeHttpServer"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        fake = self.server.fake
        if fake.key and self.headers["Authorization"] != f"Bearer {fake.key}":
            self.reply(401, {"error": {"message": "bad key"}})
        elif self.path == "/v1/models":
            data = [{"id": name, "owned_by": fake.owner} for name in fake.models]
            self.reply(200, {"object": "list", "data": data})
        elif self.path in fake.versions:
            self.reply(200, {"version": fake.versions[self.path]})
        else:
            self.reply(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.fake.answer_to({**request, "path": self.path})
        with suppress(ConnectionError):
            self.play(answer)

    def play(self, answer: Answer) -> None:
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.end_headers()
        if answer.body is not None:
            self.wfile.write(answer.body)
            return
        for chunk in answer.chunks:
            self.wfile.write(f"data: {json.dumps(chunk)}{answer.separator}".encode())
            self.wfile.flush()
        if answer.hold:
            self.hold()
        elif answer.has_done:
            self.wfile.write(b"data: [DONE]\n\n")

    def hold(self) -> None:
        """Wait until the client closes its end, or the server is to end."""
        fake = self.server.fake
        fake.is_held.set()
        self.connection.settimeout(0.05)
        while not fake.ending.is_set():
            try:
                if not self.connection.recv(1):
                    fake.gone.set()
                    return
            except TimeoutError:
                continue

    def reply(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class FakeHttpServer(ThreadingHTTPServer):
    daemon_threads = False
    fake: FakeServer

    def handle_error(self, request: Any, client_address: Any) -> None: ...


@contextmanager
def running(fake: FakeServer, port: int = 0) -> Iterator[FakeServer]:
    """Serve on a port of loopback; 0 takes a free one."""
    server = FakeHttpServer(("127.0.0.1", port), Handler)
    server.fake = fake
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield fake
    finally:
        fake.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
