"""When an overloaded server may be asked again.

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
"""The first and the longest pause of our own; each is about twice as long as the one before."""
MAX_RETRY_AFTER_S = 600.0
"""The longest pause that a server may ask for."""


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
        """How long the pause still lasts; 0 when there is none."""
        return max(0.0, self._end_s - self._clock.now_s())

    def refuse(self, retry_after: str = "") -> None:
        """Start a pause: as long as the server asks for, else about twice the last one."""
        with self._lock:
            asked_s = min(_seconds(retry_after), MAX_RETRY_AFTER_S)
            own_s = min(MAX_S, FIRST_S * 2.0 ** min(self._num_refused, 16))
            pause_s = max(asked_s, own_s * (0.5 + 0.5 * self._jitter()))
            if self.left_s == 0.0:  # else this was asked before the pause began
                self._num_refused += 1
            self._end_s = max(self._end_s, self._clock.now_s() + pause_s)

    def succeed(self) -> None:
        """End the pause; the next one is short again."""
        with self._lock:
            self._num_refused, self._end_s = 0, 0.0


def _seconds(retry_after: str) -> float:
    """The pause in a `Retry-After` header; 0 when it cannot be parsed."""
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
