"""The client: everything that a game asks of its NPCs and hears from them."""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from npc_brain import __version__
from npc_brain.client.connection import Connection, Link, Observer, Way
from npc_brain.client.turn import Turn
from npc_brain.client.turns import Turns
from npc_brain.errors import ErrorCode, NpcBrainError, ProtocolError, SessionError
from npc_brain.protocol.messages import (
    ActionCancel,
    ActionRequest,
    ActionUpdate,
    Body,
    ClientInfo,
    Envelope,
    Goodbye,
    NpcDespawn,
    NpcEvent,
    NpcHear,
    NpcSee,
    NpcSpawn,
    NpcState,
    Ping,
    StateLoad,
    StateSave,
    StateSaved,
    Stats,
    StatsRequest,
    Status,
    ToolCall,
    ToolCallResult,
    ToolRegister,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnToken,
    Welcome,
    WorldPatched,
    WorldSync,
)
from npc_brain.vocabulary import AudioEncoding, GameToolKind, ReportedStatus
from npc_brain.world.model import Position, Scalar, WorldPatch, WorldSnapshot

DEFAULT_DEADLINE_MS = 8_000

_BodyT = TypeVar("_BodyT", bound=Body)
_log = logging.getLogger(__name__)


def _ignore(*_: object) -> None:
    return None


@dataclass
class Handlers:
    """The game's reactions to what the sidecar sends.

    They are called in the event loop. If one returns an awaitable, a new task awaits it. Errors are
    logged and have no other effect.

    Attributes:
        on_action: `(npc_id, request)`: carry it out, and report with `Client.update_action`.
        on_action_cancel: `(npc_id, cancel)`: the NPC no longer wants the action.
        on_tool_call: `(npc_id, call)`: return the result, or raise NpcBrainError to refuse.
        on_state: `(npc_id, state)`: a transition, including the first one after spawning.
        on_turn: `(turn)`: an NPC begins to speak unprompted.
        on_line: `(npc_id, line)`: any complete line, including client fallbacks.
        on_status: `(status)`: the progress of the sidecar.
        on_link: `(link)`: after `new_session`, sync the world and spawn the NPCs again.
        on_message: `(direction, t_ms, envelope)`: every message; `in` is to the sidecar.
    """

    on_action: Callable[[str, ActionRequest], Any] = _ignore
    on_action_cancel: Callable[[str, ActionCancel], Any] = _ignore
    on_tool_call: Callable[[str, ToolCall], Any] | None = None
    on_state: Callable[[str, NpcState], Any] = _ignore
    on_turn: Callable[[Turn], Any] = _ignore
    on_line: Callable[[str, TurnLine], Any] = _ignore
    on_status: Callable[[Status], Any] = _ignore
    on_link: Callable[[Link], Any] = _ignore
    on_message: Observer | None = None


