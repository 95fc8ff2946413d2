"""Reads a GGUF file: typed metadata and tensors, every fault as a `ModelError`.

Source: the GGUF specification in the ggml repository, read through the `gguf` package.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import gguf
import numpy as np

from npc_brain.errors import ModelError
from npc_brain.inference.importing.gguf_grid import grid_of
from npc_brain.inference.importing.quantize import Floats, QuantizedMatrix, quantize

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

    def has_tensor(self, name: str) -> bool:
        """Whether there is a tensor of that name."""
        return name in self._tensors

    def tensor(self, name: str, *shape: int) -> Floats:
        """The tensor in float32, row by row as computed with: float32[out, in] for a matrix.

        Raises ModelError when it is absent, not of `shape`, or of an unknown type.
        """
        found = self._tensors.get(name)
        if found is None:
            raise ModelError(f"{self.path} has no tensor {name}")
        got = tuple(int(n) for n in reversed(found.shape))
        if got != shape:
            raise ModelError(f"{self.path}: tensor {name} has shape {got}, wanted {shape}")
        try:
            with np.errstate(all="ignore"):  # a damaged scale may be infinite; see below
                values = gguf.quants.dequantize(found.data, found.tensor_type)
        except (NotImplementedError, ValueError) as error:
            raise ModelError(
                f"{self.path}: tensor {name} of type {found.tensor_type.name} cannot be read: "
                f"{error}"
            ) from error
        if not np.isfinite(values).all():
            raise ModelError(
                f"{self.path}: tensor {name} holds values that are not finite",
                hint="the file is damaged; fetch it again",
            )
        self._unread.discard(name)
        return np.ascontiguousarray(values, np.float32).reshape(shape)

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
