"""The tavern village of the player lines: names, and the tools of four roles."""

from typing import Any

from npc_brain.understanding.linking import Named

PLACES = {
    "tavern": ("tavern", "inn"), "smithy": ("smithy", "forge"), "market": ("market", "market square"),
    "gate": ("gate", "town gate"), "well": ("well",), "mill": ("mill",), "cellar": ("cellar",),
    "harbour": ("harbour", "harbor", "docks"), "bridge": ("bridge",), "cave": ("cave",),
    "chapel": ("chapel",),
}  # fmt: skip
ITEMS = {
    "bread": ("bread", "loaf of bread"), "ale": ("ale", "beer", "mug of ale"), "stew": ("stew", "bowl of stew"),
    "cheese": ("cheese",), "sword": ("sword", "iron sword"), "hammer": ("hammer",),
    "horseshoe": ("horseshoe",), "shield": ("shield",), "helmet": ("helmet", "helm"),
    "cellar_key": ("cellar key",), "coin": ("coin", "gold coin", "gold"), "herbs": ("herbs",),
    "rope": ("rope",), "lantern": ("lantern",), "letter": ("letter",), "map": ("map",),
    "potion": ("potion", "healing potion"), "apple": ("apple",),
}  # fmt: skip
PEOPLE = {
    "marta": ("Marta", "innkeeper"), "borin": ("Borin", "smith", "blacksmith"),
    "aldric": ("Aldric", "guard"), "yasmin": ("Yasmin", "merchant"),
}  # fmt: skip

NAMED = [
    Named(id, kind, names)
    for kind, table in (("place", PLACES), ("item", ITEMS), ("person", PEOPLE))
    for id, names in table.items()
]

_SHOP = "inventory_list inventory_find inventory_count inventory_give inventory_take inventory_trade"
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


def _object(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def _ref(domain: str, table: dict[str, Any]) -> dict[str, Any]:
    return {"type": "string", "x-ref": domain, "enum": sorted(table)}


_COUNT = {"type": "integer", "minimum": 1, "default": 1}
_HELD = _ref("held_item", ITEMS)
_TARGET = _ref("target", PLACES | {person: () for person in PEOPLE})

PARAMETERS: dict[str, dict[str, Any]] = {
    "inventory_list": _object(""),
    "inventory_find": _object("item", item=_ref("item", ITEMS)),
    "inventory_count": _object("item", item=_ref("item", ITEMS)),
    "inventory_give": _object("item", item=_HELD, count=_COUNT),
    "inventory_take": _object("item", item=_ref("speaker_item", ITEMS), count=_COUNT),
    "inventory_trade": _object(
        "give_item get_item",
        give_item=_HELD,
        give_count=_COUNT,
        get_item=_ref("speaker_item", ITEMS),
        get_count=_COUNT,
    ),
    "inventory_use": _object("item", item=_HELD),
    "inventory_equip": _object("item", item=_HELD),
    "find_path": _object("to", to=_TARGET),
    "distance": _object("to", to=_TARGET),
    "is_reachable": _object("to", to=_TARGET),
    "go_to": _object("to", to=_TARGET),
    "plan_route": _object("stops", stops={"type": "array", "minItems": 2, "items": _TARGET}),
}
"""As the real tools declare them, with everything held by everyone."""
