"""Published graphs: bookkeeping of the decoder, taking over the files, damaged input."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from npc_brain.cli import main
from npc_brain.errors import ErrorCode, InferenceError, ModelError, UsageError
from npc_brain.importing.architectures.gemma4 import published
from npc_brain.importing.catalogue import resolve_model
from npc_brain.importing.published_files import belongs_to, find_published, is_published
from npc_brain.importing.sources import import_published
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.model_dir import load_model_info, verify
from npc_brain.inference.onnx_decoder import OnnxDecoder
from npc_brain.inference.open_decoder import open_decoder
from npc_brain.inference.published_decoder import PublishedDecoder
from tests.published_checkpoint import E2B_PATTERN, Variant, tiny_config, write_checkpoint
from tests.tiny_gguf import write_tiny_gguf

TOKENS = [int(t) for t in np.random.default_rng(5).integers(3, 258, 30)]
DECODER, EMBED = "decoder_model_merged_q4.onnx", "embed_tokens_q4.onnx"


def config() -> dict[str, Any]:
    return tiny_config(E2B_PATTERN[:10], num_shared=4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("published") / "tiny", config()).directory


@pytest.fixture
def own_source(source: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(source, tmp_path / "damaged"))


@pytest.fixture(scope="module")
def decoder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> PublishedDecoder:
    model_dir = tmp_path_factory.mktemp("models") / "tiny"
    import_published(source, model_dir)
    return PublishedDecoder(model_dir, DecoderOptions(num_slots=3, max_context=40))


@pytest.fixture(autouse=True)
def empty_slots(decoder: PublishedDecoder) -> None:
    for slot in range(decoder.num_slots):
        decoder.truncate(slot, 0)


def same(left: Any, right: Any) -> bool:
    """Equal but for the rounding of activations, which differs with the rows of a call."""
    cosine = (left * right).sum() / np.linalg.norm(left) / np.linalg.norm(right)
    return bool(cosine > 0.999)


def test_slots_of_different_length_decode_together(decoder: PublishedDecoder) -> None:
    for slot, length in ((0, 5), (2, 17)):
        decoder.prefill(slot, TOKENS[:length])
    together = decoder.decode([2, 0], [TOKENS[17], TOKENS[5]]).copy()
    assert (decoder.length(0), decoder.length(1), decoder.length(2)) == (6, 0, 18)
    assert same(together[0], decoder.prefill(1, TOKENS[:18])[0])
    decoder.truncate(1, 0)
    assert same(together[1], decoder.prefill(1, TOKENS[:6])[0])
    assert not same(together[0], together[1])


def test_truncated_slot_goes_on_from_there(decoder: PublishedDecoder) -> None:
    decoder.prefill(0, TOKENS[:20])
    decoder.truncate(0, 11)
    again = decoder.prefill(0, TOKENS[11:15])
    assert same(again[0], decoder.prefill(1, TOKENS[:15])[0])


def test_snapshots_survive_what_the_slot_does_next(decoder: PublishedDecoder) -> None:
    decoder.prefill(0, TOKENS[:12])
    snapshot = decoder.snapshot(0, 12)
    wanted = decoder.decode([0], [TOKENS[12]])[0].copy()
    decoder.truncate(0, 0)
    decoder.prefill(0, TOKENS[20:30])
    decoder.restore(0, snapshot, 12)
    decoder.restore(1, snapshot, 7)
    assert (decoder.decode([0], [TOKENS[12]])[0] == wanted).all()
    assert same(decoder.decode([1], [TOKENS[7]])[0], decoder.prefill(2, TOKENS[:8])[0])
    # 6 owning layers of 2 heads: 5 of 32 and one of 64 values, keys and values, 4 bytes each.
    assert snapshot.num_bytes == 12 * 2 * (5 * 32 + 64) * 2 * 4


def test_soft_tokens_stand_in_for_embeddings(decoder: PublishedDecoder) -> None:
    rows = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    first = decoder.prefill(0, TOKENS[:10], embeddings={4: rows})
    others = [*TOKENS[:4], 258, 258, 258, *TOKENS[7:10]]
    assert (first == decoder.prefill(1, others, embeddings={4: rows})).all()
    assert not same(first, decoder.prefill(2, TOKENS[:10]))
    with pytest.raises(InferenceError, match="embeddings"):
        decoder.prefill(0, TOKENS[:4], embeddings={2: rows})


@pytest.mark.parametrize("token_ids", [[], [-1], [262], [3] * 41])
def test_refuses_what_does_not_fit(decoder: PublishedDecoder, token_ids: list[int]) -> None:
    with pytest.raises(InferenceError):
        decoder.prefill(0, token_ids)
    assert decoder.length(0) == 0


def test_kv_type_is_read_from_the_graph(tmp_path: Path) -> None:
    half = write_checkpoint(tmp_path / "half", config(), variant="q4f16").directory
    import_published(half, tmp_path / "model")
    decoder = open_decoder(tmp_path / "model", DecoderOptions(max_context=16))
    assert isinstance(decoder, PublishedDecoder)
    decoder.prefill(0, TOKENS[:3])
    (first, *_) = decoder.snapshot(0, 3).data
    assert (first.data_type(), first.shape()) == ("tensor(float16)", [1, 2, 3, 32])
    own = write_tiny_gguf(tmp_path / "tiny.gguf", "llama")
    from npc_brain.importing.gguf_import import import_gguf

    import_gguf(own, tmp_path / "own")
    assert isinstance(open_decoder(tmp_path / "own"), OnnxDecoder)
    with pytest.raises(ModelError, match="no published graphs"):
        PublishedDecoder(tmp_path / "own")


def test_weights_are_linked_and_the_graph_is_rewritten(own_source: Path, tmp_path: Path) -> None:
    import_published(own_source, tmp_path / "model")
    info = verify(tmp_path / "model")
    assert (info.architecture, info.chat_format) == ("gemma4", "gemma4")
    assert (info.stop_ids, info.bos_id, info.dims.sliding_window) == ((1, 50, 106), 2, 8)
    for name in (f"{DECODER}_data", f"{EMBED}_data", EMBED):
        assert os.path.samefile(own_source / "onnx" / name, tmp_path / "model" / name)
    ours = onnx.load(tmp_path / "model" / DECODER, load_external_data=False)
    theirs = onnx.load(own_source / "onnx" / DECODER, load_external_data=False)
    assert levels(ours) == {published.ACCURACY_LEVEL}
    assert levels(theirs) == {None}


def levels(model: onnx.ModelProto) -> set[int | None]:
    products = [node for node in model.graph.node if node.op_type == "MatMulNBits"]
    return {
        next((a.i for a in node.attribute if a.name == "accuracy_level"), None) for node in products
    }


def test_hub_cache_of_symbolic_links_can_be_used(source: Path, tmp_path: Path) -> None:
    """As the hub has it: a snapshot of links to blobs beside it."""
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "c0ffee"
    shutil.copytree(source, blobs)
    for path in blobs.rglob("*"):
        link = snapshot / path.relative_to(blobs)
        if path.is_dir():
            link.mkdir(parents=True)
        else:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    import_published(snapshot, tmp_path / "model")
    assert len(PublishedDecoder(tmp_path / "model").prefill(0, TOKENS)) == 1


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", f"onnx/{DECODER}_data"])
def test_links_to_elsewhere_are_refused(source: Path, tmp_path: Path, name: str) -> None:
    checkpoint = shutil.copytree(source, tmp_path / "checkpoint")
    (checkpoint / name).rename(tmp_path / "elsewhere")
    (checkpoint / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=r"lies outside|link out of"):
        import_published(checkpoint, tmp_path / "model")


def test_other_disk_is_copied_to(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    import_published(source, tmp_path / "model")
    assert not os.path.samefile(
        source / "onnx" / f"{DECODER}_data", tmp_path / "model" / f"{DECODER}_data"
    )
    usage = shutil._ntuple_diskusage(10, 10, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match="free") as caught:
        import_published(source, tmp_path / "second")
    assert "linked" in caught.value.hint
    assert not (tmp_path / "second").exists()


def test_model_option_takes_the_directory(
    own_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path / "cache"))
    made = resolve_model(own_source)
    assert made == resolve_model(str(own_source))
    assert load_model_info(made).name == own_source.name
    os.utime(own_source / "onnx" / DECODER, ns=(1, 1))
    assert resolve_model(own_source) != made, "other files, other model directory"


@pytest.mark.parametrize("variant", ["q4", "q4f16", "fp32", None])
def test_variants(tmp_path: Path, variant: Variant | None) -> None:
    both = tmp_path / "both"
    write_checkpoint(both, config(), variant="q4f16")
    for name in ("decoder_model_merged", "embed_tokens"):
        shutil.copy(both / "onnx" / f"{name}_q4f16.onnx", both / "onnx" / f"{name}.onnx")
    assert is_published(both)
    if variant == "q4":
        with pytest.raises(ModelError, match=r"decoder_model_merged_q4\.onnx") as caught:
            find_published(both, variant=variant)
        assert caught.value.code == ErrorCode.MODEL_NOT_FOUND
    else:
        assert find_published(both, variant=variant).variant == (variant or "fp32")
    with pytest.raises(UsageError, match="q5"):
        find_published(both, variant="q5")


@pytest.mark.parametrize(
    ("path", "is_wanted"),
    [
        ("onnx/decoder_model_merged_q4.onnx", True),
        ("onnx/decoder_model_merged_q4.onnx_data", True),
        ("onnx/decoder_model_merged_q4.onnx_data_1", True),
        ("onnx/decoder_model_merged_q4f16.onnx_data", False),
        ("onnx/decoder_model_merged.onnx", False),
        ("onnx/audio_encoder_q4.onnx_data", True),
        ("config.json", True),
        ("README.md", False),
        ("other/config.json", False),
    ],
)
def test_which_files_belong_to_a_variant(path: str, is_wanted: bool) -> None:
    assert belongs_to(path, "q4") == is_wanted


def cut(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])


DAMAGES: dict[str, Any] = {
    "no weights": lambda root: (root / "onnx" / f"{DECODER}_data").unlink(),
    "weights cut": lambda root: cut(root / "onnx" / f"{DECODER}_data", 0.9),
    "embeddings cut": lambda root: cut(root / "onnx" / f"{EMBED}_data", 0.9),
    "graph cut": lambda root: cut(root / "onnx" / DECODER, 0.7),
    "graph empty": lambda root: (root / "onnx" / DECODER).write_bytes(b""),
    "no config": lambda root: (root / "config.json").unlink(),
    "config cut": lambda root: cut(root / "config.json", 0.5),
    "config a list": lambda root: (root / "config.json").write_text("[]"),
    "no tokenizer": lambda root: (root / "tokenizer.json").unlink(),
    "stop ids": lambda root: (root / "generation_config.json").write_text('{"eos_token_id": "x"}'),
    "other layers": lambda root: (root / "config.json").write_text(
        json.dumps(tiny_config(E2B_PATTERN[:10], num_shared=3))
    ),
    "other heads": lambda root: (root / "config.json").write_text(
        json.dumps(tiny_config(E2B_PATTERN[:10], num_shared=4, kv_heads=1))
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused_and_leave_nothing(
    own_source: Path, tmp_path: Path, damage: str
) -> None:
    DAMAGES[damage](own_source)
    with pytest.raises(ModelError) as caught:
        import_published(own_source, tmp_path / "model")
    assert "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_weights_outside_of_the_directory_are_refused(own_source: Path, tmp_path: Path) -> None:
    path = own_source / "onnx" / DECODER
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for item in tensor.external_data:
            if item.key == "location":
                item.value = f"../onnx/{item.value}"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside"):
        import_published(own_source, tmp_path / "model")


def test_graph_of_another_kind_is_refused(
    own_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_source / "onnx" / DECODER
    model = onnx.load(path, load_external_data=False)
    model.graph.input.append(
        onnx.helper.make_tensor_value_info("cache_position", onnx.TensorProto.INT64, ["n"])
    )
    path.write_bytes(model.SerializeToString())
    import_published(own_source, tmp_path / "model")
    with pytest.raises(ModelError, match="cache_position"):
        PublishedDecoder(tmp_path / "model")


def test_generate_takes_the_directory(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path))
    arguments = ["generate", "--model", str(source), "--prompt", "the", "--max-tokens", "3"]
    assert main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["token_ids"]) <= 3
