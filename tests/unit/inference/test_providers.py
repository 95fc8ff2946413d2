"""The choice of a provider, with a stand-in for the runtime."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from npc_brain.cli import serve
from npc_brain.errors import InferenceError, ModelError, UsageError
from npc_brain.importing.gguf_import import import_gguf
from npc_brain.inference import providers
from npc_brain.inference.backends import onnx as onnx_backend
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.onnx_decoder import OnnxDecoder
from npc_brain.inference.providers import PROVIDERS, available_providers, open_session
from tests.tiny_gguf import write_tiny_gguf

GRAPH = Path("model.onnx")
RUNTIME_NAMES = {
    "tensorrt-rtx": "NvTensorRTRTXExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


class FakeRuntime:
    """An onnxruntime that was built with some providers, of which some do not work."""

    ExecutionMode = SimpleNamespace(ORT_SEQUENTIAL="sequential")

    def __init__(self, *built_in: str, raising: str = "", silent: str = "") -> None:
        self._built_in = [RUNTIME_NAMES[name] for name in (*built_in, "cpu")]
        self._raising = RUNTIME_NAMES.get(raising)
        self._silent = RUNTIME_NAMES.get(silent)
        self.tried: list[list[str]] = []
        self.num_preloads = 0

    def get_available_providers(self) -> list[str]:
        return self._built_in

    def preload_dlls(self) -> None:
        self.num_preloads += 1

    def InferenceSession(  # noqa: N802  the runtime's name
        self, path: str, options: Any, *, providers: list[str]
    ) -> Any:
        assert path == str(GRAPH)
        self.tried.append(providers)
        if self._raising in providers:
            raise RuntimeError("device lost\nat line 1")
        kept = [name for name in providers if name != self._silent]
        return SimpleNamespace(get_providers=lambda: kept)


def fake(monkeypatch: pytest.MonkeyPatch, *built_in: str, **faults: str) -> FakeRuntime:
    runtime = FakeRuntime(*built_in, **faults)
    monkeypatch.setattr(providers, "ort", runtime)
    return runtime


def opened(provider: str = "auto") -> tuple[str, str]:
    result = open_session(GRAPH, SimpleNamespace(), provider=provider)
    return result.provider, result.notice


def test_the_best_provider_that_is_there_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for position, best in enumerate(PROVIDERS):
        fake(monkeypatch, *reversed(PROVIDERS[position:-1]))
        assert available_providers() == list(PROVIDERS[position:])
        assert opened() == (best, "")


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_can_be_forced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    runtime = fake(monkeypatch, *PROVIDERS[:-1])
    assert opened(name) == (name, "")
    assert [each[0] for each in runtime.tried] == [RUNTIME_NAMES[name]]
    assert runtime.tried[0][-1] == RUNTIME_NAMES["cpu"]  # for operators that the provider lacks


def test_one_that_fails_is_told_in_one_line_and_the_next_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake(monkeypatch, "cuda", "directml", raising="cuda")
    provider, notice = opened()
    assert provider == "directml"
    assert notice == "running on directml: could not use cuda (device lost)"
    assert [record.getMessage() for record in caplog.records] == [notice]


def test_one_that_the_runtime_leaves_out_in_silence_counts_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake(monkeypatch, "cuda", silent="cuda")
    provider, notice = opened()
    assert provider == "cpu"
    assert "cuda (its drivers or libraries did not load)" in notice


def test_a_forced_one_that_is_not_built_in_falls_back_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = fake(monkeypatch, "directml")
    provider, notice = opened("cuda")
    assert provider == "cpu"
    assert "this build of ONNX Runtime is without it" in notice
    assert [each[0] for each in runtime.tried] == [RUNTIME_NAMES["cpu"]]


def test_a_graph_that_no_provider_loads_is_an_error_about_the_graph(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake(monkeypatch, "cuda", raising="cpu")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded: device lost"):
        opened()
    assert not caplog.records


def test_an_unknown_name_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch)
    with pytest.raises(UsageError, match="no provider gpu"):
        opened("gpu")


def test_cuda_libraries_of_pip_are_loaded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = fake(monkeypatch, "cuda")
    opened("cpu")
    assert runtime.num_preloads == 0
    opened("cuda")
    assert runtime.num_preloads == 1


def test_directml_gets_the_options_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "directml")
    options = SimpleNamespace(enable_mem_pattern=True, execution_mode="parallel")
    open_session(GRAPH, options)
    assert not options.enable_mem_pattern
    assert options.execution_mode == "sequential"


class HalfWorkingDecoder:
    """Loads on any provider and computes on the CPU only."""

    provider_notice = ""

    def __init__(self, *, provider: str) -> None:
        self.provider = provider
        self.is_closed = False

    def prefill(self, slot: int, token_ids: list[int]) -> None:
        if self.provider != "cpu":
            raise InferenceError("the model runtime failed: no kernel")

    def truncate(self, slot: int, length: int) -> None: ...

    def close(self) -> None:
        self.is_closed = True


def test_a_provider_that_loads_but_cannot_compute_gives_way_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[HalfWorkingDecoder] = []

    def open_half_working(model_dir: Path, options: DecoderOptions) -> Any:
        made.append(HalfWorkingDecoder(provider=options.provider))
        return made[-1]

    monkeypatch.setattr(onnx_backend, "open_decoder", open_half_working)
    decoder, notice = onnx_backend._working_decoder(Path(), DecoderOptions(provider="cuda"))
    assert decoder is made[1]
    assert decoder.provider == "cpu"
    assert made[0].is_closed
    assert "cuda loads the model but fails" in notice


@pytest.mark.skipif("cuda" in available_providers(), reason="this runtime was built with CUDA")
def test_a_real_runtime_without_cuda_runs_the_model_on_the_cpu(tmp_path: Path) -> None:
    import_gguf(write_tiny_gguf(tmp_path / "tiny.gguf", "llama"), tmp_path / "model")
    decoder = OnnxDecoder(tmp_path / "model", DecoderOptions(max_context=8, provider="cuda"))
    assert decoder.provider == "cpu"
    assert "could not use cuda" in decoder.provider_notice
    assert decoder.prefill(0, [3]).shape == (1, decoder.vocab_size)
    decoder.close()


def test_the_command_offers_every_provider() -> None:
    assert ("auto", *PROVIDERS) == serve.PROVIDERS
