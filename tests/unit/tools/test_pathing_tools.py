from typing import Any

import pytest

from npc_brain.tools.registry import BUILT_INS
from npc_brain.world.model import CellChange, NavEdge, NavGraph, Removed, WorldPatch, WorldSnapshot
from npc_brain.world.world import World
from tests.unit.tools.test_inventory_tools import answer, call
from tests.unit.tools.village import context, snapshot


def patched(**fields: Any) -> World:
    patch = WorldPatch(base_revision=1, revision=2, **fields)
    return World.from_snapshot(snapshot()).patched(patch)


def test_a_way_has_direction_steps_and_landmarks() -> None:
    way = answer("find_path", target="smithy")
    assert way.data == {
        "target": "smithy", "name": "the smithy", "steps": 9, "distance": 9.0,
        "direction": "east", "via": ["well"],
    }  # fmt: skip
    assert way.text == "The smithy is 9 steps east, past the well."
    assert answer("distance", target="well").text == "The well is 5 steps east."
    assert answer("distance", target="ann").text == "Ann is 1 step east."


def test_what_stands_on_a_blocked_cell_is_met_beside_it() -> None:
    assert answer("distance", target="stall").data["steps"] == 3
    assert call("go_to", target="stall") is None


def test_no_way() -> None:
    for name in ("find_path", "distance", "go_to"):
        refused = answer(name, target="crypt")
        assert (refused.reason, refused.text) == ("unreachable", "There is no way to the crypt.")
    reachable = answer("is_reachable", target="crypt")
    assert reachable.ok
    assert reachable.data["reachable"] is False
    assert answer("is_reachable", target="well").data["reachable"] is True
    assert answer("nearest", tag="tomb").reason == "unreachable"
    assert answer("plan_route", stops=["well", "crypt"]).reason == "unreachable"


def test_the_nearest_is_nearest_to_walk() -> None:
    assert answer("nearest", tag="shop").text == "The nearest shop is the stall, 3 steps east."
    assert answer("nearest", tag="water").data["target"] == "well"


def test_a_route_visits_everything_once_in_the_best_order() -> None:
    route = answer("plan_route", stops=["smithy", "bo", "well", "well"])
    assert route.data["stops"] == ["bo", "well", "smithy"]
    assert route.data["steps"] == 12
    assert route.text == "The shortest way is Bo, then the well, then the smithy, 12 steps in all."


def test_going_nowhere() -> None:
    assert answer("go_to", target="ann").reason == "already_there"
    moved = context().world.entities["mira"].model_copy(update={"position": (5, 1)})
    world = patched(entities=(moved,))
    assert answer("go_to", context(world=world), target="well").reason == "already_there"
    assert answer("distance", context(world=world), target="well").text == (
        "The well is right here."
    )
    assert call("go_to", target="bo") is None
    assert call("follow") is None
    assert call("stop") is None


def test_a_closed_gate_changes_the_answer() -> None:
    wall = tuple(CellChange(cell=(2, y), cost=0) for y in range(5))
    world = patched(nav_cells=wall)
    assert answer("find_path", context(world=world), target="smithy").reason == "unreachable"


def test_an_npc_that_stands_nowhere() -> None:
    world = patched(removed=Removed(entities=("mira",)))
    for name, args in (
        ("find_path", {"target": "well"}),
        ("nearest", {"tag": "shop"}),
        ("plan_route", {"stops": ["well", "smithy"]}),
        ("is_reachable", {"target": "well"}),
    ):
        assert answer(name, context(world=world), **args).reason == "position_unknown"


def test_without_nav_the_engine_answers() -> None:
    without = World.from_snapshot(snapshot().model_copy(update={"nav": None}))
    for name in ("find_path", "distance", "nearest", "is_reachable", "plan_route"):
        assert not BUILT_INS[name].answers_in(without)
        assert BUILT_INS[name].answers_in(World.from_snapshot(snapshot()))
    assert BUILT_INS["inventory_list"].answers_in(without)
    ctx = context(world=without)
    assert call("go_to", ctx, target="crypt") is None
    assert call("follow", ctx) is None


@pytest.fixture
def metres() -> World:
    """Three nodes in a line, in metres; z grows to the south."""
    nodes = {"a": (0.0, 0.0, 0.0), "b": (0.0, 0.0, -20.0), "c": (30.0, 1.0, -20.0)}
    spots = {"mira": "a", "bo": "b", "smithy": "c", "well": "b"}
    whole = snapshot()

    def moved(rows: Any) -> tuple[Any, ...]:
        return tuple(
            row.model_copy(update={"position": nodes[spots[row.id]]})
            for row in rows
            if row.id in spots
        )

    return World.from_snapshot(
        WorldSnapshot(
            revision=1,
            nav=NavGraph(
                nodes=nodes,
                edges=(NavEdge(a="a", b="b", cost=20), NavEdge(a="b", b="c", cost=31.5)),
            ),
            places=moved(whole.places),
            entities=moved(whole.entities),
        )
    )


def test_a_graph_is_told_in_metres(metres: World) -> None:
    ctx = context(world=metres)
    way = answer("find_path", ctx, target="smithy")
    assert way.data["via"] == ["well"]
    assert way.text == "The smithy is 52 metres north-east, past the well."
    assert answer("plan_route", ctx, stops=["smithy", "well"]).text == (
        "The shortest way is the well, then the smithy, 52 metres in all."
    )
    assert call("go_to", ctx, target="bo") is None
