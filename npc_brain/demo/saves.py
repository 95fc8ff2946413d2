"""The save file: the world as JSON, the NPCs' minds as the sidecar gave them."""

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npc_brain import files
from npc_brain.errors import ErrorCode, SessionError

FORMAT = "npc_brain sample game"
VERSION = 1
MAX_SAVE_BYTES = 64 * files.MB
_HINT = "Name a file that `save` wrote."


def write_save(path: Path, world: Mapping[str, Any], minds: bytes) -> None:
    """Write a save whole or not at all, readable by its owner only.

    Raises:
        SessionError: The file cannot be written.
    """
    save = {
        "format": FORMAT,
        "version": VERSION,
        "world": world,
        "minds": base64.b64encode(minds).decode("ascii"),
    }
    try:
        files.write_private(path, json.dumps(save))
    except OSError as error:
        raise SessionError(
            f"cannot save to {path}: {error.strerror}",
            code=ErrorCode.BAD_USAGE,
            hint="Name a file in a directory that you may write to.",
        ) from error


class _DamagedError(SessionError):
    default_code = ErrorCode.BAD_BLOB


def read_save(path: Path) -> tuple[dict[str, Any], bytes]:
    """The world and the minds of a save.

    Raises:
        SessionError: It cannot be read, is no save, or is of another version.
    """
    try:
        data = files.read_bytes(path, MAX_SAVE_BYTES)
        save = files.parse_json(data, f"cannot load {path}", _DamagedError, _HINT)
        if save["format"] != FORMAT:
            raise ValueError("not a save of this game")
        if save["version"] != VERSION:
            raise ValueError(f"version {save['version']}, this game reads {VERSION}")
        return dict(save["world"]), base64.b64decode(save["minds"], validate=True)
    except OSError as error:
        raise SessionError(
            f"cannot load {path}: {error.strerror}",
            code=ErrorCode.BAD_USAGE,
            hint=_HINT,
        ) from error
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise SessionError(
            f"cannot load {path}: {error}",
            code=ErrorCode.BAD_BLOB,
            hint=_HINT,
        ) from error
