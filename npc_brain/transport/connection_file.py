"""The connection file: how a game finds a sidecar that it did not start itself."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from npc_brain import files
from npc_brain.errors import UsageError

_MAX_BYTES = 64 * 1024


class ConnectionInfo(NamedTuple):
    """Where a sidecar listens, and the token that it wants."""

    endpoint: str
    token: str
    pid: int


def write_connection_file(path: Path, endpoint: str, token: str) -> None:
    """Write the file for this process, whole or not at all, readable by its owner only (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    info = ConnectionInfo(endpoint, token, os.getpid())
    files.write_private(path, json.dumps(info._asdict()))


def read_connection_file(path: Path) -> ConnectionInfo:
    """Read the file.

    Raises:
        UsageError: There is none, or it is damaged.
    """
    try:
        fields = files.read_json(path, _MAX_BYTES, UsageError)
        return ConnectionInfo(str(fields["endpoint"]), str(fields["token"]), int(fields["pid"]))
    except (UsageError, ValueError, TypeError, KeyError) as e:
        raise UsageError(
            f"cannot read the connection file {path}: {e}", hint="Is a sidecar running?"
        ) from e
