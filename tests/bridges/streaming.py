"""Sessions whose NPCs talk without end: a load for the bridges, at a known rate."""

import asyncio
import random

from npc_brain.protocol.messages import TurnLine, TurnToken
from npc_brain.session.registry import Outbox
from tests.integration.wire_fakes import FakeSession

TOKENS_PER_S = 20
NUM_TOKENS = 60


class StreamingSession(FakeSession):
    """Each turn streams `NUM_TOKENS` words, `TOKENS_PER_S` a second, as a busy model would."""

    def __init__(self, session_id: str, outbox: Outbox) -> None:
        super().__init__(session_id, outbox)
        self._random = random.Random(0)
        self._streams: dict[int, asyncio.Task[None]] = {}

    def detach(self) -> None:
        super().detach()
        for stream in self._streams.values():
            stream.cancel()
        self._streams.clear()

    async def close(self) -> None:
        self.detach()
        await super().close()

    def _answer(self, npc_id: str, turn_id: int, text: str) -> None:
        stream = asyncio.get_running_loop().create_task(self._stream(npc_id, turn_id))
        self._streams[turn_id] = stream

    async def _stream(self, npc_id: str, turn_id: int) -> None:
        said = ""
        await asyncio.sleep(self._random.random() / TOKENS_PER_S)
        for number in range(NUM_TOKENS):
            await asyncio.sleep(1 / TOKENS_PER_S)
            said += f"word{number} "
            self.outbox(TurnToken(turn_id=turn_id, text=f"word{number} "), npc_id)
        self.outbox(TurnLine(turn_id=turn_id, text=said, source="model"), npc_id)
        self._end(npc_id, turn_id, "said")
        self._streams.pop(turn_id, None)
