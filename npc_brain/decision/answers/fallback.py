"""The author's line for a state in which there is no other answer."""

from npc_brain.decision.answer import Answer, FallBack, Pass, Say
from npc_brain.decision.outcome_lines import fallback_line
from npc_brain.decision.view import TurnView


async def fallback(view: TurnView) -> Answer | Pass:
    """Say the fallback line, which is the only answer that a scripted state has."""
    npc = view.npc
    if npc.node.mind == "scripted":
        text = fallback_line(npc.node.fallback, view.values, npc.rng)
        return Say(text, why={"mind": "scripted"})
    return FallBack(why={"model": "none"})
