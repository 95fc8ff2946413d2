"""No piece of work keeps others waiting, and no turn is late because of our own work."""

import asyncio
import gc
import math
import random
import threading
import weakref
from functools import partial

import msgpack
import numpy as np
import pytest

from npc_brain.clock import MonotonicClock
from npc_brain.decision import tool_calls
from npc_brain.decision.fair_thread import FairThread
from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.sentence_encoder import SentenceEncoder
from npc_brain.language.language import language
from npc_brain.protocol.codec import decode
from npc_brain.protocol.messages import Direction
from npc_brain.understanding.choosing import ToolChooser
from npc_brain.understanding.linking import EntityLinker, Named
from npc_brain.world.limit import SearchLimit
from npc_brain.world.model import Entity, NavEdge, NavGraph, NavGrid, Place, Position, WorldSnapshot
from npc_brain.world.navigation import Navigator
from tests.counts import count
from tests.npc_files import ned
from tests.pace import PATIENCE_S, until
from tests.security.stalls import STALL_S, cpu_slowness, stalls_of, thread_time_of, watching
from tests.unit.decision.stages import Play, playing, snapshot

LINE_S = 0.02
"""Of processor time for understanding any line, on the machine of `stalls.REFERENCE_S`."""

GUIDE = """\
initial: here
states:
  here: {tools: [find_path, go_to]}
"""


