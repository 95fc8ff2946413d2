"""`run.py bench wire`: round trips over loopback sockets, beside an echo without a codec.

The server and the echo each run in a process of their own, as a sidecar does. Messages are encoded,
sent, decoded and validated by the server, and so are their answers by this process. The cases take
turns in short rounds, so that a busy machine disturbs them alike.
"""

import multiprocessing
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from npc_brain.event_loop import run as run_loop
from npc_brain.protocol.codec import decode, encode
from npc_brain.protocol.messages import (
    PROTOCOL_VERSION,
    Body,
    ClientInfo,
    Direction,
    Envelope,
    Hello,
    ModelStatus,
    NpcHear,
    Ok,
    Ping,
    TurnStarted,
    WorldSync,
)
from npc_brain.session.registry import Outbox
from npc_brain.transport.server import Server
from npc_brain.world.model import Entity, Inventory, NavGrid
from tests.bench.loopback import BlockingDealer, echo

_ROUND_TRIPS = 200
"""Round trips of one case before the next has its turn."""
_ECHO_BYTES = 160


def run(seconds: float = 6.0) -> Iterator[dict[str, Any]]:
    """Measure for about that long; one JSON value for each case, times in milliseconds."""
    token = secrets.token_urlsafe()
    with ExitStack() as stack:
        echo_endpoint = stack.enter_context(_process(_run_echo))
        endpoint = stack.enter_context(_process(_run_server, token))
        plain = stack.enter_context(closing(BlockingDealer(echo_endpoint)))
        engine = _Engine(stack.enter_context(closing(BlockingDealer(endpoint))))
        engine.ask(_hello(token))
        payload = bytes(_ECHO_BYTES)
        hear = NpcHear(speaker_id="player", text="Where does the smith live? " * 30)
        world = _world()
        cases: dict[str, tuple[int, Callable[[], object]]] = {
            "raw pyzmq echo, no codec": (_ECHO_BYTES, lambda: plain.ask(payload)),
            "ping": (_size(Ping()), lambda: engine.ask(Ping())),
            "npc.hear": (_size(hear, "mira"), lambda: engine.ask(hear, "mira")),
            "world.sync": (_size(world), lambda: engine.ask(world)),
        }
        times_ms = _measure({name: step for name, (_, step) in cases.items()}, seconds)
    for name, (num_bytes, _) in cases.items():
        yield _row(name, num_bytes, times_ms[name])


def _measure(cases: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    for step in cases.values():  # connections and caches warm up
        for _ in range(_ROUND_TRIPS):
            step()
    times_ms: dict[str, list[float]] = {name: [] for name in cases}
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s or not all(times_ms.values()):
        for name, step in cases.items():
            times_ms[name] += [_time_ms(step) for _ in range(_ROUND_TRIPS)]
    return times_ms


def _time_ms(step: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    step()
    return (time.perf_counter() - start_s) * 1000


def _row(name: str, num_bytes: int, times_ms: list[float]) -> dict[str, Any]:
    hundredths = statistics.quantiles(times_ms, n=100)
    return {
        "case": name,
        "message_bytes": num_bytes,
        "round_trips": len(times_ms),
        "p50_ms": round(hundredths[49], 4),
        "p99_ms": round(hundredths[98], 4),
    }


class _Engine:
    """Encodes and decodes as a bridge does."""

    def __init__(self, dealer: BlockingDealer) -> None:
        self._dealer = dealer
        self._last_id = 0

    def ask(self, body: Body, npc_id: str | None = None) -> Body:
        self._last_id += 1
        answer = self._dealer.ask(_frame(body, npc_id, self._last_id))
        return decode(answer, Direction.OUTBOUND).body


class _Session:
    """Answers what is measured, and does nothing else."""

    def __init__(self, session_id: str, outbox: Outbox) -> None:
        pass

    def handle(self, envelope: Envelope) -> Body:
        if isinstance(envelope.body, NpcHear):
            return TurnStarted(turn_id=1, cause="hear", speaker_id=envelope.body.speaker_id)
        return Ok()

    def attach(self, outbox: Outbox) -> None:
        pass

    def detach(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def _serve(tell: Callable[[str], None], token: str) -> None:
    server = Server(_Session, token, model=lambda: ModelStatus(name="none", phase="ready"))
    tell(await server.start())
    await server.run()


@contextmanager
def _process(target: Callable[..., None], *args: str) -> Iterator[str]:
    """The endpoint of a process that runs for the length of the block."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    try:
        yield str(ours.recv())
    finally:
        process.terminate()
        process.join()


def _run_echo(pipe: Connection) -> None:
    run_loop(echo(pipe.send))


def _run_server(pipe: Connection, token: str) -> None:
    run_loop(_serve(pipe.send, token))


def _frame(body: Body, npc_id: str | None, message_id: int) -> bytes:
    return encode(Envelope(type=body.type, id=message_id, npc_id=npc_id, body=body))


def _size(body: Body, npc_id: str | None = None) -> int:
    return len(_frame(body, npc_id, 1000))


def _hello(token: str) -> Hello:
    client = ClientInfo(name="bench", version="1", engine="python")
    return Hello(protocol=PROTOCOL_VERSION, token=token, client=client)


def _world() -> WorldSync:
    """A snapshot of a village, about 20 kB."""
    ids = [f"villager_{n}" for n in range(120)]
    return WorldSync(
        revision=1,
        nav=NavGrid(width=64, height=64, cells=bytes(64 * 64)),
        entities=tuple(
            Entity(id=i, name=i.replace("_", " "), kind="npc", position=(1, 2)) for i in ids
        ),
        inventories={i: Inventory(items={"coin": 5, "bread": 1}) for i in ids},
    )
