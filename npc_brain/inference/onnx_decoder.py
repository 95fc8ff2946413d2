"""Runs a decoder's graph with ONNX Runtime; the only decoder that needs real weights.

Every slot owns a lane of preallocated KV buffers, which the graph reads and appends to in place.
Knows token ids and logits only: no text, sampling or scheduling.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from npc_brain.errors import InferenceError, ModelError
from npc_brain.inference.decoder import KVSnapshot, Logits
from npc_brain.inference.embedding_table import EmbeddingTable
from npc_brain.inference.model_dir import GRAPH_FILE, ModelInfo, load_model_info
from npc_brain.inference.providers import CPU, open_session, session_options
from npc_brain.inference.slot_decoder import SlotDecoder

PREFILL_CHUNK = 128
"""Tokens per call in a prefill: longer ones are not faster, and this bounds how long one takes."""

_CPU = "cpu"


class OnnxDecoder(SlotDecoder):
    """A `Decoder` run by ONNX Runtime. Blocks while it computes; one thread uses it at a time.

    Attributes:
        info: What `model.json` says.
        provider: What computes: one of `providers.PROVIDERS`.
        provider_notice: Which providers did not load, for people; empty when the wanted one did.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        num_slots: int = 1,
        max_context: int = 2048,
        num_threads: int = 0,
        is_spinning: bool = False,
        provider: str = CPU,
    ) -> None:
        """Load the model in `model_dir` and allocate the KV of all slots.

        Args:
            model_dir: A model directory of kind `decoder`.
            num_slots: Lanes, 1 or more.
            max_context: Positions a slot holds; cut to what the model supports.
            num_threads: Threads of the runtime; 0 takes one per physical core.
            is_spinning: Whether idle threads wait busily: about a fifth faster when nothing else
                runs, half as fast beside one busy program such as a game.
            provider: What computes; see `providers.open_session`.

        Raises ModelError when the directory is damaged or not a decoder.
        """
        self.info: ModelInfo = load_model_info(model_dir)
        dims = self.info.dims
        if self.info.kind != "decoder" or self.info.embedding is None:
            raise ModelError(f"{model_dir} holds a {self.info.kind}, wanted a decoder")
        super().__init__(
            vocab_size=dims.vocab,
            num_slots=num_slots,
            max_context=min(max_context, dims.context),
        )
        self._embeddings = EmbeddingTable(model_dir, self.info.embedding, dims.vocab, dims.hidden)
        opened = open_session(
            model_dir / GRAPH_FILE, session_options(num_threads, is_spinning), provider=provider
        )
        self.provider, self.provider_notice = opened.provider, opened.notice
        self._session = opened.session
        self._caches = {
            node.name: np.zeros((num_slots, node.shape[1], self.max_context, node.shape[3]), "f4")
            for node in self._session.get_inputs()
            if node.name.startswith("past_key_values.")
        }
        self._decode_logits = np.zeros((num_slots, dims.vocab), np.float32)
        self._lanes: dict[tuple[int, int], _Lanes] = {}

    def prefill(self, slot: int, token_ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        """See `Decoder.prefill`."""
        self._check_prefill(slot, token_ids)
        logits = np.empty((len(token_ids) if all_logits else 1, self.vocab_size), np.float32)
        for start in range(0, len(token_ids), PREFILL_CHUNK):
            chunk = token_ids[start : start + PREFILL_CHUNK]
            if all_logits:
                wanted = np.arange(len(chunk))
                self._run(slot, [slot], chunk, wanted, logits[start : start + len(chunk)])
            else:
                self._run(slot, [slot], chunk, np.array([len(chunk) - 1]), logits)
        return logits

    def decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> Logits:
        """See `Decoder.decode`. Slots between the lowest and the highest run along as idle rows."""
        self._check_decode(slots, token_ids)
        first = min(slots)
        logits = self._decode_logits[: len(slots)]
        self._run(first, slots, token_ids, np.array(slots) - first, logits)
        return logits

    def snapshot(self, slot: int, length: int) -> KVSnapshot:
        """See `Decoder.snapshot`."""
        self._check_held(slot, length, self._lengths[slot])
        data = {name: cache[slot, :, :length].copy() for name, cache in self._caches.items()}
        return KVSnapshot(length, sum(part.nbytes for part in data.values()), data)

    def restore(self, slot: int, snapshot: KVSnapshot, length: int) -> None:
        """See `Decoder.restore`."""
        self._check_held(slot, length, min(snapshot.num_tokens, self.max_context))
        for name, cache in self._caches.items():
            cache[slot, :, :length] = snapshot.data[name][:, :length]
        self._lengths[slot] = length

    def close(self) -> None:
        """Free the session and the KV; the decoder cannot be used afterwards."""
        self._lanes.clear()
        self._caches.clear()
        del self._session

    def _run(
        self,
        first: int,
        slots: Sequence[int],
        token_ids: Sequence[int],
        logit_rows: npt.NDArray[np.int64],
        logits: Logits,
    ) -> None:
        """Append len(token_ids) / len(slots) tokens to each of `slots`, the lowest being `first`.

        Fills float32[len(logit_rows), vocab] `logits`.
        """
        key = (first, max(slots) - first + 1)
        lanes = self._lanes.get(key)
        if lanes is None:
            lanes = self._lanes[key] = _Lanes(self._session, self._caches, *key)
        width = len(token_ids) // len(slots)
        rows = np.asarray(slots) - first
        lanes.resize(width, self.info.dims.hidden)
        lanes.embeddings[rows] = self._embeddings.rows(token_ids).reshape(len(slots), width, -1)
        # An idle row appends nothing, and nothing is read of what its slot holds: it may claim to
        # hold one position, the least the operator takes, even when its slot is full.
        lanes.last_positions[:] = 0
        lanes.last_positions[rows] = [self._lengths[slot] + width - 1 for slot in slots]
        lanes.query_lengths[:] = 0
        lanes.query_lengths[rows] = width
        lanes.bind_logits(logit_rows, logits)
        try:
            self._session.run_with_iobinding(lanes.binding)
        except Exception as error:  # the runtime's errors have no common base but Exception
            raise InferenceError(f"the model runtime failed: {error}") from error
        for slot in slots:
            self._lengths[slot] += width


class _Lanes:
    """The bound buffers of `num_rows` slots from `first` on."""

    def __init__(
        self,
        session: ort.InferenceSession,
        caches: dict[str, npt.NDArray[np.float32]],
        first: int,
        num_rows: int,
    ) -> None:
        self.num_rows = num_rows
        self.embeddings = np.zeros((num_rows, 0, 0), np.float32)
        self.last_positions = np.zeros(num_rows, np.int32)
        self.query_lengths = np.zeros(num_rows, np.int32)
        self._capacity = np.array(next(iter(caches.values())).shape[2], np.int32)
        self._logit_rows = np.zeros(0, np.int64)
        self.binding = session.io_binding()
        self._bind_input("seqlens_k", self.last_positions)
        self._bind_input("query_seqlens", self.query_lengths)
        self._bind_input("total_sequence_length", self._capacity)
        for name, cache in caches.items():
            part = cache[first : first + num_rows]
            self._bind_input(name, part)
            self._bind_output(name.replace("past_key_values", "present"), part)

    def resize(self, width: int, hidden: int) -> None:
        """Make room for `width` tokens a row."""
        if self.embeddings.shape[1] != width:
            self.embeddings = np.zeros((self.num_rows, width, hidden), np.float32)
            self._bind_input("inputs_embeds", self.embeddings)

    def bind_logits(self, logit_rows: npt.NDArray[np.int64], logits: Logits) -> None:
        """Have the logits of `logit_rows` (of the flattened tokens) written to `logits`."""
        self._logit_rows = logit_rows
        self._bind_input("logit_rows", logit_rows)
        self._bind_output("logits", logits)

    def _bind_input(self, name: str, array: npt.NDArray[Any]) -> None:
        self.binding.bind_input(name, _CPU, 0, array.dtype.type, array.shape, array.ctypes.data)

    def _bind_output(self, name: str, array: npt.NDArray[Any]) -> None:
        self.binding.bind_output(name, _CPU, 0, array.dtype.type, array.shape, array.ctypes.data)
