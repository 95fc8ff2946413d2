"""A server that speaks as much of the Hugging Face hub's protocol as a download needs.

Model info with checksums, `resolve` with redirects for large files to a second origin (the CDN of
the real hub), ETags and ranges. It can be told to misbehave.
"""

import hashlib
import json
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".onnx", "_data")


@dataclass
class Request:
    """What was asked for, and where."""

    path: str
    is_cdn: bool
    byte_range: str | None
    has_token: bool


@dataclass
class HubServer(AbstractContextManager["HubServer"]):
    """Serves the files of `root` as repository `repo_id` while it is open.

    Attributes:
        status: Answered to everything instead, when it is not 0.
        cut_file: Name of a large file of which the connection ends after `cut_after` bytes, the
            first `num_cuts` times.
        knows_ranges: Whether `Range` is honoured.
        corrupts: Name of a large file that is served with one byte changed.
    """

    root: Path
    repo_id: str
    status: int = 0
    cut_file: str = ""
    cut_after: int = 0
    num_cuts: int = 0
    knows_ranges: bool = True
    corrupts: str = ""
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._hub = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(is_cdn=False))
        self._cdn = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(is_cdn=True))
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            for server in (self._hub, self._cdn)
        ]
        for thread in self._threads:
            thread.start()

    def __exit__(self, *details: object) -> None:
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._hub.server_address[1]}"

    def fetched(self, name: str) -> list[str | None]:
        """The ranges in which a large file was asked for, in order."""
        return [r.byte_range for r in self.requests if r.is_cdn and r.path.endswith(name)]

    def info(self) -> dict[str, Any]:
        """What the hub tells about the repository."""
        files = [path for path in sorted(self.root.rglob("*")) if path.is_file()]
        return {
            "_id": "1",
            "id": self.repo_id,
            "sha": COMMIT,
            "private": False,
            "tags": [],
            "siblings": [self._sibling(path) for path in files],
        }

    def _sibling(self, path: Path) -> dict[str, Any]:
        data = path.read_bytes()
        entry: dict[str, Any] = {
            "rfilename": path.relative_to(self.root).as_posix(),
            "size": len(data),
            "blobId": hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest(),
        }
        if path.name.endswith(LARGE) or "_data_" in path.name:
            sha256 = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
        return entry

    def _handler(self, *, is_cdn: bool) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = unquote(urlsplit(self.path).path)
                has_token = self.headers.get("Authorization") == "Bearer hf_test"
                asked = Request(path, is_cdn, self.headers.get("Range"), has_token)
                owner.requests.append(asked)
                owner._answer(self, asked)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, asked: Request) -> None:
        if self.status:
            _send(handler, self.status, b"no", {"X-Error-Message": "not today"})
        elif asked.path == f"/api/models/{self.repo_id}":
            body = json.dumps(self.info()).encode()
            _send(handler, 200, body, {"Content-Type": "application/json"})
        elif asked.path.startswith(start := f"/{self.repo_id}/resolve/{COMMIT}/"):
            self._resolve(handler, asked, asked.path.removeprefix(start))
        elif asked.is_cdn:
            self._send_file(handler, asked, self.root / asked.path.removeprefix("/cdn/"))
        else:
            _send(handler, 404, b"", {"X-Error-Code": "RepoNotFound"})

    def _resolve(self, handler: BaseHTTPRequestHandler, asked: Request, name: str) -> None:
        path = self.root / name
        if not path.is_file():
            _send(handler, 404, b"", {"X-Error-Code": "EntryNotFound"})
        elif "lfs" in (entry := self._sibling(path)):
            port = self._cdn.server_address[1]
            headers = {
                "Location": f"http://127.0.0.1:{port}/cdn/{name}",
                "X-Linked-ETag": f'"{entry["lfs"]["sha256"]}"',
                "X-Linked-Size": str(entry["size"]),
                "X-Repo-Commit": COMMIT,
            }
            _send(handler, 302, b"", headers)
        else:
            self._send_file(handler, asked, path)

    def _send_file(self, handler: BaseHTTPRequestHandler, asked: Request, path: Path) -> None:
        data = bytearray(path.read_bytes())
        if path.name == self.corrupts:
            data[len(data) // 2] ^= 1
        first, status, headers = 0, 200, {"ETag": '"x"', "Accept-Ranges": "bytes"}
        if asked.byte_range and self.knows_ranges:
            first = int(asked.byte_range.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            status = 206
        body = bytes(data[first:])
        if path.name == self.cut_file and self.num_cuts and len(body) > self.cut_after:
            self.num_cuts -= 1
            _send(handler, status, body, headers, sent=self.cut_after)
            handler.close_connection = True
        else:
            _send(handler, status, body, headers)


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: dict[str, str],
    *,
    sent: int | None = None,
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:sent])
