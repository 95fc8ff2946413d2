"""Models that other programs have on this machine, by their names."""

import json
from pathlib import Path
from typing import Any

import pytest

from npc_brain.errors import ErrorCode, ModelError, UsageError
from npc_brain.importing.local_names import find_local, is_local_name
from npc_brain.importing.sources import import_model
from npc_brain.inference.model_dir import load_model_info
from tests.tiny_gguf import write_tiny_gguf

DIGEST = "ab" * 32
MODEL = "application/vnd.ollama.image.model"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    return tmp_path


def ollama_model(root: Path, name: str, layers: Any = None, *, has_blob: bool = True) -> Path:
    """Have a manifest `host/namespace/model/tag`; gives its blob."""
    manifest = root / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    if layers is None:
        layers = [
            {"mediaType": MODEL, "digest": f"sha256:{DIGEST}", "size": 4},
            {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "c" * 64},
        ]
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    blob = root / "blobs" / f"sha256-{DIGEST}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    if has_blob:
        blob.write_bytes(b"GGUF")
    return blob


def lm_studio_model(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF")
    return path


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("registry.ollama.ai/library/gemma4/e4b", "gemma4:e4b"),
        ("registry.ollama.ai/library/gemma4/e4b", "Gemma4:E4B"),
        ("registry.ollama.ai/library/gemma4/latest", "gemma4"),
        ("registry.ollama.ai/library/gemma4/latest", "gemma4:latest"),
        ("registry.ollama.ai/someone/gemma4/e2b-q4_0", "someone/gemma4:e2b-q4_0"),
        ("hf.co/unsloth/gemma-4-E4B-it-GGUF/Q4_K_M", "hf.co/unsloth/gemma-4-E4B-it-GGUF:Q4_K_M"),
    ],
)
def test_ollama_names(home: Path, manifest: str, name: str) -> None:
    blob = ollama_model(home / ".ollama" / "models", manifest)
    assert find_local(f"ollama:{name}") == blob


def test_ollama_models_may_be_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(home / "big disk"))
    ollama_model(home / ".ollama" / "models", "registry.ollama.ai/library/other/latest")
    blob = ollama_model(home / "big disk", "registry.ollama.ai/library/gemma4/latest")
    assert find_local("ollama:gemma4") == blob
    with pytest.raises(ModelError):
        find_local("ollama:other")


@pytest.mark.parametrize(
    "name",
    [
        "google/gemma-4-E4B-it-GGUF/gemma-4-E4B-it-Q4_K_M.gguf",
        "google/gemma-4-e4b-it-gguf",
        "Google/gemma-4-E4B-it-GGUF",
    ],
)
@pytest.mark.parametrize("root", [".lmstudio/models", ".cache/lm-studio/models"])
def test_lm_studio_names(home: Path, root: str, name: str) -> None:
    directory = home / root / "google" / "gemma-4-E4B-it-GGUF"
    path = lm_studio_model(directory, "gemma-4-E4B-it-Q4_K_M.gguf")
    lm_studio_model(directory, "mmproj-gemma-4-E4B-it.gguf")
    assert find_local(f"lmstudio:{name}") == path


def test_lm_studio_directory_with_several_files(home: Path) -> None:
    for name in ("a-Q4_0.gguf", "a-Q8_0.gguf"):
        lm_studio_model(home / ".lmstudio" / "models" / "google" / "a", name)
    with pytest.raises(ModelError, match=r"a-Q4_0\.gguf, a-Q8_0\.gguf"):
        find_local("lmstudio:google/a")


def have_both(home: Path) -> None:
    ollama_model(home / ".ollama" / "models", "registry.ollama.ai/library/gemma4/e4b")
    lm_studio_model(home / ".lmstudio" / "models", "google/gemma-4-E4B/model.gguf")


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("ollama:gema4:e4b", "did you mean ollama:gemma4:e4b?"),
        ("ollama:gemma4", "did you mean ollama:gemma4:e4b?"),
        ("ollama:zzz", "there are ollama:gemma4:e4b"),
        ("lmstudio:google/gemma4-E4B", "did you mean lmstudio:google/gemma-4-E4B/model.gguf?"),
    ],
)
def test_misses_name_what_is_there(home: Path, wanted: str, hint: str) -> None:
    have_both(home)
    with pytest.raises(ModelError) as caught:
        find_local(wanted)
    assert (caught.value.code, caught.value.hint) == (ErrorCode.MODEL_NOT_FOUND, hint)


@pytest.mark.parametrize("program", ["ollama:", "lmstudio:"])
def test_nothing_there(home: Path, program: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_local(f"{program}gemma4")
    assert "there are no models" in caught.value.hint


HOSTILE = [
    "",
    "..",
    "../../secret",
    "/etc/passwd",
    "*",
    "*/*/*",
    "a\0b",
    "..\\secret",
    "~",
    "a" * 9999,
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("program", ["ollama:", "lmstudio:"])
def test_names_never_become_paths(home: Path, program: str, name: str) -> None:
    have_both(home)
    (home / "secret").write_text("x")
    with pytest.raises(ModelError) as caught:
        find_local(f"{program}{name}")
    assert caught.value.code == ErrorCode.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    "digest", ["../../../secret", "sha256:../../secret", f"sha256:{DIGEST}/..", "", "md5:00"]
)
def test_digests_never_become_paths(home: Path, digest: str) -> None:
    (home / "secret").write_text("x")
    layers = [{"mediaType": MODEL, "digest": digest}]
    ollama_model(home / ".ollama" / "models", "registry.ollama.ai/library/gemma4/e4b", layers)
    with pytest.raises(ModelError, match="sha256"):
        find_local("ollama:gemma4:e4b")


@pytest.mark.parametrize("layers", [[], {}, 3, [3], [{"mediaType": MODEL}], [{}]])
def test_damaged_manifests(home: Path, layers: Any) -> None:
    ollama_model(home / ".ollama" / "models", "registry.ollama.ai/library/gemma4/e4b", layers)
    with pytest.raises(ModelError):
        find_local("ollama:gemma4:e4b")


def test_missing_blob(home: Path) -> None:
    root = home / ".ollama" / "models"
    ollama_model(root, "registry.ollama.ai/library/gemma4/e4b", has_blob=False)
    with pytest.raises(ModelError, match="missing") as caught:
        find_local("ollama:gemma4:e4b")
    assert "ollama pull gemma4:e4b" in caught.value.hint


def test_import_by_local_name(home: Path) -> None:
    blob = ollama_model(home / ".ollama" / "models", "registry.ollama.ai/library/tiny/latest")
    write_tiny_gguf(blob, "llama")
    import_model("ollama:tiny", home / "model")
    assert load_model_info(home / "model").architecture == "llama"
    with pytest.raises(UsageError, match="no variants"):
        import_model("ollama:tiny", home / "other", variant="q4")


def test_what_cannot_be_imported(home: Path) -> None:
    with pytest.raises(UsageError, match="not there"):
        import_model(str(home / "nothing.gguf"), home / "model")
    with pytest.raises(ModelError, match="neither safetensors nor"):
        import_model(str(home), home / "model")
    (home / "model.json").write_text("{}")
    with pytest.raises(UsageError, match="already"):
        import_model(str(home), home / "model")


def test_paths_are_no_local_names() -> None:
    assert not is_local_name("model.gguf")
    assert not is_local_name("C:\\models\\ollama.gguf")
