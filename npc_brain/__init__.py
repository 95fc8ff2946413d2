"""A local brain for game characters: a sidecar process, authored states, a language model."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("npc-brain")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
