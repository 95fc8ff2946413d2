"""The world as an NPC may know it: the engine's snapshot, indexed for look-ups.

A `World` never changes; a patch makes a new one that shares what did not change. It reads what the
game told and decides nothing: who may do what is the tools' business.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, TypeVar

from npc_brain.errors import ErrorCode, WorldError
from npc_brain.world.model import (
    Entity,
    Inventory,
    Item,
    NavGraph,
    NavGrid,
    Place,
    Position,
    Scalar,
    WorldPatch,
    WorldSnapshot,
)
from npc_brain.world.navigation import Navigator

MAX_ROWS = 100_000
"""Most items, places, entities, inventories or facts of a world, however many patches add them."""


LARGE_SIZE = 1_000
"""Rows, stacks, nodes and edges that are worked through in a millisecond or so."""


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Row = TypeVar("_Row", bound=_HasId)
_Value = TypeVar("_Value")
_Nav = NavGrid | NavGraph | None


class World:
    """One revision of the world; immutable by convention, cheap to patch.

    Attributes:
        revision: Rises with each patch.
        nav: The nav grid or graph; None when the engine answers paths itself.
        navigator: Path search over `nav`; None without.
        items: The item catalogue by id.
        places: By id.
        entities: By id; no id names both a place and an entity.
        inventories: By owner id. An owner without one is unknown to us, not empty-handed.
        facts: The game's facts by key.
        currency: The id of the item that prices count in, if any.
    """

    def __init__(
        self,
        *,
        revision: int = 0,
        nav: _Nav = None,
        navigator: Navigator | None = None,
        items: Mapping[str, Item] = MappingProxyType({}),
        places: Mapping[str, Place] = MappingProxyType({}),
        entities: Mapping[str, Entity] = MappingProxyType({}),
        inventories: Mapping[str, Inventory] = MappingProxyType({}),
        facts: Mapping[str, Scalar] = MappingProxyType({}),
        currency: str | None = None,
    ) -> None:
        self.revision = revision
        self.nav = nav
        self.navigator = navigator or (Navigator(nav) if nav else None)
        self.items = items
        self.places = places
        self.entities = entities
        self.inventories = inventories
        self.facts = facts
        self.currency = currency

    @classmethod
    def empty(cls) -> "World":
        """The world before any `world.sync`: revision 0, nothing in it."""
        return cls()

    @classmethod
    def from_snapshot(cls, snapshot: WorldSnapshot) -> "World":
        """Index and check a whole snapshot.

        Raises:
            WorldError: BAD_WORLD when it contradicts itself.
        """
        world = cls(
            revision=snapshot.revision,
            nav=snapshot.nav,
            items=_by_id("items", snapshot.items),
            places=_by_id("places", snapshot.places),
            entities=_by_id("entities", snapshot.entities),
            inventories=dict(snapshot.inventories),
            facts=dict(snapshot.facts),
            currency=snapshot.currency,
        )
        _check_nav(world.nav)
        _check_positions(world, world.places.values(), world.entities.values())
        _check_inventories(world, world.inventories)
        _check_currency(world)
        return world

    def patched(self, patch: WorldPatch) -> "World":
        """The world after `patch`; this one stays as it is.

        Only what the patch names is checked and indexed. Removing an id that is not there is
        harmless.

        Raises:
            WorldError: RESYNC when the patch does not build on this revision; BAD_WORLD when it
                contradicts itself or this world.
        """
        if patch.base_revision != self.revision or patch.revision <= patch.base_revision:
            raise WorldError(
                f"a patch from revision {patch.base_revision} to {patch.revision} does not build on"
                f" revision {self.revision}",
                code=ErrorCode.RESYNC,
                hint="send world.sync with the whole world",
                retryable=False,
            )
        removed = patch.removed
        nav = _patched_nav(self.nav, patch)
        world = World(
            revision=patch.revision,
            nav=nav,
            navigator=self.navigator if nav is self.nav else None,
            items=_merged("items", self.items, _by_id("items", patch.items), removed.items),
            places=_merged("places", self.places, _by_id("places", patch.places), removed.places),
            entities=_merged(
                "entities", self.entities, _by_id("entities", patch.entities), removed.entities
            ),
            inventories=_merged(
                "inventories", self.inventories, patch.inventories, removed.inventories
            ),
            facts=_merged("facts", self.facts, patch.facts, removed.facts),
            currency=self.currency,
        )
        if nav is self.nav:
            _check_positions(world, patch.places, patch.entities)
        else:
            _check_positions(world, world.places.values(), world.entities.values())
        _check_inventories(world, world.inventories if removed.items else patch.inventories)
        if removed.items:
            _check_currency(world)
        return world

    def with_npc(self, npc_id: str, name: str, position: Position) -> "World":
        """This world, same revision, with an NPC that the engine did not list among the entities.

        Raises:
            WorldError: BAD_WORLD when the position does not fit the nav.
        """
        entity = Entity(id=npc_id, name=name, kind="npc", position=position)
        _check_positions(self, (), (entity,))
        return World(
            revision=self.revision,
            nav=self.nav,
            navigator=self.navigator,
            items=self.items,
            places=self.places,
            entities={**self.entities, npc_id: entity},
            inventories=self.inventories,
            facts=self.facts,
            currency=self.currency,
        )

    def item(self, item_id: str) -> Item | None:
        """The catalogue's entry, if there is one."""
        return self.items.get(item_id)

    def place(self, place_id: str) -> Place | None:
        """The place of that id, if there is one."""
        return self.places.get(place_id)

    def entity(self, entity_id: str) -> Entity | None:
        """The entity of that id, if there is one."""
        return self.entities.get(entity_id)

    def inventory(self, owner_id: str) -> Inventory | None:
        """What `owner_id` holds; None if the engine has not said."""
        return self.inventories.get(owner_id)

    def held(self, owner_id: str, item_id: str) -> int:
        """How many of an item an owner is known to hold; 0 when not known."""
        inventory = self.inventories.get(owner_id)
        return inventory.items.get(item_id, 0) if inventory else 0

    def target(self, target_id: str) -> Place | Entity | None:
        """The place or entity of that id, if there is one."""
        return self.places.get(target_id) or self.entities.get(target_id)

    def position_of(self, target_id: str) -> Position | None:
        """Where a place or entity is; None when there is none of that id."""
        target = self.target(target_id)
        return target.position if target else None

    def name_of(self, any_id: str) -> str:
        """The name of an entity, place or item for a player to read; the id itself if unknown."""
        named = self.target(any_id) or self.items.get(any_id)
        return named.name if named else any_id


