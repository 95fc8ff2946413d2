"""What the game shows, and how it looks as plain lines of text (in a pipe, with `--script`)."""

from typing import Protocol, TextIO

from npc_brain.demo.map_view import draw_map
from npc_brain.simulation.simulated_world import SimulatedWorld


class Speech(Protocol):
    """A line while it is being said."""

    def add(self, piece: str) -> None:
        """Show the next piece."""
        ...

    def close(self, line: str | None = None) -> None:
        """The line is over; `line` replaces pieces that were cut short."""
        ...


class View(Protocol):
    """Where the game shows things. Nothing here blocks."""

    def echo(self, command: str) -> None:
        """A command that was given."""
        ...

    def note(self, text: str) -> None:
        """Something that happens, shown to the player."""
        ...

    def aside(self, text: str) -> None:
        """Something from behind the scenes: a tool call, a state."""
        ...

    def error(self, text: str) -> None:
        """Something that went wrong."""
        ...

    def speech(self, name: str, colour: str, *, is_far: bool = False) -> Speech:
        """Someone begins to speak."""
        ...

    def look(self, world: SimulatedWorld, text: str) -> None:
        """The answer to `look`."""
        ...

    def progress(self, what: str, fraction: float) -> None:
        """How far something long is, 0 to 1."""
        ...

    def refresh(self) -> None:
        """Time has passed; draw what moved."""
        ...


class PlainView:
    """Lines of text without control codes. Whoever speaks first streams; the rest waits."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._speaking: PlainSpeech | None = None
        self._waiting: list[str] = []
        self._last_progress = ("", -1)

    def echo(self, command: str) -> None:
        """As `View.echo`."""
        self._line(f"\n> {command}")

    def note(self, text: str) -> None:
        """As `View.note`."""
        self._line(f"  {text}")

    def aside(self, text: str) -> None:
        """As `View.aside`."""
        self._line(f"      · {text}")

    def error(self, text: str) -> None:
        """As `View.error`."""
        self._line(f"  ! {text}")

    def speech(self, name: str, colour: str, *, is_far: bool = False) -> "PlainSpeech":
        """As `View.speech`."""
        speech = PlainSpeech(self, f"{name}{' (far off)' if is_far else ''}: ")
        if self._speaking is None:
            self._speaking = speech
            self._write(speech.head)
        return speech

    def look(self, world: SimulatedWorld, text: str) -> None:
        """As `View.look`."""
        self._line("\n" + draw_map(world).plain + "\n")
        for line in text.splitlines():
            self.note(line)

    def progress(self, what: str, fraction: float) -> None:
        """As `View.progress`: a line for each new thing and each quarter of it."""
        step = (what, int(fraction * 4))
        if step != self._last_progress:
            self._last_progress = step
            self._line(f"  … {what} ({fraction:.0%})")

    def refresh(self) -> None:
        """As `View.refresh`; nothing is redrawn here."""

    def add_piece(self, speech: "PlainSpeech", piece: str) -> None:
        """Write a piece of the line that streams."""
        if speech is self._speaking:
            self._write(piece)

    def end_speech(self, speech: "PlainSpeech", text: str, amended: bool) -> None:
        """Finish a line, then show what had to wait for it."""
        if speech is not self._speaking:
            self._line(speech.head + text)
            return
        self._speaking = None
        self._write(f"\n{speech.head}{text}\n" if amended else "\n")
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._line(line)

    def _line(self, text: str) -> None:
        if self._speaking is None:
            self._write(text + "\n")
        else:
            self._waiting.append(text)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class PlainSpeech:
    """A line on a `PlainView`."""

    def __init__(self, view: PlainView, head: str) -> None:
        self.head = head
        self._view = view
        self._said = ""

    def add(self, piece: str) -> None:
        """As `Speech.add`."""
        self._said += piece
        self._view.add_piece(self, piece)

    def close(self, line: str | None = None) -> None:
        """As `Speech.close`."""
        amended = line is not None and line != self._said
        self._view.end_speech(self, line if line is not None else self._said, amended)
