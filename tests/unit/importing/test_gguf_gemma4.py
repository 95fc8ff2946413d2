"""Gemma 4 from GGUF: what is read, what is refused, and that an interrupted import goes on."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tokenizers import Tokenizer

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.gemma4.fill import Precision
from npc_brain.importing.architectures.gemma4.from_gguf import (
    GgufWeights,
    _spec,
    import_gemma4,
)
from npc_brain.importing.gguf_file import GgufFile
from npc_brain.importing.gguf_import import import_gguf
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.model_dir import verify
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.tiny_gemma4_gguf import FULL, SLIDING, Shape, write_gemma4_gguf

Type = gguf.GGMLQuantizationType
SMALL = Shape([SLIDING, FULL, SLIDING, FULL], num_shared=2)
TOKENS = [int(t) for t in np.random.default_rng(1).integers(7, 300, 20)]
EXACT = [Type.Q4_0, Type.Q4_1, Type.Q4_K, Type.Q6_K, Type.Q8_0]


def test_model_info_tells_what_the_file_says(tmp_path: Path) -> None:
    write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL, kind=Type.Q8_0)
    import_gguf(tmp_path / "tiny.gguf", tmp_path / "model")
    info = verify(tmp_path / "model")
    assert (info.name, info.architecture, info.chat_format) == ("model", "gemma4", "gemma4")
    assert (info.bos_id, info.stop_ids) == (2, (1, 5, 6))  # <eos>, <turn|>, <|tool_response>
    assert (info.dims.layers, info.dims.sliding_window, info.dims.per_layer_width) == (4, 8, 256)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_tokenizer_merges_in_the_order_of_the_file(tmp_path: Path) -> None:
    write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL)
    import_gguf(tmp_path / "tiny.gguf", tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(tmp_path / "model" / "tokenizer.json"))
    encoded = tokenizer.encode("the then\n<turn|>\u00e9", add_special_tokens=False)
    assert encoded.tokens == ["the", "\u2581the", "n", "\n", "<turn|>", "<0xC3>", "<0xA9>"]
    assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == "the then\n<turn|>\u00e9"


@pytest.mark.parametrize("kind", EXACT, ids=lambda kind: kind.name)
def test_values_are_kept_exactly(tmp_path: Path, kind: Type) -> None:
    """Codes, scales and offsets give the file's own values back, to a rounding of a float32."""
    made = write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL, kind=kind)
    file = GgufFile(made.path)
    weights = GgufWeights(file, _spec(file))
    (part,) = weights.parts("layer.0.ffn_up", 256, 256)
    form = weights.format("layer.0.ffn_up", 256, 256)
    assert not isinstance(part, np.ndarray)
    codes = part.codes.astype(np.float32)
    if form.bits == 4:
        codes = np.stack([part.codes & 15, part.codes >> 4], -1).astype(np.float32)
    codes = codes.reshape(*part.scales.shape, form.block_size) - 2 ** (form.bits - 1)
    values = codes * part.scales[..., None]
    if part.offsets is not None:
        values += part.offsets.T[..., None]
    wanted = made.weights["layers.0.mlp.up_proj.weight"]
    assert np.abs(values.reshape(wanted.shape) - wanted).max() <= 1e-6


@pytest.mark.parametrize("kind", [*EXACT, Type.Q5_K, Type.F16], ids=lambda kind: kind.name)
def test_quantised_is_near_what_the_file_holds(tmp_path: Path, kind: Type) -> None:
    made = write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL, kind=kind, table_kind=Type.Q6_K)
    logits = []
    precisions: tuple[Precision, ...] = ("f32", "4bit")
    for precision in precisions:
        target = tmp_path / precision
        import_gemma4(GgufFile(made.path), target, precision=precision)
        logits.append(
            OnnxDecoder(target, DecoderOptions(max_context=32)).prefill(0, TOKENS, all_logits=True)
        )
    norms = np.linalg.norm(logits[0], axis=-1) * np.linalg.norm(logits[1], axis=-1)
    found = (logits[0] * logits[1]).sum(-1) / norms
    assert found.mean() >= (0.95 if kind == Type.F16 else 0.999)


def test_towers_and_unread_keys_are_left_out(tmp_path: Path) -> None:
    """Ollama keeps towers in the same file, converters of old keep what shared layers ignore."""
    extra = {name: np.zeros(32, np.float32) for name in ("v.patch_embd", "a.conv", "mm.a.fc")}
    extra["blk.2.attn_k.weight"] = np.zeros((32, 32), np.float32)
    extra["blk.2.attn_k_norm.weight"] = np.zeros(32, np.float32)
    write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL, extra=extra)
    import_gguf(tmp_path / "tiny.gguf", tmp_path / "model")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "missing tensor": ({"left_out": "blk.1.ffn_up"}, "no tensor blk.1.ffn_up.weight"),
    "missing table": ({"left_out": "per_layer_token_embd"}, "per_layer_token_embd"),
    "own output": (
        {"extra": {"output.weight": np.zeros((32, 32), np.float32)}},
        "an output matrix of its own",
    ),
    "unknown tensor": ({"extra": {"blk.0.gate": np.zeros(32, np.float32)}}, "blk.0.gate"),
    "keys that are read": (
        {"extra": {"blk.0.attn_k_scale": np.zeros(32, np.float32)}},
        "blk.0.attn_k_scale",
    ),
    "experts": ({"settings": {"expert_count": 8}}, "mixture of experts"),
    "no per-layer embeddings": (
        {"settings": {"embedding_length_per_layer_input": 0}},
        "no per-layer embeddings",
    ),
    "other width": ({"settings": {"embedding_length": 128}}, "shape"),
    "more shared": ({"settings": {"attention.shared_kv_layers": 3}}, "keys and values"),
    "all shared": ({"settings": {"attention.shared_kv_layers": 99}}, "."),
    "other layers": ({"settings": {"block_count": 2}}, "whole numbers"),
    "window": ({"settings": {"attention.sliding_window": 0}}, "1 or more"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line_and_nothing_is_left(tmp_path: Path, name: str) -> None:
    arguments, problem = REFUSED[name]
    write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL, **arguments)
    with pytest.raises(ModelError, match=problem) as caught:
        import_gguf(tmp_path / "tiny.gguf", tmp_path / "model")
    assert "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    source = write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL).path
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ModelError):
        import_gguf(source, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_interrupted_import_goes_on(tmp_path: Path) -> None:
    source = write_gemma4_gguf(tmp_path / "tiny.gguf", SMALL, kind=Type.Q4_0).path
    import_gguf(source, tmp_path / "whole")
    seen: list[str] = []

    def interrupt(done: int, total: int, what: str) -> None:
        seen.append(what)
        if len(seen) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_gguf(source, tmp_path / "model", interrupt)
    assert not (tmp_path / "model").exists()
    again: list[str] = []
    import_gguf(source, tmp_path / "model", lambda done, total, what: again.append(what))
    assert 0 < len(again) < len(seen) + 30
    assert not set(seen[2:11]) & set(again), "what was written is not written again"
    for name in ("weights.bin", "per_layer_embeddings.bin", "tokenizer.json"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
