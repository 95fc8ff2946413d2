"""NPCs that are shown pictures and hear sounds, with a model that can take them in and without."""

import pytest

from npc_brain.clock import FakeClock
from npc_brain.decision.prompt import UNHEARD
from npc_brain.errors import ErrorCode, MediaError, SessionError
from npc_brain.inference.backends.scripted import ScriptedBackend, ScriptedReply
from npc_brain.inference.chat import Message
from npc_brain.inference.profile import ABLE
from npc_brain.media import Picture, Sense, Sound
from tests.media_samples import chirp, encoded, painted, wav
from tests.unit.decision.stages import playing

PICTURE = Picture(encoded(painted(40, 60)))
SOUND = Sound((chirp(0.5) * 32767).astype("<i2").tobytes(), "pcm_s16", 16_000)


def able(*senses: Sense) -> ScriptedBackend:
    """A model with these senses."""
    backend = ScriptedBackend(
        [ScriptedReply("I see.")], clock=FakeClock(100.0), is_threaded=False, profile=ABLE
    )
    backend.senses = frozenset(senses)
    return backend


def heard_by(backend: ScriptedBackend) -> list[Message]:
    """The conversation in the latest prompt, without persona and examples."""
    users = [message for message in backend.requests[-1].messages if message.role == "user"]
    return [m for m in users if m.media or m.content.startswith("(")] or users[-1:]


async def test_a_picture_stands_before_what_is_said_next() -> None:
    backend = able("see")
    async with playing(backend=backend) as play:
        play.stage.see("mira", "player", PICTURE, "the harbour")
        await play.say("mira", "Do you know this place?")
    *_, shown, asked = (m for m in backend.requests[-1].messages if m.role == "user")
    assert shown == Message("user", "(shows you a picture: the harbour)", media=(PICTURE,))
    assert asked.content == "Do you know this place?"


async def test_a_picture_is_still_there_in_the_next_turn() -> None:
    backend = able("see")
    async with playing(backend=backend) as play:
        play.stage.see("mira", "player", PICTURE)
        await play.say("mira", "Do you know this place?")
        await play.say("mira", "And the ship in front?")
    assert [message.media for message in heard_by(backend)] == [(PICTURE,)]


async def test_only_the_newest_pictures_are_kept() -> None:
    backend = able("see")
    async with playing(backend=backend) as play:
        for caption in ("one", "two", "three"):
            play.stage.see("mira", "player", PICTURE, caption)
        await play.say("mira", "Which do you like?")
    shown = {message.content: message.media for message in heard_by(backend)}
    assert shown == {
        "(shows you a picture: one)": (),
        "(shows you a picture: two)": (PICTURE,),
        "(shows you a picture: three)": (PICTURE,),
    }


async def test_without_eyes_the_npc_knows_the_caption() -> None:
    backend = able()
    async with playing(backend=backend) as play:
        play.stage.see("mira", "player", Picture(b"not looked at"), "the harbour")
        await play.say("mira", "Do you know this place?")
    assert heard_by(backend) == [Message("user", "(shows you a picture: the harbour)")]


async def test_a_bad_picture_is_refused_and_not_remembered() -> None:
    async with playing(backend=able("see")) as play:
        with pytest.raises(MediaError, match="neither a PNG nor a JPEG"):
            play.stage.see("mira", "player", Picture(b"hello"))
        assert not len(play.stage.npc("mira").transcript)


async def test_a_model_that_hears_takes_the_sound_alone() -> None:
    backend = able("hear")
    async with playing(backend=backend) as play:
        line, ended = await play.say("mira", "", sound=SOUND)
        assert (line, ended.outcome) == ("I see.", "said")
    assert heard_by(backend) == [Message("user", "", media=(SOUND,))]


async def test_a_model_that_hears_takes_sound_and_text() -> None:
    backend = able("hear")
    async with playing(backend=backend) as play:
        await play.say("mira", "Quite a storm tonight.", sound=SOUND)
    assert heard_by(backend) == [Message("user", "Quite a storm tonight.", media=(SOUND,))]


async def test_a_model_that_cannot_hear_takes_the_text() -> None:
    backend = able("see")
    async with playing(backend=backend) as play:
        await play.say("mira", "Quite a storm tonight.", sound=SOUND)
    assert heard_by(backend) == [Message("user", "Quite a storm tonight.")]


@pytest.mark.parametrize("backend", [None, able("see")], ids=["no model", "no ears"])
async def test_a_sound_alone_is_refused_by_who_cannot_hear(backend: ScriptedBackend | None) -> None:
    async with playing(backend=backend) as play:
        with pytest.raises(SessionError, match="cannot hear") as error:
            play.hear("mira", "", sound=SOUND)
    assert error.value.code == ErrorCode.CANNOT_HEAR
    assert error.value.hint


async def test_a_bad_sound_is_refused() -> None:
    async with playing(backend=able("hear")) as play:
        with pytest.raises(MediaError, match="31"):
            play.hear("mira", "", sound=Sound(wav(bytes(2 * 16_000 * 31), rate_hz=16_000)))


async def test_media_are_not_saved() -> None:
    async with playing(backend=able("see", "hear")) as play:
        play.stage.see("mira", "player", PICTURE)
        await play.say("mira", "", sound=SOUND)
        saved = play.stage.npc("mira").transcript.to_json()
    assert [turn["text"] for turn in saved] == ["(shows you a picture)", UNHEARD, "I see."]
    assert all(set(turn) == {"speaker_id", "text", "outcomes"} for turn in saved)
