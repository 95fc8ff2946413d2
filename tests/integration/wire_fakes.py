"""A session without NPCs, for tests of the wire: it remembers, and answers as a real one would."""

from npc_brain.errors import ErrorCode, SessionError, WorldError
from npc_brain.protocol.messages import (
    Body,
    Envelope,
    ModelStatus,
    NpcHear,
    NpcSpawn,
    NpcState,
    Ok,
    StateSave,
    StateSaved,
    TurnCancel,
    TurnEnded,
    TurnLine,
    TurnStarted,
    TurnTimings,
    TurnToken,
    WorldPatched,
    WorldSync,
)
from npc_brain.session.registry import Outbox

NO_MODEL = ModelStatus(name="none", phase="ready")


class FakeSession:
    """NPCs that echo what they hear, word by word, on `npc.hear`; text `wait` never ends."""

    def __init__(self, session_id: str, outbox: Outbox) -> None:
        self.session_id = session_id
        self.outbox = outbox
        self.npc_ids: set[str] = set()
        self.running: dict[int, str] = {}
        self.revision = 0
        self.num_turns = 0
        self.num_detached = 0
        self.is_closed = False

    def attach(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def detach(self) -> None:
        self.num_detached += 1
        self.running.clear()

    async def close(self) -> None:
        self.is_closed = True

    def handle(self, envelope: Envelope) -> Body:
        match envelope.body:
            case NpcSpawn():
                self.npc_ids.add(self._known(envelope, spawned=False))
                return NpcState(to_state="idle", event="spawn")
            case NpcHear() as heard:
                return self._hear(self._known(envelope), heard)
            case TurnCancel(turn_id=turn_id):
                return self._cancel(turn_id)
            case WorldSync(revision=revision):
                self.revision = revision
                return Ok()
            case WorldPatched(base_revision=base, revision=revision):
                if base != self.revision:
                    raise WorldError(f"no revision {base}", code=ErrorCode.RESYNC)
                self.revision = revision
                return Ok()
            case StateSave():
                return StateSaved(blob=b"\0" * 100_000)
            case _:
                if envelope.npc_id is not None:
                    self._known(envelope)
                return Ok()

    def _known(self, envelope: Envelope, *, spawned: bool = True) -> str:
        npc_id = envelope.npc_id or ""
        if spawned and npc_id not in self.npc_ids:
            raise SessionError(f"no NPC {npc_id!r}", code=ErrorCode.UNKNOWN_NPC)
        return npc_id

    def _hear(self, npc_id: str, heard: NpcHear) -> Body:
        if heard.text == "crash":
            raise ZeroDivisionError("a secret of the sidecar")
        self.num_turns += 1
        turn_id = self.num_turns
        if heard.text == "wait":
            self.running[turn_id] = npc_id
        else:
            self._answer(npc_id, turn_id, heard.text or "a sound")
        return TurnStarted(turn_id=turn_id, cause="hear", speaker_id=heard.speaker_id)

    def _answer(self, npc_id: str, turn_id: int, text: str) -> None:
        for word in text.split():
            self.outbox(TurnToken(turn_id=turn_id, text=word + " "), npc_id)
        self.outbox(TurnLine(turn_id=turn_id, text=text, source="model"), npc_id)
        self._end(npc_id, turn_id, "said")

    def _cancel(self, turn_id: int) -> Body:
        npc_id = self.running.pop(turn_id, None)
        if npc_id is None:
            raise SessionError(f"no turn {turn_id}", code=ErrorCode.UNKNOWN_TURN)
        self._end(npc_id, turn_id, "cancelled")
        return Ok()

    def _end(self, npc_id: str, turn_id: int, outcome: str) -> None:
        timings = TurnTimings(first_token_ms=0, total_ms=0)
        ended = TurnEnded.model_validate(
            {"turn_id": turn_id, "outcome": outcome, "timings": timings}
        )
        self.outbox(ended, npc_id)
