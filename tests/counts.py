"""How often a counted test repeats: less in CI, in full with NPC_BRAIN_FULL=1."""

import os


def count(full: int, ci: int) -> int:
    """`full` when everything was asked for, else `ci`."""
    return full if os.environ.get("NPC_BRAIN_FULL") == "1" else ci
