"""The life of actions: requested, accepted, started, progress, then exactly one end.

The engine decides; the tracker only keeps the books: which actions are under way, what they hold
reserved, and when the engine has been silent for too long. It reads no world and sends nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from npc_brain.clock import Clock
from npc_brain.errors import ErrorCode, SessionError
from npc_brain.language.en import wording
from npc_brain.tools.spec import Phrase, Tool
from npc_brain.vocabulary import END_STATUSES, ActionStatus
from npc_brain.world.world import World

CANCEL_TIMEOUT_S = 5.0
"""How long the engine may take to end an action that is no longer wanted."""

MAX_SAVED_ACTIONS = 100
"""Of one NPC."""
_MAX_ACTION_ID = 2**53
_MAX_MS = 86_400_000
_SAVED = (
    "action_id", "tool", "args", "reserves", "timeout_ms", "left_ms", "status", "reason",
    "is_cancelling",
)  # fmt: skip
_ORDER = {status: rank for rank, status in enumerate(get_args(ActionStatus))}


@dataclass(frozen=True, slots=True)
class Action:
    """One action and what is known of it.

    Attributes:
        action_id: Unique in its session, rising.
        args: JSON values, defaults filled in.
        reserves: Items that it holds reserved while it is under way, by item id.
        reason: Why it ended as it did; a stable word or the engine's own.
        result: What the engine reported last.
        is_cancelling: Whether the NPC no longer wants it; the engine still says how it ends.
        timeout_ms: How long the engine may be silent.
        deadline_s: When it times out, on the tracker's clock.
        state: The state that wants it; when that is left it is called off. None: none does.
        turn_id: The turn that began it, if any; not saved.
    """

    action_id: int
    npc_id: str
    tool: str
    args: dict[str, Any]
    reserves: Mapping[str, int]
    timeout_ms: int
    deadline_s: float
    status: ActionStatus = "requested"
    reason: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    is_cancelling: bool = False
    state: str | None = None
    turn_id: int | None = None

    @property
    def is_ended(self) -> bool:
        """Whether it has come to its one end."""
        return self.status in END_STATUSES

    @property
    def is_called_off(self) -> bool:
        """Whether it ended as the NPC wished: without being done."""
        return self.is_cancelling and self.is_ended and self.status != "done"


class ActionTracker:
    """The actions of one session. Pure: time comes from the clock, effects are return values."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[int, Action] = {}
        self._ids_of: dict[str, dict[int, None]] = {}
        self._next_id = 1

    def request(
        self,
        npc_id: str,
        tool: str,
        args: dict[str, Any],
        reserves: Mapping[str, int],
        timeout_ms: int,
        *,
        state: str | None = None,
        turn_id: int | None = None,
    ) -> Action:
        """Begin an action; what it reserves is reserved from now on."""
        action = Action(
            action_id=self._next_id,
            npc_id=npc_id,
            tool=tool,
            args=args,
            reserves=dict(reserves),
            timeout_ms=timeout_ms,
            deadline_s=self._clock.now_s() + timeout_ms / 1000,
            state=state,
            turn_id=turn_id,
        )
        self._next_id += 1
        return self._put(action)

    def update(
        self,
        action_id: int,
        status: ActionStatus,
        reason: str = "",
        result: dict[str, Any] | None = None,
    ) -> Action:
        """What the engine says. It may skip steps and repeat one, not go back; an end is final.

        Raises:
            SessionError: UNKNOWN_ACTION, ACTION_ENDED, or BAD_BODY when it goes back. The action
                stays as it was.
        """
        action = self.get(action_id)
        if status not in _ORDER or status == "requested" or _ORDER[status] < _ORDER[action.status]:
            raise SessionError(
                f"action {action_id}: {status!r} cannot follow {action.status!r}",
                code=ErrorCode.BAD_BODY,
                hint="accepted, started, progress, then one of done, failed, refused, cancelled",
            )
        deadline_s = action.deadline_s
        if not action.is_cancelling:
            deadline_s = self._clock.now_s() + action.timeout_ms / 1000
        return self._put(
            replace(
                action,
                status=status,
                reason=reason,
                result=result or {},
                deadline_s=deadline_s,
            )
        )

    def cancel(self, action_id: int) -> Action:
        """Note that an action is no longer wanted; it stays open until the engine ends it.

        The engine then has `CANCEL_TIMEOUT_S` at most. Cancelling twice changes nothing.

        Raises:
            SessionError: UNKNOWN_ACTION or ACTION_ENDED.
        """
        action = self.get(action_id)
        if action.is_cancelling:
            return action
        deadline_s = min(action.deadline_s, self._clock.now_s() + CANCEL_TIMEOUT_S)
        return self._put(replace(action, is_cancelling=True, deadline_s=deadline_s))

    def expire(self) -> list[Action]:
        """End what the engine has been silent about for too long, as `timed_out`."""
        now_s = self._clock.now_s()
        late = [action for action in self._open.values() if action.deadline_s <= now_s]
        return [self._put(replace(action, status="timed_out", reason="timeout")) for action in late]

    def drop(self, npc_id: str) -> list[Action]:
        """End all of an NPC's actions as `cancelled`, as when it despawns."""
        return self._drop(npc_id, "despawned")

    def get(self, action_id: int) -> Action:
        """The action, while it is under way.

        Raises:
            SessionError: UNKNOWN_ACTION when it was never requested, ACTION_ENDED when it is over.
        """
        action = self._open.get(action_id)
        if action is not None:
            return action
        if 0 < action_id < self._next_id:
            raise SessionError(f"action {action_id} has ended", code=ErrorCode.ACTION_ENDED)
        raise SessionError(
            f"no action {action_id} was requested",
            code=ErrorCode.UNKNOWN_ACTION,
            hint="use the action_id of action.request",
        )

    def open_of(self, npc_id: str) -> list[Action]:
        """The actions of an NPC that are under way, oldest first."""
        return [self._open[action_id] for action_id in self._ids_of.get(npc_id, ())]

    def next_deadline_s(self) -> float | None:
        """When `expire` next has something to do; None when nothing is under way."""
        return min((action.deadline_s for action in self._open.values()), default=None)

    def reserved(self, npc_id: str) -> dict[str, int]:
        """Items that an NPC has promised to actions under way, by item id; no zeros."""
        total: dict[str, int] = {}
        for action in self.open_of(npc_id):
            for item_id, count in action.reserves.items():
                total[item_id] = total.get(item_id, 0) + count
        return total

    def save(self, npc_id: str) -> list[dict[str, Any]]:
        """An NPC's open actions as JSON values; times as milliseconds left.

        Without their results: the engine reports those again when the action ends.
        """
        return list(self._saved(npc_id))

    def loaded(self, npc_id: str, saved: Any) -> list[Action]:
        """The actions that `save` gave, for `check` and `replace`; ids stay as they were.

        Raises:
            SessionError: BAD_BLOB when it is no such value, or holds too much.
        """
        if not isinstance(saved, list) or len(saved) > MAX_SAVED_ACTIONS:
            raise _damaged(npc_id, f"they are no list of up to {MAX_SAVED_ACTIONS}")
        return [self._loaded(npc_id, row) for row in saved]

    def check(self, actions: Mapping[str, Sequence[Action]]) -> None:
        """Raise SessionError (BAD_BLOB) when `replace` would give an id to two actions."""
        ids = [action.action_id for of_npc in actions.values() for action in of_npc]
        is_taken = any(
            action_id in self._open and self._open[action_id].npc_id not in actions
            for action_id in ids
        )
        if is_taken or len(set(ids)) < len(ids):
            raise SessionError(
                "saved actions are damaged: an action id is in use", code=ErrorCode.BAD_BLOB
            )

    def replace(self, actions: Mapping[str, Sequence[Action]]) -> list[Action]:
        """Give NPCs their saved actions in place of the present ones, which end as `cancelled`."""
        dropped = [action for npc_id in actions for action in self._drop(npc_id, "loaded")]
        for of_npc in actions.values():
            for action in of_npc:
                self._put(action)
                self._next_id = max(self._next_id, action.action_id + 1)
        return dropped

    def _drop(self, npc_id: str, reason: str) -> list[Action]:
        return [
            self._put(replace(action, status="cancelled", reason=reason))
            for action in self.open_of(npc_id)
        ]

    def _put(self, action: Action) -> Action:
        ids = self._ids_of.setdefault(action.npc_id, {})
        if action.is_ended:
            del self._open[action.action_id], ids[action.action_id]
        else:
            self._open[action.action_id] = action
            ids[action.action_id] = None
        if not ids:
            del self._ids_of[action.npc_id]
        return action

    def _saved(self, npc_id: str) -> Iterator[dict[str, Any]]:
        now_s = self._clock.now_s()
        for action in self.open_of(npc_id)[-MAX_SAVED_ACTIONS:]:
            yield {
                "action_id": action.action_id,
                "tool": action.tool,
                "args": action.args,
                "reserves": dict(action.reserves),
                "timeout_ms": action.timeout_ms,
                "left_ms": max(0, round((action.deadline_s - now_s) * 1000)),
                "status": action.status,
                "reason": action.reason,
                "result": {},
                "is_cancelling": action.is_cancelling,
                "state": action.state,
            }

    def _loaded(self, npc_id: str, row: Any) -> Action:
        values = [row.get(key) for key in _SAVED] if isinstance(row, dict) else []
        state = row.get("state") if isinstance(row, dict) else None  # older saves have none
        match values:
            case [
                int(action_id),
                str(tool),
                dict(args),
                dict(reserves),
                int(timeout_ms),
                int(left_ms),
                str(status),
                str(reason),
                bool(is_cancelling),
            ] if (
                0 < action_id <= _MAX_ACTION_ID
                and 0 <= timeout_ms <= _MAX_MS
                and 0 <= left_ms <= _MAX_MS
                and status in _ORDER
                and status not in END_STATUSES
                and all(isinstance(n, int) and 0 <= n < 2**31 for n in reserves.values())
                and (state is None or isinstance(state, str))
            ):
                return Action(
                    action_id=action_id,
                    npc_id=npc_id,
                    tool=tool,
                    args=args,
                    reserves=reserves,
                    timeout_ms=timeout_ms,
                    deadline_s=self._clock.now_s() + left_ms / 1000,
                    status=status,  # type: ignore[arg-type]
                    reason=reason,
                    is_cancelling=is_cancelling,
                    state=state,
                )
        raise _damaged(npc_id, "one lacks a part, or has one that no action has")


