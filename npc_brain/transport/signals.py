"""Termination signals, handled on a thread of their own, however busy the other threads are."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_HANG_UP = getattr(signal, "SIGHUP", None)
"""A terminal that was closed; Windows ends the process itself then."""


@contextmanager
def watch_signals(on_signal: Callable[[], object]) -> Iterator[None]:
    """For the block, call `on_signal` from another thread when the process is asked to end.

    Python's own handlers wait for the main thread, and those of asyncio for the event loop; the
    byte that the interpreter writes into its wake-up descriptor waits for neither. Called once, and
    from the main thread only.
    """
    receiving, sending = socket.socketpair()
    sending.setblocking(False)

    def watch() -> None:
        with receiving:
            while numbers := receiving.recv(64):
                if any(number in _SIGNALS for number in numbers):
                    on_signal()
                    return

    previous_descriptor = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    previous = {
        number: signal.signal(number, lambda *_: None)
        for number in _SIGNALS
        if not (number == _HANG_UP and signal.getsignal(number) is signal.SIG_IGN)  # by `nohup`
    }
    threading.Thread(target=watch, name="signal watch", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_descriptor)
        sending.close()  # which ends the thread, unless it is in `on_signal`
