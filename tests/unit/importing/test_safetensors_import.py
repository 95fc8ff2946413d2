"""Importing Gemma 4 from safetensors: what is written, resuming, and damaged checkpoints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file, save_file

from npc_brain.errors import ModelError, UsageError
from npc_brain.importing.architectures.gemma4 import fill, from_safetensors
from npc_brain.importing.architectures.gemma4.from_safetensors import (
    SafetensorsWeights,
    checkpoint_name,
    import_safetensors,
)
from npc_brain.inference import kv_cache, onnx_decoder
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.embedding_table import EmbeddingTable
from npc_brain.inference.model_dir import load_model_info, verify
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.gemma4_random import E2B_LIKE, random_weights, text_config, write_checkpoint

CONFIG = text_config(E2B_LIKE[:10], 4, kv_heads=1, is_double_wide=True, window=4)
PROMPT = [5, 9, 100, 3, 7, 7, 80, 20, 1, 0, 44, 150] * 4


@pytest.fixture
def source(tmp_path: Path) -> Path:
    weights = random_weights(CONFIG, np.random.default_rng(1))
    return write_checkpoint(tmp_path / "source", CONFIG, weights)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def rewrite(path: Path, change: Callable[[dict[str, npt.NDArray[Any]]], None]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def logits(model_dir: Path) -> npt.NDArray[np.float32]:
    return OnnxDecoder(model_dir, DecoderOptions(max_context=64)).prefill(
        0, PROMPT, all_logits=True
    )


def test_model_directory(source: Path, tmp_path: Path) -> None:
    import_safetensors(source, tmp_path / "model")
    info = verify(tmp_path / "model")
    assert (info.architecture, info.chat_format, info.bos_id) == ("gemma4", "gemma4", 2)
    assert info.stop_ids == (1, 106, 50)
    assert (tmp_path / "model" / "chat_template.jinja").read_text() == "{{ bos_token }}"
    assert not list(tmp_path.glob(".model*"))
    with pytest.raises(UsageError, match="exists already"):
        import_safetensors(source, tmp_path / "model")


def test_table_and_output_matrix_are_one_copy(source: Path, tmp_path: Path) -> None:
    import_safetensors(source, tmp_path / "model")
    info = load_model_info(tmp_path / "model")
    assert info.embedding is not None
    table = EmbeddingTable(tmp_path / "model", info.embedding, 160, 64)
    name = "model." + checkpoint_name("output")
    stored = next(t[name] for t in map(load_file, source.glob("*.safetensors")) if name in t)
    np.testing.assert_allclose(table.rows([3, 159]), stored[[3, 159]] * 8, atol=0.4)
    used = sum(file.bytes for file in info.files if file.path == "weights.bin")
    rope_bytes = 4096 * (16 + 32) * 2 * 4
    assert (
        used
        < rope_bytes
        + 0.625
        * sum(
            rows * columns
            for rows, columns in from_safetensors.spec_from_config(CONFIG).matrices().values()
        )
        + 4096 * 250
    )  # alignment


def test_interrupted_import_resumes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was interrupted, finished weights are not read again, and the result is equal."""
    import_safetensors(source, tmp_path / "whole")
    names: list[str] = []
    parts = SafetensorsWeights.parts

    def recorded(self: Any, name: str, rows: int, columns: int) -> Any:
        names.append(name)
        return parts(self, name, rows, columns)

    monkeypatch.setattr(SafetensorsWeights, "parts", recorded)

    def interrupt(done: int, total: int, what: str) -> None:
        if len(names) % 7 == 6:
            names.append("")
            raise KeyboardInterrupt

    attempts = 0
    while not (tmp_path / "model").exists():
        attempts += 1
        try:
            import_safetensors(source, tmp_path / "model", interrupt)
        except KeyboardInterrupt:
            assert not (tmp_path / "model").exists()
    matrices = [name for name in names if name]
    assert attempts > 3
    assert len(matrices) - len(set(matrices)) == attempts - 1, "only what was under way is redone"
    whole, resumed = contents(tmp_path / "whole"), contents(tmp_path / "model")
    assert whole.keys() == resumed.keys()
    for name in ("weights.bin", "per_layer_embeddings.bin"):
        assert whole[name] == resumed[name]


