"""Builds an ONNX graph node by node, its weights streamed to a file beside it.

Knows operators and bytes, no model architecture.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from npc_brain.inference.importing.quantize import QuantizedMatrix

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


class GraphBuilder:
    """Collects nodes and weights; a context manager that keeps the weights file open.

    Values are known by name; a method that adds a node returns the name of its first output.
    """

    def __init__(self, weights_path: Path) -> None:
        self._weights_path = weights_path
        self._weights = weights_path.open("wb")
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._matrices: dict[str, QuantizedMatrix] = {}
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

    def weight(self, name: str, values: npt.NDArray[Any]) -> int:
        """A constant in the weights file; returns its byte offset there."""
        offset = -(-self._weights.tell() // _ALIGNMENT) * _ALIGNMENT
        self._weights.seek(offset)
        self._weights.write(np.ascontiguousarray(values).data)
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(values.dtype),
            dims=values.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in (
            ("location", self._weights_path.name),
            ("offset", offset),
            ("length", values.nbytes),
        ):
            tensor.external_data.add(key=key, value=str(value))
        self._initializers.append(tensor)
        return offset

    def quantized_weight(self, name: str, matrix: QuantizedMatrix) -> tuple[int, int]:
        """A matrix for `matmul`; returns the byte offsets of its codes and scales."""
        self._matrices[name] = matrix
        if matrix.offsets is not None:
            self.weight(f"{name}.offsets", matrix.offsets)
        codes_offset = self.weight(f"{name}.codes", matrix.codes)
        return codes_offset, self.weight(f"{name}.scales", matrix.scales)

    def matmul(self, x: str, name: str) -> str:
        """`x` float32[..., columns] times the transpose of quantised weight `name`."""
        matrix = self._matrices[name]
        rows, num_blocks = matrix.scales.shape
        product = self.op(
            "MatMulNBits",
            [x, f"{name}.codes", f"{name}.scales"],
            domain=MICROSOFT,
            N=rows,
            K=num_blocks * matrix.block_size,
            bits=matrix.bits,
            block_size=matrix.block_size,
            accuracy_level=_ACCURACY_LEVELS[matrix.bits],
        )
        if matrix.offsets is None:
            return product
        sums = self._block_sums(x, num_blocks, matrix.block_size)
        return self.op("Add", [product, self.op("MatMul", [sums, f"{name}.offsets"])])

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
