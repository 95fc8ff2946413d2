"""Sentence vectors of texts that do not change, kept in a file from one run to the next.

An old processor takes half a minute for the built-in examples. The file holds hashes and vectors,
no text. A file that is damaged in any way is ignored.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npc_brain import files

FloatArray = npt.NDArray[np.float32]

MAX_VECTORS = 8192
"""Most vectors in one file: 12 MB at 384 numbers each. Later ones are not kept."""

_MAGIC = b"NPCVEC01"
_KEY_BYTES = 32
_LENGTH_TOLERANCE = 0.01
_log = logging.getLogger(__name__)


class KeptVectors:
    """The vectors of one encoder, in memory and in a file. Used by one thread at a time."""

    def __init__(self, path: Path, size: int) -> None:
        """Read the file, if there is one.

        Args:
            path: The file; its name must stand for the encoder that made the vectors.
            size: Numbers in a vector.
        """
        self._path = path
        self._size = size
        self._vectors: dict[bytes, FloatArray] = {}
        self._has_more = False
        with suppress(OSError):
            self._vectors = self._read()

    def __len__(self) -> int:
        return len(self._vectors)

    def find(self, texts: Iterable[str]) -> dict[str, FloatArray]:
        """The vectors of those of `texts` that are known."""
        keys = {text: _key(text) for text in texts}
        return {text: self._vectors[key] for text, key in keys.items() if key in self._vectors}

    def add(self, vectors: Mapping[str, FloatArray]) -> None:
        """Keep the vectors of some texts, as long as there is room."""
        for text, vector in vectors.items():
            if len(self._vectors) < MAX_VECTORS:
                self._vectors[_key(text)] = vector
                self._has_more = True

    def save(self) -> None:
        """Write the file if vectors were added; a full disk is only logged."""
        if not self._has_more:
            return
        self._has_more = False
        content = _MAGIC + b"".join(
            key + vector.astype("<f4").tobytes() for key, vector in self._vectors.items()
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            files.write_private(self._path, content)
        except OSError as error:
            _log.warning("sentence vectors are not kept: %s", error)

    def _read(self) -> dict[bytes, FloatArray]:
        """The content of an intact file; nothing of any other. Raises OSError."""
        row = _KEY_BYTES + 4 * self._size
        content = files.read_bytes(self._path, len(_MAGIC) + row * MAX_VECTORS)
        num_rows, rest = divmod(len(content) - len(_MAGIC), row)
        if not content.startswith(_MAGIC) or rest:
            return {}
        rows = np.frombuffer(content, np.uint8, offset=len(_MAGIC)).reshape(num_rows, row)
        vectors = np.ascontiguousarray(rows[:, _KEY_BYTES:]).view("<f4").astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1)
        if not (np.abs(lengths - 1) < _LENGTH_TOLERANCE).all():  # nor NaN
            return {}
        return {
            bytes(key): vector for key, vector in zip(rows[:, :_KEY_BYTES], vectors, strict=True)
        }


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
