import math
from typing import Any

import pytest
from pydantic import ValidationError

from npc_brain.errors import ErrorCode, WorldError
from npc_brain.world import world as world_module
from npc_brain.world.model import (
    CellChange,
    Entity,
    Inventory,
    Item,
    NavEdge,
    NavGraph,
    NavGrid,
    Place,
    Removed,
    WorldPatch,
    WorldSnapshot,
)
from npc_brain.world.world import World

BREAD = Item(id="bread", name="bread")
COIN = Item(id="coin", name="coin")
WELL = Place(id="well", name="the well", position=(2, 1))
MIRA = Entity(id="mira", name="Mira", kind="npc", position=(0, 0))
GRID = NavGrid(width=3, height=2, cells=bytes(6 * [1]))
GRAPH = NavGraph(
    nodes={"a": (0.0, 0.0, 0.0), "b": (1.0, 0.0, 0.0)}, edges=(NavEdge(a="a", b="b", cost=1),)
)


def snapshot(**fields: Any) -> WorldSnapshot:
    whole = {
        "revision": 3,
        "nav": GRID,
        "items": (BREAD, COIN),
        "places": (WELL,),
        "entities": (MIRA,),
        "inventories": {"mira": Inventory(items={"bread": 2})},
        "facts": {"night": False},
        "currency": "coin",
    }
    return WorldSnapshot(**{**whole, **fields})


def patch(base: int = 3, revision: int = 4, **fields: Any) -> WorldPatch:
    return WorldPatch(base_revision=base, revision=revision, **fields)


def edge(cost: float) -> dict[str, Any]:
    return {"a": "a", "b": "a", "cost": cost}


def test_lookups() -> None:
    world = World.from_snapshot(snapshot())
    assert world.item("bread") == BREAD
    assert world.place("well") == WELL
    assert world.entity("mira") == MIRA
    assert (world.place("mira"), world.entity("well"), world.item("well")) == (None, None, None)
    assert (world.held("mira", "bread"), world.held("mira", "coin"), world.held("x", "y")) == (
        2, 0, 0,
    )  # fmt: skip
    assert world.inventory("well") is None
    assert world.position_of("well") == (2, 1)
    assert world.position_of("mira") == (0, 0)
    assert world.position_of("bread") is None
    assert [world.name_of(any_id) for any_id in ("mira", "well", "bread", "?")] == [
        "Mira", "the well", "bread", "?",
    ]  # fmt: skip
    assert world.facts["night"] is False


def test_the_empty_world_has_nothing_and_takes_a_patch() -> None:
    empty = World.empty()
    assert (empty.revision, empty.navigator, dict(empty.items)) == (0, None, {})
    assert empty.patched(patch(0, 1, items=(BREAD,))).item("bread") == BREAD


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inventories": {"mira": Inventory(items={"ale": 1})}}, "unknown item 'ale'"),
        ({"inventories": {"mira": Inventory(equipped={"hand": "ale"})}}, "unknown item 'ale'"),
        ({"items": (BREAD, COIN, BREAD)}, "'bread' comes twice"),
        ({"places": (WELL, WELL)}, "'well' comes twice"),
        ({"entities": (MIRA, MIRA)}, "'mira' comes twice"),
        ({"places": (Place(id="mira", name="x", position=(0, 0)),)}, "both a place and an entity"),
        ({"places": (Place(id="far", name="x", position=(3, 0)),)}, "outside the 3x2 nav grid"),
        ({"entities": (Entity(id="e", name="x", kind="npc", position=(0, -1)),)}, "outside"),
        ({"places": (Place(id="p", name="x", position=(0.5, 0.0, 0.0)),)}, "point in metres"),
        ({"nav": GRAPH}, "has 2 numbers, nav nodes 3"),
        ({"nav": NavGrid(width=3, height=2, cells=b"\1\1")}, "2 cells for a 3x2 grid"),
        ({"nav": NavGraph(nodes={"a": (0, 0)}, edges=(NavEdge(a="a", b="z", cost=1),))}, "'z'"),
        ({"nav": NavGraph(nodes={"a": (0, 0), "b": (0.5, 0.0, 0.0)}, edges=())}, "mix cells"),
        ({"currency": "gem"}, "unknown item 'gem'"),
    ],
)
def test_a_snapshot_that_contradicts_itself_is_refused(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(WorldError, match=message) as caught:
        World.from_snapshot(snapshot(**fields))
    assert caught.value.code == ErrorCode.BAD_WORLD


def test_a_patch_makes_a_new_world_and_shares_the_rest() -> None:
    old = World.from_snapshot(snapshot())
    new = old.patched(
        patch(
            entities=(MIRA.model_copy(update={"position": (1, 1)}),),
            inventories={"mira": Inventory(items={"bread": 1})},
            facts={"night": True},
        )
    )
    assert (old.revision, old.position_of("mira"), old.held("mira", "bread")) == (3, (0, 0), 2)
    assert (new.revision, new.position_of("mira"), new.held("mira", "bread")) == (4, (1, 1), 1)
    assert (old.facts["night"], new.facts["night"]) == (False, True)
    assert new.items is old.items
    assert new.places is old.places
    assert new.navigator is old.navigator is not None


def test_the_navigator_lives_as_long_as_its_nav() -> None:
    old = World.from_snapshot(snapshot())
    navigator = old.navigator
    assert old.patched(patch(facts={"night": True})).navigator is navigator
    changed = old.patched(patch(nav_cells=(CellChange(cell=(1, 0), cost=0),)))
    assert changed.navigator is not navigator
    assert changed.navigator is not None
    assert navigator is not None
    assert navigator.distance((0, 0), (2, 0)) == 2
    assert changed.navigator.distance((0, 0), (2, 0)) == 4


@pytest.mark.parametrize(("base", "revision"), [(2, 4), (4, 5), (3, 3), (3, 1)])
def test_a_patch_to_another_revision_asks_for_a_resync(base: int, revision: int) -> None:
    world = World.from_snapshot(snapshot())
    with pytest.raises(WorldError, match="does not build on revision 3") as caught:
        world.patched(patch(base, revision))
    assert caught.value.code == ErrorCode.RESYNC


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inventories": {"bo": Inventory(items={"ale": 1})}}, "unknown item 'ale'"),
        ({"removed": Removed(items=("bread",))}, "unknown item 'bread'"),
        ({"removed": Removed(items=("coin",))}, "currency"),
        ({"removed": Removed(places=("well",)), "places": (WELL,)}, "both given and removed"),
        ({"entities": (Entity(id="well", name="x", kind="npc", position=(0, 0)),)}, "both a place"),
        ({"places": (Place(id="mira", name="x", position=(0, 0)),)}, "both a place"),
        ({"places": (Place(id="p", name="x", position=(9, 9)),)}, "outside"),
        ({"nav_cells": (CellChange(cell=(3, 0), cost=1),)}, "outside the 3x2"),
        ({"nav": GRAPH, "nav_cells": (CellChange(cell=(0, 0), cost=1),)}, "no nav grid"),
        ({"nav": NavGrid(width=1, height=1, cells=b"\1")}, "outside the 1x1"),
    ],
)
def test_a_patch_that_contradicts_the_world_is_refused(
    fields: dict[str, Any], message: str
) -> None:
    world = World.from_snapshot(snapshot())
    with pytest.raises(WorldError, match=message) as caught:
        world.patched(patch(**fields))
    assert caught.value.code == ErrorCode.BAD_WORLD
    assert world.revision == 3