def is_large(told: World | WorldSnapshot | WorldPatch) -> bool:
    """Whether working through all of it, which may take 100 ms, is nothing for an event loop."""
    tables = (told.items, told.places, told.entities, told.inventories, told.facts)
    size = sum(map(len, tables))
    if isinstance(told.nav, NavGraph):
        size += len(told.nav.nodes) + len(told.nav.edges)
    if size <= LARGE_SIZE:
        size += sum(len(held.items) + len(held.equipped) for held in told.inventories.values())
    return size > LARGE_SIZE


def _bad(message: str, hint: str = "") -> WorldError:
    return WorldError(message, code=ErrorCode.BAD_WORLD, hint=hint)


def _by_id(table: str, rows: Iterable[_Row]) -> dict[str, _Row]:
    index: dict[str, _Row] = {}
    for row in rows:
        if row.id in index:
            raise _bad(f"{table}: the id {row.id!r} comes twice", "give each its own id")
        index[row.id] = row
    return index


def _merged(
    table: str, old: Mapping[str, _Value], new: Mapping[str, _Value], gone: tuple[str, ...]
) -> Mapping[str, _Value]:
    if not new and not gone:
        return old
    for key in gone:
        if key in new:
            raise _bad(f"{table}: {key!r} is both given and removed", "name it once in a patch")
    merged = {**old, **new}
    for key in gone:
        merged.pop(key, None)
    if len(merged) > MAX_ROWS:
        raise _bad(
            f"{table}: {len(merged)} entries, wanted at most {MAX_ROWS}",
            "send only what NPCs can meet or speak of",
        )
    return merged


