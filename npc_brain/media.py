"""Pictures and sounds as a game sends them: bytes and what they are, not decoded."""

from dataclasses import dataclass, field
from typing import Literal

from npc_brain.vocabulary import AudioEncoding

Sense = Literal["see", "hear"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG or JPEG file. `num_soft_tokens` is filled in by the backend."""

    data: bytes = field(repr=False)
    num_soft_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Sound:
    """A WAV file, or bare mono samples with their rate. `num_soft_tokens` is the backend's."""

    data: bytes = field(repr=False)
    encoding: AudioEncoding = "wav"
    sample_rate_hz: int = 0
    num_soft_tokens: int = 0


Media = Picture | Sound
