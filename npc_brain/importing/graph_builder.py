"""Builds an ONNX graph node by node, its weights streamed to a file beside it.

Knows operators and bytes, no model architecture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from npc_brain.importing.quantize import Floats, QuantizedMatrix

MICROSOFT = "com.microsoft"
"""The operator domain of ONNX Runtime's fused operators."""

_ALIGNMENT = 4096
_OPSET = 21
_IR_VERSION = 10
_ACCURACY_LEVELS = {4: 1, 8: 4}
"""MatMulNBits' accuracy_level by bits. 4 rounds activations to 8 bits, 1 leaves them float32: as
fast for 4-bit weights one row at a time and in prefill (half as fast for 2 to 8 rows), but out of
the question for 8-bit ones (13 times slower)."""

Shape = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class MatrixFormat:
    """How a matrix [rows, columns] is stored; see `QuantizedMatrix`.

    Attributes:
        bits: 4 or 8 for codes in blocks, 32 for plain float32.
        block_size: Consecutive values of a row that share a scale; 1 for plain float32.
        has_offsets: Whether blocks have offsets too.
        accuracy_level: Of MatMulNBits; None takes what is best for small models.
    """

    bits: int
    block_size: int
    has_offsets: bool = False
    accuracy_level: int | None = None


@dataclass(frozen=True, slots=True)
class _Region:
    """A weight's place in the weights file."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize


class GraphBuilder:
    """Collects nodes and weights; a context manager that keeps the weights file open.

    Values are known by name; a method that adds a node returns the name of its first output.
    Weights are either added with their values, or reserved first and filled later, in parts and in
    any order: where each lies depends on the order of reservations alone, so that a file that is
    there already can be filled further.
    """

    def __init__(self, weights_path: Path) -> None:
        self._weights_path = weights_path
        self._weights = weights_path.open("r+b" if weights_path.exists() else "w+b")
        self._end = 0
        self._regions: dict[str, _Region] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._matrices: dict[str, tuple[int, int, MatrixFormat]] = {}
        self._constants: set[str] = set()
        self._sums: dict[str, str] = {}
        self._num_values = 0

    def __enter__(self) -> "GraphBuilder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._weights.close()

    def input(self, name: str, dtype: int, shape: Shape) -> str:
        """Declare a graph input; `dtype` is a `TensorProto` data type."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def output(self, name: str, dtype: int, shape: Shape) -> str:
        """Declare that value `name` is a graph output."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def op(
        self,
        kind: str,
        inputs: Sequence[str],
        *,
        outputs: Sequence[str] | int = 1,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node; an int gives it that many outputs with names of our own."""
        names = list(self.new_names(outputs) if isinstance(outputs, int) else outputs)
        self._nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0]

    def new_names(self, count: int) -> list[str]:
        """`count` fresh value names."""
        first = self._num_values
        self._num_values += count
        return [f"v{first + i}" for i in range(count)]

    def constant(self, name: str, values: npt.NDArray[Any]) -> str:
        """A small constant, kept in the graph itself."""
        self._constants.add(name)
        self._initializers.append(onnx.numpy_helper.from_array(values, name))
        return name

    def reserve(self, name: str, dtype: npt.DTypeLike, shape: Sequence[int]) -> int:
        """Place for a constant in the weights file, to be filled; returns its byte offset there."""
        offset = -(-self._end // _ALIGNMENT) * _ALIGNMENT
        region = self._regions[name] = _Region(offset, np.dtype(dtype), tuple(shape))
        self._end = offset + region.num_bytes
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(region.dtype),
            dims=shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (
            ("location", self._weights_path.name),
            ("offset", offset),
            ("length", region.num_bytes),
        ):
            tensor.external_data.add(key=key, value=str(value))
        self._initializers.append(tensor)
        return offset

    def fill(self, name: str, values: npt.NDArray[Any], *, first_row: int = 0) -> None:
        """Write rows of a reserved constant, from `first_row` of its first axis on."""
        region = self._regions[name]
        if values.dtype != region.dtype or values.shape[1:] != region.shape[1:]:
            raise ValueError(f"{name}: got {values.dtype}{values.shape}, wanted {region}")
        row_bytes = region.num_bytes // region.shape[0]
        self._weights.seek(region.offset + first_row * row_bytes)
        self._weights.write(np.ascontiguousarray(values).data)

    def weight(self, name: str, values: npt.NDArray[Any]) -> int:
        """A constant in the weights file; returns its byte offset there."""
        offset = self.reserve(name, values.dtype, values.shape)
        self.fill(name, values)
        return offset

    def reserve_matrix(self, name: str, rows: int, columns: int, form: MatrixFormat) -> int:
        """Place for a matrix for `matmul`, to be filled; returns the byte offset of its codes."""
        self._matrices[name] = (rows, columns, form)
        if form.bits == 32:
            return self.reserve(name, np.float32, [rows, columns])
        num_blocks = columns // form.block_size
        if form.has_offsets:
            self.reserve(f"{name}.offsets", np.float32, [num_blocks, rows])
        block_bytes = form.block_size * form.bits // 8
        offset = self.reserve(f"{name}.codes", np.uint8, [rows, num_blocks, block_bytes])
        self.reserve(f"{name}.scales", np.float32, [rows, num_blocks])
        return offset

    def fill_matrix(
        self, name: str, matrix: QuantizedMatrix | Floats, *, first_row: int = 0
    ) -> None:
        """Write rows of a reserved matrix from `first_row` on; all of them if it has offsets."""
        if not isinstance(matrix, QuantizedMatrix):
            self.fill(name, matrix, first_row=first_row)
            return
        if matrix.offsets is not None:
            self.fill(f"{name}.offsets", matrix.offsets)
        self.fill(f"{name}.codes", matrix.codes, first_row=first_row)
        self.fill(f"{name}.scales", matrix.scales, first_row=first_row)

    def offset(self, name: str) -> int:
        """Byte offset of a constant in the weights file."""
        return self._regions[name].offset

    @property
    def num_bytes(self) -> int:
        """Size of the weights file when all that is reserved is filled."""
        return self._end

    def sync(self) -> None:
        """Hand everything that was filled so far to the operating system."""
        self._weights.flush()

    def quantized_weight(self, name: str, matrix: QuantizedMatrix) -> tuple[int, int]:
        """A matrix for `matmul`; returns the byte offsets of its codes and scales."""
        rows, num_blocks = matrix.scales.shape
        form = MatrixFormat(matrix.bits, matrix.block_size, matrix.offsets is not None)
        codes_offset = self.reserve_matrix(name, rows, num_blocks * matrix.block_size, form)
        self.fill_matrix(name, matrix)
        return codes_offset, self.offset(f"{name}.scales")

    def matmul(self, x: str, name: str) -> str:
        """`x` float32[..., columns] times the transpose of matrix `name`."""
        rows, columns, form = self._matrices[name]
        if form.bits == 32:
            return self.op("FusedMatMul", [x, name], domain=MICROSOFT, transB=1)
        level = form.accuracy_level
        product = self.op(
            "MatMulNBits",
            [x, f"{name}.codes", f"{name}.scales"],
            domain=MICROSOFT,
            N=rows,
            K=columns,
            bits=form.bits,
            block_size=form.block_size,
            accuracy_level=_ACCURACY_LEVELS[form.bits] if level is None else level,
        )
        if not form.has_offsets:
            return product
        sums = self._block_sums(x, columns // form.block_size, form.block_size)
        return self.op("Add", [product, self.op("MatMul", [sums, f"{name}.offsets"])])

    def rms_norm(self, x: str, weight: str, epsilon: float) -> str:
        """RMSNorm over the last axis: x · rsqrt(mean(x²) + epsilon) · weight, float32 inside."""
        return self.op(
            "SimplifiedLayerNormalization", [x, weight], axis=-1, epsilon=epsilon, stash_type=1
        )

    def add_rms_norm(self, x: str, delta: str, weight: str, epsilon: float) -> tuple[str, str]:
        """The norm of x + delta, and the sum itself."""
        normed, total = self.new_names(2)
        self.op(
            "SkipSimplifiedLayerNormalization",
            [x, delta, weight],
            outputs=[normed, "", "", total],
            domain=MICROSOFT,
            epsilon=epsilon,
        )
        return normed, total

    def _block_sums(self, x: str, num_blocks: int, block_size: int) -> str:
        """float32[..., num_blocks]: the sum of `x` in each block, computed once for each `x`."""
        if x not in self._sums:
            name = f"ones_in_block.{num_blocks}"
            if name not in self._constants:
                ones = np.repeat(np.eye(num_blocks, dtype=np.float32), block_size, axis=0)
                self.constant(name, ones)
            self._sums[x] = self.op("MatMul", [x, name])
        return self._sums[x]

    def save(self, path: Path, name: str) -> None:
        """Write the graph; the weights file must stay beside it under its name."""
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, self._initializers
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="npc_brain"
        )
        path.write_bytes(model.SerializeToString())
