"""What the NPCs of one stage share. Used from the event loop only."""

from collections.abc import Callable
from dataclasses import dataclass, field

from npc_brain.clock import Clock
from npc_brain.decision.mailbox import Mailbox
from npc_brain.decision.models import Models
from npc_brain.npc.npc import Npc
from npc_brain.protocol.messages import NpcMessage
from npc_brain.tools.registry import BUILT_INS, ToolRegistry
from npc_brain.tools.spec import Tool
from npc_brain.world.world import World

Notify = Callable[[NpcMessage, str], None]
"""Hands a message about the NPC of that id to whoever owns the world: an engine, or a simulation.

Returns at once. Answers come later through the stage's methods, never from within the call.
"""


@dataclass(eq=False, slots=True)
class StageContext:
    """See the module.

    Attributes:
        world: The latest snapshot; replaced, never changed.
        mailboxes: Of the living NPCs, by their ids.
    """

    notify: Notify
    models: Models
    clock: Clock
    world: World = field(default_factory=World.empty)
    tools: ToolRegistry = field(default_factory=ToolRegistry)
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)

    def tools_by_name(self) -> dict[str, Tool]:
        """Every tool by name, built-in and registered."""
        return {name: self.tools.get(name) for name in self.tools.names()}

    def own_examples(self, npc: Npc) -> dict[str, tuple[str, ...]]:
        """Sentences by tool besides the built-in ones: the game's tools', then the author's."""
        authored = npc.definition.examples
        names = sorted({*authored, *npc.machine.tool_names} - BUILT_INS.keys() | authored.keys())
        tools = [self.tools.get(name) for name in names]
        return {tool.name: (*tool.examples, *authored.get(tool.name, ())) for tool in tools}
