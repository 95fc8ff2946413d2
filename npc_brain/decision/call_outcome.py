"""The outcome of a tool call."""

import re
from dataclasses import dataclass
from typing import Any

from npc_brain.decision.outcome_lines import STARTED
from npc_brain.tools.actions import Action, outcome_text
from npc_brain.tools.spec import Tool, ToolResult, refusal, usual_variant
from npc_brain.world.world import World

_REASON = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """A call that was carried out or refused.

    Attributes:
        args: The arguments with defaults filled in, as sent to the engine.
        action_id: Of an action that goes on; None when the call has ended.
    """

    tool: Tool
    args: dict[str, Any]
    result: ToolResult
    action_id: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has ended well. A call that was not needed counts as done."""
        result = self.result
        return (result.ok and result.reason != STARTED) or result.reason == "already_there"


def action_outcome(tool: Tool, action: Action, world: World) -> CallOutcome:
    """How an action stands; the reason is `STARTED` while it is under way."""
    text = outcome_text(tool, action.npc_id, action.args, world, action.status, action.reason)
    if not action.is_ended:
        result = ToolResult(ok=True, data=action.result, text=text, reason=STARTED)
        return CallOutcome(tool, action.args, result, action.action_id)
    if action.status == "done":
        variant = usual_variant(action.result)
        result = ToolResult(ok=True, data=action.result, text=text, variant=variant)
        return CallOutcome(tool, action.args, result)
    reason = action.reason if _REASON.fullmatch(action.reason) else action.status
    return CallOutcome(tool, action.args, refusal(reason, text, **action.result))
