"""Reads a GGUF file: typed metadata and tensors, every fault as a `ModelError`.

Source: the GGUF specification in the ggml repository; values by way of the `gguf` package.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import gguf
import numpy as np
import numpy.typing as npt

from npc_brain import files
from npc_brain.errors import ModelError
from npc_brain.importing.gguf_grid import grid_of
from npc_brain.importing.gguf_header import GgufTensor, read_header
from npc_brain.importing.quantize import Floats, Grid, QuantizedMatrix, quantize
from npc_brain.inference.model_dir import MAX_LAYERS, MAX_NUMBER, MAX_SIZE, MIN_NUMBER

T = TypeVar("T")

_REQUIRED: Any = object()


class GgufFile:
    """An open GGUF file. Remembers which tensors were read, see `unread_tensors`."""

    def __init__(self, path: Path) -> None:
        """Read the header of `path`. Raises ModelError when it is no whole GGUF file."""
        self.path = path
        header = read_header(path)
        self._fields, self._tensors = header.fields, header.tensors
        self._unread = set(self._tensors)
        self.architecture: str = self.value("general.architecture", str)

    def value(self, key: str, kind: type[T], default: Any = _REQUIRED) -> T:
        """A metadata value of type `kind`. Raises ModelError when it is absent or of another.

        Numbers are finite.
        """
        if key not in self._fields:
            if default is _REQUIRED:
                raise ModelError(f"{self.path} has no {key}")
            return default  # type: ignore[no-any-return]
        value = self._fields[key]
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ModelError(f"{self.path}: {key} is {value!r:.80}, wanted {kind.__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelError(f"{self.path}: {key} is {value}, wanted a finite number")
        return value

    def values(self, key: str, kind: type[T], default: Any = _REQUIRED) -> list[T]:
        """A metadata list, each entry of type `kind`. Raises ModelError like `value`."""
        found = self.value(key, list, default)
        if found is not default and not all(type(entry) is kind for entry in found):
            raise ModelError(f"{self.path}: {key} is not a list of {kind.__name__}")
        return found

    def token_id(self, key: str, default: int | None = None) -> int | None:
        """A metadata value that numbers a token; `default` when it is absent.

        Raises ModelError when there is no such token.
        """
        found: int | None = self.value(key, int, default)
        num_tokens = len(self.value("tokenizer.ggml.tokens", list))
        if found is not None and not 0 <= found < num_tokens:
            raise ModelError(f"{self.path}: {key} is {found}, of {num_tokens} tokens")
        return found

    def setting(self, key: str, kind: type[T], default: Any = _REQUIRED) -> T:
        """`value` of a key below the architecture's name."""
        return self.value(f"{self.architecture}.{key}", kind, default)

    def size(self, key: str, default: int | None = None) -> int:
        """A `setting` from 1 to `MAX_SIZE`. Raises ModelError when it is not."""
        found = self.setting(key, int) if default is None else self.setting(key, int, default)
        self._check_range(key, found, 1, MAX_SIZE)
        return found

    def num_layers(self) -> int:
        """The setting `block_count`. Raises ModelError when it is not 1 to `MAX_LAYERS`."""
        found = self.setting("block_count", int)
        self._check_range("block_count", found, 1, MAX_LAYERS)
        return found

    def positive(self, key: str, default: float | None = None) -> float:
        """A `setting` that is a number above 0. Raises ModelError when it is not."""
        found = self.setting(key, float) if default is None else self.setting(key, float, default)
        self._check_range(key, found, MIN_NUMBER, MAX_NUMBER)
        return found

    def _check_range(self, key: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise ModelError(
                f"{self.path}: {self.architecture}.{key} is {value}, wanted {low} or more, at most "
                f"{high}"
            )

    def has_tensor(self, name: str) -> bool:
        """Whether there is a tensor of that name."""
        return name in self._tensors

    def tensor_names(self) -> set[str]:
        """Names of all tensors."""
        return set(self._tensors)

    def kind(self, name: str) -> gguf.GGMLQuantizationType:
        """How the values of tensor `name` are stored. Raises ModelError when it is absent."""
        return self._found(name).kind

    def check(self, name: str, *shape: int) -> None:
        """Raise ModelError unless there is a tensor `name` of `shape`, row by row."""
        got = self._found(name).shape
        if got != shape:
            raise ModelError(f"{self.path}: tensor {name} has shape {got}, wanted {shape}")

    def tensor(self, name: str, *shape: int) -> Floats:
        """The tensor in float32, row by row as computed with: float32[out, in] for a matrix.

        Raises ModelError when it is absent, not of `shape`, or of an unknown type.
        """
        self.check(name, *shape)
        self._unread.discard(name)
        return self._floats(name, self._bytes(name)).reshape(shape)

    def rows(self, name: str, first: int, last: int) -> tuple[Floats, Grid | None]:
        """Rows of a matrix, float32[last - first, columns], and the grid that they lie on.

        Only these rows are read. Raises ModelError like `tensor`.
        """
        self._unread.discard(name)
        data = self._bytes(name, first, last)
        values = self._floats(name, data).reshape(len(data), -1)
        return values, grid_of(data, self.kind(name))

    def _found(self, name: str) -> GgufTensor:
        if name not in self._tensors:
            raise ModelError(f"{self.path} has no tensor {name}")
        return self._tensors[name]

    def _bytes(self, name: str, first: int = 0, last: int | None = None) -> npt.NDArray[np.uint8]:
        """uint8[rows, row_bytes] as stored; all rows when `last` is None."""
        found = self._found(name)
        num_rows = (found.num_rows if last is None else last) - first
        try:
            with files.open_regular(self.path) as file:
                file.seek(found.offset + first * found.row_bytes)
                data = np.fromfile(file, np.uint8, num_rows * found.row_bytes)
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be read: {error.strerror}") from error
        if len(data) != num_rows * found.row_bytes:
            raise ModelError(f"{self.path} ends within {name}", hint="it was truncated meanwhile")
        return data.reshape(num_rows, found.row_bytes)

    def _floats(self, name: str, data: npt.NDArray[Any]) -> Floats:
        kind = self.kind(name)
        try:
            with np.errstate(all="ignore"):  # a damaged scale may be infinite; see below
                values = gguf.quants.dequantize(data, kind)
        except (NotImplementedError, ValueError) as error:
            raise ModelError(
                f"{self.path}: tensor {name} of type {kind.name} cannot be read: {error}"
            ) from error
        if not np.isfinite(values).all():
            raise ModelError(
                f"{self.path}: tensor {name} holds values that are not finite",
                hint="the file is damaged; download it again",
            )
        return np.ascontiguousarray(values, np.float32)

    def matrix(
        self, parts: Mapping[str, int], columns: int, *, bits: int | None = None
    ) -> QuantizedMatrix:
        """Tensors `parts` (name to number of rows) on top of each other, quantised.

        `bits` as for `quantize`.
        Raises ModelError like `tensor`.
        """
        weights = [self.tensor(name, rows, columns) for name, rows in parts.items()]
        grids = [grid_of(self._bytes(name), self.kind(name)) for name in parts]
        known = [grid for grid in grids if grid is not None]
        return quantize(
            np.concatenate(weights), known if len(known) == len(grids) else [], bits=bits
        )

    def unread_tensors(self) -> list[str]:
        """Names of tensors that nobody asked for: parts of the model that we would leave out."""
        return sorted(self._unread)
