"""The run: one sidecar lives through it, beside hostile games, a flaky server and many kills."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npc_brain.client.sidecar import Sidecar
from npc_brain.demo import village
from npc_brain.protocol import messages as m
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from tests.endurance.counted_sidecar import COUNTS_FILE
from tests.endurance.game import Game, Tally
from tests.endurance.process_watch import ProcessWatch, Sample
from tests.integration.wire_server import RawPeer, hello
from tests.security.hostile_lines import hostile_lines

ROOT = Path(__file__).parents[2]
SAMPLE_GAME = village()
NUM_GAMES = 3
LOOK_INTERVAL_S = 2.0
TELL_INTERVAL_S = 15.0
PATIENCE_S = 90.0
"""How long anything may take that does not depend on chance, on a slow machine."""
FIRST_MARK = 1 / 3
"""Memory is compared between this part of the run and its end: at 10 and 30 minutes of 30."""
JUDGED_MINUTES = 30.0
"""From this length on memory is judged; before, caches still fill."""
MAX_GROWTH = 0.02


SPARE_DESCRIPTORS = 4
"""Connections to the model's server that may be under way."""
SESSION_THREADS = "npc-brain-session_"
"""One for each game; it ends with the game's session."""
THREAD_POOL = "asyncio_"
"""The event loop's own threads: they come when first needed, stay, and are bounded."""


@dataclass(frozen=True)
class Options:
    """What a run is like; `ping_limit_ms` is the worst ping that is no anomaly."""

    minutes: float = 30.0
    num_npcs: int = 30
    deeds_per_s: float = 8.0
    ping_limit_ms: float = 100.0
    seed: int = 1


@dataclass
class Report:
    """What a run found, as JSON values; `anomalies` is empty when all was well."""

    values: dict[str, Any] = field(default_factory=dict)
    anomalies: list[str] = field(default_factory=list)


async def run(options: Options, tell: Callable[[str], None]) -> Report:
    """Run to the end; `tell` gets a line of progress now and then."""
    with tempfile.TemporaryDirectory(prefix="endurance-") as folder:
        return await _Run(options, Path(folder), tell).run()


