"""What was said in a conversation, by whom, and the outcomes of the tools used.

When it grows past its limits, the oldest turns go until half of each limit is left: dropping one
turn at a time would change the beginning of every prompt and so lose the prefix cache each time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.media import Media
from npc_brain.plain_text import plain_text

MAX_OUTCOMES = 100
"""Of one turn of a saved transcript; a turn makes a dozen calls at most."""
MAX_MEDIA = 2
"""Turns whose pictures and sounds are kept; of older ones only the text is."""


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One speaker's contribution.

    Attributes:
        speaker_id: Who spoke.
        text: What was said.
        outcomes: One sentence for each tool used in the turn, in order.
        media: What was shown or heard with it; never saved.
    """

    speaker_id: str
    text: str
    outcomes: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()

    @property
    def num_chars(self) -> int:
        """Length of all its text."""
        return len(self.text) + sum(map(len, self.outcomes))


class Transcript:
    """The turns of one NPC's conversation, oldest first."""

    def __init__(self, max_turns: int = 40, max_chars: int = 8000) -> None:
        """Start empty.

        Args:
            max_turns: How many turns are kept at most (>= 2).
            max_chars: How much text is kept at most; the last turn is always kept.
        """
        if max_turns < 2 or max_chars < 1:
            raise ValueError(f"got {max_turns} turns and {max_chars} characters, wanted >= 2 and 1")
        self._max_turns = max_turns
        self._max_chars = max_chars
        self._turns: list[SpokenTurn] = []
        self._num_chars = 0

    @property
    def turns(self) -> tuple[SpokenTurn, ...]:
        """All turns kept, oldest first."""
        return tuple(self._turns)

    def __len__(self) -> int:
        return len(self._turns)

    def add(
        self,
        speaker_id: str,
        text: str,
        outcomes: Iterable[str] = (),
        media: tuple[Media, ...] = (),
    ) -> None:
        """Add a turn, and drop the oldest ones if there is too much."""
        turn = SpokenTurn(speaker_id, plain_text(text), tuple(map(plain_text, outcomes)), media)
        self._turns.append(turn)
        if media:
            self._drop_old_media()
        self._num_chars += turn.num_chars
        if len(self._turns) > self._max_turns or self._num_chars > self._max_chars:
            self._trim()

    def clear(self) -> None:
        """Forget all turns, as at the end of a conversation."""
        self._turns.clear()
        self._num_chars = 0

    def to_json(self) -> list[dict[str, Any]]:
        """The turns as JSON."""
        return [
            {"speaker_id": turn.speaker_id, "text": turn.text, "outcomes": list(turn.outcomes)}
            for turn in self._turns
        ]

    def restore(self, saved: Sequence[Mapping[str, Any]]) -> None:
        """Take up the turns of `to_json`.

        Raises:
            NpcBrainError: `saved` is not such a value (`bad_blob`).
        """
        if not isinstance(saved, list | tuple):
            raise _damaged("it is no list")
        if len(saved) > self._max_turns:
            raise _damaged(f"it has {len(saved)} turns, at most {self._max_turns} are kept")
        turns = [_turn(turn) for turn in saved]
        self.clear()
        for speaker_id, text, outcomes in turns:
            self.add(speaker_id, text, outcomes)

    def _drop_old_media(self) -> None:
        with_media = [index for index, turn in enumerate(self._turns) if turn.media]
        for index in with_media[:-MAX_MEDIA]:
            self._turns[index] = replace(self._turns[index], media=())

    def _trim(self) -> None:
        drop, num_chars = 0, self._num_chars
        while drop < len(self._turns) - 1 and (
            len(self._turns) - drop > self._max_turns // 2 or num_chars > self._max_chars // 2
        ):
            num_chars -= self._turns[drop].num_chars
            drop += 1
        del self._turns[:drop]
        self._num_chars = num_chars


def _turn(saved: Any) -> tuple[str, str, tuple[str, ...]]:
    """One turn of a save: who spoke, what was said, the outcomes of tools."""
    if isinstance(saved, dict):
        outcomes = saved.get("outcomes", ())
        if isinstance(outcomes, list | tuple) and len(outcomes) <= MAX_OUTCOMES:
            match [saved.get("speaker_id"), saved.get("text"), *outcomes]:
                case [str(speaker_id), str(text), *rest] if all(isinstance(s, str) for s in rest):
                    return speaker_id, text, tuple(map(str, rest))
    raise _damaged("a turn has no speaker, no text or no outcomes")


def _damaged(how: str) -> NpcBrainError:
    return NpcBrainError(f"a saved transcript is damaged: {how}", code=ErrorCode.BAD_BLOB)
