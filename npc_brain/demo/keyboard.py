"""A line editor over single keys, for a screen that is redrawn while one types."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

_POLL_S = 0.1


class LineEditor:
    """The line being typed. Keys in, finished lines out; no terminal here.

    Attributes:
        text: What has been typed.
    """

    def __init__(self) -> None:
        self.text = ""
        self._history: list[str] = []
        self._position = 0

    def press(self, key: str) -> str | None:
        """Take a key (a character, or `up`, `down`); returns the line when it is finished.

        Raises:
            EOFError: The end of input (Ctrl-D on an empty line).
        """
        match key:
            case "\r" | "\n":
                return self._finish()
            case "\x7f" | "\b":
                self.text = self.text[:-1]
            case "\x15":
                self.text = ""
            case "\x17":
                self.text = self.text.rstrip().rpartition(" ")[0]
            case "\x04" | "\x1a" if not self.text:
                raise EOFError
            case "up":
                self._recall(self._position - 1)
            case "down":
                self._recall(self._position + 1)
            case _ if len(key) == 1 and key.isprintable():
                self.text += key
        return None

    def _finish(self) -> str:
        line, self.text = self.text, ""
        if line.strip():
            self._history.append(line)
        self._position = len(self._history)
        return line

    def _recall(self, position: int) -> None:
        self._position = min(max(0, position), len(self._history))
        recalled = self._history[self._position : self._position + 1]
        self.text = recalled[0] if recalled else ""


@contextlib.contextmanager
def keys(loop: asyncio.AbstractEventLoop, on_key: Callable[[str], None]) -> Iterator[None]:
    """Read keys in a thread for the length of a `with` block; `on_key` is called in `loop`."""
    stop = threading.Event()
    read = _windows_keys if sys.platform == "win32" else _posix_keys
    thread = threading.Thread(target=read, args=(loop, on_key, stop), daemon=True, name="keyboard")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _posix_keys(
    loop: asyncio.AbstractEventLoop, on_key: Callable[[str], None], stop: threading.Event
) -> None:
    import codecs
    import os
    import select
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    try:
        tty.setcbreak(fd)
        while not stop.is_set():
            if not select.select([fd], [], [], _POLL_S)[0]:
                continue
            data = os.read(fd, 1024)
            for key in split_keys(decoder.decode(data)) if data else ("\x04",):
                loop.call_soon_threadsafe(on_key, key)
            if not data:
                return
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _windows_keys(
    loop: asyncio.AbstractEventLoop, on_key: Callable[[str], None], stop: threading.Event
) -> None:
    import msvcrt  # the module is empty for type checkers elsewhere

    arrows = {"H": "up", "P": "down"}
    while not stop.wait(_POLL_S / 5):
        while msvcrt.kbhit():  # type: ignore[attr-defined,unused-ignore]
            key = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
            if key in ("\x00", "\xe0"):
                key = arrows.get(msvcrt.getwch(), "")  # type: ignore[attr-defined,unused-ignore]
            loop.call_soon_threadsafe(on_key, key)


def split_keys(text: str) -> Iterator[str]:
    """Characters and arrow keys of what a terminal sent; other escape sequences are dropped."""
    arrows = {"A": "up", "B": "down"}
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char != "\x1b":
            yield char
            continue
        if text[position : position + 1] not in ("[", "O"):
            continue
        position += 1
        while position < len(text) and not "@" <= text[position] <= "~":
            position += 1
        if text[position : position + 1] in arrows:
            yield arrows[text[position]]
        position += 1
