"""A local brain for game characters: a sidecar process, authored states, a language model.

The public names are imported when they are first used, so that importing a part of the package
does not import all of it.

Nothing phones home: some dependencies do, unless the environment forbids it before they are
imported. So that is done here, before any other module of the package, and inherited by child
processes. A process that imported one of them earlier has settled that for itself.

Source: ONNX Runtime's Privacy.md; huggingface_hub's documentation of environment variables.
"""

import os
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npc_brain.client.blocking import BlockingClient, BlockingTurn
    from npc_brain.client.client import Client, Handlers
    from npc_brain.client.sidecar import Sidecar
    from npc_brain.client.turn import Turn
    from npc_brain.clock import FakeClock, MonotonicClock
    from npc_brain.decision.models import Models
    from npc_brain.decision.stage import Stage
    from npc_brain.errors import NpcBrainError
    from npc_brain.npc.npc_files import NpcLibrary
    from npc_brain.protocol.messages import ActionRequest, NpcState, Status, ToolCall, TurnLine
    from npc_brain.understanding.lexical import LexicalEncoder
    from npc_brain.world.model import (
        CellChange,
        Entity,
        Inventory,
        Item,
        NavEdge,
        NavGraph,
        NavGrid,
        Place,
        Removed,
        WorldPatch,
        WorldSnapshot,
    )

__all__ = [
    "ActionRequest",
    "BlockingClient",
    "BlockingTurn",
    "CellChange",
    "Client",
    "Entity",
    "FakeClock",
    "Handlers",
    "Inventory",
    "Item",
    "LexicalEncoder",
    "Models",
    "MonotonicClock",
    "NavEdge",
    "NavGraph",
    "NavGrid",
    "NpcBrainError",
    "NpcLibrary",
    "NpcState",
    "Place",
    "Removed",
    "Sidecar",
    "Stage",
    "Status",
    "ToolCall",
    "Turn",
    "TurnLine",
    "WorldPatch",
    "WorldSnapshot",
    "__version__",
]

_WORLD_MODEL = "npc_brain.world.model"
_MODULES = {
    "ActionRequest": "npc_brain.protocol.messages",
    "BlockingClient": "npc_brain.client.blocking",
    "BlockingTurn": "npc_brain.client.blocking",
    "Client": "npc_brain.client.client",
    "FakeClock": "npc_brain.clock",
    "Handlers": "npc_brain.client.client",
    "LexicalEncoder": "npc_brain.understanding.lexical",
    "Models": "npc_brain.decision.models",
    "MonotonicClock": "npc_brain.clock",
    "NpcBrainError": "npc_brain.errors",
    "NpcLibrary": "npc_brain.npc.npc_files",
    "NpcState": "npc_brain.protocol.messages",
    "Sidecar": "npc_brain.client.sidecar",
    "Stage": "npc_brain.decision.stage",
    "Status": "npc_brain.protocol.messages",
    "ToolCall": "npc_brain.protocol.messages",
    "Turn": "npc_brain.client.turn",
    "TurnLine": "npc_brain.protocol.messages",
}

NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
os.environ.update(NO_TELEMETRY)

try:
    __version__ = version("npc-brain")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, _WORLD_MODEL)), name)


def __dir__() -> list[str]:
    return __all__
