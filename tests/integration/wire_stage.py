"""Real sessions without a model, for the hostile engine."""

from functools import cache

from npc_brain.clock import MonotonicClock
from npc_brain.decision.models import Models
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol.codec import DEFAULT_LIMITS
from npc_brain.session.registry import Outbox
from npc_brain.session.session import StageSession
from npc_brain.understanding.lexical import LexicalEncoder


@cache
def _models() -> Models:
    return Models(LexicalEncoder())


def make_session(session_id: str, outbox: Outbox) -> StageSession:
    """As the sidecar makes them, all of one process sharing the models."""
    return StageSession(
        session_id,
        outbox,
        models=_models(),
        library=NpcLibrary(None),
        clock=MonotonicClock(),
        limits=DEFAULT_LIMITS,
        num_sessions=lambda: 1,
    )
