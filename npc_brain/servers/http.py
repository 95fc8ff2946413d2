"""One HTTP exchange with a server, which another thread can abort at any time.

Knows HTTP, server-sent events and JSON, not what the messages mean. The standard library's client
is enough: the requests are few, each has a thread of its own, and closing its socket aborts it.
Everything that a server sends, headers included, is read through `_Incoming`, which bounds it.

Source: server-sent events, WHATWG HTML section 9.2; OpenAI's streams put one JSON object into each
`data` line and end with `[DONE]`.
"""

import io
import json
import math
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock
from typing import Any, NoReturn

from npc_brain.errors import InferenceError
from npc_brain.plain_text import one_line
from npc_brain.servers.address import ServerAddress

CONNECT_TIMEOUT_S = 3.0
SILENCE_TIMEOUT_S = 120.0
"""How long a server may say nothing: it may be loading a model, or reading a long prompt."""
MAX_LINE_BYTES = 128 << 10
"""A line of a stream, or an answer that is not streamed. Parsing it as JSON holds the interpreter
for some milliseconds."""
MAX_BODY_BYTES = 1 << 20
"""A list of models, which is read once."""
MAX_ANSWER_BYTES = 8 << 20
"""Everything that a server sends in one exchange."""
MAX_JSON_DEPTH = 64
_MAX_SHOWN = 300
_DRAIN_BYTES = 65_536


class ServerError(InferenceError):
    """A server that cannot be reached, refuses, or does not answer with a completion.

    Attributes:
        status: HTTP status of a refusal; 0 when there was none.
        retry_after: The header `Retry-After` of a refusal; empty when it had none.
    """

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, retry_after: str = ""
    ) -> None:
        super().__init__(message, hint=hint, retryable=True)
        self.status = status
        self.retry_after = retry_after


class _Incoming(io.RawIOBase):
    """What a server sends, bounded in size and time.

    Attributes:
        end_s: By when all of it must have come, by `time.monotonic`; may be changed meanwhile.
        heard_s: When something came last, by the same clock.
        is_patient: Whether a long silence is waited out, as after hanging up.
    """

    def __init__(self, connected: socket.socket, end_s: float) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)  # keeps it open, whoever closes it
        self._num_left = MAX_ANSWER_BYTES
        self.end_s = end_s
        self.heard_s = -math.inf
        self.is_patient = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        num_read = self._receive(buffer)
        self.heard_s = time.monotonic()
        self._num_left -= num_read
        if self._num_left < 0:
            raise ServerError(f"the server sent more than {MAX_ANSWER_BYTES >> 20} MB")
        return num_read

    def _receive(self, buffer: Any) -> int:
        while True:
            left_s = self.end_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(min(SILENCE_TIMEOUT_S, left_s))
            try:
                return self._socket.recv_into(buffer)
            except TimeoutError:
                if not self.is_patient:
                    raise

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, connected: socket.socket, incoming: _Incoming, **options: Any) -> None:
        super().__init__(connected, **options)
        self.fp.close()
        self.fp = io.BufferedReader(incoming)


