"""Reading files that others wrote, and writing files that only their owner may read.

Reading is bounded: only regular files are opened (opening a FIFO blocks, a device need not end),
JSON is measured before it is parsed, and a name in a file must stay inside its directory. Callers
name the class of the error that a fault becomes.

Files that hold what players said, or secrets, are written for their owner only (0600). In a folder
where others may write too, such as one for temporary files, the name may be taken by a link or by
a file that somebody else can read: both are refused or replaced.
"""

import errno
import io
import json
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from npc_brain.errors import NpcBrainError

MB = 2**20

MAX_DEPTH = 64
"""Deepest nesting of JSON; no file of ours needs more than a dozen levels."""
MAX_VALUES = 1_000_000
"""Most values of a JSON document, some 100 MB when parsed."""

_MAX_DIGITS = 20
"""Of an integer: 64 bits."""
_MAX_NAME_BYTES = 255
_MAX_PATH_CHARS = 1024

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_OPEN_FLAGS = os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):  # not all on every system
    _OPEN_FLAGS |= getattr(os, _name, 0)

_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))

# Source: "Naming Files, Paths, and Namespaces" of the Windows documentation.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.I)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\ud800-\udfff\\:*?"<>|]')


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file for reading; never blocks, even if `path` is a FIFO or a device.

    Raises OSError: it does not exist, may not be read, or is not a regular file.
    """
    try:
        _check_kind(os.stat(path).st_mode, path)  # opening some devices does something
        descriptor = os.open(path, _OPEN_FLAGS)
    except ValueError as error:  # a NUL byte or half a surrogate pair in the name
        raise OSError(errno.EINVAL, f"is no file name: {error}", repr(str(path))) from error
    try:
        _check_kind(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def is_file(path: Path) -> bool:
    """Whether there is a regular file; False also for what is no file name. Raises nothing."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, for example
        return False


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file of at most `max_bytes`.

    Raises OSError as `open_regular`, and EFBIG for a longer file, of which no more is read.
    """
    with open_regular(path) as file:
        data = file.read(max_bytes + 1) or b""
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"is larger than {max_bytes} bytes", str(path))
    return data


def read_text(path: Path, max_bytes: int, error: type[NpcBrainError], hint: str = "") -> str:
    """The UTF-8 text of a regular file of at most `max_bytes`, without its byte order mark.

    Raises `error` when it cannot be read or is no such text.
    """
    try:
        return read_bytes(path, max_bytes).decode("utf-8-sig")
    except FileNotFoundError as fault:
        raise error(f"{path} is missing, so it cannot be read", hint=hint) from fault
    except OSError as fault:
        raise error(f"{path}: cannot be read: {fault.strerror}", hint=hint) from fault
    except UnicodeDecodeError as fault:
        raise error(f"{path}: is not UTF-8 text", hint=hint or "save it as UTF-8") from fault


def read_json(
    path: Path,
    max_bytes: int,
    error: type[NpcBrainError],
    hint: str = "",
    *,
    max_values: int = MAX_VALUES,
) -> Any:
    """The JSON value in a regular file of at most `max_bytes`; see `parse_json`.

    Raises `error` when it cannot be read or is not such JSON.
    """
    text = read_text(path, max_bytes, error, hint)
    return parse_json(text, str(path), error, hint, max_values=max_values)


def parse_json(
    text: str | bytes,
    where: str,
    error: type[NpcBrainError],
    hint: str = "",
    *,
    max_values: int = MAX_VALUES,
) -> Any:
    """The value of JSON text, parsed only when it is known to be within the limits.

    No deeper than `MAX_DEPTH`, no more than `max_values` values, whole numbers of up to 20 digits,
    finite numbers, no key twice in an object, and nothing but Unicode.

    Args:
        text: UTF-8 when bytes.
        where: What to call it in messages.
        error: What is raised when it is not such JSON.
        hint: Of that error.
        max_values: Counting objects, arrays and what is in them.
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        _check_structure(data, max_values)
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
        if rb"\ud" in data or rb"\uD" in data:  # half a surrogate pair may be spelt
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as fault:
        raise error(f"{where}: holds text that is not Unicode", hint=hint) from fault
    except ValueError as fault:
        raise error(f"{where}: not JSON: {fault}", hint=hint) from fault
    return value


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, readable by its owner only (0600); blocks.

    Text is written as UTF-8. A file that had the name before is replaced, not written to. Raises
    OSError.
    """
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
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


def inside(
    directory: Path,
    name: str,
    where: str | Path,
    error: type[NpcBrainError],
    *,
    root: Path | None = None,
) -> Path:
    """The path of `name`, which stands in a file, below `directory`.

    Names mean the same on every system: forward slashes, no `..`, no drive, no name that Windows
    keeps for itself. The file need not be there.

    Args:
        directory: What the name is relative to.
        name: As the file has it.
        where: The file, for messages.
        error: What is raised for a name, or a symbolic link, that leads outside.
        root: Symbolic links may lead anywhere below it; `directory` by default.
    """
    fault = _name_fault(name) or _link_fault(directory / name, root or directory)
    if fault:
        raise error(
            f"{where}: got the path {name[:120]!r}, which {fault}",
            hint=f"nothing outside {root or directory} is read",
        )
    return directory / name


def _name_fault(name: str) -> str:
    """Why a relative path is refused, as the end of a sentence; empty when it is not."""
    parts = name.split("/")
    if not name:
        return "is empty"
    if found := _FORBIDDEN.search(name):
        return f"holds {found[0]!r}"
    if name.startswith("/"):
        return "lies outside of its directory"
    if ".." in parts:
        return "lies outside of its directory"
    if "" in parts or "." in parts:
        return "has an empty part or '.' in it"
    if any(part[-1] in ". " or _RESERVED.fullmatch(part) for part in parts):
        return "is no file name on Windows"
    if len(name) > _MAX_PATH_CHARS or any(len(p.encode()) > _MAX_NAME_BYTES for p in parts):
        return "is too long"
    return ""


def _check_kind(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"is {kind}, wanted a regular file", str(path))


def _make_private(descriptor: int) -> None:
    status = os.fstat(descriptor)
    is_ours = status.st_uid == os.geteuid() and status.st_nlink == 1
    if not stat.S_ISREG(status.st_mode) or not is_ours:
        raise PermissionError(errno.EPERM, "not a file of this user alone")
    os.fchmod(descriptor, 0o600)


def _link_fault(path: Path, root: Path) -> str:
    try:
        is_inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop
        return "is a link that leads to itself"
    return "" if is_inside else "is a link out of its directory"


def _check_structure(data: bytes, max_values: int) -> None:
    """Measure JSON by its brackets and commas. Raises ValueError."""
    structure = _JSON_STRING.sub(b"", data).translate(None, _NOT_STRUCTURE)
    if len(structure) - structure.count(b"]") - structure.count(b"}") >= max_values:
        raise ValueError(f"it holds more than {max_values} values")
    brackets = structure.translate(_AS_BRACKETS, b",")
    for _ in range(MAX_DEPTH):  # each round takes away the innermost level
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {repeated[:80]!r} comes twice")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"the number {text[:40]} is not finite")
    return value
