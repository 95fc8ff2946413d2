"""A model server that does everything wrong now and then: `python -m tests.endurance.flaky_server`.

Takes the port and a seed, and runs until its input is closed. It speaks OpenAI's protocol as
llama.cpp does, and repeats what it was told, markup and all.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


class Handler(BaseHTTPRequestHandler):
    """One connection; what it does wrong is drawn anew for each request."""

    server: "FlakyServer"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            models = {"object": "list", "data": [{"id": "flaky", "owned_by": "llamacpp"}]}
            self._send(200, json.dumps(models).encode())
        else:
            self._send(404, b"{}")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        faults: list[tuple[int, Callable[[Json], None]]] = [
            (60, self._answer),
            (6, self._answer_late),
            (6, self._fail),
            (4, self._ask_to_wait),
            (6, self._drop),
            (4, self._babble),
            (4, self._boast),
            (3, self._drip),
            (2, self._say_nothing),
        ]
        weights = [weight for weight, _ in faults]
        [(_, play)] = self.server.rng.choices(faults, weights)
        with suppress(OSError):
            play(request)

    def _answer(self, request: Json) -> None:
        self._stream(_pieces(request, self.server.rng), {"prompt_tokens": 90})

    def _answer_late(self, request: Json) -> None:
        time.sleep(self.server.rng.uniform(0.5, 6.0))
        self._answer(request)

    def _fail(self, _: Json) -> None:
        self._send(self.server.rng.choice([400, 404, 500, 502, 503]), b'{"error": "out of luck"}')

    def _ask_to_wait(self, _: Json) -> None:
        self._send(429, b"{}", retry_after=self.server.rng.choice(["1", "3", "x", "1e9"]))

    def _drop(self, request: Json) -> None:
        self._begin()
        for piece in list(_pieces(request, self.server.rng))[:2]:
            self._event(piece)
        self.connection.close()

    def _babble(self, _: Json) -> None:
        self._begin()
        garbage = (
            b"data: {\n\n",
            b"data: " + b"[" * 5000 + b"\n\n",
            b"\xff\xfe\n\n",
            b"data: 5\n\n",
        )
        for _ in range(5):
            self.wfile.write(self.server.rng.choice(garbage))
        self.connection.close()

    def _boast(self, request: Json) -> None:
        usage = {"prompt_tokens": 9 * 10**18, "completion_tokens": -1}
        self._stream(_pieces(request, self.server.rng), usage)

    def _drip(self, _: Json) -> None:
        self._begin()
        for _ in range(60):
            self._event(_delta(content="a"))
            time.sleep(0.2)

    def _say_nothing(self, _: Json) -> None:
        self._begin()
        time.sleep(8.0)

    def _stream(self, pieces: Iterator[Json], usage: Json) -> None:
        self._begin()
        for piece in pieces:
            self._event(piece)
            time.sleep(self.server.rng.uniform(0.0, 0.05))
        self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def _event(self, event: Json) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _send(self, status: int, body: bytes, retry_after: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)


class FlakyServer(ThreadingHTTPServer):
    """Its randomness is shared by all connections."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, seed: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.rng = random.Random(seed)

    def handle_error(self, request: Any, client_address: Any) -> None: ...


def _delta(**delta: Any) -> Json:
    reason = delta.pop("finish_reason", None)
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _pieces(request: Json, rng: random.Random) -> Iterator[Json]:
    """The player's own words as a line; or a call of an offered tool with odd arguments."""
    tools = request.get("tools") or []
    if tools and rng.random() < 0.4:
        function = rng.choice(tools)["function"]
        names = function.get("parameters", {}).get("properties", {})
        arguments = {name: rng.choice(["coin", "player", 1, -1, 10**20, None]) for name in names}
        call = {"name": function["name"], "arguments": json.dumps(arguments)}
        yield _delta(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": call}])
        yield _delta(finish_reason="tool_calls")
        return
    heard = [each for each in request.get("messages", []) if each.get("role") == "user"]
    words = str(heard[-1].get("content", "") if heard else "")[:400].split()
    for word in words or ["Hm."]:
        yield _delta(content=f"{word} ")
    yield _delta(finish_reason="stop")


def main() -> None:
    port, seed = map(int, sys.argv[1:])
    server = FlakyServer(port, seed)
    print("listening", flush=True)
    threading.Thread(target=lambda: server.serve_forever(poll_interval=0.2), daemon=True).start()
    sys.stdin.read()  # whoever started it has ended once this is closed


if __name__ == "__main__":
    main()
