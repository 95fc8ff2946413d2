"""Saves: what is loaded replaces all that was; strange ones change and freeze nothing."""

import asyncio
import copy
import gc
import json
import re
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgpack
import pytest
from pydantic import BaseModel

from npc_brain.errors import ErrorCode, NpcBrainError, SessionError
from npc_brain.memory.store import MAX_MEMORIES
from npc_brain.protocol import messages as m
from npc_brain.protocol.codec import encode
from npc_brain.protocol.messages import NpcState
from npc_brain.session.dispatcher import MAX_WAITING_MESSAGES
from npc_brain.session.saved_state import pack_npc, pack_state, unpack_state
from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from tests.counts import count
from tests.pace import until
from tests.security.wire import Wire
from tests.unit.demo.test_bridge import Village
from tests.unit.simulation.villages import make_village

# --- the game's world ----------------------------------------------------------------------------


def insides(thing: Any, seen: tuple[int, ...] = ()) -> Any:
    """All that an object holds, as comparable values."""
    if id(thing) in seen:
        return "..."
    seen = (*seen, id(thing))
    if isinstance(thing, Mapping):
        return {str(key): insides(value, seen) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [insides(value, seen) for value in thing]
    if isinstance(thing, set | frozenset):
        return sorted(map(str, thing))
    is_ours = type(thing).__module__.startswith("npc_brain.simulation")
    if is_ours and not isinstance(thing, BaseModel):
        names = getattr(thing, "__slots__", None) or vars(thing)
        left_out = ("_navigators", "_revision", "file", "_world", "_holds")
        return {name: insides(getattr(thing, name), seen) for name in names if name not in left_out}
    return repr(thing) if not callable(thing) else "callable"


def play_on(world: SimulatedWorld) -> None:
    """Change everything that can change."""
    world.note_state("mira", "asked.further")
    world.note_state("osric", "asleep")
    world.set_fact("is_trusted", True)
    world.set_fact("new", 7)
    world.begin("mira", 9, "go_to", {"target": "yard"})
    world.begin("player", 1, "go_to", {"target": "bar"})
    world.ledger.transfer("player", "mira", {"coin": 2})
    world.ledger.equip("osric", "head", "hat")
    world.ground.set_blocked((5, 1), True)
    world.attack("mira")
    for _ in range(40):
        world.tick(0.5)
    world.begin("mira", 10, "follow", {"person": "player"})
    world.tick(0.01)


def test_a_loaded_world_has_nothing_of_the_time_after_the_save() -> None:
    world = make_village()
    saved = json.loads(json.dumps(world.save()))
    play_on(world)
    later = json.loads(json.dumps(world.save()))
    for save in (saved, later):
        fresh = make_village()
        fresh.load(save)
        play_on(world)
        world.load(save)
        assert insides(world) == insides(fresh)
        assert world.save() == save


def test_a_quest_stays_where_it_was_saved() -> None:
    world = make_village()
    saved = world.save()
    world.note_state("mira", "asked")
    assert world.quests.num_done["cellar"] == 1
    world.load(saved)
    world.tick(0.1)
    assert world.quests.num_done == saved["quests"]


def test_a_save_without_what_is_new_in_the_file_loads() -> None:
    world = make_village()
    saved = world.save()
    play_on(world)
    for key in ("quests", "facts"):
        saved[key] = {}
    del saved["states"]
    world.load(saved)
    assert world.quests.num_done == {"cellar": 0}
    assert world.fact("is_trusted") is False


async def test_minds_that_cannot_be_loaded_leave_the_world_as_it_was() -> None:
    village = Village()

    async def load() -> None:
        saved = village.world.save()
        village.world.set_fact("later", True)
        before = village.world.save()

        async def refuse(_: bytes) -> None:
            raise SessionError("damaged", code=ErrorCode.BAD_BLOB)

        village.client.load = refuse  # type: ignore[attr-defined]
        with pytest.raises(NpcBrainError):
            await village.bridge.load(saved, b"")
        assert {**village.world.save(), "time_s": 0} == {**before, "time_s": 0}

    await village.run(load)


async def test_what_the_old_minds_say_while_loading_is_not_noted() -> None:
    village = Village()

    async def load() -> None:
        saved = village.world.save()

        async def be_loaded(_: bytes) -> None:
            for event, state in (("go_to_failed", "later"), ("load", "earlier")):
                told = NpcState(from_state="x", to_state=state, event=event)
                village.bridge.handlers().on_state("mira", told)  # type: ignore[misc]

        village.client.load = be_loaded  # type: ignore[attr-defined]
        noted: list[str] = []
        village.world.note_state = lambda _, state: noted.append(state)  # type: ignore[method-assign]
        await village.bridge.load(saved, b"")
        assert noted == ["earlier"]

    await village.run(load)


def test_the_sample_games_world_forgets_too() -> None:
    world = SimulatedWorld(load_world_file(Path("sample_game/world.json")))
    saved = copy.deepcopy(world.save())
    text = Path("sample_game/world.json").read_text(encoding="utf-8")
    lists = re.findall(r'"states": \[(.*?)\]', text)
    states = [name for names in lists for name in names.split('"')]
    for npc_id in world.npc_ids:
        world.note_state(npc_id, ".".join(states))
    assert world.quests.num_done != saved["quests"]
    world.load(saved)
    world.tick(0.1)
    assert world.quests.num_done == saved["quests"]


# --- the NPCs' minds -----------------------------------------------------------------------------

NED = {
    "id": "ned",
    "persona": {"name": "Ned", "role": "a porter", "backstory": "Ned carries."},
    "lines": {"fallback": {"default": ["Hm?"]}},
    "blackboard": {"trust": 0, "note": ""},
    "initial": "a",
    "states": {"a": {"on": {"go": "b"}}, "b": {}},
}
"""A definition to spawn."""


def blob_of(value: Any) -> bytes:
    return raw_blob(msgpack.packb(value))


def saved_as(state: Mapping[str, Any]) -> bytes:
    return pack_state([pack_npc(npc_id, entry) for npc_id, entry in state.items()])


def raw_blob(payload: bytes, after: bytes = b"") -> bytes:
    return b"NPCB\x01" + zlib.compress(payload) + after


def changed(entry: dict[str, Any], **changes: Any) -> bytes:
    return blob_of({"ned": {**entry, **changes}})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


MEMORY = {"text": "x", "subject_id": "", "num_recalls": 0}
ACTION = {
    "action_id": 1, "tool": "go_to", "args": {}, "reserves": {}, "timeout_ms": 1, "left_ms": 1,
    "status": "started", "reason": "", "result": {}, "is_cancelling": False,
}  # fmt: skip
STRANGE: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "100,000 memories": lambda e: changed(
        e, memories=[{**MEMORY, "text": f"{n:05}"} for n in range(9_999)] * 10
    ),
    "memories": lambda e: changed(e, memories=[{**MEMORY, "text": f"{n}"} for n in range(5000)]),
    "a memory of a list": lambda e: changed(e, memories=[{**MEMORY, "text": []}]),
    "turns": lambda e: changed(e, transcript=[{"speaker_id": "p", "text": "x"}] * 5000),
    "outcomes": lambda e: changed(
        e, transcript=[{"speaker_id": "p", "text": "x", "outcomes": ["x"] * 5000}]
    ),
    "a blackboard of a list": lambda e: changed(e, blackboard=[["trust", 7]]),
    "those met": lambda e: changed(e, met=[f"p{n}" for n in range(5000)]),
    "a long id": lambda e: changed(e, last_speaker_id="p" * 1000),
    "actions": lambda e: changed(e, actions=[{**ACTION, "action_id": n} for n in range(1, 5000)]),
    "a huge action id": lambda e: changed(e, actions=[{**ACTION, "action_id": 2**63}]),
    "an action twice": lambda e: changed(e, actions=[ACTION, ACTION]),
    "a timeout of years": lambda e: changed(e, actions=[{**ACTION, "timeout_ms": 2**60}]),
    "reserves of texts": lambda e: changed(e, actions=[{**ACTION, "reserves": {"x": "y"}}]),
    "times that are none": lambda e: changed(e, machine={**e["machine"], "elapsed_s": [1e300]}),
    "endless time": lambda e: changed(e, machine={**e["machine"], "elapsed_s": [float("inf")]}),
    "a state that is a list": lambda e: changed(e, machine={**e["machine"], "state": ["a"]}),
    "no definition": lambda e: changed(e, definition=7),
    "depth": lambda e: changed(e, machine=nested(200)),
    "more depth": lambda e: raw_blob(b"\x81\xa3ned" + b"\x91" * 200_000 + b"\xc0"),
    "an id that is none": lambda e: blob_of({"n\ned": e}),
    "an id twice": lambda e: raw_blob(b"\x82" + 2 * (b"\xa3ned" + msgpack.packb(e))),
    "a key that is no text": lambda e: changed(e, machine={7: 7}),
    "bytes": lambda e: changed(e, blackboard={"note": b"x"}),
    "an extension": lambda e: changed(e, blackboard={"note": msgpack.ExtType(1, b"x")}),
    "60 MB of text": lambda e: raw_blob(b"\x81\xa3ned\xdb\x03\xff\xff\xff" + bytes(60_000_000)),
    "a list of 50 million": lambda e: raw_blob(
        b"\x81\xa3ned\xdd\x02\xff\xff\xff" + bytes(9_000_000)
    ),
    "lists of lists": lambda e: raw_blob(b"\x81\xa3ned" + b"\xdc\x27\x10" * 300_000),
    "4 billion NPCs": lambda e: raw_blob(b"\xdf\xff\xff\xff\xff" + b"\xa1a\xc0" * 9_000),
    "bytes behind the text": lambda e: raw_blob(msgpack.packb({"ned": e}), b"surplus"),
    "bytes behind the state": lambda e: raw_blob(msgpack.packb({"ned": e}) + b"\xc0"),
    "a list": lambda e: blob_of([e]),
    "cut off": lambda e: blob_of({"ned": e})[:-9],
    "not UTF-8": lambda e: raw_blob(b"\x81\xa3ned\xa1\xff"),
    "nothing": lambda e: b"NPCB\x01",
}  # fmt: skip
PYTHONS_OWN = re.compile(
    r"Error|Traceback|object|NoneType|unhashable|subscript|<class|\bint\b|'str'"
)


