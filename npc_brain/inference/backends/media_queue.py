"""Encodes the pictures and sounds of a prompt before its generation is queued.

A tower takes seconds on a CPU. It runs on a thread of its own, so that neither the caller nor the
generations under way wait for it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from npc_brain.clock import Clock
from npc_brain.errors import NpcBrainError
from npc_brain.inference.chat import Message
from npc_brain.inference.engine import Engine
from npc_brain.inference.media.soft_tokens import MediaSpan, Rows, content_ids
from npc_brain.inference.request import GenerationRequest
from npc_brain.media import Media, Picture, Sense

_NUM_KEPT = 16
"""Encoded pictures and sounds kept: those of a conversation come again with every turn of it."""


class Encoder(Protocol):
    """Makes soft tokens of pictures and sounds; see `media.encoder.MediaEncoder`."""

    @property
    def senses(self) -> frozenset[Sense]:
        """What it can encode."""
        ...

    def measured(self, media: Media) -> Media:
        """`media` with its number of soft tokens; raises MediaError."""
        ...

    def encode(self, media: Media) -> Rows:
        """float32[soft_token, hidden]; blocks. Raises NpcBrainError."""
        ...

    def close(self) -> None:
        """Free what was loaded."""
        ...


class MediaQueue:
    """Stands before an engine; requests without media do not come through here."""

    def __init__(self, encoder: Encoder, engine: Engine, clock: Clock) -> None:
        """Take over `encoder`."""
        self._encoder = encoder
        self._engine = engine
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="npc-brain-media")
        self._kept: OrderedDict[int, Rows] = OrderedDict()
        self._is_closing = False

    @property
    def senses(self) -> frozenset[Sense]:
        """What can be taken in."""
        return self._encoder.senses

    def measured(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """`messages` with media as the format needs them: measured, and what is senseless left out.

        Raises MediaError when one cannot be understood.
        """
        return tuple(
            replace(message, media=tuple(map(self._encoder.measured, self._known(message))))
            for message in messages
        )

    def submit(self, request: GenerationRequest, spans: Sequence[MediaSpan]) -> None:
        """Encode `spans`, then queue `request`; returns at once. What fails ends the request."""
        request.submitted_s = self._clock.now_s()
        self._thread.submit(self._encode_and_queue, request, spans)

    def close(self) -> None:
        """End what waits, and the thread; blocks while a tower runs."""
        self._is_closing = True
        self._thread.shutdown()
        self._encoder.close()

    def _known(self, message: Message) -> list[Media]:
        return [
            media
            for media in message.media
            if ("see" if isinstance(media, Picture) else "hear") in self.senses
        ]

    def _encode_and_queue(self, request: GenerationRequest, spans: Sequence[MediaSpan]) -> None:
        try:
            if not (request.is_cancelled or self._is_closing):
                request.soft_rows = {span.start: self._encoded(span.media) for span in spans}
            self._engine.submit(request)
        except NpcBrainError as error:
            request.finish("error", self._clock.now_s(), error.message)
        except BaseException as error:  # nobody else would tell the caller
            request.finish("error", self._clock.now_s(), f"encoding failed: {error}")

    def _encoded(self, media: Media) -> Rows:
        key = content_ids(media).start
        if key not in self._kept:
            self._kept[key] = self._encoder.encode(media)
        self._kept.move_to_end(key)
        while len(self._kept) > _NUM_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]
