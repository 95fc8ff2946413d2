"""A village of one room, a cellar and a yard, for tests."""

from typing import Any

from npc_brain.simulation.simulated_world import SimulatedWorld, Update
from npc_brain.simulation.world_file import WorldFile

MAP = [
    "###########",
    "#..#......#",
    "#..L......#",
    "#..#......#",
    "####.######",
    "#.........#",
    "###########",
]


def village_data(**changes: Any) -> dict[str, Any]:
    """The world file's data, with top-level keys replaced."""
    data: dict[str, Any] = {
        "version": 1,
        "name": "Test village",
        "legend": {
            "#": {"name": "wall", "cost": 0},
            ".": {"name": "floor"},
            "L": {"name": "doorway"},
        },
        "map": MAP,
        "currency": "coin",
        "items": [
            {"id": "coin", "name": "coin"},
            {"id": "key", "name": "cellar key"},
            {"id": "ale", "name": "ale", "price": 2, "usable": True, "tags": ["drink"]},
            {"id": "hat", "name": "hat", "price": 3, "slot": "head"},
        ],
        "places": [
            {"id": "bar", "name": "the bar", "position": [8, 1]},
            {"id": "yard", "name": "the yard", "position": [1, 5]},
            {"id": "cellar", "name": "the cellar", "position": [1, 1]},
        ],
        "player": {
            "id": "player",
            "name": "You",
            "position": [9, 5],
            "speed_cells_per_s": 2.0,
            "inventory": {"coin": 5},
        },
        "npcs": [
            {"id": "mira", "name": "Mira", "position": [8, 1], "speed_cells_per_s": 2.0},
            {"id": "osric", "name": "Osric", "position": [9, 3], "inventory": {"hat": 1}},
        ],
        "doors": [
            {
                "id": "cellar_door",
                "name": "the cellar door",
                "cell": [3, 2],
                "key": "key",
                "opened": "It opens.",
            }
        ],
        "rules": [
            {"refuse": "inventory_trade", "below_price": True, "reason": "bad_deal"},
            {
                "refuse": "inventory_give",
                "npc": "mira",
                "item": "key",
                "when": {"not": {"fact": {"id": "is_trusted", "value": True}}},
                "reason": "not_yet",
            },
        ],
        "facts": {"is_trusted": False},
        "quests": [
            {
                "id": "cellar",
                "title": "The cellar",
                "steps": [
                    {
                        "text": "Ask Mira.",
                        "when": {"state": {"npc": "mira", "states": ["asked"]}},
                        "done": "She wants a hat.",
                    },
                    {
                        "text": "Get the key.",
                        "when": {"holds": {"who": "player", "item": "key"}},
                        "raises": {"mira": "key_gone"},
                    },
                    {
                        "text": "Look into the cellar.",
                        "when": {"at": {"who": "player", "place": "cellar"}},
                        "done": "A cat!",
                    },
                ],
            }
        ],
    }
    return data | changes


def make_village(**changes: Any) -> SimulatedWorld:
    """A running village; Mira holds 3 ales and the key, as her NPC file says."""
    world = WorldFile.model_validate(village_data(**changes))
    return SimulatedWorld(world, {"mira": {"ale": 3, "key": 1}})


def statuses(updates: list[Update]) -> list[str]:
    """`STATUS` or `STATUS:REASON` of each update."""
    return [f"{u.status}:{u.reason}" if u.reason else u.status for u in updates]
