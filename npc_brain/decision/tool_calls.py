"""Carrying out tool calls: queries now, the rest by asking the engine and waiting for its word.

The game is the authority: an action is done only when the engine says so.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from npc_brain.clock import Clock
from npc_brain.decision.events import EnginePort
from npc_brain.decision.outcome_lines import STARTED
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.tools.actions import Action, ActionTracker, outcome_text
from npc_brain.tools.custom import engine_answer
from npc_brain.tools.narrow import validate_arguments
from npc_brain.tools.spec import (
    Arguments,
    Tool,
    ToolContext,
    ToolKind,
    ToolResult,
    refusal,
    usual_variant,
)
from npc_brain.world.limit import SearchLimit
from npc_brain.world.world import World

ACCEPT_WAIT_S = 0.4
"""How long a line waits for the engine's first word on a long action."""
INSTANT_WAIT_S = 2.0
"""How long a line waits for the end of an instant action."""

_REASON = re.compile(r"[a-z_]{1,40}")


SEARCH_S = 1.0
"""How long a search for a path may take in a turn, waiting for others' searches included."""
LOOP_SEARCH_S = 0.01
"""The same for what authors do outside of turns, which is searched for in the event loop."""

RunAside = Callable[[Callable[[], ToolResult | None], str], Awaitable[ToolResult | None]]
"""Runs a query for an NPC on another thread: searching paths or memories takes milliseconds."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """A call that was carried out or refused.

    Attributes:
        args: The arguments with defaults filled in, as sent to the engine.
        action_id: Of an action that goes on; None when nothing is left to wait for.
        was_requested: Whether the engine was asked for an action; its end is then an event of its
            own.
    """

    tool: Tool
    args: dict[str, Any]
    result: ToolResult
    action_id: int | None = None
    was_requested: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    npc_id: str
    tool: Tool
    answer: asyncio.Future[ToolResult]


class ToolCalls:
    """The calls of one stage's NPCs. Used from the event loop only.

    Attributes:
        unspoken: By action id the person spoken with, for actions begun in turns whose outcome the
            NPC has not spoken of yet.
    """

    def __init__(self, port: EnginePort, clock: Clock, run: RunAside) -> None:
        self.tracker = ActionTracker(clock)
        self.unspoken: dict[int, str | None] = {}
        self._port = port
        self._run = run
        self._news: dict[int, asyncio.Queue[Action]] = {}
        self._calls: dict[int, _Call] = {}
        self._last_call_id = 0

    def start(
        self, tool: Tool, ctx: ToolContext, args: dict[str, Any], turn_id: int | None = None
    ) -> CallOutcome:
        """Carry out a call without waiting: a query is answered, an action requested or refused.

        A query that only the engine can answer comes back refused, with reason `ask_engine`.
        """
        checked = validate_arguments(tool, ctx, args)
        if isinstance(checked, ToolResult):
            return CallOutcome(tool, args, checked)
        plain = checked.model_dump(mode="json")
        ctx = replace(ctx, limit=SearchLimit(LOOP_SEARCH_S, time.thread_time))
        if tool.kind is not ToolKind.ACTION:
            if tool.run is not None and tool.answers_in(ctx.world):
                return CallOutcome(tool, plain, tool.run(ctx, checked))
            return CallOutcome(tool, plain, refusal("ask_engine", "Only the game can tell."))
        refused = tool.check(ctx, checked) if tool.check else None
        return self._request(tool, ctx, checked, refused, turn_id)

    def _request(
        self,
        tool: Tool,
        ctx: ToolContext,
        checked: Arguments,
        refused: ToolResult | None,
        turn_id: int | None,
    ) -> CallOutcome:
        plain = checked.model_dump(mode="json")
        if refused:
            return CallOutcome(tool, plain, refused)
        reserves = tool.reserves(checked) if tool.reserves else {}
        action = self.tracker.request(ctx.npc_id, tool.name, plain, reserves, tool.timeout_ms)
        self._port.request_action(
            ctx.npc_id, action.action_id, tool.name, plain, tool.timeout_ms, turn_id
        )
        result = action_result(tool, action, ctx.world)
        return CallOutcome(tool, plain, result, action.action_id, was_requested=True)

    def replace_actions(self, actions: Mapping[str, Sequence[Action]]) -> None:
        """Give NPCs their saved actions; those they had are dropped without a message."""
        for action_id in self.tracker.replace(actions):
            self.unspoken.pop(action_id, None)

    async def perform(
        self, tool: Tool, ctx: ToolContext, args: dict[str, Any], turn_id: int | None
    ) -> CallOutcome:
        """Carry out a call of a turn and wait as long as a line may wait for its outcome."""
        if tool.kind is not ToolKind.ACTION:
            return await self._query(tool, ctx, args)
        outcome = await self._begin(tool, ctx, args, turn_id)
        if outcome.action_id is not None:
            self.unspoken[outcome.action_id] = ctx.speaker_id
            action = await self._wait(tool, outcome.action_id)
            open_id = None if action.is_ended else action.action_id
            result = action_result(tool, action, ctx.world)
            return replace(outcome, result=result, action_id=open_id)
        return outcome

    async def _begin(
        self, tool: Tool, ctx: ToolContext, args: dict[str, Any], turn_id: int | None
    ) -> CallOutcome:
        check = tool.check
        if check is None or not tool.is_search:
            return self.start(tool, ctx, args, turn_id)
        checked = validate_arguments(tool, ctx, args)
        if isinstance(checked, ToolResult):
            return CallOutcome(tool, args, checked)
        refused = await self._search(check, ctx, checked)
        return self._request(tool, ctx, checked, refused, turn_id)

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
            return await self._run(lambda: work(limited, checked), ctx.npc_id)
        finally:
            limit.cancel()

    async def _query(self, tool: Tool, ctx: ToolContext, args: dict[str, Any]) -> CallOutcome:
        checked = validate_arguments(tool, ctx, args)
        if isinstance(checked, ToolResult):
            return CallOutcome(tool, args, checked)
        plain = checked.model_dump(mode="json")
        run = tool.run
        if run is None or not tool.answers_in(ctx.world):
            return CallOutcome(tool, plain, await self._ask_engine(ctx.npc_id, tool, plain))
        result = await self._search(run, ctx, checked)
        assert result is not None, "a query has a result"
        return CallOutcome(tool, plain, result)

    def update(self, action_id: int, status: Any, reason: str, result: dict[str, Any]) -> Action:
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

    def is_awaited(self, action_id: int) -> bool:
        """Whether a turn waits for news of an action, to speak of it itself."""
        return action_id in self._news

    def cancel(self, action_id: int) -> None:
        """Tell the engine that an action is no longer wanted."""
        action = self.tracker.cancel(action_id)
        self._port.cancel_action(action.npc_id, action.action_id)

    def drop(self, npc_id: str) -> None:
        """End all that an NPC has under way, as when it despawns."""
        for action in self.tracker.drop(npc_id):
            self.unspoken.pop(action.action_id, None)
            self._port.cancel_action(npc_id, action.action_id)
            self._tell(action)
        for call in self._calls.values():
            if call.npc_id == npc_id and not call.answer.done():
                call.answer.set_result(refusal("cancelled", "Nobody waits for an answer."))

    def resolve_call(self, call_id: int, ok: bool, result: dict[str, Any], reason: str) -> None:
        """Take in the engine's answer to a query.

        Raises:
            SessionError: No such call waits (`unknown_call`).
        """
        call = self._calls.get(call_id)
        if call is None or call.answer.done():
            raise SessionError(
                f"no tool call {call_id} waits for a result", code=ErrorCode.UNKNOWN_CALL
            )
        call.answer.set_result(engine_answer(call.tool, ok, result, reason))

    async def _wait(self, tool: Tool, action_id: int) -> Action:
        """The action as it stands when its line has to be said."""
        action = self.tracker.get(action_id)
        news = self._news[action_id] = asyncio.Queue()
        try:
            async with asyncio.timeout(INSTANT_WAIT_S if tool.is_instant else ACCEPT_WAIT_S):
                while not action.is_ended and (tool.is_instant or action.status == "requested"):
                    action = await news.get()
        except TimeoutError:
            pass
        finally:
            del self._news[action_id]
        while not news.empty():  # came after what was waited for, before this could run on
            action = news.get_nowait()
        return action

    async def _ask_engine(self, npc_id: str, tool: Tool, plain: dict[str, Any]) -> ToolResult:
        self._last_call_id += 1
        call_id = self._last_call_id
        call = self._calls[call_id] = _Call(
            npc_id, tool, asyncio.get_running_loop().create_future()
        )
        try:
            self._port.call_tool(npc_id, call_id, tool.name, plain, tool.timeout_ms)
            async with asyncio.timeout(tool.timeout_ms / 1000):
                return await call.answer
        except TimeoutError:
            return refusal("timeout", f"Nobody answered {tool.name.replace('_', ' ')}.")
        finally:
            del self._calls[call_id]

    def _tell(self, action: Action) -> None:
        news = self._news.get(action.action_id)
        if news is not None:
            news.put_nowait(action)


def action_result(tool: Tool, action: Action, world: World) -> ToolResult:
    """How an action stands, as a tool result: `STARTED` while it is under way."""
    text = outcome_text(tool, action.npc_id, action.args, world, action.status, action.reason)
    if not action.is_ended:
        return ToolResult(ok=True, data=action.result, text=text, reason=STARTED)
    if action.status == "done":
        return ToolResult(
            ok=True, data=action.result, text=text, variant=usual_variant(action.result)
        )
    reason = action.reason if _REASON.fullmatch(action.reason) else action.status
    return refusal(reason, text, **action.result)
