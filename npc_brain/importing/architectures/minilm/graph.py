"""Exports a BERT sentence encoder (all-MiniLM-L6-v2) to one 8-bit ONNX file.

The graph holds everything between token ids and the unit sentence vector: embedding, six encoder
layers, mean pooling over the unmasked tokens, L2 normalisation. Weight matrices and the word
embedding table are 8-bit in blocks (weights of about 22 MB instead of 90 MB); activations are 8-bit
inside the matrix products only. It knows tensors and files, not what the vectors are for.

Why a builder and not an exporter: torch would be needed for nothing else, and the fused operators
used here (`MatMulNBits`, `MultiHeadAttention`, `SkipLayerNormalization`) would have to be found
again in what it exports.

Source: BERT (Devlin et al. 2019, section 3); pooling of the model card of
sentence-transformers/all-MiniLM-L6-v2; operators of ONNX Runtime's contrib operator document.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from npc_brain.errors import ModelError
from npc_brain.inference.model_dir import (
    GRAPH_FILE,
    TOKENIZER_FILE,
    ModelDims,
    Progress,
    no_progress,
    write_model_info,
)

CONTEXT = 128
"""Tokens a sentence is cut to: what the model was tuned with (its `tokenizer.json`)."""

WEIGHT_BLOCK = 32
"""Weights per scale in a matrix; 64 and 128 are no faster on x86 and less exact."""

EMBEDDING_BLOCK = 128
"""Weights per scale in the word embedding table; a power of two that divides the width."""

_OPSET = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
_IR_VERSION = 9

FloatArray = npt.NDArray[np.float32]


def quantize_blocks(weight: FloatArray, block: int) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Symmetric 8-bit quantisation of each row in blocks.

    Args:
        weight: float32[rows, columns]; `columns` is a multiple of `block`.
        block: Weights per scale.

    Returns:
        uint8[rows, columns / block, block] with zero point 128, and the scales,
        float32[rows, columns / block].
    """
    blocks = weight.reshape(weight.shape[0], -1, block)
    scales = np.maximum(np.abs(blocks).max(axis=2) / 127, 1e-12).astype(np.float32)
    quantized = np.rint(blocks / scales[:, :, None]) + 128
    return quantized.astype(np.uint8), scales


class _GraphBuilder:
    """Collects nodes and initializers; each method returns the name of its output."""

    def __init__(self, config: dict[str, Any], weights: dict[str, FloatArray]) -> None:
        self.num_heads = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        domain = "com.microsoft" if operator in _CONTRIB_OPERATORS else ""
        self.nodes.append(
            helper.make_node(operator, inputs, [output], output, domain=domain, **attributes)
        )
        return output

    def linear(self, source: str, weight: FloatArray, bias: FloatArray, output: str) -> str:
        """`source @ weight.T + bias`, with weight float32[out, in] quantised."""
        quantized, scales = quantize_blocks(weight, WEIGHT_BLOCK)
        inputs = [
            source,
            self.constant(f"{output}.q", quantized),
            self.constant(f"{output}.scale", scales),
            "",
            "",
            self.constant(f"{output}.bias", bias),
        ]
        rows, columns = weight.shape
        return self.node(
            "MatMulNBits", inputs, output,
            K=columns, N=rows, bits=8, block_size=WEIGHT_BLOCK, accuracy_level=4,
        )  # fmt: skip

    def embeddings(self) -> str:
        """Word, position and (constant) segment embedding, summed and normalised."""
        table, scales = quantize_blocks(
            self.weights["embeddings.word_embeddings.weight"], EMBEDDING_BLOCK
        )
        words = self.node(
            "GatherBlockQuantized",
            [
                self.constant("words.q", table.reshape(len(table), -1)),
                "token_ids",
                self.constant("words.scale", scales),
            ],
            "words", bits=8, block_size=EMBEDDING_BLOCK, gather_axis=0, quantize_axis=1,
        )  # fmt: skip
        positions = self.constant(
            "positions",
            self.weights["embeddings.position_embeddings.weight"]
            + self.weights["embeddings.token_type_embeddings.weight"][0],
        )
        zero = self.constant("zero", np.array([0], np.int64))
        length = self.node("Shape", ["token_ids"], "length", start=1, end=2)
        used = self.node("Slice", [positions, zero, length, zero], "used_positions")
        summed = self.node("Add", [words, used], "embedded")
        prefix = "embeddings.LayerNorm"
        return self.node(
            "LayerNormalization",
            [summed, self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")],
            "layer_input", axis=-1, epsilon=self.epsilon,
        )  # fmt: skip

    def add_and_normalize(self, source: str, skip: str, prefix: str) -> str:
        norm = f"{prefix}.LayerNorm"
        return self.node(
            "SkipLayerNormalization",
            [source, skip, self.weight(f"{norm}.weight"), self.weight(f"{norm}.bias")],
            norm, epsilon=self.epsilon,
        )  # fmt: skip

    def layer(self, index: int, hidden: str) -> str:
        """One post-norm encoder layer."""
        prefix = f"encoder.layer.{index}"
        projections = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
        qkv = self.linear(
            hidden,
            np.concatenate([self.weights[f"{p}.weight"] for p in projections]),
            np.concatenate([self.weights[f"{p}.bias"] for p in projections]),
            f"{prefix}.qkv",
        )
        self.nodes.append(
            helper.make_node("Split", [qkv], projections, qkv + ".split", axis=2, num_outputs=3)
        )
        context = self.node(
            "MultiHeadAttention", [*projections, "", "mask"], f"{prefix}.context",
            num_heads=self.num_heads,
        )  # fmt: skip
        attended = self.named_linear(context, f"{prefix}.attention.output.dense")
        hidden = self.add_and_normalize(attended, hidden, f"{prefix}.attention.output")
        inner = self.named_linear(hidden, f"{prefix}.intermediate.dense")
        active = self.node("Gelu", [inner], f"{prefix}.gelu")
        outer = self.named_linear(active, f"{prefix}.output.dense")
        return self.add_and_normalize(outer, hidden, f"{prefix}.output")

    def named_linear(self, source: str, name: str) -> str:
        return self.linear(
            source, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], name
        )

    def pooling(self, hidden: str) -> str:
        """The mean over unmasked tokens, scaled to length 1."""
        axis = self.constant("token_axis", np.array([1], np.int64))
        kept = self.node("Cast", ["mask"], "kept", to=TensorProto.FLOAT)
        shares = self.node("LpNormalization", [kept], "shares", p=1, axis=1)
        row = self.node("Unsqueeze", [shares, axis], "share_rows")
        mean = self.node("MatMul", [row, hidden], "mean_rows")
        flat = self.node("Squeeze", [mean, axis], "mean")
        return self.node("LpNormalization", [flat], "vectors", p=2, axis=1)


