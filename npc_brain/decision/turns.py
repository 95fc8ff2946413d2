"""The turns of one stage: begun, counted, cancelled. Used from the event loop only."""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

from npc_brain.decision.actor import Actor
from npc_brain.decision.context import StageContext
from npc_brain.decision.mailbox import TurnRequest
from npc_brain.decision.respond import respond
from npc_brain.decision.tool_calls import ToolCalls
from npc_brain.decision.turn import Turn
from npc_brain.decision.view import TurnView
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.protocol.messages import NpcMessage, TurnEnded

OWN_DEADLINE_S = 10.0
"""How long an NPC may take for a line that nobody waits for."""

_log = logging.getLogger(__name__)


class Turns:
    """See the module.

    Attributes:
        num_begun: Since the stage was set up, waiting ones included.
        num_fallbacks: Of those, how many ended with a fallback line.
        first_token_ms: How long the latest took to be heard.
    """

    def __init__(self, context: StageContext, calls: ToolCalls, *, max_queued: int) -> None:
        self.num_begun = 0
        self.num_fallbacks = 0
        self.first_token_ms: deque[int] = deque(maxlen=1000)
        self._context = context
        self._calls = calls
        self._max_queued = max_queued
        self._open: dict[int, Turn] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many are under way or waiting."""
        return len(self._open)

    def check_room(self) -> None:
        """Raise SessionError (`too_many_queued`) when no more may wait."""
        if len(self._open) >= self._max_queued:
            raise SessionError(
                f"{len(self._open)} turns are waiting, the limit is {self._max_queued}",
                code=ErrorCode.TOO_MANY_QUEUED,
                hint="wait for turns to end, or cancel some",
                retryable=True,
            )

    def begin(self, actor: Actor, request: TurnRequest, limit_s: float, priority: int = 0) -> Turn:
        """Begin a turn; it waits until the NPC has ended the one before."""
        self.num_begun += 1
        turn = Turn(
            self.num_begun,
            actor.npc,
            request,
            self._context,
            notify=lambda event: self._told(actor, event),
            deadline_s=self._context.clock.now_s() + limit_s,
            priority=priority,
        )
        actor.turns[turn.turn_id] = self._open[turn.turn_id] = turn
        work = turn.run(actor.queue, lambda: self._respond(actor, turn))
        turn.task = self.in_background(work)
        _log.debug("turn %d of %s: %s", turn.turn_id, actor.npc.npc_id, request.cause)
        return turn

    def begin_requested(self, actor: Actor) -> None:
        """Begin the turns that an NPC's machine has asked for."""
        requests = actor.mailbox.requests
        while requests and not actor.is_gone:
            turn = self.begin(actor, requests.popleft(), OWN_DEADLINE_S)
            self._context.notify(turn.started, actor.npc.npc_id)

    def get(self, turn_id: int) -> Turn:
        """A turn under way or waiting; raises SessionError (`unknown_turn`)."""
        turn = self._open.get(turn_id)
        if turn is None:
            raise SessionError(f"no turn {turn_id} is under way", code=ErrorCode.UNKNOWN_TURN)
        return turn

    def call_off(self, turn: Turn, detail: str = "") -> None:
        """Cancel a turn and the actions that it has begun."""
        turn.cancel(detail)
        self._calls.call_off(turn.npc.npc_id, lambda action: action.turn_id == turn.turn_id)

    def cancel_all(self, detail: str) -> None:
        """End all turns; actions stay as they are."""
        for turn in list(self._open.values()):
            turn.cancel(detail)

    def in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends, or until `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End everything that runs."""
        self.cancel_all("closed")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _respond(self, actor: Actor, turn: Turn) -> None:
        try:
            await respond(TurnView(turn, actor, self._context, self._calls))
        finally:
            self.begin_requested(actor)

    def _told(self, actor: Actor, event: NpcMessage) -> None:
        """Pass on what a turn tells, and let go of it after its end."""
        if isinstance(event, TurnEnded):
            actor.turns.pop(event.turn_id, None)
            self._open.pop(event.turn_id, None)
            try:
                self._count(event)
            except Exception:
                _log.exception("turn %d is not counted", event.turn_id)
        self._context.notify(event, actor.npc.npc_id)

    def _count(self, ended: TurnEnded) -> None:
        self.num_fallbacks += ended.outcome == "fallback"
        if ended.timings.first_token_ms:
            self.first_token_ms.append(ended.timings.first_token_ms)
