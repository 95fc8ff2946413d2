"""How often a counted test repeats: less in CI, in full with NPC_BRAIN_FULL=1."""

import os

import pytest


def count(full: int, ci: int) -> int:
    """`full` when everything was asked for, else `ci`."""
    return full if os.environ.get("NPC_BRAIN_FULL") == "1" else ci


NEEDS_FULL_REASON = "slow: runs with `run.py test --full` only"
needs_full = pytest.mark.skipif(os.environ.get("NPC_BRAIN_FULL") != "1", reason=NEEDS_FULL_REASON)
"""For what another test shows as well, more quickly."""
