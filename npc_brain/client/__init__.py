"""The Python bridge: what a game written in Python, and every test, talks to the sidecar with."""

from npc_brain.client.client import Client, Handlers
from npc_brain.client.sidecar import Sidecar
from npc_brain.client.turn import Turn

__all__ = ["Client", "Handlers", "Sidecar", "Turn"]
