"""A language model that chooses tools itself and phrases their outcomes."""

from npc_brain.decision.answer import Answer, Pass, Speak
from npc_brain.decision.view import TurnView


async def model_with_tools(view: TurnView) -> Answer | Pass:
    """Let the model call tools, where it is to choose them."""
    names, chooser = view.tool_names, view.tool_chooser
    if not names or chooser == "encoder":
        return Pass(why={"tool_choice": chooser, "tools": names})
    return Speak(view.instruction, has_tools=True, why={"tool_choice": chooser, "tools": names})
