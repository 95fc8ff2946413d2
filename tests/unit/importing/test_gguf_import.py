"""GGUF to model directory, on tiny models with random weights."""

from itertools import product
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.errors import ModelError, UsageError
from npc_brain.importing import gguf_import
from npc_brain.importing.gguf_import import import_gguf
from npc_brain.inference.model_dir import load_model_info, verify
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.float_decoder import FloatDecoder
from tests.tiny_gguf import write_tiny_gguf

Type = gguf.GGMLQuantizationType
TOKENS = [int(token) for token in np.random.default_rng(7).integers(3, 260, 40)]


def cosines(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = (
        (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    )
    return found


def imported(tmp_path: Path, architecture: str, **options: Any) -> tuple[Path, Path]:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", architecture, **options)
    import_gguf(source, tmp_path / "model")
    return source, tmp_path / "model"


@pytest.mark.parametrize(
    ("architecture", "kind"), list(product(["llama", "gemma3"], [Type.Q4_0, Type.Q4_1]))
)
def test_logits_equal_the_float_reference(tmp_path: Path, architecture: str, kind: Type) -> None:
    """4-bit weights meet float32 activations, so only the output matrix rounds.

    Forty positions: more than six of gemma3's windows, through six local layers and a global one.
    """
    source, model_dir = imported(tmp_path, architecture, kind=kind)
    ours = OnnxDecoder(model_dir).prefill(0, TOKENS, all_logits=True)
    assert cosines(ours, FloatDecoder(source).logits(TOKENS)).min() >= 0.9995


@pytest.mark.parametrize(
    ("architecture", "kind"), list(product(["llama", "gemma3"], [Type.Q8_0, Type.Q5_0, Type.F16]))
)
def test_8_bit_logits_are_near_the_float_reference(
    tmp_path: Path, architecture: str, kind: Type
) -> None:
    """Random weights amplify the rounding of activations more than a trained model's do."""
    source, model_dir = imported(tmp_path, architecture, kind=kind)
    ours = OnnxDecoder(model_dir).prefill(0, TOKENS, all_logits=True)
    found = cosines(ours, FloatDecoder(source).logits(TOKENS))
    assert found.mean() >= 0.997
    assert found.min() >= 0.97


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_4_bit_weights_are_kept_exactly(tmp_path: Path, architecture: str) -> None:
    """With an output matrix of its own nothing is rounded at all."""
    source, model_dir = imported(tmp_path, architecture, kind=Type.Q4_1, is_tied=False)
    ours = OnnxDecoder(model_dir).prefill(0, TOKENS, all_logits=True)
    assert cosines(ours, FloatDecoder(source).logits(TOKENS)).min() >= 0.99999


def test_model_info_tells_what_the_file_says(tmp_path: Path) -> None:
    _, model_dir = imported(tmp_path, "gemma3")
    info = verify(model_dir)
    assert (info.name, info.kind, info.architecture) == ("model", "decoder", "gemma3")
    assert (info.dims.layers, info.dims.sliding_window, info.dims.head_dim) == (7, 6, 32)
    assert (info.bos_id, info.stop_ids, info.chat_format) == (None, (0, 2), "gemma3")
    assert {file.path for file in info.files} == {"model.onnx", "weights.bin", "tokenizer.json"}


def test_chatml_is_known_by_its_tokens(tmp_path: Path) -> None:
    assert load_model_info(imported(tmp_path, "llama")[1]).chat_format == "chatml"


def test_tells_its_progress(tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")
    seen: list[tuple[int, int, str]] = []
    import_gguf(source, tmp_path / "model", lambda *args: seen.append(args))
    quantising = [done / total for done, total, what in seen if what == "quantising"]
    assert quantising == sorted(quantising)
    assert (quantising[0], quantising[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused_and_leaves_nothing(tmp_path: Path, kept: float) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ModelError):
        import_gguf(source, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_damaged_header_is_refused_or_harmless(tmp_path: Path) -> None:
    """Bytes of the header changed at random: a model comes out, or a ModelError, nothing else."""
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")
    data = source.read_bytes()
    rng = np.random.default_rng(3)
    num_refused = 0
    for index in range(60):
        damaged = bytearray(data)
        for position in rng.integers(0, 2000, 4):
            damaged[position] = rng.integers(0, 256)
        source.write_bytes(damaged)
        target = tmp_path / f"model-{index}"
        try:
            import_gguf(source, target)
        except ModelError:
            num_refused += 1
            assert not target.exists()
    assert num_refused > 0
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"llama.rope.scaling.type": "yarn"}, "yarn"),
        ({"llama.attention.head_count_kv": 0}, "head_count_kv is 0"),
        ({"tokenizer.ggml.model": "wordpiece"}, "wordpiece"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, "llama-bpe"),
        ({"llama.feed_forward_length": 128}, "shape"),
        ({"llama.block_count": 6}, "does not understand: blk.6"),
        ({"llama.block_count": 8}, "no tensor blk.7"),
        ({"llama.attention.layer_norm_rms_epsilon": 1}, ""),
    ],
)
def test_what_is_not_supported_is_named(
    tmp_path: Path, extra: dict[str, Any], problem: str
) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama", extra=extra)
    if not problem:
        import_gguf(source, tmp_path / "model")  # an integer where a float is wanted will do
        return
    with pytest.raises(ModelError, match=problem):
        import_gguf(source, tmp_path / "model")


def test_unknown_architecture_is_named(tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "gemma9")
    with pytest.raises(ModelError, match="'gemma9', wanted one of gemma3, gemma4, llama"):
        import_gguf(source, tmp_path / "model")


def test_not_finite_weights_are_refused(tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")
    data = bytearray(source.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()  # the end of the last norm
    source.write_bytes(data)
    with pytest.raises(ModelError, match="not finite"):
        import_gguf(source, tmp_path / "model")


def test_interrupted_import_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gguf_import, "build_decoder", interrupt)
    with pytest.raises(KeyboardInterrupt):
        import_gguf(source, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_existing_directory_is_not_touched(tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        import_gguf(source, tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())