class Client:
    """A session with a sidecar, created by `Client.connect`.

    If the sidecar refuses a request, the method raises an NpcBrainError with the sidecar's code; if
    there is no answer, one with the code `connection_lost`.

    Attributes:
        handlers: Can be changed at any time.
        welcome: The sidecar's description of itself from when the client first connected.
    """

    welcome: Welcome

    def __init__(
        self,
        endpoint: Callable[[], str | None],
        token: str,
        info: ClientInfo,
        handlers: Handlers,
        fallbacks: Mapping[str, Sequence[str]],
    ) -> None:
        self.handlers = handlers
        self._connection = Connection(
            endpoint,
            token,
            info,
            on_unsolicited=self._take,
            on_link=self._take_link,
            observe=self._show,
        )
        self._turns = Turns(
            self._connection,
            fallbacks,
            lambda npc_id, line: self._call(self.handlers.on_line, npc_id, line),
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        endpoint: str | Callable[[], str | None],
        token: str,
        *,
        name: str = "python",
        version: str = __version__,
        handlers: Handlers | None = None,
        fallbacks: Mapping[str, Sequence[str]] | None = None,
        timeout_s: float = 10.0,
    ) -> AsyncIterator["Client"]:
        """Connect for the duration of a `with` block, at whose end the session ends.

        Args:
            endpoint: Where the sidecar listens. A callable, such as `Sidecar.endpoint`, is called
                before each attempt, because a restarted sidecar listens elsewhere.
            token: The sidecar's token.
            name: The name of the game.
            version: The version of the game.
            handlers: The game's reactions to what the sidecar sends.
            fallbacks: Lines by npc_id, used one after the other when a turn has no line by its
                deadline.
            timeout_s: How long to wait for the sidecar, in seconds.

        Raises:
            SessionError: `connection_lost`, `bad_token`, `bad_protocol`.
        """
        info = ClientInfo(name=name, version=version, engine="python")
        ask = (lambda: endpoint) if isinstance(endpoint, str) else endpoint
        client = cls(ask, token, info, handlers or Handlers(), fallbacks or {})
        client.welcome = await client._connection.open(timeout_s)
        try:
            yield client
        finally:
            await client._close()

    async def sync_world(self, snapshot: WorldSnapshot) -> None:
        """Send the whole world to the sidecar."""
        await self._connection.request(_body(WorldSync, **dict(snapshot)))

    async def patch_world(self, patch: WorldPatch) -> None:
        """Send what changed; refused with `resync` if a revision is missing."""
        await self._connection.request(_body(WorldPatched, **dict(patch)))

    async def register_tool(
        self,
        name: str,
        description: str,
        parameters: dict[str, Any],
        kind: GameToolKind,
        *,
        timeout_ms: int = 10_000,
        examples: Sequence[str] = (),
    ) -> None:
        """Add a tool of the game; `parameters` is a JSON Schema of its arguments."""
        tool = _body(
            ToolRegister,
            name=name,
            description=description,
            parameters=parameters,
            kind=kind,
            timeout_ms=timeout_ms,
            examples=tuple(examples),
        )
        await self._connection.request(tool)

    async def spawn(
        self,
        npc_id: str,
        definition: str | dict[str, Any],
        *,
        position: Position | None = None,
        blackboard: Mapping[str, Scalar] | None = None,
    ) -> NpcState:
        """Bring an NPC to life, from a file in the sidecar's directory or a complete definition."""
        spawn = _body(
            NpcSpawn, definition=definition, position=position, blackboard=dict(blackboard or {})
        )
        state = _expect(NpcState, await self._connection.request(spawn, npc_id))
        self._call(self.handlers.on_state, npc_id, state)
        return state

    async def despawn(self, npc_id: str) -> None:
        """End an NPC."""
        await self._connection.request(NpcDespawn(), npc_id)

    async def event(
        self, npc_id: str, event: str, data: Mapping[str, Scalar] | None = None
    ) -> None:
        """Send an event to an NPC's state machine."""
        await self._connection.request(_body(NpcEvent, event=event, data=dict(data or {})), npc_id)

    def hear(
        self,
        npc_id: str,
        speaker_id: str,
        text: str | None = None,
        *,
        audio: bytes | None = None,
        audio_format: AudioEncoding | None = None,
        sample_rate_hz: int | None = None,
        priority: int = 0,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
    ) -> Turn:
        """Speak to an NPC. Returns immediately; the turn ends whatever happens to the sidecar.

        If there is no line by the deadline, the connection is lost, or the sidecar cannot serve the
        turn now, the NPC says a line of `fallbacks` (source `fallback`), and later answers are
        ignored. `NpcHear` describes `audio`; without `text` it needs a model that can hear.

        Raises:
            ProtocolError: `bad_body`, for example of a text that is too long.
        """
        heard = _body(
            NpcHear,
            speaker_id=speaker_id,
            text=text,
            priority=priority,
            deadline_ms=deadline_ms,
            audio=audio,
            audio_format=audio_format,
            sample_rate_hz=sample_rate_hz,
        )
        return self._turns.hear(npc_id, heard, deadline_ms)

    async def see(
        self,
        npc_id: str,
        speaker_id: str,
        image: bytes,
        *,
        caption: str | None = None,
        entity_id: str | None = None,
    ) -> None:
        """Show an NPC a picture (a PNG or JPEG file), to talk about with `hear` afterwards.

        Raises:
            ProtocolError: `bad_body`, `bad_media`, `cannot_see` (Pillow is not installed there).
        """
        shown = _body(
            NpcSee, speaker_id=speaker_id, image=image, caption=caption, entity_id=entity_id
        )
        await self._connection.request(shown, npc_id)

    async def update_action(
        self,
        npc_id: str,
        action_id: int,
        status: ReportedStatus,
        *,
        reason: str = "",
        result: dict[str, Any] | None = None,
    ) -> None:
        """Report the status of an action."""
        update = _body(
            ActionUpdate, action_id=action_id, status=status, reason=reason, result=result or {}
        )
        await self._connection.request(update, npc_id)

    async def save(self, npc_ids: Sequence[str] = ()) -> bytes:
        """The state of these NPCs, or of all if none are named, for the game's own save."""
        save = _body(StateSave, npc_ids=tuple(npc_ids))
        return _expect(StateSaved, await self._connection.request(save)).blob

    async def load(self, blob: bytes) -> None:
        """Restore NPCs from what `save` returned."""
        await self._connection.request(StateLoad(blob=blob))

    async def stats(self) -> Stats:
        """The sidecar's counters."""
        return _expect(Stats, await self._connection.request(StatsRequest()))

    async def ping(self) -> float:
        """The time of a round trip in milliseconds."""
        start_s = time.perf_counter()
        await self._connection.request(Ping())
        return (time.perf_counter() - start_s) * 1000

    async def _close(self) -> None:
        self._turns.cancel_all()
        if self._connection.is_linked:
            try:
                await self._connection.request(Goodbye(), timeout_s=1.0)
            except NpcBrainError as e:
                _log.info("no goodbye: %s", e.message)
        await self._connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what the sidecar sends unprompted ---

    def _take(self, envelope: Envelope) -> None:
        npc_id = envelope.npc_id or ""
        match envelope.body:
            case TurnStarted(turn_id=turn_id):
                self._call(self.handlers.on_turn, self._turns.begin(npc_id, turn_id))
            case TurnToken() | TurnLine() | TurnEnded() as part:
                self._turns.take(part)
            case NpcState() as state:
                self._call(self.handlers.on_state, npc_id, state)
            case ActionRequest() as request:
                self._call(self.handlers.on_action, npc_id, request)
            case ActionCancel() as cancel:
                self._call(self.handlers.on_action_cancel, npc_id, cancel)
            case ToolCall() as call:
                self._run(self._answer_tool_call(npc_id, call))
            case Status() as status:
                self._call(self.handlers.on_status, status)
            case body:
                _log.warning("got %s, which answers nothing that waits", body.type)

    async def _answer_tool_call(self, npc_id: str, call: ToolCall) -> None:
        try:
            if self.handlers.on_tool_call is None:
                raise SessionError(f"the game answers no tool calls, not even {call.tool}")
            result = self.handlers.on_tool_call(npc_id, call)
            if inspect.isawaitable(result):
                result = await result
            answer = _body(ToolCallResult, call_id=call.call_id, ok=True, result=result)
        except NpcBrainError as e:
            answer = ToolCallResult(call_id=call.call_id, ok=False, error=e.message[:200])
        except Exception as e:
            _log.exception("on_tool_call failed")
            answer = ToolCallResult(call_id=call.call_id, ok=False, error=type(e).__name__)
        await self._connection.request(answer, npc_id)

    def _take_link(self, link: Link) -> None:
        if link == "lost":
            self._turns.lose_all()
        self._call(self.handlers.on_link, link)

    def _show(self, direction: Way, t_ms: int, envelope: Envelope) -> None:
        if self.handlers.on_message is not None:
            self._call(self.handlers.on_message, direction, t_ms, envelope)

    def _call(self, handler: Callable[..., Any], *args: Any) -> None:
        try:
            result = handler(*args)
        except Exception:
            _log.exception("a handler of the game failed")
            return
        if inspect.isawaitable(result):
            self._run(result)

    def _run(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _logged(work: Awaitable[Any]) -> None:
    try:
        await work
    except Exception:
        _log.exception("a handler of the game failed")


def _body(model: type[_BodyT], **fields: Any) -> _BodyT:
    try:
        return model(**fields)
    except ValidationError as e:
        problem = e.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise ProtocolError(
            f"{model.type}: {where}: {problem['msg']}", code=ErrorCode.BAD_BODY
        ) from e


def _expect(model: type[_BodyT], body: Body) -> _BodyT:
    if not isinstance(body, model):
        raise ProtocolError(f"got {body.type} as the answer, wanted {model.type}")
    return body
