"""Who answers what was heard, in this order; the first that does not pass ends it.

An answerer is a function that gets a view of the turn and returns an answer, or why it passes. It
may use tools (`TurnView.perform`), and says nothing itself: `decision.deliver` does.
"""

from collections.abc import Awaitable, Callable

from npc_brain.decision.answer import Answer, Pass
from npc_brain.decision.answers.chosen_tool import chosen_tool
from npc_brain.decision.answers.fallback import fallback
from npc_brain.decision.answers.model_with_tools import model_with_tools
from npc_brain.decision.answers.reaction import reaction
from npc_brain.decision.answers.safety import safety
from npc_brain.decision.answers.small_talk import small_talk
from npc_brain.decision.view import TurnView

Answerer = Callable[[TurnView], Awaitable[Answer | Pass]]

ANSWERERS: tuple[Answerer, ...] = (
    safety,
    reaction,
    chosen_tool,
    model_with_tools,
    small_talk,
    fallback,
)
