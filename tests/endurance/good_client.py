"""A client that harms nobody and pings: `python -m tests.endurance.good_client`.

Takes the endpoint and the sidecar's process id; the token is in the environment. Prints a line when
it is welcomed and runs until its input is closed. Then it prints the milliseconds of each ping as
JSON: `raw`; `fair`, which leaves out for how long the machine let the threads on the ping's way
wait; and for comparison how late the timer of this bare event loop was (`lateness`).
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from npc_brain.protocol.messages import Ping, Pong, Welcome
from tests.integration.wire_server import RawPeer, hello

INTERVAL_S = 0.05
ANSWER_LIMIT_S = 60.0


def starved_ms(pid: int) -> float:
    """For how long the threads that pass a ping on were ready to run and got no processor."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            if task.name == str(pid) or (task / "comm").read_text().startswith("ZMQbg"):
                total_ns += int((task / "schedstat").read_text().split()[1])
        except OSError:  # it has ended
            continue
    return total_ns / 1e6


async def measure(peer: RawPeer, pid: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"raw": [], "fair": [], "lateness": []}
    closed = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not closed.done():
        starved_before = starved_ms(pid) + starved_ms(os.getpid())
        sent_s = time.perf_counter()
        message_id = peer.post(Ping())
        while (envelope := await peer.receive(ANSWER_LIMIT_S)).reply_to != message_id:
            pass
        raw_ms = (time.perf_counter() - sent_s) * 1000
        assert isinstance(envelope.body, Pong)
        starved = starved_ms(pid) + starved_ms(os.getpid()) - starved_before
        times["raw"].append(raw_ms)
        times["fair"].append(max(0.0, raw_ms - starved))
        slept_s = time.perf_counter()
        await asyncio.sleep(INTERVAL_S)
        times["lateness"].append((time.perf_counter() - slept_s - INTERVAL_S) * 1000)
    return times


async def main() -> None:
    endpoint, pid = sys.argv[1], int(sys.argv[2])
    peer = RawPeer(endpoint)
    try:
        welcome = await peer.ask(hello(token=os.environ["NPC_BRAIN_TOKEN"]))
        assert isinstance(welcome.body, Welcome)
        print("welcome", flush=True)
        print(json.dumps(await measure(peer, pid)), flush=True)
    finally:
        peer.close()


if __name__ == "__main__":
    asyncio.run(main())
