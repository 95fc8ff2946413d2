"""Broken completions through the real backend, a stage and the wire: a line in time, one end."""

import asyncio
import contextlib
import gc
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from npc_brain.inference.chat import ChatRequest, FunctionSchema, LineRule, TextDelta
from npc_brain.inference.grammar import clean_line
from npc_brain.inference.profile import ABLE, SMALL, ModelProfile
from npc_brain.protocol import messages as m
from npc_brain.servers.answer import AnswerReader
from npc_brain.servers.http import MAX_LINE_BYTES, ServerError
from npc_brain.servers.openai import OpenAIBackend
from tests.counts import count
from tests.security.broken_completions import Completion, completions, play, said
from tests.unit.session.test_turn_ends import Played, played

CASES = dict(completions())
DEADLINE_MS = 700
PATIENT_MS = 20_000
LATE_S = 10.0
"""How late a line may be on a machine that is busy with something else."""
GOOD = said("Well met, traveller.")
OWNERS = ("llamacpp", "somebody")


class Handler(BaseHTTPRequestHandler):
    server: "BrokenServer"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        models = {"data": [{"id": "gemma", "owned_by": self.server.owner}]}
        data = json.dumps(models).encode()
        if self.path != "/v1/models":
            self.send_error(404)
            return
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + data)

    def do_POST(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.read(int(self.headers["Content-Length"]))
            play(self.server.completion, self.wfile.write)


class BrokenServer(ThreadingHTTPServer):
    daemon_threads = True
    completion: Completion = b""
    owner = OWNERS[0]

    def handle_error(self, request: Any, client_address: Any) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[BrokenServer]:
    broken = BrokenServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: broken.serve_forever(poll_interval=0.01))
    thread.start()
    yield broken
    broken.shutdown()
    broken.server_close()
    thread.join()


async def hear(play: Played, text: str, deadline_ms: int) -> str:
    """What an NPC says, after checks of what holds for every turn."""
    turn = play.hear(text, deadline_ms)
    asked_s = time.monotonic()
    ended = await play.end_of(turn)
    assert time.monotonic() - asked_s < deadline_ms / 1000 + LATE_S
    assert ended.outcome in ("said", "fallback")
    [line] = play.game.of(m.TurnLine, turn.turn_id)
    assert line.text.strip()
    # Our own end of a line that was broken off may stand between two spaces.
    assert line.text.replace(" …", "…").split() == clean_line(line.text).replace(" …", "…").split()
    assert not set("<>{}[]|*") & set(line.text)
    assert isinstance(play.session._stats("", m.StatsRequest()), m.Stats)
    return str(line.text)


def test_there_are_more_than_sixty() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("profile", [SMALL, ABLE], ids=["speaks", "picks tools"])
@pytest.mark.timeout(600)
async def test_broken_completions(owner: str, profile: ModelProfile, server: BrokenServer) -> None:
    server.owner = owner
    variant = 2 * OWNERS.index(owner) + (profile is ABLE)
    step = count(1, 4)  # in CI each is played in one of the four variants
    names = list(CASES)[variant % step :: step]
    async with played() as play:
        for name in names:
            port = server.server_address[1]
            backend = OpenAIBackend(
                f"openai:http://127.0.0.1:{port}/v1", num_parallel=2, profile=profile
            )
            play.models.backend = backend
            try:
                server.completion = CASES[name]
                await hear(play, "Hm, nice weather.", DEADLINE_MS)
                server.completion = GOOD
                if not name.startswith("HTTP: 503"):  # which has asked to be left alone
                    line = await hear(play, "Hm, nice weather.", PATIENT_MS)
                    assert line == "Well met, traveller."
            except BaseException as error:
                error.add_note(f"completion: {name}")
                raise
            finally:
                play.models.backend = None
                await asyncio.to_thread(backend.close)


# No piece of work takes long, whatever the pieces

FILLS = {
    "letters": "x",
    "words": "word ",
    "spaces": " ",
    "line breaks": "\n",
    "open brackets": "(",
    "open tags": "<",
    "tags": "<b>",
    "stars": "*",
    "stars after sentences": "x. *",
    "quotation marks": '"',
    "backslashes": "\\",
    "dots": ".",
    "combining marks": "\u0301",
    "marks on letters": "a\u0301\u0301",
    "zero width": "\u200b",
    "thoughts": "<think>",
    "ends of thoughts": "</think>",
    "calls": "<tool_call>",
    "Gemma's calls": "<|tool_call>call:give{item:",
    "braces": "{",
    "names": "give",
    "JSON": '{"say": "x',
    "numbers": "1 ",
}
GIVE = FunctionSchema("give", "", {"type": "object", "properties": {"item": {"type": "string"}}})


def speed_factor() -> float:
    """How much slower than a processor of 2020 this one is, at what the tests do."""
    best_s = min(
        timed(lambda: [clean_line("Well met, friend. " * 50) for _ in range(20)]) for _ in range(5)
    )
    return max(1.0, best_s / 0.006)


def timed(work: Any) -> float:
    begun_s = time.thread_time()
    work()
    return time.thread_time() - begun_s


@pytest.fixture
def no_collecting() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collecting")
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("is_json", [False, True], ids=["text", "JSON"])
@pytest.mark.parametrize("functions", [(), (GIVE,)], ids=["speaks", "may call"])
def test_no_piece_takes_long(
    fill: str, is_json: bool, functions: tuple[FunctionSchema, ...]
) -> None:
    """Ten megabytes without a sentence end cost the deadline and a ping of 1.7 s."""
    text = FILLS[fill]
    factor = speed_factor()
    for size, most in ((1, count(12_000, 3000)), (60, 60_000), (MAX_LINE_BYTES, 1 << 21)):
        reader = AnswerReader(ChatRequest((), functions, LineRule()), is_json=is_json)
        chunk = {"choices": [{"delta": {"content": (text * (size // len(text) + 1))[:size]}}]}
        spent_s, longest_s, num_chars = 0.0, 0.0, 0
        said_chars = 0
        while num_chars < most and not reader.needs_no_more:
            events: list[Any] = []
            with contextlib.suppress(ServerError):
                took_s = timed(lambda: events.extend(reader.feed(chunk)))  # noqa: B023
                spent_s, longest_s = spent_s + took_s, max(longest_s, took_s)
            said_chars += sum(len(e.text) for e in events if isinstance(e, TextDelta))
            num_chars += size
        end_s = timed(reader.finish)
        assert said_chars <= LineRule().max_chars
        assert max(longest_s, end_s) < 0.06 * factor, (size, longest_s, end_s)
        assert spent_s < 2.0 * factor, (size, spent_s, num_chars)
