"""The save file: the world as JSON, the NPCs' minds as the sidecar gave them."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npc_brain.errors import ErrorCode, SessionError

FORMAT = "npc_brain sample game"
VERSION = 1


def write_save(path: Path, world: Mapping[str, Any], minds: bytes) -> None:
    """Write a save whole or not at all.

    Raises:
        SessionError: The file cannot be written.
    """
    save = {
        "format": FORMAT,
        "version": VERSION,
        "world": world,
        "minds": base64.b64encode(minds).decode("ascii"),
    }
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(save), encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise SessionError(
            f"cannot save to {path}: {error.strerror}",
            code=ErrorCode.BAD_USAGE,
            hint="Name a file in a directory that you may write to.",
        ) from error


def read_save(path: Path) -> tuple[dict[str, Any], bytes]:
    """The world and the minds of a save.

    Raises:
        SessionError: It cannot be read, is no save, or is of another version.
    """
    try:
        save = json.loads(path.read_text(encoding="utf-8"))
        if save["format"] != FORMAT:
            raise ValueError("not a save of this game")
        if save["version"] != VERSION:
            raise ValueError(f"version {save['version']}, this game reads {VERSION}")
        return dict(save["world"]), base64.b64decode(save["minds"], validate=True)
    except OSError as error:
        raise SessionError(
            f"cannot load {path}: {error.strerror}",
            code=ErrorCode.BAD_USAGE,
            hint="Name a file that `save` wrote.",
        ) from error
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise SessionError(
            f"cannot load {path}: {error}",
            code=ErrorCode.BAD_BLOB,
            hint="Name a file that `save` wrote.",
        ) from error
