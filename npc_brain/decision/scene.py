"""What the NPCs of one stage share, and the carrying out of what their machines ask for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from npc_brain.clock import Clock
from npc_brain.decision.events import EnginePort, StateChanged
from npc_brain.decision.models import Models
from npc_brain.decision.outcome_lines import STARTED, values_of
from npc_brain.decision.tool_calls import CallOutcome, ToolCalls
from npc_brain.npc.effects import Say, Use, pick_line, render_args
from npc_brain.npc.machine import Step, tool_end_event
from npc_brain.npc.npc import Npc
from npc_brain.tools.registry import ToolRegistry
from npc_brain.tools.spec import Tool, ToolContext, refusal
from npc_brain.world.model import Scalar
from npc_brain.world.world import World


@dataclass(frozen=True, slots=True)
class InnerEvent:
    """An event to raise that comes from within: a tool call ended, someone was heard.

    Attributes:
        event: `TOOL_done`, `TOOL_failed`, or a built-in event.
        alias: Another name of the event; may be empty.
        data: What guards may read: the arguments, and `reason`.
    """

    event: str
    alias: str = ""
    data: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(slots=True)
class Carried:
    """What carrying out a step gave: lines to say, and tool calls that ended at once."""

    lines: list[str] = field(default_factory=list)
    ended: list[InnerEvent] = field(default_factory=list)


class Scene:
    """The world, the tools and the models that NPCs share. Used from the event loop only.

    Attributes:
        world: The latest snapshot; replaced, never changed.
    """

    def __init__(self, port: EnginePort, models: Models, clock: Clock) -> None:
        self.port = port
        self.models = models
        self.clock = clock
        self.world = World.empty()
        self.tools = ToolRegistry()
        self.calls = ToolCalls(port, clock, models.query)

    def context(self, npc: Npc, speaker_id: str | None) -> ToolContext:
        """What a tool may know now."""
        reserved = self.calls.tracker.reserved(npc.npc_id)
        return ToolContext(self.world, npc.npc_id, speaker_id, reserved, npc.memory)

    def carry_out(
        self,
        npc: Npc,
        step: Step,
        speaker_id: str | None = None,
        *,
        values: Mapping[str, Scalar] | None = None,
        done: Collection[int] = (),
    ) -> Carried:
        """Tell the transitions of a step, begin its tool calls and collect its lines.

        `values` are placeholders besides the usual ones; effects whose `id()` is in `done` have
        been carried out already.
        """
        for move in step.transitions:
            changed = StateChanged(
                move.from_state, move.to_state, move.event, npc.blackboard.to_json()
            )
            self.port.notify(npc.npc_id, changed)
        carried = Carried()
        known = {**npc.values(self.world, speaker_id), **(values or {})}
        for effect in step.effects:
            if isinstance(effect, Say):
                line = pick_line(effect.lines, known, npc.rng)
                carried.lines += [line] if line else []
            elif isinstance(effect, Use) and id(effect) not in done:
                outcome = self.start(npc, effect, known, speaker_id)
                known |= values_of(outcome.result, outcome.args, self.world)
                if outcome.action_id is None:
                    carried.ended.append(tool_end(outcome))
        return carried

    def start(
        self, npc: Npc, use: Use, values: Mapping[str, Scalar], speaker_id: str | None
    ) -> CallOutcome:
        """Begin an authored tool call without waiting for its outcome."""
        tool = self.tools.get(use.tool)
        args = self.arguments(use, values, speaker_id)
        if args is None:
            text = f"{tool.name} was called for with something that is not known."
            return CallOutcome(tool, {}, refusal("bad_arguments", text))
        return self.calls.start(tool, self.context(npc, speaker_id), args)

    @staticmethod
    def arguments(
        use: Use, values: Mapping[str, Scalar], speaker_id: str | None
    ) -> dict[str, object] | None:
        """The arguments of an authored call; `{speaker}` is an id here. None: not all are known."""
        ids = {**values, "speaker": speaker_id} if speaker_id else dict(values)
        return render_args(use.args, ids)


def tool_end(outcome: CallOutcome) -> InnerEvent:
    """The event of a call that has ended. One that was not needed counts as done."""
    tool: Tool = outcome.tool
    result = outcome.result
    is_done = (result.ok and result.reason != STARTED) or result.reason == "already_there"
    event, alias = tool_end_event(tool, is_done=is_done)
    data = {k: v for k, v in outcome.args.items() if isinstance(v, bool | int | float | str)}
    return InnerEvent(event, alias, {**data, "reason": result.reason})