_CONTRIB_OPERATORS = frozenset(
    {"GatherBlockQuantized", "Gelu", "MatMulNBits", "MultiHeadAttention", "SkipLayerNormalization"}
)


def build_graph(config: dict[str, Any], weights: dict[str, FloatArray]) -> onnx.ModelProto:
    """The encoder as an ONNX model.

    Args:
        config: Content of the Hugging Face `config.json`.
        weights: Tensors under their Hugging Face names.

    Returns:
        A model with inputs `token_ids` int64[batch, token] and `mask` int32[batch, token] (1 for
        tokens, 0 for padding on the right) and output `vectors` float32[batch, hidden], unit rows.

    Raises:
        ModelError: It is not a BERT encoder with exact GELU, or a tensor is missing.
    """
    found = (config.get("model_type"), config.get("hidden_act"))
    if found != ("bert", "gelu"):
        raise ModelError(
            f"config.json: got model_type and hidden_act {found}, wanted ('bert', 'gelu')",
            hint="only BERT sentence encoders such as all-MiniLM-L6-v2 can be imported",
        )
    try:
        builder = _GraphBuilder(config, weights)
        hidden = builder.embeddings()
        for index in range(config["num_hidden_layers"]):
            hidden = builder.layer(index, hidden)
        builder.pooling(hidden)
        width = config["hidden_size"]
    except KeyError as error:
        raise ModelError(
            f"the model lacks {error}", hint="is this a BERT sentence encoder?"
        ) from error
    tokens = ["batch", "token"]
    graph = helper.make_graph(
        builder.nodes,
        "sentence_encoder",
        [
            helper.make_tensor_value_info("token_ids", TensorProto.INT64, tokens),
            helper.make_tensor_value_info("mask", TensorProto.INT32, tokens),
        ],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", width])],
        builder.initializers,
    )
    return helper.make_model(
        graph, opset_imports=_OPSET, ir_version=_IR_VERSION, producer_name="npc_brain"
    )


def fill_from_bert(
    sources: Path, model_dir: Path, progress: Progress = no_progress, *, name: str
) -> None:
    """Fills an empty directory with the exported encoder, its tokenizer and `model.json`.

    Args:
        sources: A directory with `config.json`, `model.safetensors` and `tokenizer.json`.
        model_dir: What to fill.
        progress: Told what is being done.
        name: The model's name.

    Raises:
        ModelError: A file is missing, or is not of a BERT sentence encoder.
    """
    for needed in ("config.json", "model.safetensors", TOKENIZER_FILE):
        if not (sources / needed).is_file():
            raise ModelError(
                f"{sources}: no {needed}", hint="give the directory of a Hugging Face BERT encoder"
            )
    progress(0, 0, f"converting {name}")
    config = json.loads((sources / "config.json").read_text("utf-8"))
    model = build_graph(config, load_file(sources / "model.safetensors"))
    (model_dir / GRAPH_FILE).write_bytes(model.SerializeToString())
    shutil.copyfile(sources / TOKENIZER_FILE, model_dir / TOKENIZER_FILE)
    write_model_info(
        model_dir,
        kind="sentence_encoder",
        name=name,
        architecture="bert",
        dims=ModelDims(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            heads=config["num_attention_heads"],
            vocab=config["vocab_size"],
            context=CONTEXT,
        ),
        licence="Apache-2.0",
        source="sentence-transformers/all-MiniLM-L6-v2",
    )
