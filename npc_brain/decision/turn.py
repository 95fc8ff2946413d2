"""One turn of one NPC: from its cause to exactly one end, in time whatever happens.

The turn owns the line, the deadline and the end. What is said is decided in `decision.answers`.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from npc_brain.decision.answer import Considered
from npc_brain.decision.call_outcome import CallOutcome
from npc_brain.decision.context import StageContext
from npc_brain.decision.mailbox import TurnRequest
from npc_brain.decision.outcome_lines import fallback_line
from npc_brain.decision.turn_queue import TurnQueue
from npc_brain.decision.utterance import IndiscreetLineError, Utterance
from npc_brain.npc.npc import Npc
from npc_brain.protocol.messages import (
    NpcMessage,
    ToolUse,
    TurnEnded,
    TurnStarted,
    TurnTimings,
    as_uint,
)
from npc_brain.vocabulary import Outcome, Source

LAST_RESORT = "\N{HORIZONTAL ELLIPSIS}"
"""Said when even falling back fails."""

_log = logging.getLogger(__name__)


class Turn:
    """A turn under way.

    Attributes:
        asked_s: When it was asked for, by the clock.
        deadline_s: By when its line must have been said.
        tools: The calls made in it, in order.
        outcome_lines: Whole lines, each of which states what came of the last call. One of them is
            said when no time is left: an NPC that gave something away does not say "Pardon?".
        trace: Which answerers were asked, in order, and why each answered or passed.
        num_tokens: The counts of `TurnTimings` by name, added to by whoever generates.
        task: What runs it, once it has begun.
    """

    def __init__(
        self,
        turn_id: int,
        npc: Npc,
        request: TurnRequest,
        context: StageContext,
        *,
        notify: Callable[[NpcMessage], None],
        deadline_s: float,
        priority: int = 0,
    ) -> None:
        self.turn_id = turn_id
        self.npc = npc
        self.request = request
        self.priority = priority
        self.asked_s = context.clock.now_s()
        self.deadline_s = deadline_s
        self.tools: list[ToolUse] = []
        self.outcome_lines: tuple[str, ...] = ()
        self.trace: list[Considered] = []
        self.num_tokens: Counter[str] = Counter()
        self.is_ended = False
        self.task: asyncio.Task[None] | None = None
        self._context = context
        self._listener = notify
        self.utterance = Utterance(turn_id, self._notify, context.clock, npc.machine.secrets)

    @property
    def started(self) -> TurnStarted:
        """What tells that it begins."""
        request = self.request
        return TurnStarted(turn_id=self.turn_id, cause=request.cause, speaker_id=request.speaker_id)

    def cancel(self, detail: str = "") -> None:
        """End the turn now; nothing of it but its end follows."""
        self._end("cancelled", detail)
        if self.task is not None:
            self.task.cancel()

    def say(self, text: str, source: Source) -> None:
        """Say a whole line, after whatever was said so far, and close it.

        Raises:
            IndiscreetLineError: It spells a secret; nothing of it was heard.
        """
        utterance = self.utterance
        if utterance.text:
            text = f" {text}" if utterance.is_between_sentences else f"\N{EM DASH} {text}"
        utterance.say(text, source)

    def fall_back(self) -> None:
        """Close the line with what is left to say when no time, or nothing better, is left."""
        self.utterance.drop_held()
        utterance, text = self.utterance, self.utterance.text
        begun = next((line for line in self.outcome_lines if line.startswith(text)), None)
        if text and utterance.is_between_sentences:
            utterance.close("model")
        elif begun is not None:
            utterance.add(begun[len(text) :])
            utterance.close("fallback")
        elif text and text.startswith(self.outcome_lines):
            utterance.add("\N{HORIZONTAL ELLIPSIS}")
            utterance.close("model")
        else:
            values = self.npc.values(self._context.world, self.request.speaker_id)
            lines = self.outcome_lines or self.npc.node.fallback
            try:
                self.say(fallback_line(lines, values, self.npc.rng), "fallback")
            except IndiscreetLineError:  # what was filled in
                self.say(LAST_RESORT, "fallback")

    def feel(self, emotion: str | None) -> None:
        """Let the line have this emotion from now on; None leaves it as it is."""
        if emotion is not None:
            self.utterance.emotion = emotion

    def used(self, outcome: CallOutcome) -> None:
        """Note a call and what came of it; some calls only say how the line is spoken."""
        result, utterance = outcome.result, self.utterance
        self.tools.append(
            ToolUse(
                tool=outcome.tool.name,
                args=outcome.args,
                ok=result.ok,
                text=result.text,
                reason=result.reason,
            )
        )
        if result.emotion:
            utterance.emotion, utterance.gesture = result.emotion, result.gesture
        if result.choices:
            utterance.choices = result.choices

    def finish(self, detail: str = "") -> None:
        """End the turn after its line, if there was one."""
        line = self.utterance.line
        if line is None:
            self._end("failed" if detail else "silent", detail)
        else:
            self._end("fallback" if line.source == "fallback" else "said", detail)

    async def run(self, queue: TurnQueue, respond: Callable[[], Awaitable[None]]) -> None:
        """Wait in the queue, then `respond`; all of it within the deadline."""
        detail = ""
        try:
            async with asyncio.timeout(max(0.0, self.deadline_s - self._context.clock.now_s())):
                async with queue.taken(self.priority):
                    await respond()
        except TimeoutError:
            detail = "deadline"
        except IndiscreetLineError as error:
            _log.warning("turn %d of %s: %s", self.turn_id, self.npc.npc_id, error)
            detail = "indiscreet"
            if self.request.cause == "state":  # nobody waits for an answer
                self._end("silent", detail)
                return
        except BaseException as error:  # native code panics with others than `Exception`
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                self._end("cancelled")
                raise
            _log.exception("turn %d of %s failed", self.turn_id, self.npc.npc_id)
            detail = "internal"
        if detail and self.utterance.line is None:
            self._make_do()
        self.finish(detail)

    def _make_do(self) -> None:
        """Close the line by falling back, or with the least there is to say; never raises."""
        try:
            self.fall_back()
        except Exception:
            _log.exception("turn %d of %s cannot fall back", self.turn_id, self.npc.npc_id)
            try:
                self.say(LAST_RESORT, "fallback")
            except Exception:
                _log.exception("turn %d of %s has no line", self.turn_id, self.npc.npc_id)

    def _end(self, outcome: Outcome, detail: str = "") -> None:
        """Report the end, exactly once, whatever fails; never raises."""
        if self.is_ended:
            return
        self.is_ended = True
        try:
            self._settle()
        except Exception:
            _log.exception("turn %d of %s is not remembered", self.turn_id, self.npc.npc_id)
        for end in (self._whole_end, self._plain_end):
            try:
                self._listener(end(outcome, detail))
                return
            except Exception:  # the second is plain enough for anyone
                _log.exception("the end of turn %d was not taken", self.turn_id)

    def _whole_end(self, outcome: Outcome, detail: str) -> TurnEnded:
        first_s = self.utterance.first_token_s
        timings = TurnTimings(
            first_token_ms=self._since_ms(first_s) if first_s is not None else 0,
            total_ms=self._since_ms(self._context.clock.now_s()),
            **{name: as_uint(count) for name, count in self.num_tokens.items()},
        )
        return TurnEnded(
            turn_id=self.turn_id,
            outcome=outcome,
            detail=detail,
            tools=tuple(self.tools),
            timings=timings,
        )

    def _plain_end(self, outcome: Outcome, detail: str) -> TurnEnded:
        timings = TurnTimings(first_token_ms=0, total_ms=0)
        return TurnEnded(turn_id=self.turn_id, outcome=outcome, detail=detail, timings=timings)

    def _settle(self) -> None:
        """Remember what was said."""
        line = self.utterance.line
        if line is not None:
            outcomes = [tool.text for tool in self.tools if tool.text]
            self.npc.transcript.add(self.npc.npc_id, line.text, outcomes)

    def _since_ms(self, then_s: float) -> int:
        return as_uint((then_s - self.asked_s) * 1000)

    def _notify(self, event: NpcMessage) -> None:
        if not self.is_ended:
            self._listener(event)
