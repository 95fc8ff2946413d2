"""Fetches published model files from the Hugging Face hub, or from what `HF_ENDPOINT` names.

`huggingface_hub` brings the addresses, the token of the environment and the HTTP client. The bytes
are read here: version 2 of it starts a file over when a process was interrupted, and a file of ours
can be 2 GB. Every file is compared with the checksum that the hub tells, and kept from then on.

Source: huggingface_hub's documentation of `HfApi.model_info` and `hf_hub_url`.
"""

import errno
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.inference.model_dir import Progress

_MAX_TRIES = 5
"""Attempts in a row that bring no bytes before a file is given up."""
_RETRY_PAUSE_S = 1.0
_TIMEOUT_S = 60.0
"""Without a byte from the other side."""

Wanted = Callable[[str], bool]
"""Whether a file, by its path in the repository, is to be fetched."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository.

    Attributes:
        path: In the repository, with forward slashes.
        sha256: Of its content; None for small files, which the hub knows by `git_id`.
        git_id: The sha1 by which git knows the content.
    """

    path: str
    num_bytes: int
    sha256: str | None
    git_id: str


def fetch_from_hub(repo_id: str, wanted: Wanted, target: Path, progress: Progress) -> str:
    """Have the `wanted` files of the newest revision of `repo_id` below `target`.

    What is there and right is not fetched again, and a file that is there in part is continued.

    Returns the revision's commit id.
    Raises ModelError (`download_failed`, `model_not_found`).
    """
    hub = _hub()
    try:
        info = hub.HfApi().model_info(repo_id, files_metadata=True, timeout=_TIMEOUT_S)
    except Exception as error:  # the HTTP library underneath has changed twice
        _refuse(repo_id, error)
    files = [_hub_file(entry) for entry in info.siblings or [] if wanted(entry.rfilename)]
    total = sum(file.num_bytes for file in files)
    _check_space(target, files)
    done = 0
    for file in files:

        def show(num_bytes: int, base: int = done, name: str = file.path) -> None:
            progress(base + num_bytes, total, f"downloading {Path(name).name}")

        _fetch(hub, repo_id, str(info.sha), file, target, show)
        done += file.num_bytes
    progress(total, total, "downloaded")
    return str(info.sha)


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.utils
    except ImportError as error:
        raise ModelError(
            "the package huggingface_hub is not installed",
            code=ErrorCode.DOWNLOAD_FAILED,
            hint="install it with `pip install 'npc-brain[hub]'`",
        ) from error
    return huggingface_hub


def _hub_file(entry: Any) -> HubFile:
    path = str(entry.rfilename)
    if Path(path).is_absolute() or ".." in Path(path).parts or "\\" in path:
        raise ModelError(
            f"the hub lists a file {path!r}, which lies outside", code=ErrorCode.DOWNLOAD_FAILED
        )
    sha256 = entry.lfs.sha256 if entry.lfs else None
    return HubFile(path, int(entry.size or 0), sha256, str(entry.blob_id))


def _fetch(
    hub: Any, repo_id: str, revision: str, file: HubFile, target: Path, show: Callable[[int], None]
) -> None:
    path = target / file.path
    if path.is_file() and _is_right(path, file):
        return
    partial = _partial(target, file)
    partial.parent.mkdir(parents=True, exist_ok=True)
    num_tries = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            _continue(hub, repo_id, revision, file, partial, show)
            break
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _disk_full(target, file.num_bytes) from error
            failure: Exception = error
        except Exception as error:  # the HTTP library underneath has changed twice
            failure = error
        has_moved = partial.exists() and partial.stat().st_size > before
        num_tries = 0 if has_moved else num_tries + 1
        if num_tries >= _MAX_TRIES or _status(failure) is not None:
            _refuse(f"{file.path} of {repo_id}", failure)
        time.sleep(_RETRY_PAUSE_S)
    if not _is_right(partial, file):
        partial.unlink()
        raise ModelError(
            f"{file.path} of {repo_id} is not what the hub says it is: its checksum differs",
            code=ErrorCode.DOWNLOAD_FAILED,
            hint="try again; if it keeps failing, something on the way changes the file",
            retryable=True,
        )
    partial.replace(path)


def _continue(
    hub: Any,
    repo_id: str,
    revision: str,
    file: HubFile,
    partial: Path,
    show: Callable[[int], None],
) -> None:
    """Append to `partial` what it lacks."""
    with partial.open("ab") as out:
        done = out.tell()
        if done >= file.num_bytes:
            return
        headers = hub.utils.build_hf_headers() | {"Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
        session = hub.get_session()
        url = hub.hf_hub_url(repo_id, file.path, revision=revision)
        with session.stream("GET", url, headers=headers, timeout=_TIMEOUT_S) as response:
            hub.utils.hf_raise_for_status(response)
            if done and response.status_code != 206:  # the server does not know ranges
                out.truncate(0)
                done = 0
            for chunk in response.iter_bytes():  # as it comes: nothing is lost when it breaks
                out.write(chunk)
                done += len(chunk)
                show(min(done, file.num_bytes))
    if done < file.num_bytes:
        raise ConnectionError(f"the connection ended after {done} of {file.num_bytes} bytes")


def _partial(target: Path, file: HubFile) -> Path:
    """Where the beginning of a file is kept: another content has another place."""
    path = target / file.path
    return path.with_name(f".{path.name}.{(file.sha256 or file.git_id)[:12]}.partial")


def _is_right(path: Path, file: HubFile) -> bool:
    if path.stat().st_size != file.num_bytes:
        return False
    with path.open("rb") as content:
        if file.sha256 is not None:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
        header = f"blob {file.num_bytes}\0".encode()
        return hashlib.sha1(header + content.read(), usedforsecurity=False).hexdigest() == (
            file.git_id
        )


def _check_space(target: Path, files: list[HubFile]) -> None:
    """Refuse before the work begins, not at its end."""
    lacking = 0
    for file in files:
        path = target / file.path
        present = path if path.is_file() else _partial(target, file)
        size = present.stat().st_size if present.is_file() else 0
        lacking += max(0, file.num_bytes - size)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot write to {target}: {error}", code=ErrorCode.DOWNLOAD_FAILED
        ) from error
    if lacking > shutil.disk_usage(target).free:
        raise _disk_full(target, lacking)


def _disk_full(target: Path, num_bytes: int) -> ModelError:
    free = shutil.disk_usage(target).free
    return ModelError(
        f"the download needs {num_bytes / 1e9:.2f} GB at {target}, where {free / 1e9:.2f} GB are "
        "free",
        code=ErrorCode.DOWNLOAD_FAILED,
        hint="free some space, or set NPC_BRAIN_CACHE to a directory on another disk",
    )


def _status(error: Exception) -> int | None:
    """The HTTP status with which a server refused, if it was that and will stay so."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 500 and status != 429 else None


def _refuse(what: str, error: Exception) -> NoReturn:
    status = _status(error)
    if status in (401, 403):
        hint = "it needs an account: accept its terms on the hub and set HF_TOKEN"
    elif status == 404:
        hint = "it is not on the hub (any more)"
    else:
        hint = "check the network; what was fetched so far is kept and the next try continues it"
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    raise ModelError(
        f"cannot download {what}: {lines[0]}",
        code=ErrorCode.MODEL_NOT_FOUND if status == 404 else ErrorCode.DOWNLOAD_FAILED,
        hint=hint,
        retryable=status is None,
    ) from error
