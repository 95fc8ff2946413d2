"""However large a world or a message is, it keeps nobody waiting but who sent it."""

import asyncio
from typing import Any

import msgpack
import pytest

from npc_brain.errors import ErrorCode
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import FunctionCall
from npc_brain.protocol import messages as m
from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.model import WorldSnapshot
from tests.npc_files import ned
from tests.security.stalls import STALL_S, Stalls, slowness, stalls_of, watching
from tests.security.test_saves import NED
from tests.security.wire import Wire
from tests.unit.decision.stages import playing


def nodes(number: int) -> dict[str, list[float]]:
    return {f"n{n}": [float(n), 0.0, 0.0] for n in range(number)}


def edges(number: int) -> list[dict[str, Any]]:
    return [{"a": f"n{n}", "b": f"n{n + 1}", "cost": 1.0} for n in range(number)]


def entities(number: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"e{n}", "name": f"Guard {n}", "kind": "npc", "position": [1.0, 2.0, 3.0], **more}
        for n in range(number)
    ]


WORLDS: dict[str, dict[str, Any]] = {
    "a graph": {"nav": {"kind": "graph", "nodes": nodes(10_000), "edges": edges(9_980)}},
    "9,999 entities": {"entities": entities(9_999)},
    "4 MB of text": {"entities": entities(9_000, description="d" * 340)},
    "a grid": {"nav": {"kind": "grid", "width": 2047, "height": 2047, "cells": bytes(2047 * 2047)}},
    "inventories": {
        "items": [{"id": f"i{n}", "name": f"thing {n}"} for n in range(1_000)],
        "inventories": {f"o{n}": {"items": {f"i{n}": 1 for n in range(900)}} for n in range(90)},
    },
    "tags": {"entities": entities(10, tags=["tag"] * 9_000)},
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "10,001 entities": ({"entities": entities(10_001)}, ErrorCode.TOO_LARGE),
    "100,000 values and more": (
        {"facts": {f"f{n}": [0] * 9_000 for n in range(400)}},
        ErrorCode.TOO_LARGE,
    ),
    "30,000 mistakes": (
        {name: [[]] * 9_999 for name in ("items", "places", "entities")},
        ErrorCode.BAD_BODY,
    ),
    "a last edge that leads nowhere": (
        {"nav": {"kind": "graph", "nodes": nodes(9_000), "edges": edges(9_000)}},
        ErrorCode.BAD_WORLD,
    ),
}


def check(stalls: Stalls) -> None:
    limit_s = STALL_S * slowness()
    assert stalls.longest_s < limit_s, (stalls, limit_s)


def packed(**fields: Any) -> bytes:
    data: bytes = msgpack.packb({"revision": 1, **fields})
    return data


async def told(wire: Wire, body: bytes, type_name: str = "world.sync") -> m.Body:
    return await wire.reply(b"a", wire.send_packed(b"a", body, type_name))


@pytest.mark.measures
@pytest.mark.parametrize("what", WORLDS)
async def test_a_world_of_any_size_is_taken_in_beside_the_loop(what: str) -> None:
    """10,000 nodes and as many edges held the loop for 35 to 50 ms."""
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        body = packed(**WORLDS[what])

        async def sync() -> None:
            reply = await told(wire, body)
            assert isinstance(reply, m.Ok), reply

        check(await stalls_of(sync))


@pytest.mark.measures
@pytest.mark.parametrize("what", WRONG)
async def test_a_large_message_that_is_refused_holds_nothing_either(what: str) -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        fields, code = WRONG[what]
        body = packed(**fields)

        async def sync() -> None:
            reply = await told(wire, body)
            assert isinstance(reply, m.Error)
            assert reply.code == code

        check(await stalls_of(sync))


@pytest.mark.measures
async def test_a_patch_of_a_big_world_holds_nothing() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        await told(wire, packed(**WORLDS["a graph"]))
        changes: list[dict[str, Any]] = [
            {"entities": entities(9_999)},
            WORLDS["inventories"],
            {"nav": WORLDS["a graph"]["nav"]},
            {"removed": {"items": ["none"]}},
            {"facts": {"noon": True}},
        ]
        bodies = [
            packed(base_revision=number, **change, revision=number + 1)
            for number, change in enumerate(changes * 3, 1)
        ]

        async def patches() -> None:
            for _ in changes:
                reply = await told(wire, bodies.pop(0), "world.patch")
                assert isinstance(reply, m.Ok), reply

        check(await stalls_of(patches))


@pytest.mark.measures
async def test_other_large_messages_hold_nothing() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        body = packed(call_id=1, ok=True, result={str(n): [0] * 9_900 for n in range(9)})

        async def send() -> None:
            reply = await told(wire, body, "tool.result")
            assert isinstance(reply, m.Error)
            assert reply.code == ErrorCode.UNKNOWN_CALL

        check(await stalls_of(send))


