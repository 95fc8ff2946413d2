"""The sample game in a terminal: the village of Alderford."""

from pathlib import Path


def village() -> Path:
    """The directory of the village's files: `npcs/`, `scenarios/`, `scripts/` and `world.json`.

    A wheel carries them beside this module; a checkout has them in `sample_game/`.
    """
    packaged = Path(__file__).parent / "village"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sample_game"
