"""Which of ONNX Runtime's execution providers runs a graph, and what happens when one cannot.

The best available one is tried first. One that does not load is reported in one line, and the next
takes its place; the CPU is always the last. Knows nothing of what the graph computes.

Source of the names: ONNX Runtime's execution provider documentation. On the machines that this was
developed on only the CPU provider exists; the others are tested with a stand-in for the runtime.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from npc_brain.errors import ErrorCode, ModelError, UsageError
from npc_brain.inference.runtime import onnxruntime as ort

_log = logging.getLogger(__name__)

AUTO = "auto"
CPU = "cpu"

_RUNTIME_NAMES = {
    "tensorrt-rtx": "NvTensorRTRTXExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    CPU: "CPUExecutionProvider",
}

PROVIDERS = tuple(_RUNTIME_NAMES)
"""Names of providers, best first."""


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session and where it runs.

    Attributes:
        session: The runtime's session.
        provider: One of `PROVIDERS`.
        notice: One line on every provider that was tried before and did not load; may be empty.
    """

    session: ort.InferenceSession
    provider: str
    notice: str = ""


def available_providers() -> list[str]:
    """The providers that the installed runtime was built with, best first.

    That one is listed does not mean that its drivers and libraries are there too.
    """
    built_in = ort.get_available_providers()
    return [name for name in PROVIDERS if _RUNTIME_NAMES[name] in built_in]


def session_options(num_threads: int, is_spinning: bool) -> ort.SessionOptions:
    """How a decoder's session runs; see `OnnxDecoder` for the arguments."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 4  # errors come as exceptions already
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(is_spinning)))
    return options


def open_session(path: Path, options: ort.SessionOptions, *, provider: str = AUTO) -> OpenedSession:
    """Load the graph at `path` on `provider`, or on the best one that loads it.

    Args:
        path: The graph.
        options: How to run it; changed where a provider demands it.
        provider: One of `PROVIDERS`, or `auto`.

    Raises UsageError for another name, ModelError when not even the CPU loads the graph.
    """
    failures: list[str] = []
    for name in _candidates(provider):
        try:
            session = _open(path, options, name)
        except Exception as error:  # the runtime's errors have no common base but Exception
            if name == CPU:
                raise ModelError(
                    f"{path} cannot be loaded: {error}",
                    code=ErrorCode.BAD_MODEL,
                    hint="run `npc-brain model verify` on its directory; "
                    "import it again if it is damaged",
                ) from error
            failures.append(f"{name} ({str(error).strip().splitlines()[0][:200]})")
            continue
        notice = f"running on {name}: could not use {', '.join(failures)}" if failures else ""
        if notice:
            _log.warning("%s", notice)
        return OpenedSession(session, name, notice)
    raise AssertionError("the CPU is always a candidate")


def _candidates(provider: str) -> Iterator[str]:
    if provider == AUTO:
        yield from (name for name in available_providers() if name != CPU)
    elif provider not in PROVIDERS:
        raise UsageError(
            f"there is no provider {provider}", hint=f"use {AUTO} or one of {', '.join(PROVIDERS)}"
        )
    elif provider != CPU:
        yield provider
    yield CPU


def _open(path: Path, options: ort.SessionOptions, name: str) -> ort.InferenceSession:
    wanted, cpu = _RUNTIME_NAMES[name], _RUNTIME_NAMES[CPU]
    if wanted not in (*ort.get_available_providers(), cpu):
        raise RuntimeError("this build of ONNX Runtime is without it")
    if name == "cuda" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds CUDA's libraries where pip has put them
    if name == "directml":
        options.enable_mem_pattern = False  # DirectML takes neither this nor parallel execution
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    if path.exists() and not path.is_file():  # the runtime would wait for a FIFO
        raise RuntimeError("it is no regular file")
    providers = [cpu] if name == CPU else [wanted, cpu]
    session = ort.InferenceSession(os.fspath(path), options, providers=providers)
    if wanted not in session.get_providers():  # without its libraries it is left out in silence
        raise RuntimeError("its drivers or libraries did not load")
    return session
