"""Settings of all tests."""

import os

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
