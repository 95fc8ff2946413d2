"""The line of one turn, as it is being said."""

from collections.abc import Callable

from npc_brain.clock import Clock
from npc_brain.decision.events import LineSaid, Source, StageEvent, TokenSaid

_CLOSING = " \"')\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"


class Utterance:
    """Collects the pieces of a line, reports each, and closes it once.

    Emotion, gesture and choices may be set until the line is closed.
    """

    def __init__(self, turn_id: int, notify: Callable[[StageEvent], None], clock: Clock) -> None:
        self._turn_id = turn_id
        self._notify = notify
        self._clock = clock
        self._pieces: list[str] = []
        self.first_token_s: float | None = None
        self.emotion = "neutral"
        self.gesture = "none"
        self.choices: tuple[str, ...] = ()
        self.line: LineSaid | None = None

    @property
    def text(self) -> str:
        """What has been said so far."""
        return "".join(self._pieces)

    @property
    def is_between_sentences(self) -> bool:
        """Whether nothing was said yet, or the last sentence is complete."""
        return not self.text.strip() or self.text.rstrip(_CLOSING).endswith((".", "!", "?", "…"))

    def add(self, piece: str) -> None:
        """Say `piece` after what was said."""
        if not piece:
            return
        if self.first_token_s is None:
            self.first_token_s = self._clock.now_s()
        self._pieces.append(piece)
        self._notify(TokenSaid(self._turn_id, piece))

    def close(self, source: Source) -> LineSaid:
        """End the line; `source` tells who made it."""
        self.line = LineSaid(
            self._turn_id, self.text, source, self.emotion, self.gesture, self.choices
        )
        self._notify(self.line)
        return self.line
