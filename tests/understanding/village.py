"""The tavern village of the player lines: its names, four roles, and the real tools.

Everyone holds everything, so that the words of a line alone decide what it asks for.
"""

from typing import Any

from npc_brain.tools.narrow import legal_schema
from npc_brain.tools.registry import BUILT_INS
from npc_brain.tools.spec import ToolContext
from npc_brain.understanding.linking import Named
from npc_brain.world.model import Entity, Inventory, Item, Place, WorldSnapshot
from npc_brain.world.world import World

PLACES = {
    "tavern": ("tavern", "inn"), "smithy": ("smithy", "forge"),
    "market": ("market", "market square"), "gate": ("gate", "town gate"), "well": ("well",),
    "mill": ("mill",), "cellar": ("cellar",), "harbour": ("harbour", "harbor", "docks"),
    "bridge": ("bridge",), "cave": ("cave",), "chapel": ("chapel",),
}  # fmt: skip
ITEMS = {
    "bread": ("bread", "loaf of bread"), "ale": ("ale", "beer", "mug of ale"),
    "stew": ("stew", "bowl of stew"), "cheese": ("cheese",), "sword": ("sword", "iron sword"),
    "hammer": ("hammer",), "horseshoe": ("horseshoe",), "shield": ("shield",),
    "helmet": ("helmet", "helm"), "cellar_key": ("cellar key",),
    "coin": ("coin", "gold coin", "gold"), "herbs": ("herbs",), "rope": ("rope",),
    "lantern": ("lantern",), "letter": ("letter",), "map": ("map",),
    "potion": ("potion", "healing potion"), "apple": ("apple",),
}  # fmt: skip
PEOPLE = {
    "marta": ("Marta", "innkeeper"), "borin": ("Borin", "smith", "blacksmith"),
    "aldric": ("Aldric", "guard"), "yasmin": ("Yasmin", "merchant"),
}  # fmt: skip
NPC_OF_ROLE = {"innkeeper": "marta", "smith": "borin", "guard": "aldric", "merchant": "yasmin"}

NAMED = [
    Named(id, kind, names)
    for kind, table in (("place", PLACES), ("item", ITEMS), ("person", PEOPLE))
    for id, names in table.items()
]

_SHOP = (
    "inventory_list inventory_find inventory_count inventory_give inventory_take inventory_trade"
)
_MIND = "remember recall end_conversation"
ROLES: dict[str, frozenset[str]] = {
    "innkeeper": frozenset(f"{_SHOP} {_MIND} find_path distance nearest go_to".split()),
    "smith": frozenset(f"{_SHOP} {_MIND} inventory_use inventory_equip find_path go_to".split()),
    "guard": frozenset(
        f"{_MIND} find_path distance nearest is_reachable plan_route go_to follow stop "
        "inventory_equip inventory_take emote".split()
    ),
    "merchant": frozenset(
        f"{_SHOP} {_MIND} find_path distance nearest plan_route go_to follow stop".split()
    ),
}


def village() -> World:
    everything = Inventory(items=dict.fromkeys(ITEMS, 50))
    return World.from_snapshot(
        WorldSnapshot(
            revision=1,
            items=tuple(
                Item(id=id, name=names[0], aliases=names[1:], usable=True, slot="any", price=5)
                for id, names in ITEMS.items()
            ),
            places=tuple(
                Place(id=id, name=names[0], aliases=names[1:], position=(n, 0), tags=(id,))
                for n, (id, names) in enumerate(PLACES.items())
            ),
            entities=(
                Entity(id="player", name="Traveller", kind="player", position=(0, 1)),
                *(
                    Entity(id=id, name=names[0], aliases=names[1:], kind="npc", position=(n, 2))
                    for n, (id, names) in enumerate(PEOPLE.items())
                ),
            ),
            inventories=dict.fromkeys(["player", *PEOPLE], everything),
            currency="coin",
        )
    )


class _NoMemory:
    def remember(self, text: str, subject_id: str | None = None) -> None:
        del text, subject_id

    def recall(self, query: str, limit: int = 3) -> list[str]:
        del query, limit
        return []


def schemas(tool_name: str, role: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared and the legal schema of a tool for an NPC of that role."""
    context = ToolContext(village(), NPC_OF_ROLE[role], "player", {}, _NoMemory())
    tool = BUILT_INS[tool_name]
    legal = legal_schema(tool, context)
    assert legal is not None
    return tool.schema, legal