def _patched_nav(nav: _Nav, patch: WorldPatch) -> _Nav:
    if patch.nav is not None:
        nav = patch.nav
        _check_nav(nav)
    if not patch.nav_cells:
        return nav
    if not isinstance(nav, NavGrid):
        raise _bad("nav_cells: this world has no nav grid", "send nav, or leave nav_cells out")
    cells = bytearray(nav.cells)
    for change in patch.nav_cells:
        x, y = change.cell
        if not (0 <= x < nav.width and 0 <= y < nav.height):
            raise _bad(f"nav_cells: [{x}, {y}] is outside the {nav.width}x{nav.height} nav grid")
        cells[y * nav.width + x] = change.cost
    return nav.model_copy(update={"cells": bytes(cells)})


def _check_nav(nav: _Nav) -> None:
    if isinstance(nav, NavGrid):
        if len(nav.cells) != nav.width * nav.height:
            raise _bad(
                f"nav: {len(nav.cells)} cells for a {nav.width}x{nav.height} grid",
                f"send {nav.width * nav.height} bytes, row by row",
            )
    elif isinstance(nav, NavGraph):
        if len({len(position) for position in nav.nodes.values()}) > 1:
            raise _bad("nav: nodes mix cells [x, y] and points [x, y, z]", "use one of the two")
        for edge in nav.edges:
            for node in (edge.a, edge.b):
                if node not in nav.nodes:
                    raise _bad(f"nav: the edge {edge.a!r} to {edge.b!r} names no node {node!r}")


def _position_fault(nav: _Nav) -> Callable[[Position], str]:
    """A function that says what is wrong with a position on `nav`; empty when nothing is."""
    if isinstance(nav, NavGrid):

        def on_grid(position: Position) -> str:
            if len(position) != 2:
                return "is a point in metres; this nav grid wants a cell [x, y]"
            inside = 0 <= position[0] < nav.width and 0 <= position[1] < nav.height
            return "" if inside else f"is outside the {nav.width}x{nav.height} nav grid"

        return on_grid
    if isinstance(nav, NavGraph) and nav.nodes:
        wanted = len(next(iter(nav.nodes.values())))
        return lambda position: (
            "" if len(position) == wanted else f"has {len(position)} numbers, nav nodes {wanted}"
        )
    return lambda position: ""


def _check_positions(world: World, places: Iterable[Place], entities: Iterable[Entity]) -> None:
    fault_of = _position_fault(world.nav)
    for kind, rows in (("place", places), ("entity", entities)):
        others = world.entities if kind == "place" else world.places
        for row in rows:
            if row.id in others:
                raise _bad(f"{row.id!r} names both a place and an entity", "rename one of them")
            fault = fault_of(row.position)
            if fault:
                raise _bad(f"{kind} {row.id!r}: position {list(row.position)} {fault}")


def _check_inventories(world: World, inventories: Mapping[str, Inventory]) -> None:
    for owner, inventory in inventories.items():
        for item in (*inventory.items, *inventory.equipped.values()):
            if item not in world.items:
                raise _bad(
                    f"inventory of {owner!r}: unknown item {item!r}",
                    "add it to the item catalogue first, or in the same message",
                )


def _check_currency(world: World) -> None:
    if world.currency is not None and world.currency not in world.items:
        raise _bad(f"currency: unknown item {world.currency!r}", "add it to the item catalogue")
