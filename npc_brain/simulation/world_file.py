"""The world file: a village as JSON, so that every engine can read the same one.

`load_world_file` checks that the file fits together: each mistake is named with its JSON path and
a hint. What an NPC says and does is in the NPC files, not here.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from npc_brain import files
from npc_brain.errors import WorldError
from npc_brain.simulation.conditions import (
    Condition,
    FactIs,
    FileData,
    Holds,
    InState,
    IsAt,
    leaves,
)
from npc_brain.world.model import (
    Aliases,
    Cell,
    Count,
    Id,
    Item,
    Name,
    NavGrid,
    Place,
    Scalar,
    Tags,
    Text,
)

MAX_FILE_BYTES = 8 * files.MB
MAX_SIDE = 4096
"""Most columns and rows of a map, as of a nav grid."""
MAX_ROWS = 10_000
"""Most places, characters, things, items, doors, rules or quests."""
_MAX_PROBLEMS = 50
"""Told of one file."""
_MAX_KNOWN = 20
"""Names of what there is, in a message."""


class Terrain(FileData):
    """What a map character stands for.

    Attributes:
        name: What it is called: "grass".
        cost: Cost of entering a cell of it, 0 to 255; 0 blocks the way.
        colour: How a view may draw it: `#rrggbb`.
        glyph: The character that a view draws in place of the one on the map.
    """

    name: Name
    cost: Annotated[int, Field(ge=0, le=255)] = 1
    colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] = "#888888"
    glyph: Annotated[str, Field(max_length=1)] = ""


class Thing(FileData):
    """A thing that stands in the world and does not move."""

    id: Id
    name: Name
    position: Cell
    description: Text = ""
    aliases: Aliases = ()
    tags: Tags = ()


class Character(Thing):
    """An NPC or the player, where they stand at the start.

    Attributes:
        definition: The name of the NPC file, if it differs from the id.
        colour: How a view may draw them: `#rrggbb`.
        speed_cells_per_s: How fast they walk, up to 20.
        inventory: What they hold. The default is the `inventory` of the NPC file.
    """

    definition: str = ""
    colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] = "#ffffff"
    speed_cells_per_s: Annotated[float, Field(gt=0, le=20)] = 4.0
    inventory: dict[Id, Count] | None = None


class Door(FileData):
    """A locked door: its cell is closed to everyone who does not hold the key.

    Whoever walks through it with the key opens it for everyone and makes the fact `door.ID` true.

    Attributes:
        cell: Where it is on the map.
        key: The item that opens it.
        locked: What the player reads on finding it locked.
        opened: What the player reads when it opens.
    """

    id: Id
    name: Name
    cell: Cell
    key: Id
    locked: Text = ""
    opened: Text = ""


class Rule(FileData):
    """A reason for the game to refuse an action.

    It applies when the action matches everything that the rule names, and `when` is true.

    Attributes:
        refuse: The tool whose actions are refused.
        npc: Only those of this NPC.
        item: Only those in which the NPC would part with this item.
        unless_for: Not those in which the NPC would get this item in return.
        below_price: Only trades in which the NPC would get less than it gives, by list price.
        when: Only while this is true.
        reason: One word that names the reason; the NPC file words it as `TOOL_REASON`.
    """

    refuse: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    npc: Id | None = None
    item: Id | None = None
    unless_for: Id | None = None
    below_price: bool = False
    when: Condition | None = None
    reason: Annotated[str, Field(pattern=r"^[a-z_]+$")]


class QuestStep(FileData):
    """One step of a quest.

    Attributes:
        text: What the player has to do.
        when: The step is done as soon as this is true.
        done: What the player reads then.
        raises: Events raised in NPCs at that moment, by NPC id.
    """

    text: Text
    when: Condition
    done: Text = ""
    raises: dict[Id, Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]] = {}


class Quest(FileData):
    """A quest.

    Attributes:
        title: What the player reads above its steps.
        steps: What to do, in order. A step that is done stays done.
    """

    id: Id
    title: Name
    steps: tuple[QuestStep, ...] = Field(min_length=1)


class WorldFile(FileData):
    """A whole world file; `sample_game/world.json` is one.

    Attributes:
        version: The version of this format.
        name: What the place is called.
        intro: What the player reads at the start.
        legend: What each character of the map stands for.
        map: The rows of the map, top to bottom, all of the same length.
        items: The kinds of items that exist.
        currency: The item that prices are counted in.
        places: Spots that characters can go to and ask about.
        player: The player's character.
        npcs: The NPCs.
        objects: Things that stand around.
        inventories: What objects and others hold at the start, by owner and item.
        facts: What is known about the world, by name; rules and quests can refer to it.
        doors: Locked doors.
        rules: Reasons for the game to refuse an action.
        quests: The quests.
    """

    version: Literal[1]
    name: Name
    intro: Text = ""
    legend: dict[Annotated[str, Field(min_length=1, max_length=1)], Terrain]
    map: tuple[Annotated[str, Field(min_length=1, max_length=MAX_SIDE)], ...] = Field(
        min_length=1, max_length=MAX_SIDE
    )
    items: tuple[Item, ...] = Field((), max_length=MAX_ROWS)
    currency: Id | None = None
    places: tuple[Place, ...] = Field((), max_length=MAX_ROWS)
    player: Character
    npcs: tuple[Character, ...] = Field((), max_length=MAX_ROWS)
    objects: tuple[Thing, ...] = Field((), max_length=MAX_ROWS)
    inventories: dict[Id, dict[Id, Count]] = Field({}, max_length=MAX_ROWS)
    facts: dict[Id, Scalar] = Field({}, max_length=MAX_ROWS)
    doors: tuple[Door, ...] = Field((), max_length=MAX_ROWS)
    rules: tuple[Rule, ...] = Field((), max_length=MAX_ROWS)
    quests: tuple[Quest, ...] = Field((), max_length=MAX_ROWS)

    @property
    def width(self) -> int:
        """Cells in a row."""
        return len(self.map[0])

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.map)

    def terrain_at(self, cell: Cell) -> Terrain:
        """What is on the map at `cell`."""
        x, y = cell
        return self.legend[self.map[y][x]]

    def contains(self, cell: Cell) -> bool:
        """Whether `cell` is on the map."""
        return 0 <= cell[0] < self.width and 0 <= cell[1] < self.height

    def nav_grid(self, locked: frozenset[Cell] = frozenset()) -> NavGrid:
        """The costs of all cells; `locked` ones cannot be entered."""
        cells = bytearray(self.legend[char].cost for row in self.map for char in row)
        for x, y in locked:
            cells[y * self.width + x] = 0
        return NavGrid(width=self.width, height=self.height, cells=bytes(cells))


def load_world_file(path: Path) -> WorldFile:
    """The world file at `path`, checked.

    Raises:
        WorldError: When it cannot be read or has mistakes; one `FILE: JSON_PATH: problem` per line.
    """
    data = files.read_json(path, MAX_FILE_BYTES, WorldError, "Name a world file in JSON.")
    try:
        world = WorldFile.model_validate_json(json.dumps(data))
    except ValidationError as error:
        problems = [
            f"{_json_path(item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False, include_context=False)[:_MAX_PROBLEMS]
        ]
        raise _mistakes(path, problems) from error
    problems = list(islice(_problems(world), _MAX_PROBLEMS))
    if problems:
        raise _mistakes(path, problems)
    return world


def _mistakes(path: Path, problems: list[str]) -> WorldError:
    return WorldError(
        "\n".join(f"{path}: {problem}" for problem in problems),
        hint="Each line names a place in the file; `npc-brain validate` checks it again.",
    )


def _json_path(location: tuple[int | str, ...]) -> str:
    path = "$"
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def _problems(world: WorldFile) -> Iterator[str]:
    map_problems = list(islice(_map_problems(world), _MAX_PROBLEMS))
    yield from map_problems
    if map_problems:
        return
    yield from _id_problems(world)
    yield from _position_problems(world)
    yield from _reference_problems(world)


def _map_problems(world: WorldFile) -> Iterator[str]:
    for y, row in enumerate(world.map):
        if len(row) != world.width:
            yield f"$.map[{y}]: {len(row)} characters, the first row has {world.width}"
        for x, char in enumerate(row):
            if char not in world.legend:
                yield f"$.map[{y}]: {char!r} at column {x} is not in $.legend"


def _id_problems(world: WorldFile) -> Iterator[str]:
    groups: Mapping[str, list[str]] = {
        "items": [item.id for item in world.items],
        "places, npcs, objects or player": [
            *(place.id for place in world.places),
            *(npc.id for npc in world.npcs),
            *(thing.id for thing in world.objects),
            world.player.id,
        ],
        "doors": [door.id for door in world.doors],
        "quests": [quest.id for quest in world.quests],
    }
    for group, ids in groups.items():
        for repeated in sorted(name for name, count in Counter(ids).items() if count > 1):
            yield f"$: the id {repeated!r} is used twice among {group}"


def _position_problems(world: WorldFile) -> Iterator[str]:
    def problem(path: str, cell: object, must_be_open: bool) -> Iterator[str]:
        if not (isinstance(cell, tuple) and len(cell) == 2):
            yield f"{path}: must be [x, y] cells, got {cell!r}"
        elif not world.contains((int(cell[0]), int(cell[1]))):
            yield f"{path}: {list(cell)} is outside the {world.width} x {world.height} map"
        elif must_be_open and world.terrain_at((int(cell[0]), int(cell[1]))).cost == 0:
            yield f"{path}: {list(cell)} is {world.terrain_at(cell).name}, which blocks the way"

    for index, place in enumerate(world.places):
        yield from problem(f"$.places[{index}].position", place.position, True)
    for index, npc in enumerate(world.npcs):
        yield from problem(f"$.npcs[{index}].position", npc.position, True)
    for index, thing in enumerate(world.objects):
        yield from problem(f"$.objects[{index}].position", thing.position, False)
    for index, door in enumerate(world.doors):
        yield from problem(f"$.doors[{index}].cell", door.cell, True)
    yield from problem("$.player.position", world.player.position, True)


def _reference_problems(world: WorldFile) -> Iterator[str]:
    items = {item.id for item in world.items}
    places = {place.id for place in world.places}
    npcs = {npc.id for npc in world.npcs}
    owners = npcs | {world.player.id} | {thing.id for thing in world.objects}

    def unknown(path: str, kind: str, name: str | None, known: Collection[str]) -> Iterator[str]:
        if name is not None and name not in known:
            more = ", …" if len(known) > _MAX_KNOWN else ""
            shown = ", ".join(sorted(known)[:_MAX_KNOWN])
            yield f"{path}: no {kind} {name!r}; known: {shown}{more}"

    def condition(path: str, when: Condition | None) -> Iterator[str]:
        for leaf in leaves(when) if when else ():
            match leaf:
                case Holds():
                    yield from unknown(path, "owner", leaf.who, owners)
                    yield from unknown(path, "item", leaf.item, items)
                case IsAt():
                    yield from unknown(path, "character", leaf.who, owners)
                    yield from unknown(path, "place", leaf.place, places)
                case InState():
                    yield from unknown(path, "NPC", leaf.npc, npcs)
                case FactIs():
                    known = set(world.facts) | {f"door.{door.id}" for door in world.doors}
                    yield from unknown(path, "fact", leaf.id, known)

    yield from unknown("$.currency", "item", world.currency, items)
    for owner, stacks in _starting_stacks(world):
        yield from unknown(f"$.inventories.{owner}", "owner", owner, owners)
        for item in stacks:
            yield from unknown(f"the inventory of {owner}", "item", item, items)
    for index, door in enumerate(world.doors):
        yield from unknown(f"$.doors[{index}].key", "item", door.key, items)
    for index, rule in enumerate(world.rules):
        yield from unknown(f"$.rules[{index}].npc", "NPC", rule.npc, npcs)
        yield from unknown(f"$.rules[{index}].item", "item", rule.item, items)
        yield from unknown(f"$.rules[{index}].unless_for", "item", rule.unless_for, items)
        yield from condition(f"$.rules[{index}].when", rule.when)
    for number, quest in enumerate(world.quests):
        for index, step in enumerate(quest.steps):
            path = f"$.quests[{number}].steps[{index}]"
            yield from condition(f"{path}.when", step.when)
            for npc_id in step.raises:
                yield from unknown(f"{path}.raises", "NPC", npc_id, npcs)


def _starting_stacks(world: WorldFile) -> Iterator[tuple[str, Mapping[str, int]]]:
    for character in (world.player, *world.npcs):
        if character.inventory is not None:
            yield character.id, character.inventory
    yield from world.inventories.items()
