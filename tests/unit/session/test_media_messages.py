"""`npc.hear` with sound and `npc.see`, from the message to the reply."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from npc_brain.clock import FakeClock
from npc_brain.decision.models import Models
from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.inference.backends.scripted import ScriptedBackend
from npc_brain.media import Picture, Sense, Sound
from npc_brain.npc.npc_files import NpcLibrary
from npc_brain.protocol import messages as m
from npc_brain.protocol.codec import DEFAULT_LIMITS
from npc_brain.session.session import StageSession
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.world.model import Entity
from tests.media_samples import chirp, encoded, painted

CAT = {
    "id": "cat",
    "persona": {"name": "Tom", "role": "a cat"},
    "lines": {"fallback": {"default": "Meow."}},
    "initial": "awake",
    "states": {"awake": {}},
}
IMAGE = encoded(painted(20, 30))
AUDIO = (chirp(0.5) * 32767).astype("<i2").tobytes()


@asynccontextmanager
async def session_with(*senses: Sense) -> AsyncIterator[StageSession]:
    """A session with one NPC, `cat`, whose model has these senses."""
    backend = ScriptedBackend(clock=FakeClock(1.0), is_threaded=False)
    backend.senses = frozenset(senses)
    models = Models(LexicalEncoder(), backend)
    session = StageSession(
        "s", lambda body, npc_id: None, models=models, library=NpcLibrary(None),
        clock=FakeClock(1.0), limits=DEFAULT_LIMITS, num_sessions=lambda: 1,
    )  # fmt: skip
    try:
        harbour_map = Entity(id="map", name="the harbour map", kind="object", position=(1, 1))
        ask(session, m.WorldSync(revision=1, entities=(harbour_map,)))
        spawning = m.Envelope(type="npc.spawn", id=1, npc_id="cat", body=m.NpcSpawn(definition=CAT))
        work = session.handle(spawning)
        assert not isinstance(work, m.Body)
        await work(lambda _: None)
        yield session
    finally:
        await session.close()
        models.close()


def ask(session: StageSession, body: m.Body) -> m.Body:
    """The reply's body."""
    reply = session.handle(m.Envelope(type=body.type, id=1, npc_id="cat", body=body))
    assert isinstance(reply, m.Body)
    return reply


async def test_a_picture_is_shown() -> None:
    async with session_with("see") as session:
        reply = ask(session, m.NpcSee(speaker_id="player", image=IMAGE, entity_id="map"))
        assert isinstance(reply, m.Ok)
        (turn,) = session.stage.npc("cat").transcript.turns
    assert turn.text == "(shows you a picture: the harbour map)"
    assert turn.media == (Picture(IMAGE),)


async def test_a_sound_is_heard() -> None:
    async with session_with("hear") as session:
        heard = m.NpcHear(
            speaker_id="player", audio=AUDIO, audio_format="pcm_s16", sample_rate_hz=16_000
        )
        reply = ask(session, heard)
        assert isinstance(reply, m.TurnStarted)
        [turn] = session.stage.turns._open.values()
    assert turn.request.sound == Sound(AUDIO, "pcm_s16", 16_000)


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (m.NpcHear(speaker_id="p"), ErrorCode.BAD_BODY, "neither `text` nor `audio`"),
        (m.NpcHear(speaker_id="p", audio=AUDIO), ErrorCode.BAD_MEDIA, "no WAV file"),
        (
            m.NpcHear(speaker_id="p", audio=AUDIO, audio_format="pcm_s16"),
            ErrorCode.BAD_MEDIA,
            "0 samples a second",
        ),
        (m.NpcSee(speaker_id="p", image=b"GIF"), ErrorCode.BAD_MEDIA, "neither a PNG"),
    ],
)
async def test_what_cannot_be_taken_in_is_refused(body: m.Body, code: ErrorCode, told: str) -> None:
    async with session_with("see", "hear") as session:
        with pytest.raises(NpcBrainError, match=told) as error:
            ask(session, body)
        assert error.value.code == code


async def test_a_sound_is_refused_without_ears() -> None:
    async with session_with() as session:
        with pytest.raises(NpcBrainError) as error:
            ask(session, m.NpcHear(speaker_id="p", audio=AUDIO))
        assert error.value.code == ErrorCode.CANNOT_HEAR
