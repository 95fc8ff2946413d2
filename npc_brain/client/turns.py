"""The turns under way, and the lines that are said when the sidecar is late, refuses or is gone."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence

from npc_brain.client.connection import Connection
from npc_brain.client.socket import connection_lost
from npc_brain.client.turn import Turn, ended_by_client
from npc_brain.errors import ErrorCode, NpcBrainError, ProtocolError, SessionError
from npc_brain.protocol.messages import (
    Body,
    NpcHear,
    TurnCancel,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnToken,
)

FALLBACK_GRACE_MS = 20
"""How long after a turn's deadline the client says its own line: the sidecar's may be under way."""
_PATIENCE_MS = 1_000
"""The same where there is nothing to say, only an error to raise."""

_log = logging.getLogger(__name__)


class Turns:
    """Every turn of a client, by turn id; each ends exactly once.

    Args:
        connection: The link to the sidecar.
        fallbacks: Lines by npc_id, said in turn.
        on_line: `(npc_id, line)`: called with each whole line.
    """

    def __init__(
        self,
        connection: Connection,
        fallbacks: Mapping[str, Sequence[str]],
        on_line: Callable[[str, TurnLine], None],
    ) -> None:
        self._connection = connection
        self._fallbacks = {
            npc_id: itertools.cycle(lines) for npc_id, lines in fallbacks.items() if lines
        }
        self._on_line = on_line
        self._by_id: dict[int, Turn] = {}
        self._unstarted: set[Turn] = set()

    def hear(self, npc_id: str, heard: NpcHear, deadline_ms: int) -> Turn:
        """Ask for a turn, which ends by its deadline if there is a fallback line for the NPC."""
        turn = Turn(npc_id, self._cancel)
        try:
            self._connection.send(heard, npc_id, lambda answer: self._started(turn, answer))
        except SessionError as e:
            self._give_up(turn, e)
            return turn
        self._unstarted.add(turn)
        grace_ms = FALLBACK_GRACE_MS if npc_id in self._fallbacks else _PATIENCE_MS
        delay_s = (deadline_ms + grace_ms) / 1000
        asyncio.get_running_loop().call_later(delay_s, self._give_up_late, turn)
        return turn

    def begin(self, npc_id: str, turn_id: int) -> Turn:
        """A turn that the NPC began unprompted."""
        turn = self._by_id[turn_id] = Turn(npc_id, self._cancel, turn_id)
        return turn

    def take(self, part: TurnToken | TurnLine | TurnEnded) -> None:
        """A piece of a turn; ignored if the turn has already ended here."""
        turn = self._by_id.get(part.turn_id)
        if turn is None:
            return
        if isinstance(part, TurnToken):
            turn.add_token(part.text)
        elif isinstance(part, TurnLine):
            turn.add_line(part)
            self._on_line(turn.npc_id, part)
        else:
            del self._by_id[part.turn_id]
            turn.end(part)

    def lose_all(self) -> None:
        """The link is lost, and with it every turn."""
        turns = [*self._by_id.values(), *self._unstarted]
        self._by_id.clear()
        self._unstarted.clear()
        for turn in turns:
            self._give_up(turn, connection_lost("the link to the sidecar was lost"))

    def cancel_all(self) -> None:
        """The game wants none of them any more."""
        for turn in [*self._by_id.values(), *self._unstarted]:
            turn.cancel()

    def _started(self, turn: Turn, answer: Body | NpcBrainError) -> None:
        self._unstarted.discard(turn)
        if isinstance(answer, NpcBrainError):
            self._give_up(turn, answer)
        elif not isinstance(answer, TurnStarted):
            self._give_up(turn, ProtocolError(f"npc.hear was answered by {answer.type}"))
        elif turn.has_ended:
            self._send_cancel(answer.turn_id)
        else:
            turn.turn_id = answer.turn_id
            self._by_id[answer.turn_id] = turn

    def _give_up_late(self, turn: Turn) -> None:
        if not turn.lines:
            self._give_up(turn, connection_lost("no line came by the deadline"))

    def _give_up(self, turn: Turn, error: NpcBrainError) -> None:
        """End a turn from here: with a fallback line where one helps, else with the error."""
        if turn.has_ended:
            return
        lines = self._fallbacks.get(turn.npc_id)
        if turn.lines:
            turn.end(ended_by_client("said", error.message))
        elif lines is not None and (error.retryable or error.code is ErrorCode.INTERNAL):
            line = TurnLine(turn_id=turn.turn_id or 0, text=next(lines), source="fallback")
            turn.add_line(line)
            turn.end(ended_by_client("fallback", error.message))
            self._on_line(turn.npc_id, line)
        else:
            turn.fail(error)
        self._cancel(turn)

    def _cancel(self, turn: Turn) -> None:
        if turn.turn_id is not None and self._by_id.pop(turn.turn_id, None) is not None:
            self._send_cancel(turn.turn_id)

    def _send_cancel(self, turn_id: int) -> None:
        try:
            self._connection.send(TurnCancel(turn_id=turn_id), None, _ignore)
        except SessionError as e:  # a session's turns end with its link
            _log.info("turn %d: %s", turn_id, e.message)


def _ignore(_: Body | NpcBrainError) -> None:
    return None
