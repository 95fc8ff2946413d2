"""The sidecar's log: what went wrong and where, without what players and models said.

Texts of exceptions are left out, for they quote what they choke on: a body that does not fit its
schema, a server's answer that repeats the request. Their types, codes and places are logged.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TypeAlias

from npc_brain.errors import NpcBrainError

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MAX_CHAIN = 8

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)
_log = logging.getLogger("npc_brain")


class PrivateFormatter(logging.Formatter):
    """Formats records; of an exception only types, codes and places."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802
        """The exception and those that led to it."""
        return "\n".join(_described(ei[1])) if ei[1] is not None else ""


def configure() -> None:
    """Log to standard error, uncaught exceptions of all threads included."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrivateFormatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    sys.excepthook = lambda kind, error, trace: _log.critical(
        "uncaught", exc_info=(kind, error, trace)
    )
    threading.excepthook = lambda caught: _log.critical(
        "uncaught in thread %s", caught.thread and caught.thread.name, exc_info=caught.exc_value
    )


def _described(error: BaseException, depth: int = 0) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and depth < _MAX_CHAIN:
        yield from _described(cause, depth + 1)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    code = f" ({error.code})" if isinstance(error, NpcBrainError) else ""
    yield f"{type(error).__module__}.{type(error).__qualname__}{code}"
    if isinstance(error, BaseExceptionGroup) and depth < _MAX_CHAIN:
        for part in error.exceptions:
            yield from _described(part, depth + 1)
