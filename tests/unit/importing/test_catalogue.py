"""Models by name: fetched and converted once, used offline from then on."""

import sys
from pathlib import Path

import pytest

from npc_brain.errors import ErrorCode, ModelError
from npc_brain.importing import catalogue, gguf_import
from npc_brain.importing.catalogue import (
    CATALOGUE,
    CatalogueEntry,
    HubEntry,
    model_path,
    resolve_model,
    sources_path,
)
from npc_brain.importing.fetch import SourceFile
from npc_brain.importing.gguf_import import fill_from_gguf
from npc_brain.inference.model_dir import Progress, no_progress, verify
from tests.tiny_gguf import write_tiny_gguf


@pytest.fixture
def conversions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Puts a model `tiny`, which is downloaded already, into the catalogue; grows as it is made."""
    made: list[Path] = []

    def fill(source: Path, model_dir: Path, progress: Progress, *, name: str) -> None:
        made.append(model_dir)
        fill_from_gguf(source, model_dir, progress, name=name)

    monkeypatch.setattr(gguf_import, "fill_from_gguf", fill)
    file = SourceFile("tiny.gguf", ("tiny.gguf",), 1, "0" * 64)
    entry = CatalogueEntry("tiny", "decoder", "tiny", "none", ("tiny==1.0",), (file,), 0)
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path))
    sources_path(entry).mkdir(parents=True)
    write_tiny_gguf(sources_path(entry) / "tiny.gguf", "llama")
    return made


def test_is_converted_once(conversions: list[Path]) -> None:
    path = resolve_model("tiny")
    assert path == resolve_model("tiny") == model_path(CATALOGUE["tiny"])
    assert len(conversions) == 1
    assert verify(path).name == "tiny"


def test_needs_no_sources_afterwards(
    conversions: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = resolve_model("tiny")
    monkeypatch.setattr(catalogue, "fetch", None)
    (sources_path(CATALOGUE["tiny"]) / "tiny.gguf").unlink()
    assert resolve_model("tiny") == path


def test_failed_conversion_is_tried_again(conversions: list[Path]) -> None:
    source = sources_path(CATALOGUE["tiny"]) / "tiny.gguf"
    whole = source.read_bytes()
    source.write_bytes(whole[:-100])
    with pytest.raises(ModelError):
        resolve_model("tiny")
    assert not list(model_path(CATALOGUE["tiny"]).parent.iterdir())
    source.write_bytes(whole)
    assert verify(resolve_model("tiny")).name == "tiny"


def test_directory_is_taken_as_it_is(conversions: list[Path]) -> None:
    path = resolve_model("tiny")
    assert resolve_model(path) == path
    assert resolve_model(str(path)) == path


@pytest.mark.parametrize("name", ["nothing", "", "../nowhere"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(ModelError, match="smollm2-135m") as caught:
        resolve_model(name, no_progress)
    assert caught.value.code == ErrorCode.MODEL_NOT_FOUND


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_entries_are_pinned(entry: CatalogueEntry | HubEntry) -> None:
    """Files on the hub are not: they are compared with the checksums that the hub tells."""
    if isinstance(entry, HubEntry):
        return
    assert all("==" in package for package in entry.packages)
    assert all(len(file.sha256) == 64 and file.num_bytes > 0 for file in entry.files)


@pytest.fixture
def packed_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`models/` of a packed sidecar, which this process then is."""
    executable = tmp_path / "npc_brain_sidecar" / "npc-brain"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(executable))
    models = executable.parent / "models"
    models.mkdir(parents=True)
    return models


def pack(models: Path, name: str) -> Path:
    (models / name).mkdir()
    write_tiny_gguf(models / "tiny.gguf", "llama")
    fill_from_gguf(models / "tiny.gguf", models / name, no_progress, name=name)
    return models / name


@pytest.mark.parametrize("name", ["tiny", "gemma-4-e4b", "my-own"])
def test_a_packed_sidecar_uses_its_own_models(
    conversions: list[Path], packed_models: Path, name: str
) -> None:
    packed = pack(packed_models, name)
    assert resolve_model(name) == packed
    if name in CATALOGUE:
        assert model_path(CATALOGUE[name]) == packed
    assert conversions == []


def test_a_packed_sidecar_falls_back_on_the_cache(
    conversions: list[Path], packed_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sys, "frozen")
    cached = resolve_model("tiny")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert resolve_model("tiny") == cached


def test_a_packed_sidecar_fetches_nothing(conversions: list[Path], packed_models: Path) -> None:
    with pytest.raises(ModelError, match="not packed") as caught:
        resolve_model("tiny")
    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND
    assert "--model tiny" in caught.value.hint
    assert conversions == []


def test_a_packed_model_is_a_name_not_a_path(packed_models: Path) -> None:
    pack(packed_models, "tiny-packed")
    with pytest.raises(ModelError):
        resolve_model("../models/tiny-packed")
