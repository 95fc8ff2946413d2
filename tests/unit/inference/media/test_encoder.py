"""The encoder on graphs shaped like published ones: a batch axis, rows of padding, fp16 results."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npc_brain.errors import ErrorCode, MediaError, ModelError
from npc_brain.inference.media.encoder import VISION_GRAPH, MediaEncoder
from npc_brain.inference.media.image import image_features
from npc_brain.inference.model_dir import ModelDims, write_model_info
from npc_brain.media import Picture, Sound
from tests.media_samples import encoded, painted

HIDDEN = 8
PICTURE = Picture(encoded(painted(100, 140)))


def make_model_dir(directory: Path, *, width: int = HIDDEN, position_name: str) -> Path:
    """A model whose tower takes every patch times a matrix, padding included."""
    matrix = np.linspace(-1, 1, 768 * width).reshape(768, width).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["pixel_values", "matrix"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["image_features"], to=TensorProto.FLOAT16),
    ]
    graph = helper.make_graph(
        nodes,
        "tower",
        [
            helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, "p", 768]),
            helper.make_tensor_value_info(position_name, TensorProto.INT64, [1, "p", 2]),
        ],
        [helper.make_tensor_value_info("image_features", TensorProto.FLOAT16, [1, "p", width])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, directory / VISION_GRAPH)
    dims = ModelDims(layers=1, hidden=HIDDEN, heads=1, vocab=10, context=100)
    write_model_info(directory, kind="decoder", name="m", architecture="gemma4", dims=dims)
    return directory


def test_padding_and_the_batch_axis_are_cut_off(tmp_path: Path) -> None:
    encoder = MediaEncoder(make_model_dir(tmp_path, position_name="pixel_position_ids"))
    rows = encoder.encode(PICTURE)
    features = image_features(PICTURE.data, budget=70)
    assert rows.dtype == np.float32
    assert rows.shape == (features.num_soft_tokens, HIDDEN)
    matrix = np.linspace(-1, 1, 768 * HIDDEN).reshape(768, HIDDEN)
    assert np.allclose(rows, features.pixel_values[: len(rows)] @ matrix, rtol=1e-2, atol=0.1)
    encoder.close()


def test_senses_are_the_towers_that_are_there(tmp_path: Path) -> None:
    encoder = MediaEncoder(make_model_dir(tmp_path, position_name="pixel_position_ids"))
    assert encoder.senses == {"see"}
    with pytest.raises(MediaError) as error:
        encoder.encode(Sound(b""))
    assert error.value.code == ErrorCode.CANNOT_HEAR


def test_a_tower_of_another_model_is_refused(tmp_path: Path) -> None:
    directory = make_model_dir(tmp_path, width=HIDDEN + 1, position_name="pixel_position_ids")
    with pytest.raises(ModelError, match="rows of 8"):
        MediaEncoder(directory).encode(PICTURE)


def test_a_graph_with_other_inputs_is_refused(tmp_path: Path) -> None:
    directory = make_model_dir(tmp_path, position_name="positions")
    with pytest.raises(ModelError, match=r"wanted \['pixel_position_ids', 'pixel_values'\]"):
        MediaEncoder(directory).encode(PICTURE)


def test_a_bad_picture_is_refused(tmp_path: Path) -> None:
    encoder = MediaEncoder(make_model_dir(tmp_path, position_name="pixel_position_ids"))
    with pytest.raises(MediaError):
        encoder.measured(Picture(b"no"))
    assert encoder.measured(PICTURE) != PICTURE