@pytest.mark.parametrize("what", STRANGE)
async def test_a_strange_save_is_refused_in_plain_words_and_changes_nothing(what: str) -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.NpcSpawn(definition=NED), "ned")
        await wire.ask(b"a", m.NpcEvent(event="go"), "ned")
        saved = await wire.ask(b"a", m.StateSave())
        assert isinstance(saved, m.StateSaved)
        entry = dict(unpack_state(saved.blob))["ned"]
        num_sent = len(wire.sent[b"a"])
        strange = STRANGE[what](entry)
        start_s = time.process_time()
        reply = await wire.ask(b"a", m.StateLoad(blob=strange))
        assert isinstance(reply, m.Error), what
        assert reply.code == ErrorCode.BAD_BLOB
        assert not PYTHONS_OWN.search(reply.message), reply.message
        assert time.process_time() - start_s < 30 * unit_s()
        assert len(wire.sent[b"a"]) == num_sent + 1
        again = await wire.ask(b"a", m.StateSave())
        assert isinstance(again, m.StateSaved)
        kept = dict(unpack_state(again.blob))["ned"]
        assert {**kept, "machine": 0} == {**entry, "machine": 0}


async def test_an_npc_that_is_full_can_be_saved_and_loaded() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.NpcSpawn(definition=NED), "ned")
        entry = full_entry()
        reply = await wire.ask(b"a", m.StateLoad(blob=saved_as({"ned": entry})))
        assert isinstance(reply, m.Ok)
        saved = await wire.ask(b"a", m.StateSave())
        assert isinstance(saved, m.StateSaved)
        kept = dict(unpack_state(saved.blob))["ned"]
        assert len(kept["memories"]) == MAX_MEMORIES
        assert isinstance(await wire.ask(b"a", m.StateLoad(blob=saved.blob)), m.Ok)


