"""Ending with one's parent: a sidecar must not outlive the game that started it.

Each platform can wait for a process through a handle that a reused process id cannot fool: pidfd,
kqueue, process handles. Where there is none, the id is polled.
"""

import ctypes
import os
import select
import sys
import threading
import time
from collections.abc import Callable

POLL_INTERVAL_S = 0.5


def watch_parent(pid: int, on_exit: Callable[[], object]) -> None:
    """Call `on_exit` from another thread, within a second, once process `pid` has ended.

    It is called at once when there is no such process.
    """

    def watch() -> None:
        wait_for_exit(pid)
        on_exit()

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


if sys.platform == "win32":

    def wait_for_exit(pid: int) -> None:
        """Block until process `pid` has ended; returns at once when there is none."""
        synchronize, infinite = 0x00100000, 0xFFFFFFFF  # winnt.h, winbase.h
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel32.OpenProcess.restype = ctypes.c_void_p
        kernel32.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
        handle = kernel32.OpenProcess(synchronize, False, pid)
        if not handle:
            return
        try:
            kernel32.WaitForSingleObject(handle, infinite)
        finally:
            kernel32.CloseHandle(handle)

elif sys.platform == "darwin":

    def wait_for_exit(pid: int) -> None:
        """Block until process `pid` has ended; returns at once when there is none."""
        exited = select.kevent(
            pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
        )
        queue = select.kqueue()
        try:
            queue.control([exited], 1)
        except ProcessLookupError:
            return
        finally:
            queue.close()

else:

    def wait_for_exit(pid: int) -> None:
        """Block until process `pid` has ended; returns at once when there is none."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:  # a kernel or sandbox without pidfd
            poll_for_exit(pid)
            return
        try:
            select.select([descriptor], [], [])
        finally:
            os.close(descriptor)


def poll_for_exit(pid: int) -> None:
    """As `wait_for_exit`, by looking; the parent's end is seen even if its id is taken again."""
    is_our_parent = os.getppid() == pid
    while _exists(pid) and (not is_our_parent or os.getppid() == pid):
        time.sleep(POLL_INTERVAL_S)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
