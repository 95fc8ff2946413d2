"""The Python client against a live server: turns, reconnection, and a server that is killed."""

import asyncio
import inspect
import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from npc_brain.client import Client, Handlers, Sidecar, Turn
from npc_brain.client.blocking import BlockingClient
from npc_brain.client.connection import Link
from npc_brain.client.transcript import TranscriptWriter
from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.protocol.messages import (
    ActionRequest,
    NpcState,
    ToolCall,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnTimings,
    TurnToken,
)
from npc_brain.world.model import WorldPatch, WorldSnapshot
from tests.counts import count
from tests.integration.wire_server import TOKEN, Served, serving
from tests.integration.wire_timing import Stopwatch
from tests.pace import PATIENCE_S, limit_s, until

COMMAND = (sys.executable, "-m", "tests.integration.wire_server")
FALLBACKS = {"mira": ("One moment, please.", "Hold on.")}


def start_sidecar(tmp_path: Path) -> Sidecar:
    return Sidecar.start(
        tmp_path, log_path=tmp_path / "log.txt", command=COMMAND, timeout_s=PATIENCE_S
    )


async def test_a_turn_streams_and_ends_once() -> None:
    lines: list[tuple[str, str]] = []
    handlers = Handlers(on_line=lambda npc_id, line: lines.append((npc_id, line.text)))
    async with (
        serving() as served,
        Client.connect(served.endpoint, TOKEN, handlers=handlers) as client,
    ):
        assert (await client.spawn("mira", "innkeeper")).to_state == "idle"
        turn = client.hear("mira", "player", "good evening, Mira")
        assert [text async for text in turn] == ["good ", "evening, ", "Mira "]
        line = await turn.line()
        assert line is not None
        assert line.text == "good evening, Mira"
        assert (await turn.ended()).outcome == "said"
        assert [text async for text in turn] == []
        assert lines == [("mira", "good evening, Mira")]


async def test_everything_a_game_asks_for() -> None:
    async with serving() as served, Client.connect(served.endpoint, TOKEN) as client:
        await client.sync_world(WorldSnapshot(revision=1))
        await client.patch_world(WorldPatch(base_revision=1, revision=2))
        await client.register_tool("ring_bell", "Rings the bell.", {"type": "object"}, "action")
        await client.spawn("mira", "innkeeper", position=(1, 2), blackboard={"trust": 1})
        await client.event("mira", "attacked", {"by": "player"})
        blob = await client.save()
        await client.load(blob)
        await client.ping()
        await client.despawn("mira")
        with pytest.raises(NpcBrainError) as refusal:
            await client.event("nobody", "attacked")
        assert refusal.value.code is ErrorCode.UNKNOWN_NPC


async def test_bad_arguments_never_leave_the_client() -> None:
    async with serving() as served, Client.connect(served.endpoint, TOKEN) as client:
        with pytest.raises(NpcBrainError) as refusal:
            client.hear("mira", "player", "x" * 2001)
        assert refusal.value.code is ErrorCode.BAD_BODY


@pytest.mark.measures
@pytest.mark.parametrize(("token", "expected"), [("wrong", ErrorCode.BAD_TOKEN)])
async def test_wrong_token_is_told_at_once(token: str, expected: ErrorCode) -> None:
    async with serving() as served:
        start_s = time.monotonic()
        with pytest.raises(NpcBrainError) as refusal:
            async with Client.connect(served.endpoint, token):
                pass
        assert refusal.value.code is expected
        assert time.monotonic() - start_s < limit_s(1)


async def test_no_sidecar() -> None:
    with pytest.raises(NpcBrainError) as refusal:
        async with Client.connect("tcp://127.0.0.1:9", TOKEN, timeout_s=0.3):
            pass
    assert refusal.value.code is ErrorCode.CONNECTION_LOST


async def test_cancelled_turns_give_no_more_text() -> None:
    async with serving() as served, Client.connect(served.endpoint, TOKEN) as client:
        await client.spawn("mira", "x")
        early = client.hear("mira", "player", "wait")
        early.cancel()  # before the sidecar has begun it
        turn = client.hear("mira", "player", "wait")
        session = served.sessions[0]
        await until(lambda: turn.turn_id is not None)
        session.outbox(TurnToken(turn_id=turn.turn_id or 0, text="I "), "mira")
        pieces = aiter(turn)
        assert await anext(pieces) == "I "
        turn.cancel()
        session.outbox(TurnToken(turn_id=turn.turn_id or 0, text="late"), "mira")
        assert [text async for text in turn] == []
        assert await turn.line() is None
        assert (await turn.ended()).outcome == (await early.ended()).outcome == "cancelled"
        await until(lambda: not session.running)


