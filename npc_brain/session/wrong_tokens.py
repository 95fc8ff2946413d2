"""Slows down guessing of the token, without a delay that others would notice.

A right guess cannot be told from a wrong one before it is looked at, so all connections without a
session wait their turn while guesses come quickly. Those that have not been wrong yet come first:
a guesser competes with them only with a new connection for each guess.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from npc_brain.clock import Clock

BURST = 20
"""Wrong tokens that may come at once without a delay."""
PER_SECOND = 50.0
"""Wrong tokens looked at in the long run."""
MAX_HELD = 8
"""Messages of one connection that may wait; one that sends more is closed."""


class WrongTokens:
    """What may be looked at, and what waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._allowance = float(BURST)
        self._since_s = clock.now_s()
        self._held: dict[bytes, deque[Sequence[bytes]]] = {}
        self._wrong: set[bytes] = set()

    @property
    def num_waiting(self) -> int:
        """Connections of which messages are held."""
        return len(self._held)

    def note(self, identity: bytes) -> None:
        """A wrong token of a connection was looked at."""
        self._allowance -= 1
        self._wrong.add(identity)

    def may_look(self) -> bool:
        """Whether a connection's first messages may be looked at as they come."""
        return not self._held and self._has_allowance()

    def is_held(self, identity: bytes) -> bool:
        """Whether messages of a connection wait, so that later ones must too."""
        return identity in self._held

    def hold(self, identity: bytes, frames: Sequence[bytes]) -> bool:
        """Keep a message until its turn; False when the connection has too many waiting."""
        held = self._held.setdefault(identity, deque())
        held.append(frames)
        return len(held) <= MAX_HELD

    def forget(self, identity: bytes) -> None:
        """The connection is gone."""
        self._held.pop(identity, None)
        self._wrong.discard(identity)

    def due(self) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """The messages whose turn it is, one of each connection in a round."""
        while self._held and self._has_allowance():
            first = next(iter(self._held))
            identity = next((name for name in self._held if name not in self._wrong), first)
            held = self._held.pop(identity)
            frames = held.popleft()
            if held:
                self._held[identity] = held
            yield identity, frames

    def _has_allowance(self) -> bool:
        now_s = self._clock.now_s()
        gained = (now_s - self._since_s) * PER_SECOND
        self._allowance = min(float(BURST), self._allowance + gained)
        self._since_s = now_s
        return self._allowance >= 1