def test_other_weights_are_not_mixed_in(source: Path, tmp_path: Path) -> None:
    """After an interruption the checkpoint is replaced by another one of the same shape."""

    def interrupt(done: int, total: int, what: str) -> None:
        if done or "layer.9" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_safetensors(source, tmp_path / "model", interrupt)
    for shard in source.glob("*.safetensors"):
        rewrite(shard, lambda tensors: tensors.update({n: t * 2 for n, t in tensors.items()}))
    import_safetensors(source, tmp_path / "model")
    import_safetensors(source, tmp_path / "fresh")
    np.testing.assert_array_equal(logits(tmp_path / "model"), logits(tmp_path / "fresh"))


def test_two_imports_at_once_are_refused(source: Path, tmp_path: Path) -> None:
    def again(done: int, total: int, what: str) -> None:
        with pytest.raises(ModelError, match="another process"):
            import_safetensors(source, tmp_path / "model")

    import_safetensors(source, tmp_path / "model", again)


def test_full_disk_is_told_before_the_work(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(fill.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match=r"needs 0\.0 GB .* are free"):
        import_safetensors(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def _cut(source: Path) -> None:
    path = source / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _no_header(source: Path) -> None:
    (source / "a.safetensors").write_bytes(b"\xff" * 64)


def _not_json(source: Path) -> None:
    (source / "a.safetensors").write_bytes((8).to_bytes(8, "little") + b"[nothing" + b"\0" * 50)


def _missing(source: Path) -> None:
    (source / "b.safetensors").unlink()


def _outside(source: Path) -> None:
    index = {"weight_map": {"a": "../a.safetensors"}}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))


def _no_tokenizer(source: Path) -> None:
    (source / "tokenizer.json").unlink()


def _no_config(source: Path) -> None:
    (source / "config.json").unlink()


def _wrong_shape(source: Path) -> None:
    for shard in source.glob("*.safetensors"):
        rewrite(shard, lambda ts: ts.update({n: t[:-1] for n, t in ts.items() if "norm" in n}))


def _not_finite(source: Path) -> None:
    for shard in source.glob("*.safetensors"):
        rewrite(shard, lambda ts: ts.update({n: t * np.nan for n, t in ts.items() if "mlp" in n}))


