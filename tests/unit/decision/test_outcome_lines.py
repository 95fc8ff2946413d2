"""What an NPC says of an outcome: each variant of it has words of its own."""

from typing import Any

import pytest

from npc_brain.decision.outcome_lines import outcome_lines, values_of
from npc_brain.tools.custom import engine_answer
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import ToolContext, ToolResult
from npc_brain.world.model import Inventory, WorldPatch
from npc_brain.world.world import World
from tests.npc_files import ned
from tests.unit.tools.test_inventory_tools import answer
from tests.unit.tools.village import context


def at_the_well_with_nothing() -> ToolContext:
    moved = context().world.entities["mira"].model_copy(update={"position": (5, 1)})
    patch = WorldPatch(
        base_revision=1, revision=2, entities=(moved,), inventories={"mira": Inventory()}
    )
    return context(world=context().world.patched(patch))


def said(tool: str, result: ToolResult, args: dict[str, Any], world: World) -> list[str]:
    return outcome_lines(
        ned("initial: idle\nstates: {idle: {}}"), tool, result, values_of(result, args, world)
    )


@pytest.mark.parametrize(
    ("tool", "args", "line"),
    [
        ("inventory_list", {}, "I have nothing at all, I'm afraid."),
        ("inventory_count", {"item": "ale"}, "I have no mug of ale, I'm afraid."),
        ("inventory_find", {"name": "ale"}, "No mug of ale here, I'm afraid."),
        ("find_path", {"target": "well"}, "You're as good as there: the well is right here."),
        ("distance", {"target": "well"}, "The well is right here."),
        ("nearest", {"tag": "water"}, "The nearest is the well, right here."),
        ("is_reachable", {"target": "crypt"}, "No, there's no way to the crypt."),
        ("recall", {"query": "cake"}, "I don't remember anything about that."),
    ],
)
def test_a_variant_has_its_own_line(tool: str, args: dict[str, Any], line: str) -> None:
    ctx = at_the_well_with_nothing()
    assert line in said(tool, answer(tool, ctx, **args), args, ctx.world)


@pytest.mark.parametrize(
    ("tool", "told", "line"),
    [
        ("find_path", {"steps": 0}, "You're as good as there: the well is right here."),
        ("is_reachable", {"reachable": False}, "No, there's no way to the well."),
    ],
)
def test_what_the_engine_answers_has_variants_too(
    tool: str, told: dict[str, Any], line: str
) -> None:
    args = {"target": "well"}
    assert line in said(tool, engine_answer(BUILT_INS[tool], True, told), args, context().world)
