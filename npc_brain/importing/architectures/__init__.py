"""The model architectures that can be imported: one module or package for each.

Each has an `ARCHITECTURE`, and is found by being here. Its module imports nothing that only an
import needs, so that a running sidecar can read the record.
"""

import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from npc_brain.errors import ModelError
from npc_brain.importing.architecture import Architecture
from npc_brain.importing.checkpoint import CONFIG_FILE, read_object
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.profile import SMALL, ModelProfile, with_settings

_FOUND: list[Architecture] = [
    import_module(f"{__name__}.{module.name}").ARCHITECTURE
    for module in pkgutil.iter_modules(__path__)
]
ARCHITECTURES: Mapping[str, Architecture] = {each.name: each for each in _FOUND}


def names(can: Callable[[Architecture], object]) -> str:
    """The names of the architectures for which `can` holds, for people."""
    return ", ".join(sorted(each.name for each in _FOUND if can(each)))


def of_checkpoint(directory: Path) -> Architecture:
    """The architecture of a checkpoint, by its `config.json`.

    Raises ModelError when there is none, or one that cannot be imported.
    """
    kind = read_object(directory, CONFIG_FILE).get("model_type")
    known = {kind: each for each in _FOUND for kind in each.model_types}
    if kind not in known:
        raise ModelError(
            f"{directory / CONFIG_FILE}: model_type is {kind!r:.80}, wanted one of "
            f"{', '.join(sorted(known))}",
            hint="other models can be imported from a GGUF file, or run on a server",
        )
    return known[kind]


def profile_of(model_dir: Path, settings: Mapping[str, Any] | None = None) -> ModelProfile:
    """What the model in a directory is good for, some fields replaced by `settings`.

    `model.json` says it, else the architecture. Raises ModelError when the directory is damaged.
    """
    info = load_model_info(model_dir)
    architecture = ARCHITECTURES.get(info.architecture)
    default = SMALL if architecture is None else architecture.profile
    return with_settings(info.profile or default, settings or {})
