"""Settings of all tests."""

import os
import signal
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""As in the sidecar; before numpy is imported."""

settings.register_profile(
    "npc_brain",
    deadline=None,
    derandomize=os.environ.get("NPC_BRAIN_FULL") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("npc_brain")
"""No example fails for being slow, and CI tries the same ones each time; `--full` tries others."""

with suppress(ValueError):  # not the main thread
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""What the tests start must notice these, also where they run in the background or by nohup."""


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A worker cannot send half characters, which hostile texts have, of a test that failed."""
    return _sendable((yield))


def _sendable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _sendable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_sendable, value))
    return value