def _damaged(npc_id: str, how: str) -> SessionError:
    return SessionError(
        f"saved actions of npc {npc_id!r} are damaged: {how}", code=ErrorCode.BAD_BLOB
    )


def outcome_text(
    tool: Tool, npc_id: str, args: dict[str, Any], world: World, status: ActionStatus, reason: str
) -> str:
    """One sentence on how an action stands, for prompts, like "Mira gave Bo 2 loaves of bread".

    Args:
        tool: The action's tool.
        npc_id: Who acts.
        args: The arguments as requested, defaults filled in.
        world: For names.
        status: How it stands.
        reason: The engine's reason for an end other than done; may be empty.
    """
    npc = world.name_of(npc_id)
    if tool.describe is None:
        verb = tool.name.replace("_", " ")
        phrase = Phrase(verb, f"did {verb}", f"about to {verb}")
    else:
        phrase = tool.describe(world, tool.arguments.model_validate(args))
    why = f": {reason.replace('_', ' ').rstrip('.')}" if reason else ""
    match status:
        case "done":
            text = f"{npc} {phrase.past}"
        case "refused" | "failed":
            text = f"{npc} could not {phrase.base}{why}"
        case "cancelled":
            text = f"{npc} did not {phrase.base} after all"
        case "timed_out":
            text = f"{npc} tried to {phrase.base}, but nothing came of it"
        case _:
            text = f"{npc} is {phrase.present}"
    return wording.sentence(text)
