"""An NPC on the stage: runs its machine on what happens, and does what that asks for."""

import logging
from collections.abc import Mapping

from npc_brain.decision.context import StageContext
from npc_brain.decision.mailbox import Event, Mailbox, TurnRequest
from npc_brain.decision.outcome_lines import values_of
from npc_brain.decision.tool_calls import Call, ToolCalls
from npc_brain.decision.turn import Turn
from npc_brain.decision.turn_queue import TurnQueue
from npc_brain.npc.effects import Say, Use, pick_line, render_args
from npc_brain.npc.machine import Step
from npc_brain.npc.npc import Npc
from npc_brain.protocol.messages import NpcState
from npc_brain.world.model import Scalar

MAX_CHAIN = 8
"""Events in a row that tool calls of entered states raise at once; more wait for the next tick."""
MAX_OWN_LINES = 3
"""Most unprompted lines that an NPC may have waiting; further ones are dropped."""

_log = logging.getLogger(__name__)


class Actor:
    """See the module.

    Attributes:
        turns: Under way or waiting, by their ids.
        is_faulty: Whether the last tick failed.
        is_gone: Whether it has left the stage.
    """

    def __init__(self, npc: Npc, context: StageContext, calls: ToolCalls) -> None:
        self.npc = npc
        self.mailbox = Mailbox()
        self.queue = TurnQueue()
        self.turns: dict[int, Turn] = {}
        self.is_faulty = False
        self.is_gone = False
        self._context = context
        self._calls = calls

    def raise_event(self, event: Event) -> None:
        """Let the machine react to an event, and to those that wait before it."""
        self.mailbox.events.append(event)
        self.run_machine()

    def run_machine(self) -> None:
        """Let the machine react to the events in the mailbox, and to those raised by that."""
        events, requests = self.mailbox.events, self.mailbox.requests
        num_requests, to_tell = len(requests), None
        for _ in range(MAX_CHAIN):
            if not events or self.is_gone:
                break
            event = events.popleft()
            if event.to_remember:
                self.npc.transcript.add(self.npc.npc_id, "", [event.to_remember])
            now_s = self._context.clock.now_s()
            step = self.npc.handle(
                event.name,
                event.data,
                self._context.world,
                now_s,
                alias=event.alias,
                speaker_id=event.speaker_id,
            )
            self.take_step(step, event.speaker_id)
            to_tell = event if event.to_tell is not None else to_tell
        if to_tell is not None and len(requests) == num_requests:
            requests.append(TurnRequest("action", to_tell.speaker_id, outcome=to_tell.to_tell))

    def take_step(self, step: Step, speaker_id: str | None = None) -> None:
        """Do what a step asks for; its lines are to be said in a turn of their own."""
        lines = self.carry_out(step, speaker_id)
        if not lines:
            return
        waiting = [*(turn.request for turn in self.turns.values()), *self.mailbox.requests]
        if sum(request.cause == "state" for request in waiting) < MAX_OWN_LINES:
            self.mailbox.requests.append(TurnRequest("state", speaker_id, lines=tuple(lines)))

    def carry_out(
        self,
        step: Step,
        speaker_id: str | None = None,
        values: Mapping[str, Scalar] | None = None,
    ) -> list[str]:
        """Report the transitions of a step, call off what is no longer wanted, begin tool calls.

        Returns the lines to say. `values` are placeholders besides the usual ones.
        """
        npc, context = self.npc, self._context
        for fault in step.faults:
            _log.warning("npc %s: %s", npc.npc_id, fault)
        for move in step.transitions:
            changed = NpcState(
                from_state=move.from_state,
                to_state=move.to_state,
                event=move.event,
                blackboard=npc.blackboard.to_json(),
            )
            context.notify(changed, npc.npc_id)
        if step.left:
            self._calls.call_off(npc.npc_id, lambda action: action.state in step.left)
        lines: list[str] = []
        known = {**npc.values(context.world, speaker_id), **(values or {})}
        for effect in step.effects:
            if isinstance(effect, Say):
                line = pick_line(effect.lines, known, npc.rng)
                lines += [line] if line else []
            elif isinstance(effect, Use):
                outcome = self._calls.start(npc, self.call(effect, known, speaker_id))
                known |= values_of(outcome.result, outcome.args, context.world)
        if step.left:  # states that were passed through had begun things too
            path = npc.node.path
            self._calls.call_off(
                npc.npc_id,
                lambda action: action.state in step.left and action.state not in path,
            )
        return lines

    def call(
        self,
        use: Use,
        values: Mapping[str, Scalar],
        speaker_id: str | None,
        turn_id: int | None = None,
    ) -> Call:
        """The call that an author wrote; `{speaker}` is an id there."""
        ids = {**values, "speaker": speaker_id} if speaker_id else dict(values)
        args = render_args(use.args, ids)
        return Call(self._context.tools.get(use.tool), args, speaker_id, turn_id, use.state)