def _unknown(source: Path) -> None:
    extra = {"model.layers.0.router.weight": np.zeros(3, np.float32)}
    rewrite(source / "a.safetensors", lambda ts: ts.update(extra))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_cut, "not a whole safetensors file"),
        (_no_header, "no whole header"),
        (_not_json, "not a whole safetensors file"),
        (_missing, "lacks 1 of 2 weight files: b.safetensors"),
        (_outside, "outside of its directory"),
        (_no_tokenizer, "no tokenizer.json"),
        (_no_config, "config.json is missing"),
        (_wrong_shape, "has shape"),
        (_not_finite, "not finite"),
        (_unknown, "does not understand: model.layers.0.router.weight"),
    ],
)
def test_damaged_checkpoints_are_refused(
    source: Path, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(source)
    with pytest.raises(ModelError, match=says):
        import_safetensors(source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_bfloat16_and_parts_of_other_models(tmp_path: Path) -> None:
    """Towers and unused keys are passed over; bfloat16 is what it stands for."""
    weights = random_weights(CONFIG, np.random.default_rng(2))
    rounded = {
        name: (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
        for name, values in weights.items()
    }
    plain = write_checkpoint(tmp_path / "f32", CONFIG, rounded)
    import_safetensors(plain, tmp_path / "a", precision="f32")
    renamed = {
        n.replace("model.", "model.language_model.", 1): (v.view(np.uint32) >> 16).astype(np.uint16)
        for n, v in rounded.items()
    }
    renamed["model.vision_tower.x"] = np.zeros(3, np.uint16)
    renamed["model.language_model.layers.9.self_attn.k_proj.weight"] = np.zeros((2, 2), np.uint16)
    bfloat = write_checkpoint(tmp_path / "bf16", CONFIG, renamed)
    for shard in bfloat.glob("*.safetensors"):
        shard.write_bytes(shard.read_bytes().replace(b'"U16"', b'"BF16"'))
        _fix_header(shard)
    import_safetensors(bfloat, tmp_path / "b", precision="f32")
    np.testing.assert_allclose(logits(tmp_path / "a"), logits(tmp_path / "b"), atol=1e-5)


def _fix_header(path: Path) -> None:
    """The header is longer by what was replaced in it."""
    data = path.read_bytes()
    end = data.index(b"}}") + 2
    path.write_bytes((end - 8).to_bytes(8, "little") + data[8:end] + data[end:].lstrip(b" "))


def test_packed_4_bit_weights_are_kept(source: Path, tmp_path: Path) -> None:
    """A checkpoint in w4a16 gives the model that our own rounding to the same codes gives."""
    import_safetensors(source, tmp_path / "ours")

    def pack(tensors: dict[str, npt.NDArray[Any]]) -> None:
        for name in [n for n in tensors if "_proj.weight" in n and "per_layer" not in n]:
            weights = tensors.pop(name)
            blocks = weights.reshape(len(weights), -1, 32)
            largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
            scales = largest / np.float32(-8)
            codes = np.clip(np.floor(blocks / scales + 8.5), 0, 15).astype(np.uint32)
            codes = codes.reshape(len(weights), -1, 8)
            shifted = codes << np.arange(0, 32, 4, dtype=np.uint32)
            packed = np.bitwise_or.reduce(shifted, axis=-1)
            tensors[f"{name}_packed"] = packed.view(np.int32)
            tensors[f"{name}_scale"] = np.ascontiguousarray(scales[..., 0])
            tensors[f"{name}_shape"] = np.array(weights.shape, np.int64)

    for shard in source.glob("*.safetensors"):
        rewrite(shard, pack)
    config = json.loads((source / "config.json").read_text())
    kind = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}
    config["quantization_config"] = {
        "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": kind}},
    }
    (source / "config.json").write_text(json.dumps(config))
    import_safetensors(source, tmp_path / "packed")
    np.testing.assert_array_equal(logits(tmp_path / "packed"), logits(tmp_path / "ours"))
    kind["symmetric"] = False
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="quantised in a way"):
        import_safetensors(source, tmp_path / "refused")


def test_slots_with_dropped_positions(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that moved, other slots' lengths and restored snapshots change no logits."""
    import_safetensors(source, tmp_path / "model", precision="f32")
    wanted = logits(tmp_path / "model")
    monkeypatch.setattr(kv_cache, "_KEPT_BEYOND_WINDOW", 2)
    monkeypatch.setattr(kv_cache, "_ROOM", 4)
    monkeypatch.setattr(onnx_decoder, "PREFILL_CHUNK", 5)
    decoder = OnnxDecoder(tmp_path / "model", DecoderOptions(num_slots=3, max_context=64))
    decoder.prefill(0, PROMPT[:30])
    decoder.prefill(2, PROMPT[:3])
    assert decoder.shortest(0) > 1
    snapshot = decoder.snapshot(0, 30)
    for at in range(3, 20):
        rows = decoder.decode([2, 0], [PROMPT[at], PROMPT[at + 27]])
        np.testing.assert_allclose(rows, wanted[[at, at + 27]], atol=1e-4)
    decoder.restore(1, snapshot, 29)
    np.testing.assert_allclose(decoder.prefill(1, PROMPT[29:]), wanted[-1:], atol=1e-4)


def test_given_embeddings_replace_those_of_tokens(source: Path, tmp_path: Path) -> None:
    """Rows equal to a token's give that token's logits if its per-layer row is the padding's."""
    import_safetensors(source, tmp_path / "model", precision="f32")
    decoder = OnnxDecoder(tmp_path / "model", DecoderOptions(num_slots=2, max_context=64))
    info = decoder.info
    assert info.embedding is not None
    padding = EmbeddingTable(tmp_path / "model", info.embedding, 160, 64).rows([0, 0, 0])
    wanted = decoder.prefill(0, [5, 9, 0, 0, 0, 7])
    got = decoder.prefill(1, [5, 9, 77, 78, 79, 7], embeddings={2: padding})
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    decoder.truncate(1, 0)
    other = decoder.prefill(1, [5, 9, 77, 78, 79, 7], embeddings={2: padding + 1})
    assert np.abs(other - wanted).max() > 0.1
