"""The author's safety rules: what the NPC refuses to talk about at all."""

from npc_brain.decision.answer import Answer, Pass, Say
from npc_brain.decision.view import TurnView
from npc_brain.npc.effects import pick_line


async def safety(view: TurnView) -> Answer | Pass:
    """Refuse what one of the author's rules matches."""
    npc = view.npc
    rule = await view.models.refused_by(npc, view.text)
    if rule is None:
        return Pass(why={"rules": len(npc.definition.safety.refuse)})
    line = pick_line(npc.definition.safety.line, view.values, npc.rng)
    return Say(line or "…", why={"rule": rule})
