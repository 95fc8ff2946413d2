"""Runs a decoder's graph with ONNX Runtime; the only decoder that needs real weights.

Every slot owns a lane of preallocated KV buffers, which the graph reads and appends to in place.
Knows token ids and logits only: no text, sampling or scheduling.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from npc_brain.errors import ErrorCode, InferenceError, ModelError
from npc_brain.inference.decoder import KVSnapshot, Logits
from npc_brain.inference.embedding_table import EmbeddingTable
from npc_brain.inference.model_dir import GRAPH_FILE, ModelInfo, load_model_info

PREFILL_CHUNK = 128
"""Tokens per call in a prefill. Longer chunks are not faster, and this bounds how long one takes."""

_CPU = "cpu"


class OnnxDecoder:
    """A `Decoder` on the CPU. Blocks while it computes; one thread uses it at a time."""

    def __init__(
        self,
        model_dir: Path,
        *,
        num_slots: int = 1,
        max_context: int = 2048,
        num_threads: int = 0,
        is_spinning: bool = False,
    ) -> None:
        """Load the model in `model_dir` and allocate the KV of all slots.

        Args:
            model_dir: A model directory of kind `decoder`.
            num_slots: Lanes, 1 or more.
            max_context: Positions a slot holds; cut to what the model supports.
            num_threads: Threads of the runtime; 0 takes one per physical core.
            is_spinning: Whether idle threads wait busily: about a fifth faster when nothing else
                runs, half as fast beside one busy program such as a game.

        Raises ModelError when the directory is damaged or not a decoder.
        """
        self.info: ModelInfo = load_model_info(model_dir)
        dims = self.info.dims
        if self.info.kind != "decoder" or self.info.embedding is None:
            raise ModelError(f"{model_dir} holds a {self.info.kind}, wanted a decoder")
        self.vocab_size = dims.vocab
        self.num_slots = num_slots
        self.max_context = min(max_context, dims.context)
        self._embeddings = EmbeddingTable(model_dir, self.info.embedding, dims.vocab, dims.hidden)
        self._session = _open_session(model_dir / GRAPH_FILE, num_threads, is_spinning)
        self._caches = {
            node.name: np.zeros((num_slots, node.shape[1], self.max_context, node.shape[3]), "f4")
            for node in self._session.get_inputs()
            if node.name.startswith("past_key_values.")
        }
        self._lengths = [0] * num_slots
        self._steps: dict[tuple[int, int, int, int], _Step] = {}

    def length(self, slot: int) -> int:
        """Positions of `slot` that hold KV now."""
        return self._lengths[slot]

    def prefill(self, slot: int, token_ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        """See `Decoder.prefill`."""
        self._check_ids(token_ids)
        self._check_room(slot, len(token_ids))
        rows = []
        for start in range(0, len(token_ids), PREFILL_CHUNK):
            chunk = token_ids[start : start + PREFILL_CHUNK]
            is_last = start + len(chunk) == len(token_ids)
            wanted = np.arange(len(chunk)) if all_logits else np.array([len(chunk) - 1])
            logits = self._run(slot, [slot], chunk, len(chunk), wanted)
            if all_logits or is_last:
                rows.append(logits.copy())
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> Logits:
        """See `Decoder.decode`. Slots between the lowest and the highest run along as idle rows."""
        if len(slots) != len(token_ids) or len(set(slots)) != len(slots) or not slots:
            raise InferenceError(f"got {len(token_ids)} tokens for slots {list(slots)}")
        self._check_ids(token_ids)
        for slot in slots:
            self._check_room(slot, 1)
        first = min(slots)
        return self._run(first, slots, token_ids, 1, np.array(slots) - first)

    def truncate(self, slot: int, length: int) -> None:
        """See `Decoder.truncate`."""
        self._check_held(slot, length, self._lengths[slot])
        self._lengths[slot] = length

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
        self._steps.clear()
        self._caches.clear()
        del self._session

    def _run(
        self,
        first: int,
        slots: Sequence[int],
        token_ids: Sequence[int],
        width: int,
        logit_rows: npt.NDArray[np.int64],
    ) -> Logits:
        """Append `width` tokens to each of `slots`, whose lowest is `first`.

        Returns float32[len(logit_rows), vocab], overwritten by the next call of the same shape.
        """
        key = (first, max(slots) - first + 1, width, len(logit_rows))
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = _Step(self._session, self._caches, self.info, *key)
        num_rows = key[1]
        step.query_lengths[:] = 0
        for row in range(num_rows):
            # An idle row appends nothing; the operator wants at least one position even so.
            step.last_positions[row] = max(self._lengths[first + row] - 1, 0)
        rows = np.asarray(slots) - first
        step.query_lengths[rows] = width
        for slot in slots:
            step.last_positions[slot - first] = self._lengths[slot] + width - 1
        step.embeddings[rows] = self._embeddings.rows(token_ids).reshape(len(slots), width, -1)
        step.logit_rows[:] = logit_rows
        try:
            self._session.run_with_iobinding(step.binding)
        except Exception as error:  # the runtime's errors have no common base but Exception
            raise InferenceError(f"the model runtime failed: {error}") from error
        for slot in slots:
            self._lengths[slot] += width
        return step.logits

    def _check_ids(self, token_ids: Sequence[int]) -> None:
        if not token_ids:
            raise InferenceError("got no tokens, wanted 1 or more")
        if min(token_ids) < 0 or max(token_ids) >= self.vocab_size:
            raise InferenceError(
                f"got token ids from {min(token_ids)} to {max(token_ids)}, "
                f"wanted 0 to {self.vocab_size - 1}"
            )

    def _check_room(self, slot: int, num_tokens: int) -> None:
        if self._lengths[slot] + num_tokens > self.max_context:
            raise InferenceError(
                f"slot {slot} holds {self._lengths[slot]} of {self.max_context} positions, "
                f"got {num_tokens} more",
                hint="shorten the prompt or start with a larger context",
            )

    def _check_held(self, slot: int, length: int, held: int) -> None:
        if not 0 <= length <= held:
            raise InferenceError(f"slot {slot}: got length {length}, wanted 0 to {held}")


class _Step:
    """The bound buffers of one call shape: `num_rows` slots from `first`, `width` tokens each."""

    def __init__(
        self,
        session: ort.InferenceSession,
        caches: dict[str, npt.NDArray[np.float32]],
        info: ModelInfo,
        first: int,
        num_rows: int,
        width: int,
        num_logits: int,
    ) -> None:
        capacity = next(iter(caches.values())).shape[2]
        self.embeddings = np.zeros((num_rows, width, info.dims.hidden), np.float32)
        self.last_positions = np.zeros(num_rows, np.int32)
        self.query_lengths = np.zeros(num_rows, np.int32)
        self.logit_rows = np.zeros(num_logits, np.int64)
        self.logits = np.zeros((num_logits, info.dims.vocab), np.float32)
        self._capacity = np.array(capacity, np.int32)
        self.binding = session.io_binding()
        self._bind_input("inputs_embeds", self.embeddings)
        self._bind_input("seqlens_k", self.last_positions)
        self._bind_input("query_seqlens", self.query_lengths)
        self._bind_input("total_sequence_length", self._capacity)
        self._bind_input("logit_rows", self.logit_rows)
        self._bind_output("logits", self.logits)
        for name, cache in caches.items():
            lanes = cache[first : first + num_rows]
            self._bind_input(name, lanes)
            self._bind_output(name.replace("past_key_values", "present"), lanes)

    def _bind_input(self, name: str, array: npt.NDArray[Any]) -> None:
        self.binding.bind_input(name, _CPU, 0, array.dtype.type, array.shape, array.ctypes.data)

    def _bind_output(self, name: str, array: npt.NDArray[Any]) -> None:
        self.binding.bind_output(name, _CPU, 0, array.dtype.type, array.shape, array.ctypes.data)


def _open_session(path: Path, num_threads: int, is_spinning: bool) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(is_spinning)))
    try:
        return ort.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common base but Exception
        raise ModelError(
            f"{path} cannot be loaded: {error}",
            code=ErrorCode.BAD_MODEL,
            hint="run `npc-brain model verify` on its directory; import it again if it is damaged",
        ) from error
