"""Runs a program under strace and tells which files it changed, what it looked up and whom it met.

Where the system lets it, the program gets a network namespace with nothing but loopback, so that
even an offender that is run on purpose reaches nobody.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_SOCKET_CALLS = ("connect", "sendto", "sendmsg", "sendmmsg", "bind")
_FILE_CALLS = (
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,"
    "link,linkat,symlink,symlinkat"
)
_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\w+)")
_PIECE = re.compile(r"^(?P<pid>\d+) +(?P<head>.*) <unfinished \.\.\.>$")
_REST = re.compile(r"^(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<tail>.*)$")
_PATH = re.compile(
    r'(?:AT_FDCWD<(?P<cwd>[^>]*)>|\d+<(?P<dir>/[^>]*)>|(?P<none>))(?:, )?"(?P<path>[^"]*)"'
)
_ADDRESS = re.compile(r"\{sa_family=(?P<family>AF_\w+)(?P<rest>[^}]*)")
_PORT = re.compile(r"_port=htons\((\d+)\)")
_HOST = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"')
_CHANGES = ("O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC")
_RESOLVER_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf")
_RESOLVER_SOCKETS = ("resolve", "nscd", "mdns", "avahi")
_DEVICES = ("/dev/", "/proc/")


@dataclass
class Recording:
    """What a program and its children did.

    Attributes:
        output: Standard output and error.
        changed: Paths that were made, opened for writing or renamed to.
        looked_up: Signs of a name being looked up.
        met: Addresses beyond loopback that were connected or sent to, or listened on.
    """

    exit_code: int
    output: str
    changed: set[Path] = field(default_factory=set)
    looked_up: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)

    def changed_outside(self, *places: Path) -> list[str]:
        """The changed paths that lie in none of `places`."""
        roots = [place.resolve() for place in places]
        return sorted(
            str(path)
            for path in self.changed
            if not any(path.is_relative_to(root) for root in roots)
        )


@functools.cache
def _prefix() -> list[str]:
    """What comes before the traced command; skips the test where nothing can be traced."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        pytest.skip("strace, which records system calls, is not installed")
    alone = [
        "unshare",
        "--map-root-user",
        "--net",
        "sh",
        "-c",
        'ip link set lo up && exec "$@"',
        "sh",
    ]
    alone = alone if _works([*alone, "true"]) else []
    tracer = ["strace", "--follow-forks", "--seccomp-bpf", "--decode-fds=path", "--quiet=all"]
    tracer += ["--string-limit=512", f"--trace={','.join(_SOCKET_CALLS)},{_FILE_CALLS}"]
    if not _works([*alone, *tracer, "--output=/dev/null", "true"]):
        pytest.skip("this system does not let strace trace a process")
    return [*alone, *tracer]


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """What a program is started with that finds nothing of this user's: no switch is set for it."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    places = {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **places, **more}


def record(
    command: Sequence[str], log: Path, *, env: dict[str, str], cwd: Path, timeout_s: float = 240.0
) -> Recording:
    """Run `command` to its end; what it does is also kept in `log`."""
    done = subprocess.run(
        [*_prefix(), f"--output={log}", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )
    recording = Recording(done.returncode, done.stdout)
    for line in _whole_lines(log.read_text(errors="replace").splitlines()):
        if (match := _LINE.match(line)) is not None:
            _note(recording, match["call"], match["arguments"], match["result"], cwd)
    return recording


def _whole_lines(lines: Sequence[str]) -> list[str]:
    """Calls that another thread's interrupted, put together again."""
    whole, begun = [], dict[str, str]()
    for line in lines:
        if piece := _PIECE.match(line):
            begun[piece["pid"]] = piece["head"]
        elif rest := _REST.match(line):
            whole.append(f"{rest['pid']} {begun.pop(rest['pid'], '')}{rest['tail']}")
        else:
            whole.append(line)
    return whole


def _note(recording: Recording, call: str, arguments: str, result: str, cwd: Path) -> None:
    if call in _SOCKET_CALLS:
        _note_address(recording, call, arguments)
        return
    paths = [
        Path(found["cwd"] or found["dir"] or cwd, found["path"])
        for found in _PATH.finditer(arguments)
    ]
    if not paths:
        return
    if str(paths[0]) in _RESOLVER_FILES:
        recording.looked_up.add(str(paths[0]))
    is_opening = call in ("open", "openat", "openat2")
    if is_opening and not any(flag in arguments for flag in _CHANGES):
        return
    changed = Path(os.path.normpath(paths[-1]))
    if result.startswith("-") or str(changed).startswith(_DEVICES):
        return
    recording.changed.add(changed.parent.resolve() / changed.name)


def _note_address(recording: Recording, call: str, arguments: str) -> None:
    for address in _ADDRESS.finditer(arguments):
        family, rest = address["family"], address["rest"]
        port, host = (found[1] if (found := part.search(rest)) else "" for part in (_PORT, _HOST))
        if family == "AF_UNIX":
            if any(word in rest for word in _RESOLVER_SOCKETS):
                recording.looked_up.add(f"{call}{rest}")
        elif family not in ("AF_NETLINK", "AF_UNSPEC"):  # the kernel; undoing a connect
            if port == "53":
                recording.looked_up.add(f"{call} to {host} port {port}")
            if not (host.startswith("127.") or host in ("::1", "::ffff:127.0.0.1")):
                recording.met.add(f"{call} {family} {host} port {port}")
