"""The blob that a game keeps in its own save: opaque to it, versioned, checked when it comes back.

Layout: 4 bytes `NPCB`, one byte version, then zlib-compressed msgpack of JSON values with a
checksum (zlib's Adler-32) of its own.
"""

import zlib
from typing import Any

import msgpack

from npc_brain.errors import ErrorCode, SessionError

_MAGIC = b"NPCB"
_VERSION = 1
MAX_STATE_BYTES = 64 * 1024 * 1024
"""Of the uncompressed state; more is refused, so that a small blob cannot fill the memory."""


def pack_state(state: dict[str, Any]) -> bytes:
    """The blob of a state made of JSON values."""
    payload = zlib.compress(msgpack.packb(state, use_bin_type=True), 6)
    return _MAGIC + bytes([_VERSION]) + payload


def unpack_state(blob: bytes) -> dict[str, Any]:
    """The state in a blob.

    Raises:
        SessionError: It is damaged, or of another version (`bad_blob`).
    """
    if blob[:4] != _MAGIC or len(blob) < 6:
        raise _bad("the blob is not a saved state of npc_brain")
    if blob[4] != _VERSION:
        raise _bad(
            f"the saved state has version {blob[4]}, this sidecar reads {_VERSION}",
            "use the sidecar that the game was saved with, or a newer one",
        )
    try:
        unpacker = zlib.decompressobj()
        payload = unpacker.decompress(blob[5:], MAX_STATE_BYTES)
        if not unpacker.eof:
            raise ValueError("it is cut off, or too large")
        state = msgpack.unpackb(payload, strict_map_key=True)
    except (zlib.error, ValueError, msgpack.UnpackException) as error:
        raise _bad(f"the saved state is damaged: {error}") from error
    if not isinstance(state, dict):
        raise _bad("the saved state is damaged: it is not a map")
    return state


def _bad(message: str, hint: str = "") -> SessionError:
    return SessionError(message, code=ErrorCode.BAD_BLOB, hint=hint)
