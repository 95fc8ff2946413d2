"""The graph builder on a tiny random BERT, against a plain numpy one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.minilm.graph import (
    build_graph,
    fill_from_bert,
    quantize_blocks,
)
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.runtime import onnxruntime
from npc_brain.inference.sentence_encoder import SentenceEncoder

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 128,
    "layer_norm_eps": 1e-12,
    "vocab_size": 50,
}
Array = npt.NDArray[np.float32]


def random_weights() -> dict[str, Array]:
    rng = np.random.default_rng(7)
    width, inner = 128, 256
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (50, width),
        "embeddings.position_embeddings.weight": (64, width),
        "embeddings.token_type_embeddings.weight": (2, width),
    }
    norms = ["embeddings.LayerNorm"]
    for n in range(2):
        prefix = f"encoder.layer.{n}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{prefix}.attention.{part}.weight"] = (width, width)
            shapes[f"{prefix}.attention.{part}.bias"] = (width,)
        shapes[f"{prefix}.intermediate.dense.weight"] = (inner, width)
        shapes[f"{prefix}.intermediate.dense.bias"] = (inner,)
        shapes[f"{prefix}.output.dense.weight"] = (width, inner)
        shapes[f"{prefix}.output.dense.bias"] = (width,)
        norms += [f"{prefix}.attention.output.LayerNorm", f"{prefix}.output.LayerNorm"]
    weights = {
        name: (0.1 * rng.standard_normal(s)).astype(np.float32) for name, s in shapes.items()
    }
    for norm in norms:
        weights[f"{norm}.weight"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        weights[f"{norm}.bias"] = (0.1 * rng.standard_normal(width)).astype(np.float32)
    return weights


def reference(w: dict[str, Array], token_ids: list[int]) -> Array:
    """Post-norm BERT, straight from the paper's formulas."""

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"]

    def linear(x: Array, name: str) -> Array:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def gelu(x: Array) -> Array:
        from math import erf

        return 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))

    positions = w["embeddings.position_embeddings.weight"][: len(token_ids)]
    segment = w["embeddings.token_type_embeddings.weight"][0]
    x = norm(w["embeddings.word_embeddings.weight"][token_ids] + positions + segment, "embeddings")
    for n in range(2):
        prefix = f"encoder.layer.{n}"
        parts = [linear(x, f"{prefix}.attention.self.{p}") for p in ("query", "key", "value")]
        q, k, v = (part.reshape(len(token_ids), 4, 32).swapaxes(0, 1) for part in parts)
        scores = q @ k.swapaxes(1, 2) / np.sqrt(32)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        context = (shares @ v).swapaxes(0, 1).reshape(len(token_ids), 128)
        attended = linear(context, f"{prefix}.attention.output.dense")
        x = norm(attended + x, f"{prefix}.attention.output")
        inner = gelu(linear(x, f"{prefix}.intermediate.dense"))
        x = norm(linear(inner, f"{prefix}.output.dense") + x, f"{prefix}.output")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_graph_equals_numpy_with_and_without_padding() -> None:
    weights = random_weights()
    session = onnxruntime.InferenceSession(
        build_graph(CONFIG, weights).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    short, long = [3, 1, 4], [1, 5, 9, 2, 6, 5, 3, 5]
    token_ids = np.zeros((2, 8), np.int64)
    mask = np.zeros((2, 8), np.int32)
    for row, ids in enumerate((short, long)):
        token_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    vectors = session.run(None, {"token_ids": token_ids, "mask": mask})[0]
    cosines = [vectors[0] @ reference(weights, short), vectors[1] @ reference(weights, long)]
    assert min(cosines) > 0.999
    assert abs(vectors[0] @ reference(weights, long)) < 0.9  # the comparison can fail


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 1e4]))
def test_quantized_blocks_are_within_half_a_step(seed: int, spread: float) -> None:
    weight = (spread * np.random.default_rng(seed).standard_normal((3, 64))).astype(np.float32)
    quantized, scales = quantize_blocks(weight, 32)
    restored = (quantized.astype(np.float32) - 128) * scales[:, :, None]
    error = np.abs(restored.reshape(weight.shape) - weight).reshape(3, 2, 32)
    assert (error <= 0.501 * scales[:, :, None]).all()


def test_zero_weights_quantize_to_zero() -> None:
    quantized, _ = quantize_blocks(np.zeros((1, 32), np.float32), 32)
    assert (quantized == 128).all()


def test_other_architectures_are_refused() -> None:
    with pytest.raises(ModelError, match="wanted \\('bert', 'gelu'\\)"):
        build_graph(CONFIG | {"model_type": "roberta"}, random_weights())


def test_missing_tensor_is_named() -> None:
    weights = random_weights()
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        build_graph(CONFIG, weights)


def test_import_makes_a_model_directory_that_encodes(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    sources, model_dir = tmp_path / "sources", tmp_path / "model"
    sources.mkdir()
    model_dir.mkdir()
    (sources / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    save_file(random_weights(), sources / "model.safetensors")
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "ale": 1, "bread": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(sources / "tokenizer.json"))
    fill_from_bert(sources, model_dir, name="tiny")
    info = load_model_info(model_dir)
    assert (info.kind, info.name, info.dims.hidden) == ("sentence_encoder", "tiny", 128)
    vectors = SentenceEncoder(model_dir).encode(["ale bread", "bread"])
    assert vectors[0] @ reference(random_weights(), [1, 2]) > 0.999
    assert vectors[1] @ reference(random_weights(), [2]) > 0.999


def test_missing_source_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        fill_from_bert(tmp_path, tmp_path, name="tiny")


def test_damaged_model_is_a_model_error(tmp_path: Path) -> None:
    from npc_brain.inference.model_dir import ModelDims, write_model_info

    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    dims = ModelDims(layers=1, hidden=1, heads=1, vocab=1, context=1)
    common = {"name": "broken", "architecture": "bert", "dims": dims}
    write_model_info(tmp_path, kind="sentence_encoder", **common)
    with pytest.raises(ModelError, match="cannot load the sentence encoder"):
        SentenceEncoder(tmp_path)
    write_model_info(tmp_path, kind="decoder", **common)
    with pytest.raises(ModelError, match="wanted 'sentence_encoder'"):
        SentenceEncoder(tmp_path)