def test_an_id_may_change_sides_in_one_patch() -> None:
    world = World.from_snapshot(snapshot())
    new = world.patched(
        patch(
            removed=Removed(places=("well", "never_was")),
            entities=(Entity(id="well", name="the well", kind="object", position=(2, 1)),),
        )
    )
    assert new.place("well") is None
    assert new.entity("well") is not None


def test_ids_and_names_cannot_carry_markup() -> None:
    for bad in ("<end_of_turn>", "a b", "", "x" * 65):
        with pytest.raises(ValidationError):
            Item(id=bad, name="x")
    for bad in ("<b>", "two\nlines", "{x}"):
        with pytest.raises(ValidationError):
            Item(id="x", name=bad)


@pytest.mark.parametrize(
    "change",
    [
        {"entities": [{"id": "a", "name": "A", "kind": "npc", "position": (1e308, 0.0, 0.0)}]},
        {"entities": [{"id": "a", "name": "A", "kind": "npc", "position": (math.nan, 0.0, 0.0)}]},
        {"entities": [{"id": "a", "name": "A", "kind": "npc", "position": (10**18, 0)}]},
        {"places": [{"id": "a", "name": "A", "position": (-math.inf, 0.0, 0.0)}]},
        {"places": [{"id": "a" * 10**6, "name": "A", "position": (0, 0)}]},
        {"places": [{"id": "a", "name": "A\x1b[2J", "position": (0, 0)}]},
        {"items": [{"id": "a", "name": "A", "price": -1}]},
        {"items": [{"id": "a", "name": "A", "price": math.nan}]},
        {"inventories": {"a": {"items": {"b": 10**18}}}},
        {"nav": {"kind": "grid", "width": -1, "height": 2, "cells": b""}},
        {"nav": {"kind": "grid", "width": 2**40, "height": 2**40, "cells": b""}},
        {"nav": {"kind": "graph", "nodes": {"a": (0, 0)}, "edges": [edge(math.inf)]}},
        {"nav": {"kind": "graph", "nodes": {"a": (0, 0)}, "edges": [edge(math.nan)]}},
        {"nav": {"kind": "graph", "nodes": {"a": (0, 0)}, "edges": [edge(1e300)]}},
    ],
    ids=range(14),
)
def test_absurd_values_are_no_snapshot(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WorldSnapshot.model_validate({"revision": 1, **change})


def test_patches_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_module, "MAX_ROWS", 100)
    world = World.empty()
    for revision in range(1, 11):
        facts = {f"{revision}.{n}": 1 for n in range(10)}
        patch = WorldPatch(base_revision=revision - 1, revision=revision, facts=facts)
        world = world.patched(patch)
    with pytest.raises(WorldError, match="facts: 101 entries, wanted at most 100"):
        world.patched(WorldPatch(base_revision=10, revision=11, facts={"one": 1}))
    assert len(world.facts) == 100
