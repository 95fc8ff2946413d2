"""Runs a graph that our importers wrote, with ONNX Runtime.

Every slot owns a lane of preallocated KV buffers, which the graph reads and appends to in place.
Knows token ids and logits only: no text, sampling or scheduling.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from npc_brain.errors import InferenceError, ModelError
from npc_brain.inference.decoder import ONE_SLOT, PREFILL_CHUNK, DecoderOptions, KVSnapshot, Logits
from npc_brain.inference.embedding_table import EmbeddingTable, Floats
from npc_brain.inference.kv_cache import KVCache, KVShape
from npc_brain.inference.model_dir import GRAPH_FILE, ModelInfo, load_model_info
from npc_brain.inference.providers import open_session, session_options
from npc_brain.inference.runtime import onnxruntime as ort
from npc_brain.inference.slot_decoder import SlotDecoder, soft_rows

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
        options: DecoderOptions = ONE_SLOT,
        *,
        skips_unread: bool = True,
    ) -> None:
        """Load the model in `model_dir` and allocate the KV of all slots.

        Args:
            model_dir: A model directory of kind `decoder`.
            options: How it is run.
            skips_unread: Whether layers without KV leave out prompt tokens whose logits nobody
                reads; off only to measure what that gains.

        Raises ModelError when the directory is damaged or not a decoder.
        """
        self.info: ModelInfo = load_model_info(model_dir)
        dims = self.info.dims
        if self.info.kind != "decoder" or self.info.embedding is None:
            raise ModelError(f"{model_dir} holds a {self.info.kind}, wanted a decoder")
        super().__init__(
            vocab_size=dims.vocab,
            num_slots=options.num_slots,
            max_context=min(options.max_context, dims.context),
        )
        self._embeddings = EmbeddingTable(model_dir, self.info.embedding, dims.vocab, dims.hidden)
        self._per_layer = _per_layer_table(model_dir, self.info)
        opened = open_session(
            model_dir / GRAPH_FILE,
            session_options(options.num_threads, options.is_spinning),
            provider=options.provider,
        )
        self.provider, self.provider_notice = opened.provider, opened.notice
        self._session = opened.session
        self._kv = KVCache(
            _kv_shapes(self._session),
            num_slots=self.num_slots,
            capacity=self.max_context,
            window=dims.sliding_window,
            most_at_once=PREFILL_CHUNK,
        )
        self._lengths = self._kv.lengths
        self.skips_unread = skips_unread
        self._decode_logits = np.zeros((self.num_slots, dims.vocab), np.float32)
        self._lanes: dict[tuple[int, int], _Lanes] = {}

    def prefill(
        self,
        slot: int,
        token_ids: Sequence[int],
        *,
        all_logits: bool = False,
        embeddings: Mapping[int, Floats] | None = None,
    ) -> Logits:
        """See `Decoder.prefill`."""
        self._check_prefill(slot, token_ids)
        soft = soft_rows(embeddings or {}, len(token_ids), self.info.dims.hidden)
        logits = np.empty((len(token_ids) if all_logits else 1, self.vocab_size), np.float32)
        for start in range(0, len(token_ids), PREFILL_CHUNK):
            end = min(start + PREFILL_CHUNK, len(token_ids))
            rows = self._token_rows(token_ids[start:end])
            for index in range(start, end):
                if index in soft:
                    rows.replace(index - start, soft[index], self._per_layer, self.info.pad_id)
            if all_logits:
                self._run(slot, [slot], rows, np.arange(end - start), logits[start:end])
            else:
                self._run(slot, [slot], rows, np.array([end - start - 1]), logits)
        return logits

    def decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> Logits:
        """See `Decoder.decode`. Slots between the lowest and the highest run along as idle rows."""
        self._check_decode(slots, token_ids)
        first = min(slots)
        logits = self._decode_logits[: len(slots)]
        self._run(first, slots, self._token_rows(token_ids), np.array(slots) - first, logits)
        return logits

    def shortest(self, slot: int) -> int:
        """See `Decoder.shortest`."""
        return self._kv.shortest(slot)

    def truncate(self, slot: int, length: int) -> None:
        """See `Decoder.truncate`."""
        self._kv.truncate(slot, length)

    def snapshot(self, slot: int, length: int) -> KVSnapshot:
        """See `Decoder.snapshot`."""
        return self._kv.snapshot(slot, length)

    def restore(self, slot: int, snapshot: KVSnapshot, length: int) -> None:
        """See `Decoder.restore`."""
        self._kv.restore(slot, snapshot, length)

    def close(self) -> None:
        """Free the session and the KV; the decoder cannot be used afterwards."""
        self._lanes.clear()
        del self._session, self._kv

    def _token_rows(self, token_ids: Sequence[int]) -> "_TokenRows":
        per_layer = self._per_layer.rows(token_ids) if self._per_layer else None
        return _TokenRows(self._embeddings.rows(token_ids), per_layer)

    def _run(
        self,
        first: int,
        slots: Sequence[int],
        inputs: "_TokenRows",
        logit_rows: npt.NDArray[np.int64],
        logits: Logits,
    ) -> None:
        """Append len(inputs) / len(slots) tokens to each of `slots`, the lowest being `first`.

        Fills float32[len(logit_rows), vocab] `logits`; `logit_rows` are rows of [lane, width].
        """
        key = (first, max(slots) - first + 1)
        lanes = self._lanes.get(key)
        if lanes is None:
            lanes = self._lanes[key] = _Lanes(self._session, self._kv, *key)
        width = len(inputs.embeddings) // len(slots)
        for slot in slots:
            self._kv.make_room(slot, width)
        lanes.fill(slots, inputs, width)
        # Of one prompt, layers without KV compute just what is wanted: its last rows.
        skips = self.skips_unread and lanes.has_tail and width > 1
        tail_first = int(logit_rows.min()) if skips else 0
        lanes.bind_outputs(range(tail_first, width), logit_rows - tail_first, logits)
        try:
            self._session.run_with_iobinding(lanes.binding)
        except Exception as error:  # the runtime's errors have no common base but Exception
            raise InferenceError(f"the model runtime failed: {error}") from error
        for slot in slots:
            self._kv.append(slot, width)


@dataclass(frozen=True, slots=True)
class _TokenRows:
    """What the tables hold for some tokens: float32[token, width of the table]."""

    embeddings: Floats
    per_layer: Floats | None

    def replace(
        self, index: int, row: Floats, per_layer: EmbeddingTable | None, pad_id: int
    ) -> None:
        """Put a given embedding in place of a token's; per layer it counts as padding."""
        self.embeddings[index] = row
        if self.per_layer is not None and per_layer is not None:
            self.per_layer[index] = per_layer.rows([pad_id])[0]


