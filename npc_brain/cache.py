"""Where downloaded, converted and computed files are kept between runs."""

import os
import sys
from pathlib import Path


def cache_dir(*parts: str) -> Path:
    """The cache directory, or a path below it; not created here.

    `NPC_BRAIN_CACHE` if set, else the platform's place for caches.
    """
    override = os.environ.get("NPC_BRAIN_CACHE")
    if override:
        root = Path(override)
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "npc_brain"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches" / "npc_brain"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "npc_brain"
    return root.joinpath(*parts)
