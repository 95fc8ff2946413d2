"""The data of a world snapshot and of a patch to it.

These models are also the bodies of `world.sync` and `world.patch`; field order is wire order.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from npc_brain.plain_text import plain_text


def _plain_name(name: str) -> str:
    plain = plain_text(name)
    if not plain:
        raise ValueError("a name that has nothing in it to be read")
    return plain


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/\-]{1,64}$")]
"""An id chosen by the game. The character set keeps ids free of markup in every chat format."""

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f<>{}\[\]|]{1,80}$"),
    AfterValidator(_plain_name),
]
"""A name that a player sees: one line, no markup. What nobody sees of it is dropped."""

Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(plain_text)]

_FARTHEST = 10**9

Cell = tuple[
    Annotated[int, Field(ge=-_FARTHEST, le=_FARTHEST)],
    Annotated[int, Field(ge=-_FARTHEST, le=_FARTHEST)],
]
"""[x, y] on a nav grid: x is the column from the left, y the row from the top."""

Metres = Annotated[float, Field(ge=-_FARTHEST, le=_FARTHEST, allow_inf_nan=False)]

Point = tuple[Metres, Metres, Metres]
"""[x, y, z] in metres."""

Position = Cell | Point

Aliases = Annotated[tuple[Name, ...], Field(description="Other names that players may use for it.")]
Tags = Annotated[
    tuple[Id, ...], Field(description="Words by which NPCs find it: `drink`, `bed`, `exit`.")
]

Scalar = bool | int | float | str
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class WorldData(BaseModel):
    """Base of the world's models: frozen, and lenient to unknown fields as the protocol asks."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64"
    )

    @model_validator(mode="before")
    @classmethod
    def _let_others_run(cls, data: Any) -> Any:
        """Nothing; but other threads get a turn here, which pydantic's own code never gives."""
        return data


class Item(WorldData):
    """A kind of item."""

    id: Id
    name: Name
    description: Text = ""
    aliases: Aliases = ()
    tags: Tags = ()
    price: Annotated[
        Count | None,
        Field(description="List price, in `currency` items; without one it is not for sale."),
    ] = None
    slot: Annotated[Id | None, Field(description="Where it is equipped: `hand`.")] = None
    usable: Annotated[bool, Field(description="Whether it can be used by itself.")] = False


class Place(WorldData):
    """A named spot that one can go to or ask about."""

    id: Id
    name: Name
    position: Position
    description: Text = ""
    aliases: Aliases = ()
    tags: Tags = ()


class Entity(WorldData):
    """A character or a thing that stands in the world; an NPC's entity has the id of the NPC."""

    id: Id
    name: Name
    kind: Literal["npc", "player", "object"]
    position: Position
    description: Text = ""
    aliases: Aliases = ()
    tags: Tags = ()


class Inventory(WorldData):
    """What one owner holds: counts by item id, and what is equipped by slot."""

    items: dict[Id, Count] = {}
    equipped: dict[Id, Id] = {}


class NavGrid(WorldData):
    """A nav grid, 8-connected, no corner cutting.

    `cells` is uint8[height, width] row by row: 0 = blocked, else the cost of entering the cell.
    """

    kind: Literal["grid"] = "grid"
    width: Annotated[int, Field(ge=1, le=4096)]
    height: Annotated[int, Field(ge=1, le=4096)]
    cells: bytes


class NavEdge(WorldData):
    """A two-way edge of a nav graph; `cost` in metres or whatever the game counts in."""

    a: Id
    b: Id
    cost: Annotated[float, Field(gt=0, le=_FARTHEST, allow_inf_nan=False)]


class NavGraph(WorldData):
    """A waypoint graph; places and entities stand at the nearest node."""

    kind: Literal["graph"] = "graph"
    nodes: dict[Id, Position]
    edges: tuple[NavEdge, ...]


Nav = Annotated[NavGrid | NavGraph, Field(discriminator="kind")]


class WorldSnapshot(WorldData):
    """The whole world as the engine describes it. Without `nav`, the engine finds paths itself."""

    revision: Count
    nav: Nav | None = None
    items: tuple[Item, ...] = ()
    places: tuple[Place, ...] = ()
    entities: tuple[Entity, ...] = ()
    inventories: dict[Id, Inventory] = {}
    facts: dict[Id, Scalar] = {}
    currency: Id | None = None
    """The item id that prices count in."""


class Removed(WorldData):
    """Ids that are gone."""

    items: tuple[Id, ...] = ()
    places: tuple[Id, ...] = ()
    entities: tuple[Id, ...] = ()
    inventories: tuple[Id, ...] = ()
    facts: tuple[Id, ...] = ()


class CellChange(WorldData):
    """The new cost of one cell of the nav grid (0 = blocked)."""

    cell: Cell
    cost: Annotated[int, Field(ge=0, le=255)]


class WorldPatch(WorldData):
    """What changed from `base_revision` to `revision`: whole new values of what is named."""

    base_revision: Count
    revision: Count
    nav: Nav | None = None
    nav_cells: tuple[CellChange, ...] = ()
    items: tuple[Item, ...] = ()
    places: tuple[Place, ...] = ()
    entities: tuple[Entity, ...] = ()
    inventories: dict[Id, Inventory] = {}
    facts: dict[Id, Scalar] = {}
    removed: Removed = Removed()
