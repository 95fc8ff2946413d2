"""Reads the tensors of a Hugging Face checkpoint a few rows at a time, every fault a `ModelError`.

Files are read, not mapped, so that what was read does not count as resident memory.

Source: the safetensors format (an 8-byte length, a JSON header, then the tensors' bytes).
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from npc_brain import files
from npc_brain.errors import ModelError
from npc_brain.importing.checkpoint import checkpoint_file, read_object
from npc_brain.importing.quantize import Floats

INDEX_FILE = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"

_DTYPES: Mapping[str, npt.DTypeLike] = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I32": np.int32,
    "I64": np.int64,
    "U8": np.uint8,
}
_MAX_HEADER_BYTES = 16 * files.MB
"""Of one file; that of a checkpoint of 16 GB has half a megabyte."""
_MAX_DIMS = 8
_MAX_SHARDS = 1000


@dataclass(frozen=True, slots=True)
class _Tensor:
    path: Path
    kind: str
    shape: tuple[int, ...]
    offset: int


class SafetensorsDir:
    """The tensors of all `.safetensors` files of a checkpoint, by name."""

    def __init__(self, directory: Path) -> None:
        """Read all headers. Raises ModelError when a file is missing, cut off or malformed."""
        self.directory = directory
        self._tensors: dict[str, _Tensor] = {}
        self.paths = _shards(directory)
        for path in self.paths:
            self._tensors |= _read_header(path)

    def names(self) -> set[str]:
        """All tensors."""
        return set(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises ModelError when there is no such tensor."""
        return self._tensor(name).shape

    def dtype(self, name: str) -> str:
        """`F32`, `F16`, `BF16`, … Raises ModelError when there is no such tensor."""
        return self._tensor(name).kind

    def rows(self, name: str, first: int, last: int) -> npt.NDArray[Any]:
        """Rows `first` to `last` (not included) as stored; bfloat16 comes as float32.

        Raises ModelError when there is no such tensor or its file ends early.
        """
        tensor = self._tensor(name)
        dtype = np.dtype(_DTYPES[tensor.kind])
        row_size = int(np.prod(tensor.shape[1:]))
        count = (last - first) * row_size
        with files.open_regular(tensor.path) as file:
            file.seek(tensor.offset + first * row_size * dtype.itemsize)
            values = np.fromfile(file, dtype, count)
        if len(values) != count:
            raise _damaged(tensor.path, f"it ends within {name}")
        if tensor.kind == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.reshape(last - first, *tensor.shape[1:])

    def floats(self, name: str, *shape: int) -> Floats:
        """A whole tensor in float32. Raises ModelError when it is absent or not of `shape`."""
        self.check(name, *shape)
        return finite(self.rows(name, 0, shape[0]), name)

    def check(self, name: str, *shape: int) -> None:
        """Raises ModelError when a tensor is absent or not of `shape`."""
        if (got := self.shape(name)) != shape:
            raise ModelError(f"{self.directory}: tensor {name} has shape {got}, wanted {shape}")

    def _tensor(self, name: str) -> _Tensor:
        found = self._tensors.get(name)
        if found is None:
            raise ModelError(f"{self.directory} has no tensor {name}")
        if found.kind not in _DTYPES:
            raise ModelError(f"{found.path}: tensor {name} is of type {found.kind}")
        return found


def finite(values: npt.NDArray[Any], name: str) -> Floats:
    """`values` in float32. Raises ModelError when some are not finite: the file is damaged."""
    floats = values.astype(np.float32, copy=False)
    if not np.isfinite(floats).all():
        raise ModelError(
            f"tensor {name} holds values that are not finite",
            hint="the file is damaged; download it again",
        )
    return floats


def _shards(directory: Path) -> list[Path]:
    index = directory / INDEX_FILE
    if not index.is_file():
        single = checkpoint_file(directory, SINGLE_FILE)
        if not single.is_file():
            raise ModelError(
                f"{directory} has neither {SINGLE_FILE} nor {INDEX_FILE}",
                hint="SRC is the directory of a Hugging Face checkpoint",
            )
        return [single]
    weight_map = read_object(directory, INDEX_FILE).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index} names no files")
    names = sorted({str(name) for name in weight_map.values()})
    if len(names) > _MAX_SHARDS:
        raise ModelError(f"{index} names {len(names)} files, wanted at most {_MAX_SHARDS}")
    paths = [checkpoint_file(directory, name, index) for name in names]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ModelError(
            f"{directory} lacks {len(missing)} of {len(names)} weight files: {missing[0].name}",
            hint="download the missing files; the import then continues where it stopped",
        )
    return paths


def _read_header(path: Path) -> dict[str, _Tensor]:
    try:
        with files.open_regular(path) as file:
            num_bytes = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, num_bytes - 8):
                raise _damaged(path, f"it has no whole header, or one of over {_MAX_HEADER_BYTES}")
            text = file.read(length)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    header = files.parse_json(
        text, f"{path} is not a whole safetensors file: its header", ModelError
    )
    try:
        tensors = {
            name: _entry(path, entry, 8 + length, num_bytes)
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return tensors


def _entry(path: Path, entry: dict[str, Any], start: int, num_bytes: int) -> _Tensor:
    shape = tuple(entry["shape"])
    first, last = offsets = entry["data_offsets"]
    kind = str(entry["dtype"])
    if not all(type(size) is int and size >= 0 for size in (*shape, *offsets)):
        raise ValueError(f"shape {str(shape)[:80]} at {str(offsets)[:80]}")
    if len(shape) > _MAX_DIMS or first > last:
        raise ValueError(f"{len(shape)} dimensions at {offsets}")
    if start + last > num_bytes:
        raise ValueError(f"it is {num_bytes} bytes long, wanted {start + last} or more")
    if kind in _DTYPES:
        wanted = math.prod(shape) * np.dtype(_DTYPES[kind]).itemsize
        if last - first != wanted:
            raise ValueError(f"{kind}{list(shape)} in {last - first} bytes")
    return _Tensor(path, kind, shape, start + first)


def _damaged(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"{path} is not a whole safetensors file: {problem}",
        hint="download the file again; it may be incomplete",
    )
