"""Which prompt positions are pictures and sounds, told apart by content.

A prompt has the same token id at every soft position, whatever it stands for. Slots and the prefix
cache compare ids, so here each soft position gets an id of its own, made of what the model sees or
hears there: negative, so that it is no token.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from npc_brain.media import Media, Sound

PAD_ID = 0
"""What a decoder gets as the id of a soft position; the embedding given with it counts."""

Rows = npt.NDArray[np.float32]
"""float32[soft_token, hidden]."""


@dataclass(frozen=True, slots=True)
class MediaSpan:
    """`media` stands in a prompt from position `start` on, `media.num_soft_tokens` long."""

    start: int
    media: Media


def content_ids(media: Media) -> range:
    """Negative ids for the soft positions of `media`, alike only for the same content."""
    kind = f"{media.encoding} {media.sample_rate_hz}" if isinstance(media, Sound) else "picture"
    digest = hashlib.sha256(f"{kind} {media.num_soft_tokens}\n".encode() + media.data).digest()
    first = int.from_bytes(digest[:8], "big") >> 2  # an int64, with room for what is added
    return range(-1 - first, -1 - first - media.num_soft_tokens, -1)


def with_content_ids(token_ids: Sequence[int], spans: Sequence[MediaSpan]) -> tuple[int, ...]:
    """`token_ids` with every soft position's id replaced by one that tells its content."""
    ids = list(token_ids)
    for span in spans:
        ids[span.start : span.start + span.media.num_soft_tokens] = content_ids(span.media)
    return tuple(ids)


def decoder_input(
    token_ids: Sequence[int], start: int, rows: Mapping[int, Rows]
) -> tuple[list[int], dict[int, Rows]]:
    """What `Decoder.prefill` takes for a part of a prompt.

    Args:
        token_ids: The part, with content ids.
        start: Its position in the prompt.
        rows: The embeddings of soft positions, by the position where they begin in the prompt.

    Returns:
        The token ids, and the embeddings by index into them.
    """
    ids = [max(token_id, PAD_ID) for token_id in token_ids]
    end = start + len(ids)
    parts = {
        max(first - start, 0): each[max(start - first, 0) : end - first]
        for first, each in rows.items()
        if first < end and start < first + len(each)
    }
    return ids, parts
