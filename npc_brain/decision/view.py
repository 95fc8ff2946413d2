"""What an answerer sees of a turn, and the tools that it may use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from npc_brain.decision.actor import Actor
from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.decision.context import StageContext
from npc_brain.decision.models import Models
from npc_brain.decision.tool_calls import Call, ToolCalls
from npc_brain.decision.turn import Turn
from npc_brain.npc.npc import Npc
from npc_brain.tools.spec import Tool, ToolContext, refusal
from npc_brain.understanding.linking import Mention
from npc_brain.world.model import Scalar
from npc_brain.world.world import World


@dataclass(frozen=True, slots=True)
class TurnView:
    """See the module.

    Attributes:
        mentions: What the text that was heard names of the world.
        is_first: Whether the speaker has not spoken to the NPC before.
        instruction: What the author wants of a model in this turn; may be empty.
    """

    turn: Turn
    actor: Actor
    context: StageContext
    calls: ToolCalls
    mentions: tuple[Mention, ...] = ()
    is_first: bool = False
    instruction: str = ""

    @property
    def npc(self) -> Npc:
        """Who answers."""
        return self.turn.npc

    @property
    def text(self) -> str:
        """What was heard; empty for sound alone."""
        return self.turn.request.text

    @property
    def speaker_id(self) -> str | None:
        """Who spoke."""
        return self.turn.request.speaker_id

    @property
    def world(self) -> World:
        """As it is now."""
        return self.context.world

    @property
    def models(self) -> Models:
        """What to understand texts with."""
        return self.context.models

    @property
    def values(self) -> dict[str, Scalar]:
        """The placeholders that every authored line may use."""
        return self.npc.values(self.world, self.speaker_id)

    @property
    def tool_context(self) -> ToolContext:
        """What a tool may know now."""
        return self.calls.context(self.npc, self.speaker_id)

    @property
    def tool_names(self) -> list[str]:
        """The tools that may be chosen in the NPC's present state."""
        node = self.npc.node
        return list(node.tools) if node.mind == "model" else []

    @property
    def tool_chooser(self) -> Literal["model", "encoder", "both"]:
        """Who is to choose tools."""
        backend = self.models.backend
        if backend is None:
            return "encoder"
        return self.npc.definition.tool_choice or backend.profile.tool_choice

    @property
    def own_examples(self) -> dict[str, tuple[str, ...]]:
        """Sentences by tool besides the built-in ones."""
        return self.context.own_examples(self.npc)

    async def perform(self, call: Call) -> CallOutcome:
        """Carry out a call in the turn; the NPC's machine has reacted to its end on return."""
        outcome = await self.calls.perform(self.npc, call)
        self.turn.used(outcome)
        self.actor.run_machine()
        return outcome

    async def perform_chosen(self, tool: Tool, args: Mapping[str, Any]) -> CallOutcome:
        """Carry out a call that the encoder or the model chose, if it is still legal here."""
        if tool.name in self.tool_names:
            return await self.perform(Call(tool, dict(args), self.speaker_id, self.turn.turn_id))
        outcome = CallOutcome(tool, dict(args), refusal("not_now", "It is too late for that."))
        self.turn.used(outcome)
        return outcome
