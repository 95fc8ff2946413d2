"""ONNX Runtime without its telemetry; the only module that imports it.

`npc_brain/__init__.py` has set ORT_DISABLE_TELEMETRY by now, which the library reads while it is
imported: otherwise a device id and a database of events are made below the home directory, and a
host is looked up. Older builds for Windows know only the call below, which stops their events.
"""

import logging
import sys

_was_imported = "onnxruntime" in sys.modules

import onnxruntime  # noqa: E402

__all__ = ["onnxruntime"]

if _was_imported:
    logging.getLogger(__name__).warning(
        "onnxruntime was imported before npc_brain, so its telemetry may be on: import npc_brain "
        "first, or set ORT_DISABLE_TELEMETRY=1 for the process"
    )
onnxruntime.disable_telemetry_events()