async def test_unsolicited_turns_actions_and_tool_calls() -> None:
    turns: list[Turn] = []
    states: list[NpcState] = []
    async with serving() as served:

        async def act(npc_id: str, request: ActionRequest) -> None:
            await client.update_action(npc_id, request.action_id, "done")

        handlers = Handlers(
            on_turn=turns.append,
            on_state=lambda _, state: states.append(state),
            on_action=act,
            on_tool_call=lambda _, call: {"steps": len(call.args)},
        )
        transcript = io.StringIO()
        handlers.on_message = TranscriptWriter(transcript)
        async with Client.connect(served.endpoint, TOKEN, handlers=handlers) as client:
            send = served.sessions[0].outbox
            await client.spawn("mira", "x")
            send(NpcState(from_state="idle", to_state="busy", event="go"), "mira")
            send(ActionRequest(action_id=1, tool="go_to", args={}, timeout_ms=10), "mira")
            send(ToolCall(call_id=1, tool="find_path", args={"to": "x"}, timeout_ms=10), "mira")
            send(TurnStarted(turn_id=7, cause="action"), "mira")
            send(TurnLine(turn_id=7, text="I am here.", source="scripted"), "mira")
            timings = TurnTimings(first_token_ms=0, total_ms=0)
            send(TurnEnded(turn_id=7, outcome="said", timings=timings), "mira")
            await until(lambda: turns and turns[0].has_ended)
            assert [text async for text in turns[0]] == ["I am here."]
            await until(lambda: transcript.getvalue().count('"type": "ok"') == 2)
    assert [state.to_state for state in states] == ["idle", "busy"]
    messages = [json.loads(line) for line in transcript.getvalue().splitlines()]
    assert {message["direction"] for message in messages} == {"in", "out"}
    by_type = {message["message"]["type"]: message["message"] for message in messages}
    assert by_type["tool.result"]["body"] == {
        "call_id": 1, "ok": True, "result": {"steps": 1}, "error": "",
    }  # fmt: skip
    assert by_type["action.update"]["body"]["status"] == "done"
    assert TOKEN not in transcript.getvalue()


async def test_a_failing_handler_stops_nothing() -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    handlers = Handlers(on_state=fail, on_line=fail, on_message=fail, on_link=fail)
    async with (
        serving() as served,
        Client.connect(served.endpoint, TOKEN, handlers=handlers) as client,
    ):
        await client.spawn("mira", "x")
        assert await client.hear("mira", "player", "hello").line() is not None


async def test_messages_of_a_newer_sidecar_are_passed_over() -> None:
    async with serving() as served, Client.connect(served.endpoint, TOKEN) as client:
        dispatcher = served.server._dispatcher
        [identity] = dispatcher._peers
        for frame in (b"\x83\xa4type\xa9npc.dream\xa2id\x63\xa4body\x80", b"junk"):
            dispatcher._deliver(identity, frame)
        await client.ping()


async def test_leaving_cancels_the_turns_and_is_no_loss() -> None:
    links: list[Link] = []
    handlers = Handlers(on_link=links.append)
    async with serving() as served:
        async with Client.connect(
            served.endpoint, TOKEN, handlers=handlers, fallbacks=FALLBACKS
        ) as client:
            await client.spawn("mira", "x")
            turn = client.hear("mira", "player", "wait")
        assert (await turn.ended()).outcome == "cancelled"
        assert turn.lines == []
    assert links == ["connected"]


async def test_a_cut_off_client_resumes_by_itself() -> None:
    links: list[Link] = []
    handlers = Handlers(on_link=links.append)
    async with (
        serving() as served,
        Client.connect(served.endpoint, TOKEN, handlers=handlers) as client,
    ):
        await client.spawn("mira", "x")
        turn = client.hear("mira", "player", "wait")
        await until(lambda: turn.turn_id is not None)
        cut_off(served)
        with pytest.raises(NpcBrainError):
            await client.ping()
        with pytest.raises(NpcBrainError) as lost:
            await turn.line()
        assert lost.value.code is ErrorCode.CONNECTION_LOST
        await until(lambda: links[-1] == "resumed")
        line = await client.hear("mira", "player", "still here").line()
        assert line is not None
        assert line.text == "still here"
        assert links == ["connected", "lost", "resumed"]


def cut_off(served: Served) -> None:
    """As the server does with a slow reader: its connection stays, its session does not."""
    dispatcher = served.server._dispatcher
    for identity in list(dispatcher._peers):
        dispatcher.lose(identity)


