"""The game on a terminal: map, people, quest and conversation, redrawn as things change."""

import time

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.style import Style
from rich.text import Text

from npc_brain.demo.keyboard import LineEditor
from npc_brain.demo.map_view import PLAYER_GLYPH, draw_map, glyph_of, rows_around_player
from npc_brain.simulation.simulated_world import SimulatedWorld

MAX_ENTRIES = 300
FRAME_S = 0.08
"""At most this often the screen is drawn."""
MIN_LOG_ROWS = 10
SIDE_WIDTH = 26


class Screen:
    """A `View` on a whole terminal; use it as a context manager."""

    def __init__(self, console: Console, world: SimulatedWorld, editor: LineEditor) -> None:
        self._console = console
        self._world = world
        self._editor = editor
        self._entries: list[Text] = []
        self._num_entries = 0
        self._last_shown: object = None
        self._progress: tuple[str, float] | None = None
        self._drawn_at_s = 0.0
        self._live = Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> "Screen":
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def echo(self, command: str) -> None:
        """As `View.echo`."""
        self._add(Text(f"> {command}", Style(color="cyan")))

    def note(self, text: str) -> None:
        """As `View.note`."""
        self._add(Text(text, Style(italic=True)))

    def aside(self, text: str) -> None:
        """As `View.aside`."""
        self._add(Text(f"  · {text}", Style(dim=True)))

    def error(self, text: str) -> None:
        """As `View.error`."""
        self._add(Text(text, Style(color="red")))

    def speech(self, name: str, colour: str, *, is_far: bool = False) -> "ScreenSpeech":
        """As `View.speech`."""
        style = Style(color=colour, bold=not is_far, dim=is_far)
        entry = Text.assemble((f"{name}: ", style))
        self._add(entry)
        return ScreenSpeech(entry, Style(dim=is_far))

    def look(self, world: SimulatedWorld, text: str) -> None:
        """As `View.look`; the map is there anyway."""
        for line in text.splitlines():
            self.note(line)

    def progress(self, what: str, fraction: float) -> None:
        """As `View.progress`."""
        self._progress = (what, fraction) if fraction < 1 else None
        self.refresh()

    def refresh(self) -> None:
        """As `View.refresh`."""
        now_s = time.monotonic()
        if now_s - self._drawn_at_s < FRAME_S:
            return
        shown = self._shown()
        if shown != self._last_shown:
            self._drawn_at_s, self._last_shown = now_s, shown
            self._live.update(self._draw(), refresh=True)

    def _shown(self) -> object:
        """All that the picture depends on."""
        world = self._world
        return (
            tuple(world.ground.positions.values()),
            len(world.ground.open_doors),
            tuple(world.states_of(npc_id) for npc_id in world.npc_ids),
            tuple(world.quests.num_done.values()),
            self._num_entries,
            tuple(len(entry) for entry in self._entries[-MIN_LOG_ROWS:]),
            self._editor.text,
            self._progress,
            self._console.size,
        )

    def _add(self, entry: Text) -> None:
        self._entries.append(entry)
        self._num_entries += 1
        del self._entries[:-MAX_ENTRIES]

    def _draw(self) -> Layout:
        width, height = self._console.size
        map_rows = min(self._world.file.height, max(3, height - MIN_LOG_ROWS - 3))
        layout = Layout()
        layout.split_column(
            Layout(name="top", size=map_rows + 2), Layout(name="log"), Layout(name="input", size=1)
        )
        map_width = self._world.file.width + 4
        layout["top"].split_row(
            Layout(self._draw_map(map_rows), name="map", size=min(map_width, width)),
            Layout(self._draw_side(), name="side", minimum_size=SIDE_WIDTH),
        )
        layout["top"]["side"].visible = width >= map_width + SIDE_WIDTH
        layout["log"].update(self._draw_log(width, height - map_rows - 3))
        layout["input"].update(self._draw_input(width))
        return layout

    def _draw_map(self, num_rows: int) -> Panel:
        rows = rows_around_player(self._world, num_rows)
        return Panel(draw_map(self._world, rows), title=self._world.file.name, padding=(0, 1))

    def _draw_side(self) -> Panel:
        world = self._world
        lines = [Text.assemble((PLAYER_GLYPH, Style(bold=True, reverse=True)), " you")]
        for npc in world.file.npcs:
            state = next(iter(world.states_of(npc.id)), "")
            lines.append(
                Text.assemble(
                    (glyph_of(npc.name), Style(color=npc.colour, bold=True, reverse=True)),
                    f" {npc.name} ",
                    (state.replace("_", " "), Style(dim=True)),
                    overflow="ellipsis",
                    no_wrap=True,
                )
            )
        for quest in world.quests.quests:
            step = world.quests.current_step(quest)
            lines += [Text(), Text(quest.title, Style(bold=True))]
            lines.append(Text(step.text if step else "Done.", Style(italic=True)))
        return Panel(Group(*lines), padding=(0, 1))

    def _draw_log(self, width: int, num_rows: int) -> Group:
        rows: list[Text] = []
        for entry in reversed(self._entries):
            rows = [*entry.wrap(self._console, max(10, width)), *rows]
            if len(rows) >= num_rows:
                break
        return Group(*rows[-max(1, num_rows) :])

    def _draw_input(self, width: int) -> Text:
        if self._progress is not None:
            what, fraction = self._progress
            num_cells = max(4, width // 4)
            bar = "█" * round(fraction * num_cells)
            return Text(f"{what} {bar:░<{num_cells}} {fraction:.0%}", Style(dim=True), no_wrap=True)
        typed = self._editor.text[-(width - 4) :]
        return Text.assemble(
            ("> ", Style(color="cyan", bold=True)), typed, ("▏", Style(blink=True))
        )


class ScreenSpeech:
    """A line on a `Screen`."""

    def __init__(self, entry: Text, style: Style) -> None:
        self._entry = entry
        self._head_length = len(entry)
        self._style = style

    def add(self, piece: str) -> None:
        """As `Speech.add`."""
        self._entry.append(piece, self._style)

    def close(self, line: str | None = None) -> None:
        """As `Speech.close`."""
        if line is not None and line != self._entry.plain[self._head_length :]:
            self._entry.right_crop(len(self._entry) - self._head_length)
            self._entry.append(line, self._style)
