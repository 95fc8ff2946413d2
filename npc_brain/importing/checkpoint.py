"""The files of a checkpoint that somebody published: found by name, never outside of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npc_brain import files
from npc_brain.errors import ModelError
from npc_brain.inference.model_dir import MAX_CONFIG_BYTES, MAX_VOCAB

CONFIG_FILE = "config.json"

_HINT = "fetch the whole repository, with all small files"


def checkpoint_file(directory: Path, name: str, where: Path | None = None) -> Path:
    """The path of file `name` of a checkpoint, which need not be there.

    Symbolic links lead from a snapshot in the Hugging Face hub's cache to the blobs beside it, and
    nowhere else.

    Args:
        directory: The checkpoint's.
        name: With forward slashes.
        where: The file that names it, for messages; the directory by default.

    Raises ModelError when it lies outside.
    """
    snapshots = directory.resolve().parent
    root = snapshots.parent if snapshots.name == "snapshots" else directory
    return files.inside(directory, name, where or directory, ModelError, root=root)


def read_object(directory: Path, name: str) -> dict[str, Any]:
    """The JSON object in file `name` of a checkpoint.

    Raises ModelError when it is missing, lies outside or holds something else.
    """
    path = checkpoint_file(directory, name)
    value = files.read_json(path, MAX_CONFIG_BYTES, ModelError, _HINT)
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}, wanted an object", hint=_HINT)
    return value


def read_stop_ids(directory: Path, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """`eos_token_id` of a `generation_config.json`; `default` where there is none.

    Raises ModelError as `read_object`, and when it is something else.
    """
    if not (directory / name).is_file():
        return default
    found = read_object(directory, name).get("eos_token_id", list(default))
    ids = found if isinstance(found, list) else [found]
    if not all(_is_id(token_id) for token_id in ids):
        raise ModelError(f"{directory / name}: eos_token_id is {found!r:.80}, wanted token ids")
    return tuple(ids)


def bos_id(config: Mapping[str, Any], where: Path) -> int | None:
    """`bos_token_id` of a `config.json`: 2 where it is silent. Raises ModelError."""
    found: int | None = config.get("text_config", config).get("bos_token_id", 2)
    if found is not None and not _is_id(found):
        raise ModelError(f"{where}: bos_token_id is {found!r:.80}, wanted a token id")
    return found


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_VOCAB
