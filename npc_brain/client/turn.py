"""One turn as the game sees it: text as it is made, whole lines, and exactly one end."""

import asyncio
from collections.abc import AsyncIterator, Callable

from npc_brain.errors import NpcBrainError
from npc_brain.protocol.messages import TurnEnded, TurnLine, TurnTimings


class Turn:
    """A turn of an NPC; `async for text in turn` gives its text piece by piece.

    The pieces add up to the lines, except when a client fallback replaces a line that was cut
    short: then `line()` is what the NPC said.

    Attributes:
        npc_id: Who speaks.
        turn_id: The sidecar's id of the turn; None until it has begun.
        lines: The complete lines so far.
    """

    def __init__(
        self, npc_id: str, on_cancel: Callable[["Turn"], None], turn_id: int | None = None
    ) -> None:
        self.npc_id = npc_id
        self.turn_id = turn_id
        self.lines: list[TurnLine] = []
        self._on_cancel = on_cancel
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._has_piece = False
        self._first_line: asyncio.Future[TurnLine | None] = asyncio.Future()
        self._end: asyncio.Future[TurnEnded] = asyncio.Future()

    @property
    def has_ended(self) -> bool:
        """Whether the turn has ended."""
        return self._end.done()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        self._pieces.put_nowait(None)
        self._raise_failure()

    async def line(self) -> TurnLine | None:
        """Wait for the first complete line; None if the turn ends without one.

        Raises:
            NpcBrainError: The turn failed, and there was no client fallback.
        """
        line = await asyncio.shield(self._first_line)
        self._raise_failure()
        return line

    async def ended(self) -> TurnEnded:
        """How the turn ended.

        Raises:
            NpcBrainError: As `line`.
        """
        return await asyncio.shield(self._end)

    def cancel(self) -> None:
        """End the turn now: there is no more text. Does nothing if the turn has ended."""
        if not self.has_ended:
            self.end(ended_by_client("cancelled", "cancelled by the client"))
            self._on_cancel(self)

    def add_token(self, text: str) -> None:
        """The next piece; for the client only."""
        if not self.has_ended:
            self._has_piece = True
            self._pieces.put_nowait(text)

    def add_line(self, line: TurnLine) -> None:
        """A whole line; for the client only."""
        if self.has_ended:
            return
        if not self._has_piece:
            self._pieces.put_nowait(line.text)
        self._has_piece = False
        self.lines.append(line)
        if not self._first_line.done():
            self._first_line.set_result(line)

    def end(self, ended: TurnEnded) -> None:
        """The end; for the client only. Only the first one counts."""
        if not self.has_ended:
            self._end.set_result(ended)
            self._finish()

    def fail(self, error: NpcBrainError) -> None:
        """The turn failed; for the client only."""
        if not self.has_ended:
            self._end.set_exception(error)
            self._end.exception()  # seen: a game need not await every turn
            self._finish()

    def _finish(self) -> None:
        self._pieces.put_nowait(None)
        if not self._first_line.done():
            self._first_line.set_result(None)

    def _raise_failure(self) -> None:
        if self._end.done() and (error := self._end.exception()) is not None:
            raise error


def ended_by_client(outcome: str, detail: str) -> TurnEnded:
    """An end that the sidecar did not report; its timings are zero."""
    timings = TurnTimings(first_token_ms=0, total_ms=0)
    return TurnEnded.model_validate(
        {"turn_id": 0, "outcome": outcome, "detail": detail, "timings": timings}
    )
