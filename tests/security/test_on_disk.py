"""What is written is for its owner only, lies where it was asked to, and tells no secrets."""

import asyncio
import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from npc_brain.cli.private_log import PrivateFormatter
from npc_brain.client import Client, Handlers, Sidecar
from npc_brain.client.transcript import TranscriptWriter
from npc_brain.demo.saves import read_save, write_save
from npc_brain.errors import NpcBrainError, UsageError
from npc_brain.protocol.messages import Status
from npc_brain.transport.connection_file import write_connection_file
from tests.integration.wire_server import TOKEN, serving

COMMAND = (sys.executable, "-m", "tests.integration.wire_server")
SAID = "Swordfish opens the crypt"
"""What no log may hold."""
NPC = {
    "persona": {"name": "Ann", "role": "guard"},
    "lines": {"fallback": {"default": "Hm."}},
    "initial": "on_duty",
    "states": {"on_duty": {"prompt": "You stand at a gate.", "tools": ["emote"]}},
}

needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="modes and links are for POSIX")


def log_to(path: Path) -> None:
    Sidecar.start("sample_game/npcs", log_path=path, command=COMMAND).stop()


def transcribe(path: Path) -> None:
    with TranscriptWriter.open(path):
        pass


def save(path: Path) -> None:
    write_save(path, {"x": 1}, b"minds")


def connect(path: Path) -> None:
    write_connection_file(path, "tcp://127.0.0.1:1", "token")


WRITERS: dict[str, Callable[[Path], None]] = {
    "log": log_to,
    "transcript": transcribe,
    "save": save,
    "connection file": connect,
}


@needs_modes
@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("is_old", [False, True])
def test_files_are_for_their_owner_only(tmp_path: Path, what: str, is_old: bool) -> None:
    path = tmp_path / "file"
    if is_old:
        path.touch()
        path.chmod(0o666)
    WRITERS[what](path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def plant_link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def plant_second_name(path: Path, target: Path) -> None:
    os.link(target, path)


def plant_dangling_link(path: Path, target: Path) -> None:
    path.symlink_to(target.with_name("made by the link"))


def plant_fifo(path: Path, target: Path) -> None:
    os.mkfifo(path)


@needs_modes
@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("plant", [plant_link, plant_second_name, plant_dangling_link, plant_fifo])
def test_what_was_planted_is_not_written_to(
    tmp_path: Path, what: str, plant: Callable[[Path, Path], None]
) -> None:
    shared, target = tmp_path / "shared", tmp_path / "target"
    shared.mkdir()
    target.write_text("mine")
    target.chmod(0o644)
    plant(shared / "file", target)
    with suppress(UsageError):
        WRITERS[what](shared / "file")
    assert target.read_text() == "mine"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert not (tmp_path / "made by the link").exists()


def test_a_save_is_read_again(tmp_path: Path) -> None:
    save(tmp_path / "save")
    assert read_save(tmp_path / "save") == ({"x": 1}, b"minds")


async def test_a_transcript_holds_neither_token_nor_session(tmp_path: Path) -> None:
    path = tmp_path / "transcript"
    async with serving() as served:
        with TranscriptWriter.open(path) as transcript:
            handlers = Handlers(on_message=transcript)
            async with Client.connect(served.endpoint, TOKEN, handlers=handlers) as client:
                session_id = client.welcome.session_id
                await client.ping()
    text = path.read_text(encoding="utf-8")
    assert '"hello"' in text
    assert '"welcome"' in text
    assert TOKEN not in text
    assert session_id not in text


class Shape(BaseModel):
    """Refuses what is said."""

    count: int


def broken_schema() -> None:
    Shape.model_validate({"count": SAID})


def broken_chain() -> None:
    try:
        raise ValueError(SAID)
    except ValueError as error:
        raise NpcBrainError(f"got {SAID}") from error


def broken_while_handling() -> None:
    try:
        int(SAID)
    except ValueError:
        {}[SAID]


def broken_group() -> None:
    raise ExceptionGroup(SAID, [ValueError(SAID), KeyError(SAID)])


@pytest.mark.parametrize("fail", [broken_schema, broken_chain, broken_while_handling, broken_group])
def test_an_exception_is_logged_without_its_text(fail: Callable[[], None]) -> None:
    try:
        fail()
    except Exception as error:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "it failed", None, None)
        record.exc_info = type(error), error, error.__traceback__
        text = PrivateFormatter().format(record)
    assert SAID not in text
    assert fail.__name__ in text, "where it failed is told"
    assert "Error" in text


@contextmanager
def model_server(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """An OpenAI-compatible server; `answer` gets the body of a request for a completion."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, json.dumps({"object": "list", "data": [{"id": "m"}]}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(*answer(body))

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            kind = "text/event-stream" if body.startswith(b"data:") else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"openai:http://127.0.0.1:{server.server_port}/v1#m"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def echo(body: str) -> tuple[int, bytes]:
    return 500, json.dumps({"error": {"message": f"tools: cannot do {body}"}}).encode()


def events(*deltas: dict[str, Any]) -> tuple[int, bytes]:
    lines = [json.dumps({"choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
    return 200, "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def call(name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]}


ANSWERS: dict[str, Callable[[str], tuple[int, bytes]]] = {
    "a call of no tool": lambda _: events(call(SAID, "{}")),
    "a call with other arguments": lambda _: events(call("emote", json.dumps({SAID: SAID}))),
    "a call with broken arguments": lambda _: events(call("emote", '{"' + SAID)),
    "a call after words": lambda _: events(
        {"content": "Well, then. "}, call(SAID, json.dumps({"x": SAID}))
    ),
    "no JSON": lambda _: (200, f"data: {SAID}\n\n".encode()),
    "no object": lambda _: (200, f'data: ["{SAID}"]\n\n'.encode()),
    "other types": lambda _: (
        200, f'data: {{"choices": [{{"delta": "{SAID}"}}], "usage": "{SAID}"}}\n\n'.encode(),
    ),
    "an error that repeats the request": echo,
}  # fmt: skip


@pytest.mark.timeout(180)
async def test_what_is_said_does_not_reach_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One NPC is spoken to until its server has given each kind of answer."""
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    log_path = tmp_path / "sidecar.log"
    statuses: list[Status] = []
    waiting = list(ANSWERS.values())

    def answer(body: str) -> tuple[int, bytes]:
        return (waiting.pop(0) if waiting else echo)(body)

    with (
        model_server(answer) as model,
        Sidecar.start("sample_game/npcs", model=model, log_path=log_path) as sidecar,
    ):
        endpoint = sidecar.endpoint()
        assert endpoint is not None
        handlers = Handlers(on_status=statuses.append)
        async with Client.connect(endpoint, sidecar.token, handlers=handlers) as client:
            while client_is_loading(client, statuses):
                await asyncio.sleep(0.05)
            await client.spawn("ann", NPC)
            while waiting:
                await client.hear("ann", "player", f"Why is it that {SAID}?").ended()
    log = log_path.read_text(encoding="utf-8")
    assert "WARNING" in log
    assert SAID not in log


def client_is_loading(client: Client, statuses: list[Status]) -> bool:
    phase = statuses[-1].phase if statuses else client.welcome.model.phase
    return phase not in ("ready", "degraded")
