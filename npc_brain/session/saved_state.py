"""The blob that a game keeps in its own save: opaque to it, versioned, checked when it comes back.

Layout: 4 bytes `NPCB`, one byte version, then zlib-compressed msgpack of JSON values, a map of NPCs
by id, with a checksum (zlib's Adler-32) of its own.

It is packed and unpacked one NPC after the other and in small pieces: other threads can run
meanwhile, and a blob that is too large is refused before all of it is unpacked.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack

from npc_brain.errors import ErrorCode, SessionError

_MAGIC = b"NPCB"
_VERSION = 1
MAX_STATE_BYTES = 64 * 1024 * 1024
"""Size of the uncompressed state; more is refused, so that a small blob cannot fill the memory."""
MAX_NPC_BYTES = 1024 * 1024
"""Of one NPC in it. One with all memories and turns that it can have takes less than half."""
MAX_STATE_NPCS = 100_000
MAX_DEPTH = 12
"""Lists and maps within each other, of one NPC; arguments of actions have up to seven."""

_MAX_LENGTH = 10_000
_MAX_ID_CHARS = 64
_PIECE_BYTES = 16 * 1024
_SCALARS = (str, int, float, bool, type(None))


def pack_npc(npc_id: str, entry: Any) -> bytes:
    """One NPC's state, made of JSON values, for `pack_state`."""
    return bytes(msgpack.packb(npc_id) + msgpack.packb(entry))


def pack_state(packed: Sequence[bytes]) -> bytes:
    """The blob of the states that `pack_npc` gave."""
    deflate = zlib.compressobj(6)
    length = msgpack.Packer().pack_map_header(len(packed))
    pieces = [deflate.compress(piece) for piece in (length, *packed)]
    return b"".join([_MAGIC, bytes([_VERSION]), *pieces, deflate.flush()])


def unpack_state(blob: bytes) -> Iterator[tuple[str, Any]]:
    """The ids and states in a blob: JSON values of bounded size and depth, else unchecked.

    Later mistakes are raised when the iteration reaches them.

    Raises:
        SessionError: It is damaged, too large, or of another version (`bad_blob`).
    """
    if blob[:4] != _MAGIC or len(blob) < 6:
        raise _bad("the blob is not a saved state of npc_brain")
    if blob[4] != _VERSION:
        raise _bad(
            f"the saved state has version {blob[4]}, this sidecar reads {_VERSION}",
            "use the sidecar that the game was saved with, or a newer one",
        )
    reader = _Reader(blob[5:])
    seen: set[str] = set()
    for _ in range(reader.num_npcs()):
        npc_id, entry = reader.value(), reader.value()
        if not isinstance(npc_id, str) or len(npc_id) > _MAX_ID_CHARS or npc_id in seen:
            raise _bad("the saved state is damaged: an NPC has no id of its own")
        _check_values(npc_id, entry)
        seen.add(npc_id)
        yield npc_id, entry
    reader.finish()


class _Reader:
    """Reads one value after the other of a compressed text, no further than it must."""

    def __init__(self, compressed: bytes) -> None:
        self._pieces = _inflated(compressed)
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=2 * MAX_NPC_BYTES,
            max_array_len=_MAX_LENGTH,
            max_map_len=_MAX_LENGTH,
            max_str_len=MAX_NPC_BYTES,
            max_bin_len=0,
            max_ext_len=0,
        )
        self._num_fed = 0

    def num_npcs(self) -> int:
        """The length of the map, whose entries follow."""
        while True:
            try:
                length: int = self._unpacker.read_map_header()
            except msgpack.OutOfData:
                self._feed()
                continue
            except (ValueError, msgpack.UnpackException) as error:
                raise _bad("the saved state is damaged: it is not a map of NPCs") from error
            if length > MAX_STATE_NPCS:
                raise _bad(f"the saved state has {length} NPCs, at most {MAX_STATE_NPCS} may be")
            return length

    def value(self) -> Any:
        """The next value."""
        start = self._unpacker.tell()
        while True:
            try:
                return self._unpacker.unpack()
            except msgpack.OutOfData:
                if self._num_fed - start > MAX_NPC_BYTES:
                    raise _bad(
                        f"the saved state of an NPC has more than {MAX_NPC_BYTES} bytes"
                    ) from None
                self._feed()
            except (ValueError, RecursionError, msgpack.UnpackException) as error:
                raise _bad("the saved state is damaged: an NPC cannot be read") from error

    def finish(self) -> None:
        """Make sure that nothing follows."""
        if self._unpacker.tell() < self._num_fed or next(self._pieces, b""):
            raise _bad("the saved state is damaged: something follows its last NPC")

    def _feed(self) -> None:
        piece = next(self._pieces, b"")
        if not piece:
            raise _bad("the saved state is damaged: it is cut off")
        self._unpacker.feed(piece)
        self._num_fed += len(piece)


def _inflated(compressed: bytes) -> Iterator[bytes]:
    """What was compressed, in pieces that are not empty."""
    inflate, num_bytes = zlib.decompressobj(), 0
    try:
        for start in range(0, len(compressed), _PIECE_BYTES):
            source = compressed[start : start + _PIECE_BYTES]
            while source and not inflate.eof:
                piece = inflate.decompress(source, _PIECE_BYTES)
                source = inflate.unconsumed_tail
                num_bytes += len(piece)
                if num_bytes > MAX_STATE_BYTES:
                    raise _bad(f"the saved state has more than {MAX_STATE_BYTES} bytes")
                if piece:
                    yield piece
            if inflate.eof:
                if inflate.unused_data or start + _PIECE_BYTES < len(compressed):
                    raise _bad("the saved state is damaged: something follows its end")
                return
    except zlib.error as error:
        raise _bad("the saved state is damaged: it cannot be decompressed") from error
    raise _bad("the saved state is damaged: it is cut off")


def _check_values(npc_id: str, entry: Any) -> None:
    """Make sure that an NPC's state is made of JSON values, none of them too deep."""
    level, depth = [entry], 0
    while level:
        if depth > MAX_DEPTH:
            raise _bad(f"the saved state of npc {npc_id!r} is nested more than {MAX_DEPTH} deep")
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if not all(isinstance(key, str) for key in value):
                    raise _bad(f"the saved state of npc {npc_id!r} has a key that is no text")
                deeper += value.values()
            elif isinstance(value, list):
                deeper += value
            elif not isinstance(value, _SCALARS):
                raise _bad(f"the saved state of npc {npc_id!r} has a value that is none of JSON's")
        level, depth = deeper, depth + 1


def _bad(message: str, hint: str = "") -> SessionError:
    return SessionError(message, code=ErrorCode.BAD_BLOB, hint=hint)
