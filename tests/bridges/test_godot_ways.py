"""The village's ways in Godot cost what they cost in the terminal game."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest

from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.simulation.world_file import load_world_file
from tests.bridges.godot import ROOT, needs_godot, run_godot


@needs_godot
def test_the_way_to_every_cell_costs_the_same_as_in_the_terminal_game(
    imported_game: Path,
) -> None:
    """Which of several equally cheap ways is taken may differ."""
    done = run_godot(imported_game, "res://tour/ways.tscn")
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    world = load_world_file(ROOT / "sample_game" / "world.json")
    ground = SimulatedWorld(world, {npc.id: {} for npc in world.npcs}).ground
    start = ground.positions[world.player.id]
    columns = len(world.map[0])
    assert len(told) == columns * len(world.map), done.stdout

    def cost(way: list[tuple[int, int]]) -> float:
        return sum(
            math.dist(here, there) * world.terrain_at(there).cost
            for here, there in pairwise([start, *way])
        )

    for index, cells in enumerate(told):
        goal = (index % columns, index // columns)
        way = [(x, y) for x, y in cells]
        wanted = list(ground.path(world.player.id, goal) or ())
        assert cost(way) == pytest.approx(cost(wanted)), f"{goal}: {way}, wanted {wanted}"
