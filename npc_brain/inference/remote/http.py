"""One HTTP exchange with a server, which another thread can break off at any time.

Knows HTTP, server-sent events and JSON, not what the messages mean. The standard library's client
is enough: the requests are few, each has a thread of its own, and breaking one off is closing its
socket.

Source: server-sent events, WHATWG HTML section 9.2; OpenAI's streams put one JSON object into each
`data` line and end with `[DONE]`.
"""

import json
import socket
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock
from typing import Any

from npc_brain.errors import InferenceError
from npc_brain.inference.remote.address import ServerAddress

CONNECT_TIMEOUT_S = 3.0
SILENCE_TIMEOUT_S = 120.0
"""How long a server may say nothing: it may be loading a model, or reading a long prompt."""
MAX_LINE_BYTES = 1 << 20
MAX_BODY_BYTES = 4 << 20
_MAX_SHOWN = 300


class ServerError(InferenceError):
    """A server that cannot be reached, refuses, or answers with what is no completion.

    Attributes:
        status: HTTP status of a refusal; 0 when there was none.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint, retryable=True)
        self.status = status


class Exchange:
    """One request and its answer. Used by one thread; `close` may be called from any."""

    def __init__(
        self,
        address: ServerAddress,
        headers: Mapping[str, str],
        *,
        timeout_s: float = SILENCE_TIMEOUT_S,
    ) -> None:
        """Prepare to talk to `address`; nothing is sent yet."""
        self._address = address
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        kind = HTTPSConnection if address.is_secure else HTTPConnection
        self._connection = kind(address.host, address.port, timeout=CONNECT_TIMEOUT_S)
        self._socket: socket.socket | None = None
        self._response: HTTPResponse | None = None
        self._is_closed = False
        self._lock = Lock()

    def get(self, path: str) -> Any:
        """The JSON value at `path` (from the server's root). Raises ServerError."""
        try:
            response = self._send("GET", path, None)
            return self._json(response.read(MAX_BODY_BYTES))
        except (OSError, HTTPException) as error:
            raise self._failure(error) from error
        finally:
            self._release()

    def post(self, path: str, body: Any) -> Generator[dict[str, Any], None, None]:
        """Send `body` as JSON and give the objects of the answer as they come.

        A server that does not stream gives one. Raises ServerError, also when the stream breaks off
        without its end mark.
        """
        try:
            response = self._send("POST", path, json.dumps(body).encode())
            if response.headers.get_content_type() == "text/event-stream":
                yield from self._events(response)
            else:
                value = self._json(response.read(MAX_BODY_BYTES))
                if not isinstance(value, dict):
                    raise ServerError(f"{self._address.url} answered with no JSON object")
                yield value
        except (OSError, HTTPException) as error:
            raise self._failure(error) from error
        finally:
            self._release()

    def close(self) -> None:
        """Break the connection off; a thread that waits for it goes on at once with an error."""
        with self._lock:
            self._is_closed = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not SSLSocket's own method, which pulls the rug from under a reading thread.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _release(self) -> None:
        self.close()
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def _send(self, method: str, path: str, body: bytes | None) -> HTTPResponse:
        self._connection.connect()
        with self._lock:
            self._socket = self._connection.sock
            if self._is_closed:
                raise ConnectionAbortedError("closed before the request was sent")
        self._connection.sock.settimeout(self._timeout_s)
        headers = {"Accept": "text/event-stream, application/json", **self._headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body, {**headers, "Connection": "close"})
        response = self._response = self._connection.getresponse()
        if response.status != 200:
            raise self._refusal(response)
        return response

    def _events(self, response: HTTPResponse) -> Iterator[dict[str, Any]]:
        while line := response.readline(MAX_LINE_BYTES):
            if len(line) >= MAX_LINE_BYTES:
                raise ServerError(f"{self._address.url} sent a line of more than a megabyte")
            field, _, data = line.strip().partition(b":")
            if field != b"data":
                continue  # a comment that keeps the connection alive, or the end of an event
            if data.strip() == b"[DONE]":
                return
            value = self._json(data)
            if not isinstance(value, dict):
                raise ServerError(f"{self._address.url} sent {_shown(data)} as a piece of a stream")
            yield value
        raise ServerError(
            f"{self._address.url} broke its answer off",
            hint="look at the server's own messages: it may have crashed or run out of memory",
        )

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError as error:
            raise ServerError(
                f"{self._address.url} answered with {_shown(data)}, wanted JSON",
                hint="is this the base URL of an OpenAI-compatible server? Most end in /v1",
            ) from error

    def _refusal(self, response: HTTPResponse) -> ServerError:
        data = response.read(MAX_BODY_BYTES)
        try:
            reason = error_text(json.loads(data)) or _shown(data)
        except ValueError:
            reason = _shown(data)
        status = response.status
        hint = ""
        if status in (401, 403):
            hint = "put the server's API key into the environment variable NPC_BRAIN_OPENAI_KEY"
        elif status == 404:
            hint = "check the path (most base URLs end in /v1) and the model's name behind #"
        elif 300 <= status < 400:
            hint = "redirects are not followed: give the URL that the server really has"
        message = f"{self._address.url} refused ({status} {response.reason}): {reason}"
        return ServerError(message, hint=hint, status=status)

    def _failure(self, error: Exception) -> ServerError:
        url = self._address.url
        if isinstance(error, ConnectionRefusedError):
            return ServerError(
                f"nothing listens at {url}", hint="start the server, or mend --model"
            )
        if isinstance(error, TimeoutError):
            return ServerError(f"{url} does not answer", hint="is the server busy or stuck?")
        if isinstance(error, socket.gaierror):
            return ServerError(f"there is no host {self._address.host}", hint="mend --model")
        return ServerError(f"the connection to {url} broke: {error or type(error).__name__}")


def error_text(value: Any) -> str:
    """The message of an error object in any of the servers' spellings; empty when there is none."""
    if isinstance(value, dict):
        for key in ("error", "message", "detail", "msg"):
            if value.get(key):
                return error_text(value[key])
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, map(error_text, value)))[:_MAX_SHOWN]
    return str(value)[:_MAX_SHOWN] if value else ""


def _shown(data: bytes) -> str:
    text = " ".join(data[: 4 * _MAX_SHOWN].decode("utf-8", "replace").split())
    return repr(text[:_MAX_SHOWN]) if text else "nothing"