def full_entry() -> dict[str, Any]:
    return {
        "definition": "ned",
        "machine": {"state": "a", "elapsed_s": [1.0], "used": []},
        "blackboard": {"trust": 3, "note": "x" * 400},
        "transcript": [{"speaker_id": "p", "text": "\u732b" * 190}] * 40,
        "memories": [{**MEMORY, "text": f"{n} " + "\u732b" * 490} for n in range(MAX_MEMORIES)],
        "met": [f"p{n}" for n in range(1000)],
        "last_speaker_id": "p",
        "actions": [{**ACTION, "action_id": n} for n in range(1, 100)],
    }


# --- nothing freezes -----------------------------------------------------------------------------


def unit_s() -> float:
    """Processor time of a fixed piece of work on this machine: about 20 ms on a quick one."""

    def once() -> float:
        start_s = time.thread_time()
        sum(number * number for number in range(400_000))
        return time.thread_time() - start_s

    return min(once() for _ in range(3))


async def test_no_piece_of_work_holds_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time of each callback of the loop, as many NPCs are saved and loaded.

    Without Python's collector of cycles, which passes through all NPCs now and then.
    """
    num_npcs = count(2200, 1500)  # 64 MB of state, as much as may be loaded
    pieces: list[tuple[float, str]] = []
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start_s = time.thread_time()
        run(handle)
        pieces.append((time.thread_time() - start_s, repr(handle)[:80]))

    entry = {**full_entry(), "memories": [{**MEMORY, "text": f"fact {n}"} for n in range(4)]}
    entry["actions"] = []
    async with Wire() as wire:
        await wire.ask(b"a", m.NpcSpawn(definition=NED), "ned")
        blob = saved_as({f"ned{n}": {**entry, "definition": "ned"} for n in range(num_npcs)})
        session = next(iter(wire.registry.attached_peers()))
        stage = wire.registry.session_of(session).stage  # type: ignore[union-attr]
        definition = stage.npc("ned").definition
        wire.registry.session_of(session)._library.find = lambda *_: definition  # type: ignore[union-attr]
        frame_of = m.Envelope(type="state.load", id=10**6, body=m.StateLoad(blob=blob))
        frame = encode(frame_of)
        monkeypatch.setattr(asyncio.Handle, "_run", timed)
        gc.collect()
        gc.disable()
        wire._last_id = 10**6
        wire.dispatcher.receive(b"a", [frame])
        await until(lambda: len(wire.sent[b"a"]) >= num_npcs)
        save_id = wire.send(b"a", m.StateSave())
        await until(lambda: wire.sent[b"a"][-1].reply_to == save_id)
        gc.enable()
        assert isinstance(wire.sent[b"a"][-1].body, m.StateSaved)
        longest = sorted(pieces)[-3:]
        assert longest[-1][0] < 5 * unit_s(), longest


async def test_replies_come_once_in_order_and_before_what_follows() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.NpcSpawn(definition=NED), "ned")
        await wire.ask(b"b", m.NpcSpawn(definition=NED), "ned")
        saved = await wire.ask(b"a", m.StateSave())
        assert isinstance(saved, m.StateSaved)
        wire.sent[b"a"].clear()
        load = wire.send(b"a", m.StateLoad(blob=saved.blob))
        event = wire.send(b"a", m.NpcEvent(event="go"), "ned")
        damaged = wire.send(b"a", m.StateLoad(blob=b"x"))
        ping = wire.send(b"a", m.Ping())
        save = wire.send(b"a", m.StateSave())
        other = wire.send(b"b", m.NpcEvent(event="go"), "ned")
        assert [e.reply_to for e in wire.sent[b"a"]] == [ping]
        assert len(wire.replies(b"b", other)) == 1
        await until(lambda: bool(wire.replies(b"a", save)))
        told = [(e.reply_to, e.type) for e in wire.sent[b"a"]]
        assert told == [
            (ping, "pong"),
            (load, "ok"),
            (None, "npc.state"),
            (event, "ok"),
            (None, "npc.state"),
            (damaged, "error"),
            (save, "state.saved"),
        ]


async def test_what_waits_is_bounded_and_ends_with_the_connection() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.NpcSpawn(definition=NED), "ned")
        wire.send(b"a", m.StateSave())
        ids = [
            wire.send(b"a", m.NpcEvent(event="go"), "ned") for _ in range(MAX_WAITING_MESSAGES + 1)
        ]
        [refused] = wire.replies(b"a", ids[-1])
        assert isinstance(refused, m.Error)
        assert (refused.code, refused.retryable) == (ErrorCode.TOO_MANY_QUEUED, True)
        await until(lambda: bool(wire.replies(b"a", ids[-2])))
        assert [e.reply_to for e in wire.sent[b"a"] if e.reply_to in set(ids)] == [
            ids[-1],
            *ids[:-1],
        ]
        wire.send(b"a", m.StateSave())
        wire.send(b"a", m.NpcEvent(event="go"), "ned")
        num_sent = len(wire.sent[b"a"])
        wire.dispatcher.lose(b"a")
        await until(lambda: not wire.dispatcher._working)
        assert num_sent <= len(wire.sent[b"a"]) <= num_sent + 2
