"""`run.py bench model`: a full-size Gemma 4 on this machine, with random weights.

The peer is llama.cpp on a random GGUF file of the same shape in Q4_0, in the same run, where
llama-cpp-python is installed.
"""

import gc
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from npc_brain.cache import cache_dir
from npc_brain.cli.progress import progress_bar
from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.embedding_table import EmbeddingTable
from npc_brain.inference.model_dir import INFO_FILE, load_model_info
from npc_brain.inference.onnx_decoder import OnnxDecoder
from tests.bench.random_model import SHAPES, make_random_model

NUM_PROMPT = 512
NUM_DECODED = 24
NUM_ROUNDS = 3
NUM_LOOKED_UP = 8192
BYTES_PER_WEIGHT = 0.5 + 4 / 32
"""Codes of 4 bits and a float32 scale in 32 weights."""


def run(arch: str) -> Iterator[dict[str, Any]]:
    """Measure `arch` (of `SHAPES`); the first run writes the model (some GB) to the cache."""
    directory = cache_dir("models", f"{arch}-random")
    if not (directory / INFO_FILE).is_file():
        with progress_bar() as progress:
            make_random_model(arch, directory, progress)
    spec = SHAPES[arch]
    yield {"case": "per-layer table", "arch": arch, **_table_memory(directory)}
    started = time.perf_counter()
    before = _resident_mb()
    num_threads = os.cpu_count() or 1
    decoder = OnnxDecoder(directory, DecoderOptions(max_context=1024, num_threads=num_threads))
    load_s = time.perf_counter() - started
    loaded = _resident_mb()
    peer = _Peer.load(arch, spec, num_threads)
    rounds = [
        (_memory_bandwidth(num_threads), _ours(decoder), peer.measure() if peer else {})
        for _ in range(NUM_ROUNDS)
    ]
    ours = _best([ours for _, ours, _ in rounds])
    bandwidth = max(value for value, _, _ in rounds)
    yield {
        "case": "npc_brain",
        "arch": arch,
        "load_s": round(load_s, 1),
        **{f"{key}_mb": loaded[key] - before[key] for key in loaded},
        **ours,
    }
    num_bytes = _bytes_per_token(spec)
    ceiling = bandwidth / num_bytes
    yield {
        "case": "against memory",
        "arch": arch,
        "bandwidth_gb_per_s": round(bandwidth / 1e9, 1),
        "read_per_token_gb": round(num_bytes / 1e9, 2),
        "ceiling_tokens_per_s": round(ceiling, 1),
        "decode_share_of_ceiling": round(ours["decode_tokens_per_s"] / ceiling, 2),
    }
    decoder.close()
    if peer is None:
        yield {"case": "llama.cpp as peer", "skipped": "llama-cpp-python is not installed"}
        return
    theirs = _best([theirs for _, _, theirs in rounds])
    yield {"case": "llama.cpp as peer", "model": f"{arch}, random Q4_0", **theirs}
    yield {
        "case": "ratio, npc_brain to peer",
        **{key: round(ours[key] / theirs[key], 2) for key in theirs},
    }


