"""A village to try tools in."""

from npc_brain.tools.spec import ToolContext
from npc_brain.world.model import Entity, Inventory, Item, NavGrid, Place, WorldSnapshot
from npc_brain.world.world import World

ROWS = (
    "..........",
    "..........",
    "....##....",
    "....##....",
    "..........",
    "########..",
    ".......#..",
    "##########",
    "#........#",
    "##########",
)
"""`.` costs 1, `#` is blocked: the last open row cannot be reached."""


class NoMemory:
    """A memory that keeps nothing."""

    def remember(self, text: str, subject_id: str | None = None) -> None:
        pass

    def recall(self, query: str, limit: int = 3) -> list[str]:
        return []


class ListMemory:
    """A memory that recalls whatever has a word of the query in it."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str | None]] = []

    def remember(self, text: str, subject_id: str | None = None) -> None:
        self.kept.append((text, subject_id))

    def recall(self, query: str, limit: int = 3) -> list[str]:
        words = query.lower().split()
        found = [text for text, _ in self.kept if any(word in text.lower() for word in words)]
        return found[:limit]


def grid(rows: tuple[str, ...]) -> NavGrid:
    cells = bytes(0 if cell == "#" else 1 for row in rows for cell in row)
    return NavGrid(width=len(rows[0]), height=len(rows), cells=cells)


def snapshot() -> WorldSnapshot:
    return WorldSnapshot(
        revision=1,
        nav=grid(ROWS),
        items=(
            Item(id="bread", name="loaf of bread", price=2, aliases=("bread",)),
            Item(id="coin", name="gold coin"),
            Item(id="key", name="cellar key", usable=True),
            Item(id="sword", name="sword", slot="hand", price=30),
            Item(id="ale", name="mug of ale", price=3),
        ),
        places=(
            Place(id="smithy", name="the smithy", position=(9, 1), tags=("shop",)),
            Place(id="well", name="the well", position=(5, 1), tags=("water",)),
            Place(id="stall", name="the stall", position=(4, 2), tags=("shop",)),
            Place(id="crypt", name="the crypt", position=(3, 8), tags=("tomb",)),
        ),
        entities=(
            Entity(id="mira", name="Mira", kind="npc", position=(0, 1)),
            Entity(id="bo", name="Bo", kind="player", position=(1, 4)),
            Entity(id="ann", name="Ann", kind="npc", position=(1, 1)),
            Entity(id="chest", name="the chest", kind="object", position=(8, 4)),
            Entity(id="rock", name="the rock", kind="object", position=(9, 4), tags=("water",)),
        ),
        inventories={
            "mira": Inventory(items={"bread": 5, "key": 1, "sword": 1, "ale": 0}),
            "bo": Inventory(items={"coin": 7, "bread": 0}),
            "chest": Inventory(items={"ale": 2}),
        },
        currency="coin",
    )


def context(
    speaker: str | None = "bo", reserved: dict[str, int] | None = None, world: World | None = None
) -> ToolContext:
    return ToolContext(
        world=world or World.from_snapshot(snapshot()),
        npc_id="mira",
        speaker_id=speaker,
        reserved=reserved or {},
        memory=ListMemory(),
    )
