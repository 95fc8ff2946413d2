"""The line of one turn, as it is being said."""

from collections.abc import Callable

from npc_brain.clock import Clock
from npc_brain.decision.events import LineSaid, Source, StageEvent, TokenSaid

_CLOSING = " \"')\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"


class Utterance:
    """Collects the pieces of a line, reports each, and closes it once.

    A piece that the listener does not take was not said, and a line that it does not take is not
    closed. Emotion, gesture and choices may be set until then.

    Attributes:
        text: What has been said so far.
        line: The line once it is closed.
    """

    def __init__(self, turn_id: int, notify: Callable[[StageEvent], None], clock: Clock) -> None:
        self._turn_id = turn_id
        self._notify = notify
        self._clock = clock
        self.text = ""
        self.first_token_s: float | None = None
        self.emotion = "neutral"
        self.gesture = "none"
        self.choices: tuple[str, ...] = ()
        self.line: LineSaid | None = None

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
        self._notify(TokenSaid(self._turn_id, piece))
        self.text += piece

    def close(self, source: Source) -> LineSaid:
        """End the line; `source` tells who made it."""
        line = LineSaid(self._turn_id, self.text, source, self.emotion, self.gesture, self.choices)
        self._notify(line)
        self.line = line
        return line