class _Lanes:
    """The bound buffers of `num_rows` slots from `first` on."""

    def __init__(self, session: ort.InferenceSession, kv: KVCache, first: int, num_rows: int):
        self._kv, self._first, self._num_rows = kv, first, num_rows
        self._wanted = {node.name for node in session.get_inputs()}
        self.has_tail = "tail_columns" in self._wanted
        self._inputs: dict[str, npt.NDArray[Any]] = {}
        self.binding = session.io_binding()
        self._bind_input("total_sequence_length", np.array(kv.capacity, np.int32))
        self._bind_input("window_total_sequence_length", np.array(kv.window_capacity, np.int32))
        for name in ("seqlens_k", "window_seqlens_k", "query_seqlens"):
            self._bind_input(name, np.zeros(num_rows, np.int32))
        for name, buffer in kv.buffers.items():
            part = buffer[first : first + num_rows]
            self._bind_input(name, part)
            self._bind_output(name.replace("past_key_values", "present"), part)

    def fill(self, slots: Sequence[int], tokens: _TokenRows, width: int) -> None:
        """Put in `width` tokens for each of `slots`; the other lanes are idle."""
        rows = np.asarray(slots) - self._first
        lengths = np.array([self._kv.lengths[slot] for slot in slots])
        in_window = np.array([self._kv.length_in_window(slot) for slot in slots])
        # An idle row appends nothing, and nothing is read of what its slot holds: it may claim to
        # hold one position, the least the operator takes, even when its slot is full.
        for name, values in (
            ("seqlens_k", lengths + width - 1),
            ("window_seqlens_k", in_window + width - 1),
            ("query_seqlens", width),
        ):
            if name in self._inputs:
                self._inputs[name][:] = 0
                self._inputs[name][rows] = values
        self._fill_tokens("position_ids", rows, lengths[:, None] + np.arange(width))
        shape = (len(slots), width, -1)
        self._fill_tokens("inputs_embeds", rows, tokens.embeddings.reshape(shape))
        if tokens.per_layer is not None:
            self._fill_tokens("per_layer_rows", rows, tokens.per_layer.reshape(shape))

    def bind_outputs(self, tail: range, logit_rows: npt.NDArray[np.int64], logits: Logits) -> None:
        """Have the logits of `logit_rows` of columns `tail` (flattened) written to `logits`."""
        self._bind_input("tail_columns", np.array(tail, np.int64))
        self._bind_input("logit_rows", logit_rows)
        self._bind_output("logits", logits)

    def _fill_tokens(
        self, name: str, rows: npt.NDArray[np.int64], values: npt.NDArray[Any]
    ) -> None:
        if name not in self._wanted:
            return
        shape = (self._num_rows, *values.shape[1:])
        if name not in self._inputs or self._inputs[name].shape != shape:
            self._bind_input(name, np.zeros(shape, values.dtype))
        self._inputs[name][rows] = values

    def _bind_input(self, name: str, array: npt.NDArray[Any]) -> None:
        if name in self._wanted:
            self._inputs[name] = array  # kept alive as long as it is bound
            self._bind(self.binding.bind_input, name, array)

    def _bind_output(self, name: str, array: npt.NDArray[Any]) -> None:
        self._bind(self.binding.bind_output, name, array)

    def _bind(self, bind: Callable[..., None], name: str, array: npt.NDArray[Any]) -> None:
        bind(name, _CPU, 0, array.dtype.type, array.shape, array.ctypes.data)


def _kv_shapes(session: ort.InferenceSession) -> dict[str, KVShape]:
    """The KV buffers that the graph declares."""
    return {
        node.name: KVShape(node.shape[1], node.shape[3], node.shape[2] == "window_capacity")
        for node in session.get_inputs()
        if node.name.startswith("past_key_values.")
    }


def _per_layer_table(model_dir: Path, info: ModelInfo) -> EmbeddingTable | None:
    if info.per_layer_embedding is None or info.dims.per_layer_width is None:
        return None
    width = info.dims.layers * info.dims.per_layer_width
    vocab = info.dims.per_layer_vocab or info.dims.vocab
    return EmbeddingTable(model_dir, info.per_layer_embedding, vocab, width)
