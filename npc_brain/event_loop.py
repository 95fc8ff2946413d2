"""Running asyncio where ZeroMQ needs it: on Windows its sockets want the selector loop."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """As `asyncio.run`, on a loop that pyzmq works with.

    Source: https://pyzmq.readthedocs.io, "asyncio on Windows": the proactor loop has no readers.
    """
    factory = asyncio.SelectorEventLoop if sys.platform == "win32" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