class _Run:
    def __init__(self, options: Options, folder: Path, tell: Callable[[str], None]) -> None:
        self._options = options
        self._folder = folder
        self._tell = tell
        self._rng = random.Random(options.seed)
        self._tally = Tally()
        self._report = Report()
        self._port = _free_port()
        self._end_s = 0.0
        self._haste = min(1.0, options.minutes / 2)  # so that a short run has all of it too
        self._num_server_kills = 0
        self._num_sidecar_kills = 0

    async def run(self) -> Report:
        counts_file = self._folder / "counts.json"
        os.environ[COUNTS_FILE] = str(counts_file)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(self._flaky_server())
            main = await stack.enter_async_context(self._sidecar("main", self._model))
            pid = main.pid
            assert pid is not None
            games = self._games(main)
            reading = [await self._join(stack, game) for game in games]
            await self._until(lambda: games[0].is_ready, "the sidecar to be ready")
            await self._until(lambda: all(map(_is_quiet, games)), "the games to be quiet")
            good = await self._start_good_client(main, pid)
            watch = ProcessWatch(pid, counts_file)
            before, held_before = watch.look(), await self._counts(watch)
            self._end_s = time.monotonic() + self._options.minutes * 60
            await asyncio.gather(
                *(self._drive(game) for game in games),
                self._trouble_server(server),
                self._trouble_sidecar(),
                self._intrude(main),
                self._observe(watch, main, pid),
            )
            await self._until(lambda: all(map(_is_quiet, games)), "the last turns")
            await self._check_let_go(watch, before, held_before)
            self._judge_memory(watch)
            self._judge_ping(await self._finish(good))
            for task in reading:
                if task.done():
                    task.result()
                task.cancel()
            if main.pid != pid:
                self._tally.blame("the main sidecar has ended")
        self._count()
        return self._report

    # --- the processes -------------------------------------------------------------------------

    @property
    def _model(self) -> str:
        return f"openai:http://127.0.0.1:{self._port}/v1"

    @asynccontextmanager
    async def _sidecar(self, name: str, model: str) -> AsyncIterator[Sidecar]:
        sidecar = await asyncio.to_thread(
            lambda: Sidecar.start(
                SAMPLE_GAME / "npcs",
                model=model,
                log_path=self._folder / f"{name}.log",
                timeout_s=120.0,
                command=(sys.executable, "-m", "tests.endurance.counted_sidecar"),
            )
        )
        pid = sidecar.pid
        try:
            yield sidecar
        finally:
            await asyncio.to_thread(sidecar.stop)
            if pid is not None and Path(f"/proc/{pid}").exists():
                self._tally.blame(f"the {name} sidecar was left behind")

    @asynccontextmanager
    async def _flaky_server(self) -> AsyncIterator[list[subprocess.Popen[str]]]:
        """The server's process, in a list, since it is killed and started anew."""
        server = [await asyncio.to_thread(self._start_server)]
        try:
            yield server
        finally:
            _kill(server[0])

    def _start_server(self) -> subprocess.Popen[str]:
        seed = self._rng.getrandbits(31)
        return _start_and_wait("tests.endurance.flaky_server", str(self._port), str(seed))

    async def _start_good_client(self, sidecar: Sidecar, pid: int) -> subprocess.Popen[str]:
        endpoint = sidecar.endpoint()
        assert endpoint is not None
        environment = {"NPC_BRAIN_TOKEN": sidecar.token}
        return await asyncio.to_thread(
            lambda: _start_and_wait(
                "tests.endurance.good_client", endpoint, str(pid), **environment
            )
        )

    async def _finish(self, good: subprocess.Popen[str]) -> dict[str, list[float]]:
        output, _ = await asyncio.to_thread(good.communicate, "", 120)
        if good.returncode:
            self._tally.blame("the good client failed")
            return {}
        times: dict[str, list[float]] = json.loads(output)
        return times

    # --- what is done to them ------------------------------------------------------------------

    def _games(self, sidecar: Sidecar) -> list[Game]:
        world = SimulatedWorld(load_world_file(SAMPLE_GAME / "world.json")).snapshot()
        return [
            Game(
                f"{self._options.seed}/{number}",
                sidecar.endpoint,
                sidecar.token,
                world,
                [line for line in hostile_lines() if line.kind != "too_long"],
                self._options.num_npcs // NUM_GAMES,
                self._tally,
            )
            for number in range(NUM_GAMES)
        ]

    async def _join(self, stack: AsyncExitStack, game: Game) -> "asyncio.Task[None]":
        await game.link()
        stack.callback(game.close)
        return asyncio.create_task(game.stay_linked())

    async def _drive(self, game: Game) -> None:
        """Let a game do one thing after another, and be killed every 20 s or so."""
        pace_s = NUM_GAMES / self._options.deeds_per_s
        kill_s = time.monotonic() + self._rng.uniform(5, 30) * self._haste
        while (now_s := time.monotonic()) < self._end_s:
            if now_s > kill_s:
                game.kill()
                kill_s = now_s + self._rng.uniform(5, 30) * self._haste
            game.do_something()
            await asyncio.sleep(self._rng.uniform(0, 2 * pace_s))

    async def _trouble_server(self, server: list[subprocess.Popen[str]]) -> None:
        """Kill the model's server now and then; it is back some seconds later."""
        while await self._pause(10, 40):
            _kill(server[0])
            self._num_server_kills += 1
            await asyncio.sleep(self._rng.uniform(1, 6))
            server[0] = await asyncio.to_thread(self._start_server)

    async def _trouble_sidecar(self) -> None:
        """Kill another sidecar now and then; its game finds the next one."""
        async with self._sidecar("other", "none") as other, AsyncExitStack() as stack:
            [game, *_] = self._games(other)
            reading = await self._join(stack, game)
            while await self._pause(8, 20):
                for _ in range(5):
                    game.do_something()
                if other.pid is not None:
                    game.kill()
                    os.kill(other.pid, signal.SIGKILL)
                    self._num_sidecar_kills += 1
                    await self._until(lambda: other.pid is not None, "the other sidecar's return")
            await self._until(lambda: game.is_linked, "the other game's return")
            reading.cancel()

    async def _intrude(self, sidecar: Sidecar) -> None:
        """Connect with a wrong token, with no token, and with no words at all."""
        while await self._pause(2, 6):
            endpoint = sidecar.endpoint()
            if endpoint is None:
                continue
            host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
            with suppress(OSError), socket.create_connection((host, int(port)), 5) as raw:
                raw.sendall(self._rng.randbytes(self._rng.randint(0, 2000)))
            peer = RawPeer(endpoint)
            peer.post(self._rng.choice([hello("wrong"), m.Ping(), m.StatsRequest()]))
            peer.post_bytes(self._rng.randbytes(200))
            await asyncio.sleep(0.2)
            peer.close()

    async def _observe(self, watch: ProcessWatch, sidecar: Sidecar, pid: int) -> None:
        told_s = -TELL_INTERVAL_S
        while time.monotonic() < self._end_s and sidecar.pid == pid:
            sample = watch.look()
            if sample.at_s - told_s >= TELL_INTERVAL_S:
                told_s = sample.at_s
                self._tell(self._progress(sample))
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _pause(self, at_least_s: float, at_most_s: float) -> bool:
        """Wait for a while; whether the run goes on after it."""
        pause_s = self._rng.uniform(at_least_s, at_most_s) * self._haste
        await asyncio.sleep(max(0.0, min(pause_s, self._end_s - time.monotonic())))
        return time.monotonic() < self._end_s

    async def _until(self, condition: Callable[[], bool], what: str) -> bool:
        """Wait for a condition; whether it came true."""
        limit_s = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > limit_s:
                self._tally.blame(f"waited in vain for {what}")
                return False
            await asyncio.sleep(0.2)
        return True

    # --- what came of it -----------------------------------------------------------------------

    async def _counts(self, watch: ProcessWatch) -> dict[str, dict[str, int]]:
        watch.ask_counts()
        await self._until(lambda: watch.counts() is not None, "the sidecar's counts")
        return watch.counts() or {"tasks": {}, "threads": {}}

    async def _check_let_go(
        self, watch: ProcessWatch, before: Sample, held_before: dict[str, dict[str, int]]
    ) -> None:
        """Once all is quiet, the process holds no more than when it began."""
        limit_s = time.monotonic() + PATIENCE_S
        while True:
            now, held = watch.look(), await self._counts(watch)
            leaks = [
                f"{now.num_descriptors} descriptors, {before.num_descriptors} before"
                for _ in range(now.num_descriptors > before.num_descriptors + SPARE_DESCRIPTORS)
            ]
            for kind in ("tasks", "threads"):
                for name, number in held[kind].items():
                    if name == THREAD_POOL:
                        continue
                    known = held_before[kind].get(name, 0)
                    if number > known + (NUM_GAMES if name == SESSION_THREADS else 0):
                        leaks.append(f"{number} {kind} {name}, {known} before")
            if not leaks or time.monotonic() > limit_s:
                break
            await asyncio.sleep(1.0)
        for leak in leaks:
            self._tally.blame(f"leaked: {leak}")
        self._report.values |= {"held_before": held_before, "held_after": held}

    def _judge_memory(self, watch: ProcessWatch) -> None:
        last_s = watch.samples[-1].at_s
        window_s = max(10.0, 0.03 * last_s)
        marks = [self._options.minutes * 60 * FIRST_MARK, last_s]
        (rss_first, uss_first), (rss_last, uss_last) = (watch.around(s, window_s) for s in marks)
        growth = rss_last / max(rss_first, 1.0) - 1.0
        self._report.values |= {
            "rss_mib": [round(rss_first, 2), round(rss_last, 2)],
            "uss_mib": [round(uss_first, 2), round(uss_last, 2)],
            "rss_growth_percent": round(100 * growth, 2),
            "samples": [vars(each) for each in watch.samples[:: max(1, len(watch.samples) // 200)]],
        }
        if self._options.minutes >= JUDGED_MINUTES and growth > MAX_GROWTH:
            self._tally.blame(f"memory grew by {100 * growth:.1f} %")

    def _judge_ping(self, times: dict[str, list[float]]) -> None:
        for name, values in times.items():
            ordered = sorted(values) or [0.0]
            self._report.values[f"ping_{name}_ms"] = {
                "num": len(values),
                "p50": round(ordered[len(ordered) // 2], 2),
                "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 2),
                "worst": round(ordered[-1], 2),
            }
        worst_ms = max(times.get("fair", [0.0]), default=0.0)
        if worst_ms > self._options.ping_limit_ms:
            self._tally.blame(f"a ping of the good client took {worst_ms:.0f} ms")

    def _count(self) -> None:
        tally = self._tally
        missing = tally.num_started - tally.num_ended - tally.num_lost
        if missing:
            tally.blame(f"{tally.num_started} turns began, and {missing} of them did not end")
        self._report.values |= {
            "minutes": self._options.minutes,
            "num_turns": tally.num_started,
            "num_ended": tally.num_ended,
            "num_lost_with_their_game": tally.num_lost,
            "num_game_kills": tally.num_kills,
            "num_resumed": tally.num_resumed,
            "num_server_kills": self._num_server_kills,
            "num_sidecar_kills": self._num_sidecar_kills,
            "outcomes": dict(tally.outcomes),
            "errors": dict(tally.errors),
        }
        self._report.anomalies = [f"{n} x {text}" for text, n in tally.anomalies.most_common()]

    def _progress(self, sample: Sample) -> str:
        tally = self._tally
        return (
            f"{sample.at_s:6.0f} s  {tally.num_started} turns, {tally.num_ended} ended, "
            f"{tally.num_kills} kills, {sample.rss_kb / 1024:.1f} MiB "
            f"({sample.uss_kb / 1024:.1f} its own), {sample.num_descriptors} descriptors, "
            f"{sample.num_threads} threads, {sum(tally.anomalies.values())} anomalies"
        )


def _is_quiet(game: Game) -> bool:
    return game.is_linked and not game.num_open_turns


def _start_and_wait(module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A process, once it has printed its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