class Exchange:
    """One request and its answer. Used by one thread; `hang_up` and `close` by any."""

    def __init__(
        self,
        address: ServerAddress,
        headers: Mapping[str, str],
        *,
        timeout_s: float = float("inf"),
    ) -> None:
        """Prepare to talk to `address`; nothing is sent yet.

        `timeout_s` is how long all of it may take, however slowly the server goes on sending.
        """
        self._address = address
        self._headers = dict(headers)
        self._end_s = time.monotonic() + timeout_s
        kind = HTTPSConnection if address.is_secure else HTTPConnection
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._connection = kind(address.host, address.port, timeout=connect_s)
        self._socket: socket.socket | None = None
        self._incoming: _Incoming | None = None
        self._response: HTTPResponse | None = None
        self._is_complete = False
        self._is_closed = False
        self._lock = Lock()

    def get(self, path: str) -> Any:
        """The JSON value at `path` (from the server's root). Raises ServerError."""
        try:
            with self._as_server_errors():
                return self._json(self._body(self._send("GET", path, None), MAX_BODY_BYTES))
        finally:
            self._release()

    def post(self, path: str, body: Any) -> Generator[dict[str, Any], None, None]:
        """Send `body` as JSON and give the objects of the answer as they come.

        A server that does not stream gives one. Whoever stops before the end calls `drain`.
        Raises ServerError, also when the stream breaks off without its end mark.
        """
        with self._as_server_errors():
            response = self._send("POST", path, json.dumps(body).encode())
            if response.headers.get_content_type() == "text/event-stream":
                yield from self._events(response)
            else:
                value = self._json(self._body(response, MAX_LINE_BYTES))
                if not isinstance(value, dict):
                    raise ServerError(f"{self._address.url} answered with no JSON object")
                self._is_complete = True
                yield value

    def expect_end(self, within_s: float) -> None:
        """Wait at most `within_s` for the rest of the answer."""
        if self._incoming is not None:
            self._incoming.end_s = min(self._incoming.end_s, time.monotonic() + within_s)

    @property
    def silent_s(self) -> float:
        """How long nothing has come."""
        return time.monotonic() - self._incoming.heard_s if self._incoming is not None else 0.0

    def hang_up(self) -> None:
        """Tell the server that its answer is no longer wanted; what it still sends can be read.

        Only our direction of the connection is closed, so that the other shows when the server has
        stopped: soon if it stops when a client hangs up, else at the end of its answer.
        """
        self._shut_down(socket.SHUT_WR)

    def close(self) -> None:
        """Abort the connection; a thread that waits for it gets an error at once."""
        self._shut_down(socket.SHUT_RDWR)

    def drain(self) -> None:
        """Read on until the server has ended its answer, or `close` is called; never raises.

        However long it is silent: the connection ends with the answer, the server, or its machine.
        """
        with suppress(Exception):
            incoming = self._incoming
            if incoming is not None and not self._is_complete:
                incoming.is_patient = True
                read = self._response.read1 if self._response is not None else incoming.read
                while read(_DRAIN_BYTES):
                    continue
        with suppress(Exception):
            self._release()

    def _shut_down(self, how: int) -> None:
        with self._lock:
            self._is_closed = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not SSLSocket's own method, which pulls the rug from under a reading thread.
                    socket.socket.shutdown(self._socket, how)

    def _release(self) -> None:
        self.close()
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _send(self, method: str, path: str, body: bytes | None) -> HTTPResponse:
        connection = self._connection
        connection.connect()
        connected: socket.socket = connection.sock
        _notice_a_lost_peer(connected)
        with self._lock:
            self._socket = connected
            if self._is_closed:
                raise ConnectionAbortedError("closed before the request was sent")
        incoming = self._incoming = _Incoming(connected, self._end_s)
        connection.response_class = partial(_Response, incoming=incoming)  # type: ignore[assignment]
        connected.settimeout(min(SILENCE_TIMEOUT_S, max(0.01, self._end_s - time.monotonic())))
        headers = {"Accept": "text/event-stream, application/json", **self._headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body, {**headers, "Connection": "close"})
        response = self._response = connection.getresponse()
        if response.status != 200:
            raise self._refusal(response)
        return response

    def _events(self, response: HTTPResponse) -> Iterator[dict[str, Any]]:
        while line := response.readline(MAX_LINE_BYTES):
            if len(line) >= MAX_LINE_BYTES:
                raise ServerError(
                    f"{self._address.url} sent a line of more than {MAX_LINE_BYTES >> 10} kB"
                )
            field, _, data = line.strip().partition(b":")
            if field != b"data":
                continue  # a comment that keeps the connection alive, or the end of an event
            if data.strip() == b"[DONE]":
                self._is_complete = True
                return
            value = self._json(data)
            if not isinstance(value, dict):
                raise ServerError(f"{self._address.url} sent {_shown(data)} as a piece of a stream")
            yield value
        raise ServerError(
            f"{self._address.url} broke its answer off",
            hint="check the server's own log: it may have crashed or run out of memory",
        )

    def _body(self, response: HTTPResponse, max_bytes: int) -> bytes:
        data = response.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise ServerError(f"{self._address.url} answered with more than {max_bytes >> 10} kB")
        return data

    def _json(self, data: bytes) -> Any:
        try:
            return read_json(data)
        except ValueError as error:
            raise ServerError(
                f"{self._address.url} answered with {_shown(data)}, wanted JSON",
                hint="is this the base URL of an OpenAI-compatible server? Most end in /v1",
            ) from error

    def _refusal(self, response: HTTPResponse) -> ServerError:
        status, data = response.status, b""
        with suppress(OSError, HTTPException):  # the status tells enough
            data = response.read(MAX_LINE_BYTES)
        try:
            reason = error_text(read_json(data)) or _shown(data)
        except ValueError:
            reason = _shown(data)
        hint = ""
        if status in (401, 403):
            hint = "put the server's API key into the environment variable NPC_BRAIN_OPENAI_KEY"
        elif status == 404:
            hint = "check the path (most base URLs end in /v1) and the model's name behind #"
        elif 300 <= status < 400:
            hint = "redirects are not followed: give the URL that the server really has"
        message = f"{self._address.url} refused ({status} {_clipped(response.reason)}): {reason}"
        retry_after = response.headers.get("Retry-After", "")
        return ServerError(message, hint=hint, status=status, retry_after=retry_after)

    @contextmanager
    def _as_server_errors(self) -> Iterator[None]:
        try:
            yield
        except ServerError:
            raise
        except Exception as error:  # http.client raises ValueError and OverflowError too
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> ServerError:
        url = self._address.url
        if isinstance(error, ConnectionRefusedError):
            return ServerError(
                f"nothing listens at {url}", hint="start the server, or check --model"
            )
        if isinstance(error, TimeoutError):
            return ServerError(f"{url} does not answer", hint="is the server busy or stuck?")
        if isinstance(error, socket.gaierror):
            return ServerError(f"there is no host {self._address.host}", hint="check --model")
        reason = _clipped(str(error)) or type(error).__name__
        return ServerError(f"the connection to {url} broke: {reason}")