async def test_large_and_small_messages_are_acted_upon_in_order() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        await wire.ask(b"b", m.Ping())
        wire.sent[b"a"].clear()
        first = wire.send_packed(b"a", packed(**WORLDS["9,999 entities"]))
        patch = wire.send(b"a", m.WorldPatched(base_revision=1, revision=2, facts={"noon": True}))
        wrong = wire.send_packed(b"a", packed(entities=entities(10_001)))
        second = wire.send_packed(b"a", packed(**WORLDS["9,999 entities"] | {"revision": 2}))
        gap = wire.send(b"a", m.WorldPatched(base_revision=1, revision=3))
        ping = wire.send(b"a", m.Ping())
        other = wire.send(b"b", m.WorldSync(revision=1))
        assert [each.reply_to for each in wire.sent[b"a"]] == [ping]
        await wire.reply(b"b", other)
        await wire.reply(b"a", gap)
        replies = [(each.reply_to, getattr(each.body, "code", "")) for each in wire.sent[b"a"]]
        assert replies == [
            (ping, ""), (first, ""), (patch, ""), (wrong, "too_large"), (second, ""),
            (gap, "resync"),
        ]  # fmt: skip


async def test_an_id_that_comes_again_in_a_large_message_is_refused() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        first = wire.send_packed(b"a", packed(**WORLDS["9,999 entities"]))
        wire._last_id -= 1
        again = wire.send_packed(b"a", packed(**WORLDS["9,999 entities"]))
        assert first == again
        await wire.ask(b"a", m.WorldSync(revision=3))
        codes = [getattr(reply, "code", "ok") for reply in wire.replies(b"a", first)]
        assert sorted(codes) == ["ok", "repeated_id"]


async def test_a_crowd_may_be_spawned_right_after_a_large_world() -> None:
    """Engines send all that a session begins with at once."""
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        world = wire.send_packed(b"a", packed(**WORLDS["a graph"]))
        events = [wire.send(b"a", m.NpcEvent(event="go"), "nobody") for _ in range(4_000)]
        await wire.reply(b"a", events[-1])
        assert isinstance(await wire.reply(b"a", world), m.Ok)
        codes = {
            getattr(reply, "code", "") for each in events for reply in wire.replies(b"a", each)
        }
        assert codes == {ErrorCode.UNKNOWN_NPC}


async def test_a_session_may_end_while_its_world_is_read() -> None:
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        wire.send_packed(b"a", packed(**WORLDS["a graph"]))
        await asyncio.sleep(0)
        wire.dispatcher.lose(b"a")
        assert isinstance(await wire.ask(b"b", m.WorldSync(revision=1)), m.Ok)
        async with asyncio.timeout(60):
            while wire.dispatcher._working:
                await asyncio.sleep(0.002)


TALKER = f"""\
initial: here
states:
  here: {{tools: [{", ".join(sorted(BUILT_INS.keys() - {"say"}))}]}}
"""


@pytest.mark.measures
async def test_a_turn_in_a_big_world_holds_nothing() -> None:
    """What a model may call, and with which of 30,000 ids, took 25 ms and more of the loop."""
    table = [
        {"id": f"{n}", "name": f"Thing {n}", "position": (1.0, 0.0, 0.0)} for n in range(9_999)
    ]
    world = WorldSnapshot.model_validate({
        "revision": 1,
        "items": [{**row, "id": f"i{row['id']}"} for row in table],
        "places": [{**row, "id": f"p{row['id']}"} for row in table],
        "entities": [
            *({**row, "id": f"e{row['id']}", "kind": "npc"} for row in table),
            {**table[0], "id": "ned", "kind": "npc"},
            {**table[0], "id": "player", "kind": "player"},
        ],
    })  # fmt: skip
    calls = ScriptedReply(calls=(FunctionCall("distance", {"target": "p77"}),))
    backend = ScriptedBackend([calls, ScriptedReply("Far off.")], default=calls)
    async with playing(ned(TALKER), world=world, backend=backend) as play:
        async with watching() as stalls:
            await play.say("ned", "How far is it to Thing 77?")
        assert backend.requests
        limit_s = STALL_S * slowness()
        assert stalls.loop_s < limit_s, (stalls, limit_s)


DEFINITIONS: dict[str, dict[str, Any]] = {
    "300 states": {
        "initial": "s0",
        "states": {
            f"s{n}": {"on": {f"e{k}": f"s{(n + k) % 300}" for k in range(20)}} for n in range(300)
        },
    },
    "mistakes": {
        "states": {f"s{n}": {"on": {f"e{k}": f"x{k}" for k in range(10)}} for n in range(500)}
    },
}


@pytest.mark.measures
@pytest.mark.parametrize("what", DEFINITIONS)
async def test_a_large_definition_holds_nothing(what: str) -> None:
    """One of 20,000 mistakes held the loop for 2.6 s."""
    async with Wire() as wire:
        await wire.ask(b"a", m.Ping())
        body = m.NpcSpawn(definition=NED | DEFINITIONS[what])
        async with watching() as stalls:
            reply = await wire.ask(b"a", body, "ned")
        assert isinstance(reply, m.NpcState | m.Error)
        limit_s = STALL_S * slowness()
        assert stalls.loop_s < limit_s, (stalls, limit_s)
