"""`npc-brain model pull` of published models, from a local server that stands in for the hub."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npc_brain.errors import ErrorCode, ModelError, UsageError
from npc_brain.importing import catalogue, hub
from npc_brain.importing.catalogue import CATALOGUE, HubEntry, model_path, pull
from npc_brain.importing.hub import fetch_from_hub
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.model_dir import load_model_info, no_progress, verify
from npc_brain.inference.open_decoder import open_decoder
from tests.integration.hub_server import COMMIT, HubServer
from tests.published_checkpoint import E2B_PATTERN, tiny_config, write_checkpoint

constants = pytest.importorskip("huggingface_hub.constants", reason="the extra `hub`")

DATA = "decoder_model_merged_q4.onnx_data"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """E2B in small, in two variants, with files that nobody needs."""
    root = tmp_path_factory.mktemp("repository") / "e2b"
    config = tiny_config(E2B_PATTERN, num_shared=20, kv_heads=1, is_double_wide=True)
    write_checkpoint(root, config)
    half = write_checkpoint(root.parent / "half", config, variant="q4f16").directory
    for path in (half / "onnx").iterdir():
        shutil.copy(path, root / "onnx")
    (root / "README.md").write_text("not needed")
    return root


@pytest.fixture
def entry() -> HubEntry:
    found = CATALOGUE["gemma-4-e2b"]
    assert isinstance(found, HubEntry)
    return found


@pytest.fixture
def server(
    repository: Path, entry: HubEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    own = Path(shutil.copytree(repository, tmp_path / "repository"))
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "_RETRY_PAUSE_S", 0.0)
    with HubServer(own, entry.repo_id) as server:
        use(server.endpoint, monkeypatch)
        yield server


def use(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does; the package reads it when it is imported."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_pull_by_command(server: HubServer, entry: HubEntry, tmp_path: Path) -> None:
    """The program as people run it: HF_ENDPOINT, a token, one line of output."""
    environment = os.environ | {"HF_ENDPOINT": server.endpoint, "HF_TOKEN": "hf_test"}
    command = [sys.executable, "-m", "npc_brain", "model"]
    done = subprocess.run(
        [*command, "pull", entry.name], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{model_path(entry, 'q4')}\n"
    info = verify(model_path(entry))
    assert info.source == f"{entry.repo_id}@{COMMIT} (q4)"
    decoder = open_decoder(model_path(entry), DecoderOptions(max_context=16))
    assert decoder.prefill(0, [3, 4, 5]).shape == (1, 262)
    to_hub = {r.has_token for r in server.requests if entry.repo_id in r.path}
    to_others = {r.has_token for r in server.requests if r.is_cdn}
    assert (to_hub, to_others) == ({True}, {False})
    asked = {request.path.rsplit("/", 1)[-1] for request in server.requests}
    assert not any("q4f16" in name or name == "README.md" for name in asked)


def test_is_pulled_once_and_used_offline(server: HubServer, entry: HubEntry) -> None:
    path = pull(entry)
    num_requests = len(server.requests)
    server.status = 500
    assert pull(entry) == path
    assert len(server.requests) == num_requests
    shared = catalogue.sources_path(entry) / "onnx" / DATA
    assert os.path.samefile(shared, path / DATA), "weights are on the disk once"


@pytest.mark.parametrize(
    ("providers", "variant"),
    [(["cpu"], "q4"), (["cuda", "cpu"], "q4f16"), (["directml", "cpu"], "q4f16")],
)
def test_variant_suits_the_provider(
    server: HubServer,
    entry: HubEntry,
    monkeypatch: pytest.MonkeyPatch,
    providers: list[str],
    variant: str,
) -> None:
    monkeypatch.setattr("npc_brain.inference.providers.available_providers", lambda: providers)
    assert load_model_info(pull(entry)).source.endswith(f"({variant})")


def test_variant_can_be_chosen(server: HubServer, entry: HubEntry) -> None:
    path = pull(entry, variant="q4f16")
    assert load_model_info(path).source.endswith("(q4f16)")
    assert pull(entry) == path, "one that is there will do"
    assert pull(entry, variant="q4") != path
    with pytest.raises(UsageError, match="q3"):
        pull(entry, variant="q3")
    with pytest.raises(UsageError, match="no variants"):
        pull(CATALOGUE["minilm-l6"], variant="q4")


def test_connection_that_breaks_is_taken_up_again(server: HubServer, entry: HubEntry) -> None:
    server.cut_file, server.cut_after, server.num_cuts = DATA, 100_000, 3
    verify(pull(entry))
    assert server.fetched(DATA)[:3] == [None, "bytes=100000-", "bytes=200000-"]


def test_server_without_ranges_starts_over(server: HubServer, entry: HubEntry) -> None:
    server.knows_ranges = False
    server.cut_file, server.cut_after, server.num_cuts = DATA, 100_000, 1
    verify(pull(entry))
    assert server.fetched(DATA)[:2] == [None, "bytes=100000-"]


def test_interrupted_download_goes_on_in_the_next_try(server: HubServer, entry: HubEntry) -> None:
    def interrupt(done: int, total: int, what: str) -> None:
        if DATA in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(entry, interrupt)
    assert not model_path(entry).exists()
    num_before = len(server.requests)
    verify(pull(entry))
    asked = [r.path for r in server.requests[num_before:]]
    first, second = server.fetched(DATA)
    assert first is None
    assert second is not None, "what had come was kept"
    assert not any(path.endswith("config.json") for path in asked), "what is whole is kept"


def test_partial_file_of_a_killed_process_is_continued(server: HubServer, entry: HubEntry) -> None:
    """The beginning is kept under a name that tells the content it belongs to."""
    server.cut_file, server.cut_after, server.num_cuts = DATA, 100_000, 1
    hub._MAX_TRIES, before = 0, hub._MAX_TRIES
    try:
        with pytest.raises(ModelError) as caught:
            pull(entry)
    finally:
        hub._MAX_TRIES = before
    assert caught.value.code == ErrorCode.DOWNLOAD_FAILED
    (partial,) = catalogue.sources_path(entry).rglob("*.partial")
    assert partial.stat().st_size == 100_000
    verify(pull(entry))
    assert server.fetched(DATA) == [None, "bytes=100000-"]


def test_wrong_checksum_is_refused_and_forgotten(server: HubServer, entry: HubEntry) -> None:
    server.corrupts = DATA
    with pytest.raises(ModelError, match=f"{DATA}.*checksum") as caught:
        pull(entry)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.DOWNLOAD_FAILED, True)
    assert not model_path(entry).exists()
    assert not list(catalogue.sources_path(entry).rglob("*.partial"))
    server.corrupts = ""
    verify(pull(entry))


def test_file_changed_on_this_disk_is_fetched_again(server: HubServer, entry: HubEntry) -> None:
    sources = catalogue.sources_path(entry)
    fetch_from_hub(entry.repo_id, lambda path: path.endswith(DATA), sources, no_progress)
    changed = sources / "onnx" / DATA
    changed.write_bytes(bytes(changed.stat().st_size))
    verify(pull(entry))


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, ErrorCode.DOWNLOAD_FAILED, "HF_TOKEN"),
        (403, ErrorCode.DOWNLOAD_FAILED, "HF_TOKEN"),
        (404, ErrorCode.MODEL_NOT_FOUND, "not on the hub"),
        (500, ErrorCode.DOWNLOAD_FAILED, "try"),
    ],
)
def test_refusals(
    server: HubServer, entry: HubEntry, status: int, code: ErrorCode, hint: str
) -> None:
    server.status = status
    with pytest.raises(ModelError) as caught:
        pull(entry)
    assert caught.value.code == code
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message
    assert not model_path(entry).exists()


def test_repository_without_the_variant(server: HubServer, entry: HubEntry) -> None:
    with pytest.raises(ModelError, match=r"decoder_model_merged_fp16\.onnx"):
        pull(entry, variant="fp16")


def test_nobody_answers(entry: HubEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path))
    use("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(ModelError) as caught:
        pull(entry)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.DOWNLOAD_FAILED, True)


def test_offline_mode(entry: HubEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_BRAIN_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot download"):
        pull(entry)


def test_full_disk_is_told_before_the_download(
    server: HubServer, entry: HubEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(100, 50, 50)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match="free") as caught:
        pull(entry)
    assert "NPC_BRAIN_CACHE" in caught.value.hint
    assert not [request for request in server.requests if "resolve" in request.path]


def test_disk_that_fills_up_meanwhile(
    server: HubServer, entry: HubEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = Path.open

    class FullDisk:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *details: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    def opened(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = real_open(path, mode, *args, **options)
        return FullDisk(file) if mode == "ab" and DATA in path.name else file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(ModelError, match="free"):
        pull(entry)
    monkeypatch.setattr(Path, "open", real_open)
    verify(pull(entry))


def test_hostile_file_names_are_refused(server: HubServer, tmp_path: Path) -> None:
    names = ["../config.json", "/config.json", "onnx/../../config.json", "..\\config.json"]
    for name in names:
        info = server.info()
        info["siblings"] = [{"rfilename": name, "size": 1, "blobId": "0" * 40}]
        server.info = lambda info=info: info  # type: ignore[method-assign, misc]
        with pytest.raises(ModelError, match="outside"):
            fetch_from_hub(server.repo_id, lambda path: True, tmp_path / "target", no_progress)
    assert not (tmp_path / "target").exists()


def test_progress_rises_to_the_total(server: HubServer, entry: HubEntry) -> None:
    seen: list[tuple[int, int]] = []

    def show(done: int, total: int, what: str) -> None:
        if what.startswith("download"):
            seen.append((done, total))

    pull(entry, show)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 0
