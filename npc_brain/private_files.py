"""Files that hold what players said, or secrets: for their owner only, and nobody else's.

Where others may write too, such as a shared folder for temporary files, a name may be taken by a
link to another file, or by a file that somebody else can read. Both are refused or replaced.
"""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only (0600); blocks.

    What had the name before is replaced, not written to. Raises OSError.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def open_private(path: Path, mode: Literal["w", "a"]) -> IO[str]:
    """Open a file to write to it bit by bit, readable by its owner only (0600).

    Raises:
        OSError: It cannot be opened; also when it is a link, no regular file, or somebody else's.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if mode == "a" else 0)
    if os.name == "posix":
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO would wait for its reader
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.name == "posix":
            _make_private(descriptor)
        if mode == "w":
            os.ftruncate(descriptor, 0)
        return os.fdopen(descriptor, mode, encoding="utf-8")
    except BaseException:
        os.close(descriptor)
        raise


def _make_private(descriptor: int) -> None:
    status = os.fstat(descriptor)
    is_ours = status.st_uid == os.geteuid() and status.st_nlink == 1
    if not stat.S_ISREG(status.st_mode) or not is_ours:
        raise PermissionError(errno.EPERM, "not a file of this user alone")
    os.fchmod(descriptor, 0o600)
