"""Acceptance: 100,000 mutated frames and messages harm nobody.

They never crash the sidecar, leak into another session, or delay a good client's ping beyond
100 ms, and each breach gets the code of the contract.

Sessions come from factories by name, so that real ones stand the same trial as the fake.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from npc_brain.client import Client, Handlers, Sidecar
from npc_brain.protocol.messages import NpcState
from tests.counts import count
from tests.integration.hostile import DEFINITION, VICTIM
from tests.integration.wire_server import FAKE_FACTORY
from tests.integration.wire_timing import Stopwatch
from tests.pace import PATIENCE_S, limit_s, slowness

FACTORIES = [FAKE_FACTORY, "tests.integration.wire_stage:make_session"]
NUM_ATTACKERS = 2
MAX_PING_MS = 100
COMMAND = (sys.executable, "-m", "tests.integration.wire_server")


async def run_attacker(sidecar: Sidecar, num_messages: int, seed: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.hostile", sidecar.endpoint() or "", sidecar.token),
        *(str(num_messages), str(seed)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output)
    return report


async def play(client: Client, sidecar_pid: int, done: asyncio.Event) -> list[float]:
    """Play as a good engine until `done`; the round trips of its pings in milliseconds.

    Of those that were too late it is the fair time.
    """
    pings_ms = []
    while not done.is_set():
        watch = Stopwatch(sidecar_pid)
        ping_ms = await client.ping()
        pings_ms.append(ping_ms if ping_ms < MAX_PING_MS else watch.fair_ms())
        if len(pings_ms) % 20 == 0:
            line = await client.hear(VICTIM, "player", f"line {len(pings_ms)}").line()
            assert line is not None
        await asyncio.sleep(0.003)
    return pings_ms


@pytest.mark.measures
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("factory", FACTORIES)
async def test_hostile_messages_harm_nobody(
    factory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRE_SERVER_FACTORY", factory)
    num_messages = count(100_000, 3_000) // NUM_ATTACKERS
    log_path = tmp_path / "log.txt"
    sidecar = await asyncio.to_thread(
        Sidecar.start, tmp_path, log_path=log_path, command=COMMAND, timeout_s=PATIENCE_S
    )
    states: list[tuple[str, NpcState]] = []
    handlers = Handlers(on_state=lambda *state: states.append(state))
    start_s = time.monotonic()
    try:
        async with Client.connect(sidecar.endpoint, sidecar.token, handlers=handlers) as client:
            await client.spawn(VICTIM, DEFINITION)
            pid = sidecar.pid
            assert pid is not None
            done = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                playing = tasks.create_task(play(client, pid, done))
                attackers = [
                    tasks.create_task(run_attacker(sidecar, num_messages, seed))
                    for seed in range(NUM_ATTACKERS)
                ]
                await asyncio.wait(attackers)
                done.set()
            pings_ms = sorted(playing.result())
            assert sidecar.pid == pid, "it was restarted"
            assert {npc_id for npc_id, _ in states} == {VICTIM}, "another session's message came"
    finally:
        await asyncio.to_thread(sidecar.stop)
    print(f"{num_messages * NUM_ATTACKERS} messages in {time.monotonic() - start_s:.0f} s")
    median_ms, slowest_ms = pings_ms[len(pings_ms) // 2], pings_ms[-1]
    print(f"{len(pings_ms)} pings, p50 {median_ms:.2f} ms, slowest {slowest_ms:.1f} ms")
    for report in [attacker.result() for attacker in attackers]:
        print(json.dumps(report["codes"]))
        assert report["violations"] == []
        assert sum(report["codes"].values()) == num_messages
    assert "Traceback" not in log_path.read_text(encoding="utf-8")
    assert median_ms < MAX_PING_MS * slowness()
    assert slowest_ms < limit_s(MAX_PING_MS / 1000) * 1000
