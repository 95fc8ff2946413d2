"""How long a search may take."""

import time
from collections.abc import Callable

from npc_brain.errors import WorldError


class SearchCutOff(WorldError):  # noqa: N818
    """A search took longer than it may; nothing is known about the way."""


class SearchLimit:
    """The end of a search, in time or by cancelling. May be cancelled from another thread."""

    def __init__(
        self, seconds: float = float("inf"), now: Callable[[], float] = time.monotonic
    ) -> None:
        """Start now: the search may take `seconds`, measured by the clock `now`."""
        self._now = now
        self._end_s = now() + seconds
        self._is_cancelled = False

    @property
    def left_s(self) -> float:
        """How much is left; 0 once over."""
        return 0.0 if self._is_cancelled else max(0.0, self._end_s - self._now())

    def cancel(self) -> None:
        """Let the search end at its next check."""
        self._is_cancelled = True

    def check(self) -> None:
        """Raises SearchCutOff once over."""
        if self.left_s <= 0:
            raise SearchCutOff("the search was cut off: it took longer than it may")


MAX_STEPS = 100_000
"""Most steps of a path; copying a longer list of cells would hold the interpreter."""


def check_steps(num_steps: int) -> None:
    """Raises SearchCutOff for a path of more than `MAX_STEPS` steps."""
    if num_steps > MAX_STEPS:
        raise SearchCutOff(f"the path has {num_steps} steps, at most {MAX_STEPS} are followed")


UNLIMITED = SearchLimit()