def _notice_a_lost_peer(connected: socket.socket) -> None:
    """Have the system ask now and then whether the other machine is still there."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            with suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def read_json(data: bytes | str) -> Any:
    """The JSON value in `data`. Raises ValueError: it is malformed, nested too deep, or has NaN."""
    try:
        value = json.loads(data, strict=False, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if _num_brackets(data) > MAX_JSON_DEPTH:
        _check_depth(value)
    return value


def _num_brackets(data: bytes | str) -> int:
    if isinstance(data, bytes):
        return data.count(b"[") + data.count(b"{")
    return data.count("[") + data.count("{")


def _no_number(spelling: str) -> NoReturn:
    raise ValueError(f"{spelling} is not a JSON number")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        if not level:
            return
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
    raise ValueError("it is nested too deep")


def error_text(value: Any) -> str:
    """The message of an error object in any of the servers' spellings; empty when there is none."""
    if isinstance(value, dict):
        for key in ("error", "message", "detail", "msg"):
            if value.get(key):
                return error_text(value[key])
        return ""
    if isinstance(value, list):
        return _clipped("; ".join(filter(None, map(error_text, value[:8]))))
    return _clipped(str(value)) if value else ""


def _clipped(text: str) -> str:
    """`text` as it can be told: see `one_line`."""
    return one_line(text, _MAX_SHOWN)


def _shown(data: bytes) -> str:
    text = one_line(data[: 4 * _MAX_SHOWN].decode("utf-8", "replace"), _MAX_SHOWN)
    return repr(text) if text else "nothing"
