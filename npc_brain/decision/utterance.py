"""The line of one turn, as it is being said: everything spoken passes through here.

Whoever made a line (the model, an author, the outcome of a tool, a player's text in a memory), it
is heard only after this check: no markup, no control or hidden characters (`plain_text`), none of
the NPC's secrets (`npc.secrets`), at most `MAX_LINE_CHARS`. What has been heard cannot be taken
back, so whatever may still become markup or a secret is held back until that is decided. What is
heard adds up to the line.
"""

from collections.abc import Callable, Iterable

from npc_brain.clock import Clock
from npc_brain.errors import InferenceError
from npc_brain.npc.secrets import Secrets, SecretWatch
from npc_brain.plain_text import PlainTextStream, plain_text
from npc_brain.protocol.messages import NpcMessage, TurnLine, TurnToken
from npc_brain.vocabulary import Source

MAX_LINE_CHARS = 2000
"""Longest line; a longer one is cut there, between two words if possible, with an ellipsis."""

_CLOSING = " \"')\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


class IndiscreetLineError(InferenceError):
    """The line would have spelled one of the NPC's secrets; what was held back of it is dropped."""


class Utterance:
    """Collects the pieces of a line, reports what can be heard of each, and closes it once.

    A piece that the listener does not take was not said, and a line that it does not take is not
    closed. Emotion, gesture and choices may be set until then.

    Attributes:
        line: The line once it is closed.
    """

    def __init__(
        self,
        turn_id: int,
        notify: Callable[[NpcMessage], None],
        clock: Clock,
        secrets: Secrets | None = None,
    ) -> None:
        self._turn_id = turn_id
        self._notify = notify
        self._clock = clock
        self._secrets = secrets or Secrets(())
        self._plain = PlainTextStream()
        self._watch = SecretWatch(self._secrets)
        self._said = ""
        self._held = ""
        self._is_full = False
        self.first_token_s: float | None = None
        self.emotion = "neutral"
        self.gesture = "none"
        self.choices: tuple[str, ...] = ()
        self.line: TurnLine | None = None

    @property
    def text(self) -> str:
        """What has been said so far, with what is held back of it."""
        return self._said + self._held

    @property
    def is_between_sentences(self) -> bool:
        """Whether nothing was said yet, or the last sentence is complete."""
        text = self.text.rstrip()
        return not text or text.rstrip(_CLOSING).endswith((".", "!", "?", _ELLIPSIS))

    def discreet(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Those of `lines` that may be said."""
        return tuple(
            line
            for line in lines
            if self._secrets.spelled(plain_text(line)[:MAX_LINE_CHARS]) is None
        )

    def say(self, line: str, source: Source) -> None:
        """Say a whole line after what was said, and close it.

        Raises:
            IndiscreetLineError: It spells a secret; nothing of it was heard.
        """
        plain = plain_text(line)
        if not self.discreet([plain]):
            raise IndiscreetLineError("the line would have spelled a secret")
        self.drop_held()
        self._hear(plain if plain.strip() else _ELLIPSIS)
        self.close(source)

    def add(self, piece: str) -> None:
        """Say `piece` after what was said.

        Raises:
            IndiscreetLineError: It would have spelled a secret; the line stays open, without what
                was held back.
        """
        if not self._is_full:
            self._hold(self._plain.push(piece))

    def settle(self) -> None:
        """Say what is held back: nothing follows that could make it markup or a secret.

        Raises:
            IndiscreetLineError: As `add`.
        """
        self._hold(self._plain.end())
        self._watch.end()
        self._refuse_secrets()
        self._hear(self._held)

    def drop_held(self) -> None:
        """Leave unsaid what is held back, as when the line breaks off."""
        self._plain = PlainTextStream()
        self._watch = SecretWatch(self._secrets)
        self._held = ""

    def close(self, source: Source) -> TurnLine:
        """End the line, made by `source`. Raises IndiscreetLineError as `add`."""
        self.settle()
        line = TurnLine(
            turn_id=self._turn_id,
            text=self._said,
            emotion=self.emotion,
            gesture=self.gesture,
            source=source,
            choices=self._plain_choices(),
        )
        self._notify(line)
        self.line = line
        return line

    def _plain_choices(self) -> tuple[str, ...]:
        """The choices that may be shown: none when they and the line together tell a secret."""
        choices = tuple(filter(None, map(plain_text, self.discreet(self.choices))))
        return choices if self.discreet([" ".join([self._said, *choices])]) else ()

    def _hold(self, text: str) -> None:
        if not self.text:
            text = text.lstrip()
        self._watch.feed(text)
        self._refuse_secrets()
        self._held += text
        num_heard = len(self._held) - self._watch.num_held
        self._hear(self._held[: max(0, num_heard)])

    def _refuse_secrets(self) -> None:
        if self._watch.found is not None:
            self.drop_held()
            raise IndiscreetLineError("the line would have spelled a secret")

    def _hear(self, text: str) -> None:
        """Let the first of what is held back be heard: `text`."""
        self._held = self._held[len(text) :]
        if not self._said:
            text = text.lstrip()
        room = MAX_LINE_CHARS - len(self._said)
        if len(text) > room:
            self._is_full = True
            self._held = ""
            text = _cut(text, room)
        if text:
            if self.first_token_s is None:
                self.first_token_s = self._clock.now_s()
            self._notify(TurnToken(turn_id=self._turn_id, text=text))
            self._said += text


def _cut(text: str, room: int) -> str:
    """The beginning of `text` that fits, with an ellipsis."""
    if room < 1:
        return ""
    kept = text[: room - 1]
    return (kept[: kept.rfind(" ")] if " " in kept else kept) + _ELLIPSIS