@pytest.mark.measures
async def test_killed_sidecar_lines_come_by_the_deadline(tmp_path: Path) -> None:
    """Acceptance: killed mid-line, each of 1,000 turns gets a line by its deadline + 50 ms."""
    num_turns = count(1000, 200)
    sidecar = await asyncio.to_thread(start_sidecar, tmp_path)
    try:
        async with Client.connect(sidecar.endpoint, sidecar.token, fallbacks=FALLBACKS) as client:
            await client.spawn("mira", "x")
            turns = [client.hear("mira", "player", "wait", deadline_ms=400) for _ in range(10)]
            await until(lambda: all(turn.turn_id is not None for turn in turns))
            watch = Stopwatch()
            assert sidecar.pid is not None
            os.kill(sidecar.pid, signal.SIGKILL)
            for _ in range(num_turns - len(turns)):
                turns.append(client.hear("mira", "player", "wait", deadline_ms=400))
            lines = [await turn.line() for turn in turns]
            assert watch.fair_ms() < 400 + limit_s(0.05) * 1000
            assert [line.source for line in lines if line] == ["fallback"] * num_turns
            assert {(await turn.ended()).outcome for turn in turns} == {"fallback"}
            assert {line.text for line in lines if line} == set(FALLBACKS["mira"])
    finally:
        await asyncio.to_thread(sidecar.stop)


@pytest.mark.measures
async def test_a_frozen_sidecar_is_spoken_for_and_its_late_tokens_dropped(tmp_path: Path) -> None:
    """The process is stopped, so that nothing tells the client but the clock."""
    sidecar = await asyncio.to_thread(start_sidecar, tmp_path)
    try:
        async with Client.connect(sidecar.endpoint, sidecar.token, fallbacks=FALLBACKS) as client:
            await client.spawn("mira", "x")
            assert sidecar.pid is not None
            os.kill(sidecar.pid, signal.SIGSTOP)
            watch = Stopwatch()
            turns = [client.hear("mira", "player", f"echo {i}", deadline_ms=200) for i in range(50)]
            for turn in turns:
                line = await turn.line()
                assert line is not None
                assert line.source == "fallback"
            elapsed_ms, fair_ms = watch.elapsed_ms(), watch.fair_ms()
            os.kill(sidecar.pid, signal.SIGCONT)
            assert elapsed_ms >= 200
            assert fair_ms < 200 + limit_s(0.05) * 1000
            await client.ping()  # the echoes have come by now
            for turn in turns:
                assert [text async for text in turn] in (["One moment, please."], ["Hold on."])
                assert len(turn.lines) == 1
    finally:
        await asyncio.to_thread(sidecar.stop)


async def test_the_client_follows_a_restarted_sidecar(tmp_path: Path) -> None:
    sidecar = await asyncio.to_thread(start_sidecar, tmp_path)
    links: list[Link] = []
    handlers = Handlers(on_link=links.append)
    try:
        async with Client.connect(sidecar.endpoint, sidecar.token, handlers=handlers) as client:
            pid = sidecar.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda: "new_session" in links)
            assert sidecar.pid not in (pid, None)
            await client.spawn("mira", "x")
    finally:
        await asyncio.to_thread(sidecar.stop)
    assert sidecar.pid is None


def test_a_sidecar_that_fails_is_told_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRE_SERVER_FAILS", "1")
    with pytest.raises(NpcBrainError, match=r"log\.txt") as refusal:
        start_sidecar(tmp_path)
    assert refusal.value.code is ErrorCode.CONNECTION_LOST


def test_the_blocking_client_has_every_method_of_the_client() -> None:
    """With the same parameters and documentation."""
    for name, method in vars(Client).items():
        if callable(method) and not name.startswith("_"):
            blocking = getattr(BlockingClient, name)
            assert inspect.signature(blocking) == inspect.signature(method)
            assert blocking.__doc__ == method.__doc__


def test_the_blocking_client(tmp_path: Path) -> None:
    with (
        start_sidecar(tmp_path) as sidecar,
        BlockingClient(sidecar.endpoint, sidecar.token) as client,
    ):
        client.spawn("mira", "x")
        turn = client.hear("mira", "player", "good evening")
        assert list(turn) == ["good ", "evening "]
        line = turn.line()
        assert line is not None
        assert line.text == "good evening"
        waiting = client.hear("mira", "player", "wait")
        waiting.cancel()
        assert waiting.line() is None
    with pytest.raises(NpcBrainError):
        BlockingClient("tcp://127.0.0.1:9", TOKEN, timeout_s=0.2)
