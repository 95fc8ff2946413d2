"""The village as coloured characters, for the screen and for `look`."""

from rich.style import Style
from rich.text import Text

from npc_brain.simulation.simulated_world import SimulatedWorld
from npc_brain.world.model import Cell

PLAYER_GLYPH = "@"


def glyph_of(name: str) -> str:
    """The character that stands for someone on the map."""
    return name[:1].upper()


def draw_map(world: SimulatedWorld, rows: range | None = None) -> Text:
    """The map with everyone on it, one line a row; `rows` picks some (all by default)."""
    people = _people(world)
    text = Text(no_wrap=True)
    for y in rows or range(world.file.height):
        if text:
            text.append("\n")
        for x in range(world.file.width):
            if (x, y) in people:
                glyph, colour = people[x, y]
                text.append(glyph, Style(color=colour, bold=True, reverse=True))
            else:
                text.append(*_ground(world, (x, y)))
    return text


def rows_around_player(world: SimulatedWorld, height: int) -> range:
    """The rows to show when only `height` fit: those around the player."""
    height = min(max(height, 1), world.file.height)
    y = world.ground.positions[world.player_id][1]
    first = min(max(0, y - height // 2), world.file.height - height)
    return range(first, first + height)


def _ground(world: SimulatedWorld, cell: Cell) -> tuple[str, Style]:
    terrain = world.file.terrain_at(cell)
    is_locked = not world.ground.can_enter(world.player_id, cell) and terrain.cost > 0
    glyph = "▮" if is_locked else terrain.glyph or world.file.map[cell[1]][cell[0]]
    return glyph, Style(color=terrain.colour)


def _people(world: SimulatedWorld) -> dict[Cell, tuple[str, str]]:
    positions = world.ground.positions
    people = {positions[npc.id]: (glyph_of(npc.name), npc.colour) for npc in world.file.npcs}
    people[positions[world.player_id]] = (PLAYER_GLYPH, world.file.player.colour)
    return people
