"""Words alone: the author's greeting, or the language model."""

from npc_brain.decision.answer import Answer, Pass, Say, Speak, Why
from npc_brain.decision.view import TurnView
from npc_brain.language.language import language
from npc_brain.npc.effects import pick_line

MIN_GREETING_LIKENESS = 0.6


async def small_talk(view: TurnView) -> Answer | Pass:
    """Greet who speaks for the first time with the author's line; leave the rest to the model."""
    npc, has_model = view.npc, view.models.backend is not None
    if npc.node.mind == "scripted":
        return Pass(why={"mind": "scripted"})
    lines = npc.definition.lines.greeting
    greeting = pick_line(lines, view.values, npc.rng) if view.is_first else None
    why: Why = {"is_first": view.is_first}
    if greeting:
        if not has_model:
            return Say(greeting, why=why)
        likeness = await view.models.likeness(npc, view.text, language().talk.greetings)
        why = {**why, "likeness": likeness, "min": MIN_GREETING_LIKENESS}
        if likeness >= MIN_GREETING_LIKENESS:
            return Say(greeting, why=why)
    return Speak(view.instruction, why=why) if has_model else Pass(why={**why, "model": "none"})
