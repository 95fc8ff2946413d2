"""Reads what a GGUF file says before its weights: typed metadata, and where each tensor lies.

Everything is bounded before it is made: counts, lengths and places are compared with the limits
below and with the length of the file, so that a short file can claim nothing that costs much.

Source: the GGUF specification in the ggml repository; sizes of blocks from the `gguf` package.

Why not `gguf.GGUFReader`: it believes every count, makes a NumPy view for each entry of an array
(four million for a vocabulary) and maps the file, which ends the process when the file is cut.
"""

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import gguf
import numpy as np

from npc_brain import files
from npc_brain.errors import ModelError

MAX_TENSORS = 20_000
MAX_FIELDS = 10_000
MAX_ENTRIES = 4_000_000
"""Of all arrays together; Gemma 4's vocabulary with its merges has 1.3 million."""
MAX_TEXT_BYTES = files.MB
"""Of one text; a chat template is the longest."""
_MAX_HEADER_BYTES = 128 * files.MB
_MAX_NAME_BYTES = 1024
_MAX_DIMS = 4
_MAX_ALIGNMENT = files.MB
_DEFAULT_ALIGNMENT = 32
_VERSIONS = (2, 3)

_TEXT, _ARRAY, _BOOL = 8, 9, 7
_NUMBERS = {
    0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4",
    _BOOL: "?", 10: "<u8", 11: "<i8", 12: "<f8",
}  # fmt: skip
"""NumPy's names of the metadata types that have a fixed size, by GGUF's number."""

_Type = gguf.GGMLQuantizationType


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where a tensor lies.

    Attributes:
        shape: As the values are computed with: the last is what lies side by side in the file.
        kind: How the values are stored.
        offset: From the start of the file.
        row_bytes: Of each row, the last dimension.
    """

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    offset: int
    row_bytes: int

    @property
    def num_rows(self) -> int:
        """Rows of all other dimensions together."""
        return math.prod(self.shape[:-1])


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata by key (numbers, texts, booleans or lists of one of them), and tensors by name."""

    fields: dict[str, Any]
    tensors: dict[str, GgufTensor]


def read_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises ModelError when it is no whole GGUF file, or goes beyond the limits.
    """
    try:
        with files.open_regular(path) as file:
            return _Parser(file, os.fstat(file.fileno()).st_size).header()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(
            f"{path} is not a whole GGUF file: {error}",
            hint="download the file again; it may be incomplete",
        ) from error


class _Parser:
    """Reads a header once, front to back; every fault is a ValueError."""

    def __init__(self, file: BinaryIO, num_bytes: int) -> None:
        self._file = file
        self._num_bytes = num_bytes
        self._place = 0
        self._num_entries = 0

    def header(self) -> GgufHeader:
        if self._take(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = self._number("I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version}, wanted one of {_VERSIONS}")
        num_tensors = self._count("tensors", MAX_TENSORS)
        num_fields = self._count("metadata keys", MAX_FIELDS)
        fields: dict[str, Any] = {}
        for _ in range(num_fields):
            key = self._text(_MAX_NAME_BYTES)
            if key in fields:
                raise ValueError(f"the key {key!r} comes twice")
            fields[key] = self._value(key)
        entries = [self._tensor_entry() for _ in range(num_tensors)]
        start = self._data_start(fields.get("general.alignment", _DEFAULT_ALIGNMENT))
        return GgufHeader(fields, self._placed(entries, start))

    def _take(self, length: int) -> bytes:
        self._place += length
        if self._place > _MAX_HEADER_BYTES:
            raise ValueError(f"its header is longer than {_MAX_HEADER_BYTES} bytes")
        data = self._file.read(length) if self._place <= self._num_bytes else b""
        if len(data) != length:
            raise ValueError(f"it ends at byte {self._num_bytes}, in its header")
        return data

    def _number(self, code: str) -> int:
        (value,) = struct.unpack(f"<{code}", self._take(struct.calcsize(code)))
        return int(value)

    def _count(self, what: str, most: int) -> int:
        count = self._number("Q")
        if count > most:
            raise ValueError(f"{count} {what}, wanted at most {most}")
        return count

    def _text(self, most: int) -> str:
        length = self._count("bytes of text", most)
        return self._take(length).decode()

    def _value(self, key: str) -> Any:
        kind = self._number("I")
        if kind == _TEXT:
            return self._text(MAX_TEXT_BYTES)
        if kind == _ARRAY:
            return self._array(key)
        return self._numbers(key, kind, 1)[0]

    def _array(self, key: str) -> list[Any]:
        kind = self._number("I")
        count = self._number("Q")
        self._num_entries += count
        if self._num_entries > MAX_ENTRIES:
            raise ValueError(f"{key} makes it more than {MAX_ENTRIES} array entries in all")
        if kind == _TEXT:
            return [self._text(MAX_TEXT_BYTES) for _ in range(count)]
        return self._numbers(key, kind, count)

    def _numbers(self, key: str, kind: int, count: int) -> list[Any]:
        if kind not in _NUMBERS:
            raise ValueError(f"{key} is of type {kind}, wanted numbers or text")
        dtype = np.dtype(_NUMBERS[kind])
        data = self._take(count * dtype.itemsize)
        if kind == _BOOL and data.strip(b"\0\1"):
            raise ValueError(f"{key} holds booleans other than 0 and 1")
        values: list[Any] = np.frombuffer(data, dtype).tolist()
        return values

    def _tensor_entry(self) -> tuple[str, tuple[int, ...], _Type, int]:
        name = self._text(_MAX_NAME_BYTES)
        num_dims = self._number("I")
        if not 1 <= num_dims <= _MAX_DIMS:
            raise ValueError(f"tensor {name!r} has {num_dims} dimensions")
        shape = tuple(self._number("Q") for _ in range(num_dims))[::-1]
        kind = self._number("I")
        if kind not in gguf.GGML_QUANT_SIZES:
            raise ValueError(f"tensor {name!r} is of type {kind}")
        return name, shape, _Type(kind), self._number("Q")

    def _data_start(self, alignment: Any) -> int:
        is_power = type(alignment) is int and alignment > 0 and alignment & (alignment - 1) == 0
        if not is_power or alignment > _MAX_ALIGNMENT:
            raise ValueError(f"general.alignment is {alignment!r:.40}")
        return -(-self._place // int(alignment)) * int(alignment)

    def _placed(
        self, entries: list[tuple[str, tuple[int, ...], _Type, int]], start: int
    ) -> dict[str, GgufTensor]:
        """The tensors by name, checked to lie in the file and not to overlap."""
        tensors: dict[str, GgufTensor] = {}
        end = start
        for name, shape, kind, offset in sorted(entries, key=lambda entry: entry[3]):
            block_values, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            if name in tensors:
                raise ValueError(f"tensor {name!r} comes twice")
            if 0 in shape or shape[-1] % block_values:
                raise ValueError(f"tensor {name!r} of type {kind.name} has shape {shape}")
            if start + offset < end:
                raise ValueError(f"tensor {name!r} overlaps another")
            row_bytes = int(shape[-1] // block_values * block_bytes)
            end = start + offset + math.prod(shape[:-1]) * row_bytes
            if end > self._num_bytes:
                raise ValueError(
                    f"it is {self._num_bytes} bytes long, tensor {name!r} ends at {end}"
                )
            tensors[name] = GgufTensor(name, shape, kind, start + offset, row_bytes)
        return tensors
