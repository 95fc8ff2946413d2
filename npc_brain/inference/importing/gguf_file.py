"""Reads a GGUF file: typed metadata and tensors, every fault as a `ModelError`.

Source: the GGUF specification in the ggml repository, read through the `gguf` package.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import gguf
import numpy as np
import numpy.typing as npt

from npc_brain.errors import ModelError
from npc_brain.inference.importing.gguf_grid import grid_of
from npc_brain.inference.importing.quantize import Floats, Grid, QuantizedMatrix, quantize

T = TypeVar("T")

_REQUIRED: Any = object()


class GgufFile:
    """An open GGUF file. Remembers which tensors were read, see `unread_tensors`."""

    def __init__(self, path: Path) -> None:
        """Open `path`. Raises ModelError when it is no whole GGUF file."""
        self.path = path
        try:
            self._reader = gguf.GGUFReader(path)
        except (OSError, ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
            raise ModelError(
                f"{path} is not a whole GGUF file: {error}",
                hint="fetch the file again; it may have been cut off",
            ) from error
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self._unread = set(self._tensors)
        self.architecture: str = self.value("general.architecture", str)

    def value(self, key: str, kind: type[T], default: Any = _REQUIRED) -> T:
        """A metadata value of type `kind`. Raises ModelError when it is absent or of another."""
        field = self._reader.fields.get(key)
        if field is None:
            if default is _REQUIRED:
                raise ModelError(f"{self.path} has no {key}")
            return default  # type: ignore[no-any-return]
        try:
            value = field.contents()
        except (ValueError, IndexError, UnicodeDecodeError) as error:
            raise ModelError(f"{self.path}: {key} cannot be read: {error}") from error
        if kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, kind):
            raise ModelError(f"{self.path}: {key} is {value!r}, wanted {kind.__name__}")
        return value

    def setting(self, key: str, kind: type[T], default: Any = _REQUIRED) -> T:
        """`value` of a key below the architecture's name."""
        return self.value(f"{self.architecture}.{key}", kind, default)

    def size(self, key: str, default: int | None = None) -> int:
        """A `setting` that is 1 or more. Raises ModelError when it is less."""
        found = self.setting(key, int) if default is None else self.setting(key, int, default)
        if found < 1:
            raise ModelError(f"{self.path}: {self.architecture}.{key} is {found}, wanted 1 or more")
        return found

    def has_tensor(self, name: str) -> bool:
        """Whether there is a tensor of that name."""
        return name in self._tensors

    def tensor_names(self) -> set[str]:
        """Names of all tensors."""
        return set(self._tensors)

    def kind(self, name: str) -> gguf.GGMLQuantizationType:
        """How the values of tensor `name` are stored. Raises ModelError when it is absent."""
        kind: gguf.GGMLQuantizationType = self._found(name).tensor_type
        return kind

    def check(self, name: str, *shape: int) -> None:
        """Raise ModelError unless there is a tensor `name` of `shape`, row by row."""
        got = tuple(int(n) for n in reversed(self._found(name).shape))
        if got != shape:
            raise ModelError(f"{self.path}: tensor {name} has shape {got}, wanted {shape}")

    def tensor(self, name: str, *shape: int) -> Floats:
        """The tensor in float32, row by row as computed with: float32[out, in] for a matrix.

        Raises ModelError when it is absent, not of `shape`, or of an unknown type.
        """
        self.check(name, *shape)
        self._unread.discard(name)
        return self._floats(name, self._found(name).data).reshape(shape)

    def rows(self, name: str, first: int, last: int) -> tuple[Floats, Grid | None]:
        """Rows of a matrix, float32[last - first, columns], and the grid that they lie on.

        Only these rows are read. Raises ModelError like `tensor`.
        """
        found = self._found(name)
        self._unread.discard(name)
        num_rows = int(found.shape[-1])
        data = found.data.reshape(num_rows, -1)[first:last]
        values = self._floats(name, data).reshape(len(data), -1)
        return values, grid_of(data, found.tensor_type)

    def _found(self, name: str) -> Any:
        if name not in self._tensors:
            raise ModelError(f"{self.path} has no tensor {name}")
        return self._tensors[name]

    def _floats(self, name: str, data: npt.NDArray[Any]) -> Floats:
        kind = self._found(name).tensor_type
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
                hint="the file is damaged; fetch it again",
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
        found = [self._tensors[name] for name in parts]
        grids = [grid_of(tensor.data, tensor.tensor_type) for tensor in found]
        known = [grid for grid in grids if grid is not None]
        return quantize(
            np.concatenate(weights), known if len(known) == len(grids) else [], bits=bits
        )

    def unread_tensors(self) -> list[str]:
        """Names of tensors that nobody asked for: parts of the model that we would leave out."""
        return sorted(self._unread)
