"""Carrying out tool calls: queries now, the rest by asking the engine and waiting for its word.

The game is the authority: an action is done only when the engine says so. Every call ends once, and
its end is an event in the NPC's mailbox; that of an action that was called off only if it was done
after all.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from npc_brain.decision.call_outcome import CallOutcome, action_outcome
from npc_brain.decision.context import StageContext
from npc_brain.decision.mailbox import call_ended
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.npc.npc import Npc
from npc_brain.protocol.messages import ActionCancel, ActionRequest, ToolCall
from npc_brain.tools.actions import Action, ActionTracker
from npc_brain.tools.custom import engine_answer
from npc_brain.tools.narrow import validate_arguments
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
)
from npc_brain.vocabulary import ActionStatus
from npc_brain.world.limit import SearchLimit

ACCEPT_WAIT_S = 0.4
"""How long a line waits for the engine's first word on a long action."""
INSTANT_WAIT_S = 2.0
"""How long a line waits for the end of an instant action."""

SEARCH_S = 1.0
"""How long a search for a path may take in a turn, waiting for others' searches included."""
LOOP_SEARCH_S = 0.01
"""The same for what authors do outside of turns, which is searched for in the event loop."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to carry out.

    Attributes:
        args: None when they name something that is not known.
        speaker_id: With whom the NPC speaks, if with anyone.
        turn_id: The turn that the call is made in, if any.
        state: The state that wants it; None: the one that waits for its end, if any.
    """

    tool: Tool
    args: dict[str, Any] | None
    speaker_id: str | None = None
    turn_id: int | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class _Query:
    npc_id: str
    tool: Tool
    answer: asyncio.Future[ToolResult]


