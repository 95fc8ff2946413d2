"""`run.py bench engine`: the decoder's speed, beside llama.cpp where it is installed.

The peer (`pip install llama-cpp-python`, compiled from source) runs the GGUF file that the model
was made from. Its bits are named in the row: SmolLM2's Q4_1 has no fast kernel in llama.cpp while
ours runs it at 8 bit, so that row is no claim about equal bits.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from npc_brain.cache import cache_dir
from npc_brain.importing.catalogue import resolve_model
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.onnx_decoder import OnnxDecoder

MODEL = "smollm2-135m"
NUM_PROMPT = 512
NUM_DECODED = 64
NUM_ROUNDS = 5
NUM_SLOTS = 8


def run() -> Iterator[dict[str, Any]]:
    """Measure in turns, ours and the peer's; medians of `NUM_ROUNDS` rounds."""
    directory = resolve_model(MODEL)
    started = time.perf_counter()
    decoder = OnnxDecoder(
        directory, DecoderOptions(num_slots=NUM_SLOTS, max_context=NUM_PROMPT + 2 * NUM_DECODED)
    )
    load_s = time.perf_counter() - started
    peer = _Peer.load()
    rounds = [(_ours(decoder), peer.measure() if peer else None) for _ in range(NUM_ROUNDS)]
    decoder.close()
    ours = {key: median(each[0][key] for each in rounds) for key in rounds[0][0]}
    yield {"case": "npc_brain", "model": MODEL, "load_s": round(load_s, 3), **ours}
    if peer is None:
        yield {"case": "llama.cpp as peer", "skipped": "llama-cpp-python is not installed"}
        return
    theirs = {key: median(each[1][key] for each in rounds if each[1]) for key in rounds[0][1] or {}}
    yield {"case": "llama.cpp as peer", "model": peer.path.name, **theirs}
    yield {
        "case": "ratio, npc_brain to peer",
        **{key: round(ours[key] / theirs[key], 2) for key in theirs},
    }


def _ours(decoder: OnnxDecoder) -> dict[str, float]:
    tokens = _tokens(NUM_PROMPT)
    for slot in range(decoder.num_slots):
        decoder.truncate(slot, 0)
    prefill = _per_s(NUM_PROMPT, lambda: decoder.prefill(0, tokens))
    deep = _per_s(NUM_DECODED, lambda: _repeat(lambda: decoder.decode([0], [5])))
    for slot in range(decoder.num_slots):
        decoder.truncate(slot, 0)
        decoder.prefill(slot, tokens[:16])
    decode = _per_s(NUM_DECODED, lambda: _repeat(lambda: decoder.decode([0], [5])))
    slots = list(range(NUM_SLOTS))
    ids = [5] * NUM_SLOTS
    batch = _per_s(NUM_DECODED * NUM_SLOTS, lambda: _repeat(lambda: decoder.decode(slots, ids)))
    return {
        "prefill_512_tokens_per_s": prefill,
        "decode_tokens_per_s": decode,
        "decode_at_512_tokens_per_s": deep,
        "decode_8_slots_tokens_per_s": batch,
    }


class _Peer:
    def __init__(self, path: Path) -> None:
        from llama_cpp import Llama

        self.path = path
        self._llama: Any = Llama(str(path), n_ctx=NUM_PROMPT + 2 * NUM_DECODED, verbose=False)

    @classmethod
    def load(cls) -> "_Peer | None":
        files = sorted(cache_dir("downloads", MODEL).rglob("*.gguf"))
        if importlib.util.find_spec("llama_cpp") is None or not files:
            return None
        return cls(files[0])

    def measure(self) -> dict[str, float]:
        llama = self._llama
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


def _tokens(count: int) -> list[int]:
    return [100 + 37 * n % 20000 for n in range(count)]


def _repeat(step: Callable[[], object]) -> None:
    for _ in range(NUM_DECODED):
        step()


def _per_s(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(count / (time.perf_counter() - started), 1)
