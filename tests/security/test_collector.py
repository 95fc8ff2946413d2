"""Python's collector of cycles stops everything while it runs: it may not go over all there is."""

import gc
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from npc_brain.sidecar import Service, SidecarOptions
from tests.pace import until
from tests.security.stalls import STALL_S, slowness


class Cycle:
    def __init__(self) -> None:
        self.itself = self

    async def close(self) -> None:
        pass


@asynccontextmanager
async def running(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """A sidecar that has loaded nothing."""

    async def load_nothing(_: Service) -> None:
        pass

    monkeypatch.setattr(Service, "_load", load_nothing)
    sidecar = Service(SidecarOptions(npcs=None, model="none", token="t"))
    gc.collect()
    gc.freeze()  # what the test run has is not the sidecar's
    await sidecar.start()
    try:
        yield sidecar
    finally:
        await sidecar.stop()
        gc.unfreeze()


@contextmanager
def passes() -> Iterator[list[float]]:
    """How much processor time each pass of the collector took."""
    spent: list[float] = []

    def note(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            spent.append(time.thread_time())
        else:
            spent[-1] = time.thread_time() - spent[-1]

    gc.callbacks.append(note)
    try:
        yield spent
    finally:
        gc.callbacks.remove(note)


@pytest.mark.measures
async def test_no_pass_goes_over_all_that_has_come_since_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With thousands of NPCs one took 70 to 100 ms."""
    async with running(monkeypatch):
        with passes() as spent:
            kept = [{"n": [number]} for number in range(600_000)]
        assert len(kept) == 600_000
        assert max(spent) < STALL_S * slowness(), sorted(spent)[-5:]


async def test_what_was_kept_goes_when_the_last_session_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(monkeypatch) as sidecar:
        cycle = Cycle()
        gc.collect()
        gone = weakref.ref(cycle)
        sidecar._server._close_session(cycle)  # type: ignore[arg-type]
        del cycle
        await until(lambda: gone() is None)


async def test_the_collector_is_as_it_was_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(gc.callbacks)
    async with running(monkeypatch):
        assert gc.callbacks != before
    assert gc.callbacks == before