def comb(size: int) -> NavGrid:
    """One way through every cell of every second column, up and down."""
    cells = np.ones((size, size), np.uint8)
    for x in range(1, size, 2):
        cells[:, x] = 0
        cells[0 if x // 2 % 2 else size - 1, x] = 1
    return NavGrid(width=size, height=size, cells=cells.tobytes())


def graph(num_nodes: int) -> NavGraph:
    nodes = {f"n{index}": (float(index), 0.0, 0.0) for index in range(num_nodes)}
    edges = tuple(NavEdge(a=f"n{n}", b=f"n{n + 1}", cost=1.0) for n in range(num_nodes - 1))
    return NavGraph(nodes=nodes, edges=edges)


def wide_world(nav: NavGrid | NavGraph) -> WorldSnapshot:
    """Ned at one end of the world and the mill at the other."""
    here: Position
    there: Position
    if isinstance(nav, NavGrid):
        here, there = (0, 0), (nav.width - 2, nav.height - 1)
    else:
        ends = list(nav.nodes.values())
        here, there = ends[0], ends[-1]
    return WorldSnapshot(
        revision=1,
        nav=nav,
        places=(Place(id="mill", name="the mill", position=there),),
        entities=(
            Entity(id="ned", name="Ned", kind="npc", position=here),
            Entity(id="player", name="Traveller", kind="player", position=here),
        ),
    )


async def asked_the_way(play: Play, deadline_ms: int) -> tuple[str, float]:
    """What Ned says of the way, and how late that was."""
    turn = play.hear("ned", "Where is the mill?", deadline_ms=deadline_ms)
    ended = await play.ended(turn)
    line = play.engine.lines("ned")[-1].text
    return line, ended.timings.total_ms / 1000 - deadline_ms / 1000


@pytest.mark.measures
async def test_a_way_that_cannot_be_worked_out_is_told_in_time() -> None:
    """A query through a comb of 2,000 x 2,000 cells ended its turn 4.3 s after the deadline."""
    size = count(full=2_000, ci=1_000)
    async with playing(ned(GUIDE), world=wide_world(comb(size)), clock=MonotonicClock()) as play:
        async with watching() as stalls:
            line, _ = await asked_the_way(play, deadline_ms=20_000)
        assert line == "That I can't work out from here."
        assert stalls.longest_s < STALL_S * cpu_slowness()


async def test_a_turn_that_ends_stops_its_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search here ends with its turn or never, and the next query waits for it."""
    searching, is_over = threading.Event(), threading.Event()

    def search(_: Navigator, start: Position, goal: Position, limit: SearchLimit) -> None:
        searching.set()
        while not is_over.wait(0.001):
            limit.check()

    monkeypatch.setattr(Navigator, "path_to_reach", search)
    monkeypatch.setattr(tool_calls, "SEARCH_S", math.inf)
    async with playing(ned(GUIDE), world=wide_world(comb(9)), clock=MonotonicClock()) as play:
        try:
            turn = play.hear("ned", "Where is the mill?")
            await until(searching.is_set)
            turn.cancel()
            async with asyncio.timeout(PATIENCE_S):
                await play.models.query(lambda: None, "another")
        finally:
            is_over.set()


@pytest.mark.measures
async def test_what_an_author_begins_searches_no_longer_than_the_loop_may_wait() -> None:
    text = "initial: here\nstates:\n  here: {enter: [{go_to: mill}]}\n"
    async with playing(world=wide_world(comb(1_000))) as play:
        async with watching() as stalls:
            play.stage.spawn("ned", ned(text))
            await play.settle()
        assert [request.tool for request in play.engine.requested] == ["go_to"]
        assert stalls.loop_s < STALL_S * cpu_slowness()


@pytest.mark.measures
async def test_a_graph_of_10_000_nodes_stalls_nothing_and_is_let_go() -> None:
    """Each NPC kept the world that it was born in: 680 MB with such a graph in it."""
    async with playing(ned(GUIDE), world=wide_world(graph(10_000))) as play:
        async with watching() as stalls:
            line, _ = await play.say("ned", "Where is the mill?")
        assert "mill" in line
        assert stalls.longest_s < STALL_S * cpu_slowness()
        old = weakref.ref(play.stage.world)
        play.stage.sync_world(wide_world(graph(10)))
        await play.say("ned", "Hello.")
        gc.collect()
        assert old() is None


LINES = {
    "words": "river house sword potion guard market winter story dragon bread " * 40,
    "sentences": "Give me bread. " * 200,
    "commas": "tell me about the king and his horse, " * 60,
    "one word": "a" * 2000,
    "chinese": "你好吗我想买面包" * 250,
    "chinese sentences": "你好吗。我想买面包!" * 200,
    "marks": "a" + "\u0301" * 1999,
    "emoji": "😀" * 2000,
    "spaces": "a" + " " * 1998 + "b",
    "dashes": "a" + " -" * 999,
    "stops": ". " * 1000,
    "quotes": "." + "'" * 1999,
    "digits": "1 2 3 4 5 6 7 8 9 " * 120,
    "random": " ".join(
        "".join(random.Random(n).choices("abcdefghijklmnop", k=6)) for n in range(400)
    ),
    "names": "sword helmet of the king " * 100,
}


@pytest.mark.measures
@pytest.mark.model
def test_a_long_line_costs_no_more_than_a_short_one() -> None:
    """A line of 2,000 characters cost 4 s of processor time on an old processor."""
    encoder = SentenceEncoder(resolve_model("minilm-l6"), cache_size=0)
    chooser = ToolChooser(encoder, {name: texts[:2] for name, texts in language().examples.items()})
    rng = random.Random(1)
    names = ["".join(rng.choices("abcdefghijklmnop", k=7)) for _ in range(500)]
    linker = EntityLinker([Named(name, "item", (f"{name} of the king",)) for name in names])

    def understand(text: str) -> None:
        chooser.choose(text, linker.find(text), list(language().examples))

    understand("Where is the mill?")
    limit_s = LINE_S * cpu_slowness()
    for kind, text in LINES.items():
        spent_s = thread_time_of(partial(understand, text[:2000]))
        assert spent_s < limit_s, kind


@pytest.mark.measures
def test_names_are_indexed_in_linear_time() -> None:
    """9,000 names that share a word took two seconds."""
    named = [Named(f"e{n}", "person", (f"Guard Number {n}",)) for n in range(10_000)]
    assert thread_time_of(lambda: EntityLinker(named)) < 0.4 * cpu_slowness()
    linker = EntityLinker(named)
    assert thread_time_of(lambda: linker.find("guard number " * 80)) < LINE_S * cpu_slowness()


@pytest.mark.measures
def test_words_that_are_no_names_are_compared_with_few_of_many() -> None:
    """A line of random words took 36 ms to look for among 10,000 names."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(5, 9))) for _ in range(40_000)]
    linker = EntityLinker(
        [Named(f"e{n}", "place", (name,)) for n, name in enumerate(words[:30_000])]
    )
    line = " ".join(words[30_000:])[:2000]
    assert thread_time_of(lambda: linker.find(line)) < LINE_S * cpu_slowness()
    [mention] = linker.find(f"Where is {words[7][:-1]}?")
    assert mention.id == "e7"


async def test_who_asks_a_lot_waits_for_itself() -> None:
    thread = FairThread("test")
    order: list[str] = []
    free = asyncio.Event()
    loop = asyncio.get_running_loop()

    def block() -> None:
        asyncio.run_coroutine_threadsafe(free.wait(), loop).result(30)

    try:
        pieces = [asyncio.ensure_future(thread.run(block, "first"))]
        await asyncio.sleep(0)
        for _ in range(20):
            pieces.append(asyncio.ensure_future(thread.run(lambda: order.append("flood"), "flood")))
        await asyncio.sleep(0)
        pieces.append(asyncio.ensure_future(thread.run(lambda: order.append("calm"), "calm")))
        dropped = asyncio.ensure_future(thread.run(lambda: order.append("dropped"), "calm"))
        await asyncio.sleep(0)
        dropped.cancel()
        free.set()
        await asyncio.gather(*pieces)
    finally:
        await asyncio.to_thread(thread.close)
    assert order.index("calm") <= 1
    assert "dropped" not in order


def frame(body: dict[str, object]) -> bytes:
    data: bytes = msgpack.packb({"type": "world.sync", "id": 1, "body": body})
    return data


@pytest.mark.measures
async def test_a_big_grid_is_taken_in_at_once() -> None:
    cells = bytes(2047 * 2047)
    data = frame(
        {"revision": 1, "nav": {"kind": "grid", "width": 2047, "height": 2047, "cells": cells}}
    )

    async def sync() -> None:
        async with playing() as play:
            envelope = decode(data, Direction.INBOUND)
            assert isinstance(envelope.body, WorldSnapshot)
            play.stage.sync_world(envelope.body)

    stalls = await stalls_of(sync)
    assert stalls.longest_s < STALL_S * cpu_slowness()


@pytest.mark.measures
async def test_256_lines_at_once_stall_nothing() -> None:
    async with playing(
        *(ned(GUIDE).model_copy(update={"id": f"n{n}"}) for n in range(32)),
        world=snapshot(),
        max_queued_turns=256,
    ) as play:
        async with watching() as stalls:
            turns = [
                play.hear(f"n{n % 32}", list(LINES.values())[n % len(LINES)][:2000])
                for n in range(256)
            ]
            for turn in turns:
                await play.ended(turn)
        assert stalls.loop_s < STALL_S * cpu_slowness()
