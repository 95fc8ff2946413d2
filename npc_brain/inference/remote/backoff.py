"""When a server may be asked again that has refused, or that did not come back.

Source: RFC 9110, section 10.2.3, for `Retry-After`: seconds, or a date.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock

from npc_brain.clock import Clock

FIRST_S = 0.5
MAX_S = 8.0
"""Of a pause that doubles each time; a server that has become quick is soon asked again."""
MAX_RETRY_AFTER_S = 600.0
"""Of a pause that the server asks for."""


class BackOff:
    """Pauses that grow until something succeeds. Usable from any thread."""

    def __init__(self, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        """Begin without a pause; `jitter` gives numbers from 0 to 1."""
        self._clock = clock
        self._jitter = jitter
        self._lock = Lock()
        self._num_refused = 0
        self._end_s = 0.0

    @property
    def left_s(self) -> float:
        """How long nothing may be asked; 0 when it may."""
        return max(0.0, self._end_s - self._clock.now_s())

    def refuse(self, retry_after: str = "") -> None:
        """Pause: as long as the server asks for, else about twice as long as the last time."""
        with self._lock:
            asked_s = min(_seconds(retry_after), MAX_RETRY_AFTER_S)
            own_s = min(MAX_S, FIRST_S * 2.0 ** min(self._num_refused, 16))
            pause_s = max(asked_s, own_s * (0.5 + 0.5 * self._jitter()))
            if self.left_s == 0.0:  # else this was asked before the pause began
                self._num_refused += 1
            self._end_s = max(self._end_s, self._clock.now_s() + pause_s)

    def succeed(self) -> None:
        """The server works: there is no pause, and the next one is short again."""
        with self._lock:
            self._num_refused, self._end_s = 0, 0.0


def _seconds(retry_after: str) -> float:
    """The pause that a header asks for; 0 when it says nothing that can be read."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
        return max(
            0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