def _ours(decoder: OnnxDecoder) -> dict[str, float]:
    tokens = _tokens(NUM_PROMPT)
    decoder.skips_unread = False
    decoder.truncate(0, 0)
    plain = _per_s(NUM_PROMPT // 2, lambda: decoder.prefill(0, tokens[: NUM_PROMPT // 2]))
    decoder.skips_unread = True
    decoder.truncate(0, 0)
    prefill = _per_s(NUM_PROMPT, lambda: decoder.prefill(0, tokens))
    deep = _per_s(NUM_DECODED, lambda: _repeat(lambda: decoder.decode([0], [5])))
    decoder.truncate(0, 16)
    decode = _per_s(NUM_DECODED, lambda: _repeat(lambda: decoder.decode([0], [5])))
    return {
        "prefill_512_tokens_per_s": prefill,
        "prefill_without_skipping_tokens_per_s": plain,
        "decode_tokens_per_s": decode,
        "decode_at_512_tokens_per_s": deep,
    }


class _Peer:
    def __init__(self, path: Path, num_threads: int) -> None:
        from llama_cpp import Llama

        self._llama: Any = Llama(str(path), n_ctx=1024, verbose=False)
        self._thread_counts = sorted({1, num_threads})

    @classmethod
    def load(cls, arch: str, spec: Gemma4Spec, num_threads: int) -> "_Peer | None":
        if importlib.util.find_spec("llama_cpp") is None:
            return None
        from tests.bench.model_gguf import write_random_gguf

        path = cache_dir("downloads", f"{arch}-random", f"{arch}-random-q4_0.gguf")
        if not path.is_file():
            write_random_gguf(spec, path)
        return cls(path, num_threads)

    def measure(self) -> dict[str, float]:
        """The best of one thread and all: beside other programs, all may be slower."""
        return _best([self._measure(count) for count in self._thread_counts])

    def _measure(self, num_threads: int) -> dict[str, float]:
        from llama_cpp import llama_set_n_threads

        llama = self._llama
        llama_set_n_threads(llama.ctx, num_threads, num_threads)
        llama.reset()
        prefill = _per_s(NUM_PROMPT, lambda: llama.eval(_tokens(NUM_PROMPT)))
        deep = _per_s(NUM_DECODED, lambda: _repeat(lambda: llama.eval([5])))
        llama.reset()
        llama.eval(_tokens(16))
        decode = _per_s(NUM_DECODED, lambda: _repeat(lambda: llama.eval([5])))
        return {
            "prefill_512_tokens_per_s": prefill,
            "decode_tokens_per_s": decode,
            "decode_at_512_tokens_per_s": deep,
        }


def _best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure the best round: what disturbs a run only ever makes it slower."""
    return {key: max(each[key] for each in rounds) for key in rounds[0]}


def _bytes_per_token(spec: Gemma4Spec) -> float:
    """Bytes of all matrices, each of which a decoded token reads once."""
    return BYTES_PER_WEIGHT * sum(rows * columns for rows, columns in spec.matrices().values())


def _table_memory(directory: Path) -> dict[str, Any]:
    """What looking up many different tokens in the per-layer table makes resident."""
    info = load_model_info(directory)
    dims = info.dims
    if info.per_layer_embedding is None or dims.per_layer_width is None:
        return {}
    before = sum(_resident_mb().values())
    width = dims.layers * dims.per_layer_width
    table = EmbeddingTable(directory, info.per_layer_embedding, dims.vocab, width)
    tokens = np.random.default_rng(0).permutation(dims.vocab)[:NUM_LOOKED_UP].tolist()
    most, started = 0, time.perf_counter()
    for first in range(0, NUM_LOOKED_UP, 128):
        table.rows(tokens[first : first + 128])
        most = max(most, sum(_resident_mb().values()))
    took_s = time.perf_counter() - started
    return {
        "file_mb": (directory / info.per_layer_embedding.path).stat().st_size // 1_000_000,
        "added_resident_mb": most - before,
        "us_per_token": round(took_s / NUM_LOOKED_UP * 1e6, 1),
    }


def _memory_bandwidth(num_threads: int) -> float:
    """Bytes per second that `num_threads` threads read from memory together; best of 5."""
    parts = [np.ones(1 << 26, np.float32) for _ in range(num_threads)]
    best = 0.0
    with ThreadPoolExecutor(num_threads) as pool:
        for _ in range(5):
            started = time.perf_counter()
            list(pool.map(lambda part: float(np.dot(part, part)), parts))
            best = max(best, len(parts) * parts[0].nbytes / (time.perf_counter() - started))
    del parts
    gc.collect()
    return best


def _resident_mb() -> dict[str, int]:
    """Resident memory of this process: its own, and pages of files. Empty where not known."""
    if not sys.platform.startswith("linux"):
        return {}
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {
        "resident_own": int(values["RssAnon"].split()[0]) // 1000,
        "resident_file": int(values["RssFile"].split()[0]) // 1000,
    }


def _tokens(count: int) -> list[int]:
    return [100 + 37 * n % 20000 for n in range(count)]


def _repeat(step: Callable[[], object]) -> None:
    for _ in range(NUM_DECODED):
        step()


def _per_s(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(count / (time.perf_counter() - started), 2)
