"""GGUF files of architecture `gemma4` against transformers and llama.cpp, on tiny random models.

llama.cpp looks its GELU up in a table of 16-bit floats, which is where it differs from the two
others, alike from both.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from npc_brain.importing.architectures.gemma4.from_gguf import import_gemma4
from npc_brain.importing.gguf_file import GgufFile
from npc_brain.importing.quantize import round_to_4_bits
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.tiny_gemma4_gguf import FULL, SLIDING, Shape, TinyGemma4, write_gemma4_gguf

torch = pytest.importorskip("torch", reason="the reference needs torch")
transformers = pytest.importorskip("transformers", reason="the reference is transformers")

pytestmark = pytest.mark.reference

Floats = npt.NDArray[np.float32]
Type = gguf.GGMLQuantizationType
LENGTH = 48
SHAPES = {
    "E4B": Shape(([SLIDING] * 5 + [FULL]) * 2, num_shared=6),
    "E2B": Shape(([SLIDING] * 4 + [FULL]) * 2, num_shared=5, kv_heads=1, is_double_wide=True),
    "nothing shared": Shape([SLIDING, FULL], num_shared=0, window=64),
}
KINDS = [Type.Q4_0, Type.Q4_1, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.Q8_0, Type.F16, Type.BF16]


def tokens(model: TinyGemma4) -> list[int]:
    return [int(t) for t in np.random.default_rng(1).integers(7, len(model.tokens), LENGTH)]


def reference_logits(model: TinyGemma4) -> Floats:
    """float32[tokens, vocab] of transformers with the file's own weights."""
    config = transformers.Gemma4TextConfig(**model.text_config(), attn_implementation="eager")
    reference = transformers.Gemma4ForCausalLM(config).eval()
    state = {f"model.{name}": torch.tensor(values) for name, values in model.weights.items()}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert (set(missing), unexpected) == ({"lm_head.weight"}, [])
    reference.tie_weights()
    with torch.no_grad():
        return np.asarray(reference(torch.tensor([tokens(model)])).logits[0], np.float32)


def our_logits(model: TinyGemma4, model_dir: Path, precision: Any) -> Floats:
    import_gemma4(GgufFile(model.path), model_dir, precision=precision)
    decoder = OnnxDecoder(model_dir, DecoderOptions(max_context=LENGTH))
    return decoder.prefill(0, tokens(model), all_logits=True)


def cosines(left: Floats, right: Floats) -> Floats:
    norms = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return np.asarray((left * right).sum(-1) / norms, np.float32)


@pytest.mark.parametrize("name", SHAPES)
def test_float_file_equals_transformers(tmp_path: Path, name: str) -> None:
    model = write_gemma4_gguf(tmp_path / "tiny.gguf", SHAPES[name])
    found = our_logits(model, tmp_path / "model", "f32")
    assert np.abs(found - reference_logits(model)).max() <= 1e-4


@pytest.mark.parametrize("name", SHAPES)
def test_float_file_equals_llama_cpp(tmp_path: Path, name: str) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason="the reference is llama-cpp-python")
    model = write_gemma4_gguf(tmp_path / "tiny.gguf", SHAPES[name])
    llama = llama_cpp.Llama(
        str(model.path), n_ctx=LENGTH, logits_all=True, verbose=False, type_k=0, type_v=0
    )
    llama.eval(tokens(model))
    wanted = np.array(llama.scores[:LENGTH], np.float32)
    llama.close()
    found = our_logits(model, tmp_path / "model", "f32")
    assert np.abs(found - wanted).max() <= 5e-3
    assert cosines(found, wanted).min() >= 0.99999


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_quantised_file_is_near_transformers(tmp_path: Path, kind: Type) -> None:
    """The reference has the file's values, floats rounded to 4 bits; ours adds rounded activations.

    Activations are rounded to 8 bits in blocks, in every product of the model.
    """
    model = write_gemma4_gguf(tmp_path / "tiny.gguf", SHAPES["E4B"], kind=kind)
    found = our_logits(model, tmp_path / "model", "4bit")
    if kind in (Type.F16, Type.BF16):
        matrices = {name: w for name, w in model.weights.items() if w.ndim == 2}
        model.weights |= {name: rounded(weights) for name, weights in matrices.items()}
    near = cosines(found, reference_logits(model))
    print(f"{kind.name}: cosine {near.min():.5f} to {near.max():.5f}, mean {near.mean():.5f}")
    assert near.min() >= 0.99


def rounded(weights: Floats) -> Floats:
    """What 4-bit codes in blocks of 32 leave of `weights`."""
    matrix = round_to_4_bits(weights)
    codes = np.stack([matrix.codes & 15, matrix.codes >> 4], -1).astype(np.float32) - 8
    blocks = codes.reshape(*matrix.scales.shape, 32) * matrix.scales[..., None]
    return np.asarray(blocks.reshape(weights.shape), np.float32)