class ToolCalls:
    """The calls of one stage's NPCs. Used from the event loop only."""

    def __init__(self, context: StageContext) -> None:
        self.tracker = ActionTracker(context.clock)
        self._context = context
        self._unspoken: dict[int, str | None] = {}
        """By action the person spoken with, for those whose outcome was not spoken of in a turn."""
        self._news: dict[int, asyncio.Queue[CallOutcome]] = {}
        self._queries: dict[int, _Query] = {}
        self._last_query_id = 0

    def context(self, npc: Npc, speaker_id: str | None) -> ToolContext:
        """What a tool may know now."""
        reserved = self.tracker.reserved(npc.npc_id)
        return ToolContext(self._context.world, npc.npc_id, speaker_id, reserved, npc.memory)

    def start(self, npc: Npc, call: Call) -> CallOutcome:
        """Carry out a call without waiting: a query is answered, an action requested or refused.

        A query that only the engine can answer comes back refused, with reason `ask_engine`.
        """
        tool = call.tool
        ctx = self.context(npc, call.speaker_id)
        checked = _checked(call, ctx)
        if isinstance(checked, CallOutcome):
            return self._ended(npc, call, checked)
        ctx = replace(ctx, limit=SearchLimit(LOOP_SEARCH_S, time.thread_time))
        if tool.kind is not ToolKind.ACTION:
            if tool.run is not None and tool.answers_in(ctx.world):
                result = tool.run(ctx, checked)
            else:
                result = refusal("ask_engine", "Only the game can tell.")
            return self._ended(npc, call, CallOutcome(tool, _plain(checked), result))
        return self._request(npc, call, checked, tool.check(ctx, checked) if tool.check else None)

    async def perform(self, npc: Npc, call: Call) -> CallOutcome:
        """Carry out a call of a turn and wait as long as a line may wait for its outcome."""
        tool = call.tool
        ctx = self.context(npc, call.speaker_id)
        checked = _checked(call, ctx)
        if isinstance(checked, CallOutcome):
            return self._ended(npc, call, checked)
        if tool.kind is not ToolKind.ACTION:
            result = await self._query(ctx, tool, checked)
            return self._ended(npc, call, CallOutcome(tool, _plain(checked), result))
        if tool.check is not None and tool.is_search:
            refused = await self._search(tool.check, ctx, checked)
        else:
            refused = tool.check(ctx, checked) if tool.check else None
        outcome = self._request(npc, call, checked, refused)
        if outcome.action_id is None:
            return outcome
        self._unspoken[outcome.action_id] = call.speaker_id
        return await self._wait(outcome, outcome.action_id)

    def _request(
        self, npc: Npc, call: Call, checked: Arguments, refused: ToolResult | None
    ) -> CallOutcome:
        """Ask the engine for an action, unless it is `refused`."""
        tool, plain = call.tool, _plain(checked)
        if refused:
            return self._ended(npc, call, CallOutcome(tool, plain, refused))
        state = None if tool.is_instant else call.state or npc.machine.waits_for(npc.state, tool)
        action = self.tracker.request(
            npc.npc_id,
            tool.name,
            plain,
            tool.reserves(checked) if tool.reserves else {},
            tool.timeout_ms,
            state=state,
            turn_id=call.turn_id,
        )
        request = ActionRequest(
            action_id=action.action_id,
            tool=tool.name,
            args=plain,
            timeout_ms=tool.timeout_ms,
            turn_id=call.turn_id,
        )
        self._context.notify(request, npc.npc_id)
        return action_outcome(tool, action, self._context.world)

    async def _query(self, ctx: ToolContext, tool: Tool, checked: Arguments) -> ToolResult:
        if tool.run is None or not tool.answers_in(ctx.world):
            return await self._ask_engine(ctx.npc_id, tool, _plain(checked))
        result = await self._search(tool.run, ctx, checked)
        assert result is not None, "a query has a result"
        return result

    async def _search(
        self,
        work: Callable[[ToolContext, Any], ToolResult | None],
        ctx: ToolContext,
        checked: Arguments,
    ) -> ToolResult | None:
        """Run `work` aside; it stops soon when the turn does."""
        limit = SearchLimit(SEARCH_S)
        limited = replace(ctx, limit=limit)
        try:
            return await self._context.models.query(lambda: work(limited, checked), ctx.npc_id)
        finally:
            limit.cancel()

    async def _wait(self, outcome: CallOutcome, action_id: int) -> CallOutcome:
        """How an action stands when its line has to be said; one called off, how it ended."""
        is_instant = outcome.tool.is_instant
        news = self._news[action_id] = asyncio.Queue()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(INSTANT_WAIT_S if is_instant else ACCEPT_WAIT_S):
                    outcome = await news.get()
                    while is_instant and outcome.action_id is not None:
                        outcome = await news.get()
            while True:
                while not news.empty():  # came before this could run on
                    outcome = news.get_nowait()
                if outcome.action_id is None or not self.tracker.get(action_id).is_cancelling:
                    return outcome
                outcome = await news.get()
        finally:
            del self._news[action_id]

    async def _ask_engine(self, npc_id: str, tool: Tool, plain: dict[str, Any]) -> ToolResult:
        self._last_query_id += 1
        call_id = self._last_query_id
        query = self._queries[call_id] = _Query(
            npc_id, tool, asyncio.get_running_loop().create_future()
        )
        try:
            asked = ToolCall(
                call_id=call_id, tool=tool.name, args=plain, timeout_ms=tool.timeout_ms
            )
            self._context.notify(asked, npc_id)
            async with asyncio.timeout(tool.timeout_ms / 1000):
                return await query.answer
        except TimeoutError:
            return refusal("timeout", f"Nobody answered {tool.name.replace('_', ' ')}.")
        finally:
            del self._queries[call_id]

    # --- what the engine says ----------------------------------------------------------------

    def update(
        self, action_id: int, status: ActionStatus, reason: str, result: dict[str, Any]
    ) -> Action:
        """Take in what the engine says of an action; raises as `ActionTracker.update`."""
        action = self.tracker.update(action_id, status, reason, result)
        self._tell(action)
        return action

    def expire(self) -> list[Action]:
        """End the actions that the engine has been silent about for too long."""
        ended = self.tracker.expire()
        for action in ended:
            self._tell(action)
        return ended

    def resolve_call(self, call_id: int, ok: bool, result: dict[str, Any], reason: str) -> None:
        """Take in the engine's answer to a query.

        Raises:
            SessionError: No such call waits (`unknown_call`).
        """
        query = self._queries.get(call_id)
        if query is None or query.answer.done():
            raise SessionError(
                f"no tool call {call_id} waits for a result", code=ErrorCode.UNKNOWN_CALL
            )
        query.answer.set_result(engine_answer(query.tool, ok, result, reason))

    # --- what is no longer wanted ------------------------------------------------------------

    def call_off(self, npc_id: str, is_unwanted: Callable[[Action], bool]) -> None:
        """Tell the engine which of an NPC's actions are no longer wanted; it says how they end."""
        for action in self.tracker.open_of(npc_id):
            if not action.is_cancelling and is_unwanted(action):
                self.tracker.cancel(action.action_id)
                self._unspoken.pop(action.action_id, None)
                self._context.notify(ActionCancel(action_id=action.action_id), npc_id)

    def drop(self, npc_id: str) -> None:
        """End all that an NPC has under way, as when it despawns."""
        for action in self.tracker.drop(npc_id):
            self._context.notify(ActionCancel(action_id=action.action_id), npc_id)
            self._tell(action)
        for query in self._queries.values():
            if query.npc_id == npc_id and not query.answer.done():
                query.answer.set_result(refusal("cancelled", "Nobody waits for an answer."))

    def replace_actions(self, actions: Mapping[str, Sequence[Action]]) -> None:
        """Give NPCs their saved actions; those they had are dropped without a message."""
        for action in self.tracker.replace(actions):
            self._tell(action)

    # --- the end of a call -------------------------------------------------------------------

    def _ended(self, npc: Npc, call: Call, outcome: CallOutcome) -> CallOutcome:
        """The end of a call that was no action."""
        mailbox = self._context.mailboxes.get(npc.npc_id)
        if mailbox is not None:
            mailbox.events.append(call_ended(outcome, call.speaker_id))
        return outcome

    def _tell(self, action: Action) -> None:
        """Pass on how an action stands: to the turn that waits for it, its end to the machine."""
        news = self._news.get(action.action_id)
        mailbox = self._context.mailboxes.get(action.npc_id) if action.is_ended else None
        if action.is_called_off:
            mailbox = None
        is_unspoken = action.action_id in self._unspoken
        speaker_id = self._unspoken.pop(action.action_id, None) if action.is_ended else None
        if news is None and mailbox is None:
            return
        tool = self._context.tools.get(action.tool)
        outcome = action_outcome(tool, action, self._context.world)
        if news is not None:
            news.put_nowait(outcome)
        if mailbox is not None:
            is_told = is_unspoken and news is None and action.status != "cancelled"
            mailbox.events.append(
                call_ended(
                    outcome,
                    speaker_id,
                    to_tell=outcome if is_told else None,
                    to_remember=outcome.result.text if action.is_cancelling else "",
                )
            )


def _checked(call: Call, ctx: ToolContext) -> Arguments | CallOutcome:
    """The arguments of a call with defaults filled in, or its refusal."""
    if call.args is None:
        text = f"{call.tool.name} was called for with something that is not known."
        return CallOutcome(call.tool, {}, refusal("bad_arguments", text))
    checked = validate_arguments(call.tool, ctx, call.args)
    if isinstance(checked, ToolResult):
        return CallOutcome(call.tool, call.args, checked)
    return checked


def _plain(checked: Arguments) -> dict[str, Any]:
    return checked.model_dump(mode="json")
