"""Runs a decoder as it was published, in the layout of the onnx-community exports.

Two graphs: `embed_tokens` makes embeddings of token ids, `decoder_model_merged` takes these and the
past KV and gives logits and the KV with the new tokens appended. Names, shapes and dtypes are read
from the graphs themselves. Knows token ids and logits only: no text, sampling or scheduling.

Source: huggingface/transformers.js, models/gemma4 and models/session.js, for the names of inputs
and outputs and what they mean.

Why every slot runs by itself: the graphs take one mask for all layers, but reduce it to lengths in
some and append to the padded end in others, so rows of different length cannot share a call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from npc_brain.errors import InferenceError, ModelError
from npc_brain.inference.decoder import ONE_SLOT, PREFILL_CHUNK, DecoderOptions, KVSnapshot, Logits
from npc_brain.inference.model_dir import ModelInfo, load_model_info, model_file
from npc_brain.inference.providers import CPU, open_session, session_options
from npc_brain.inference.runtime import onnxruntime as ort
from npc_brain.inference.slot_decoder import SlotDecoder, soft_rows

_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}
_KV_DEVICES = {"cuda": "cuda", "tensorrt-rtx": "cuda"}
"""Where the KV stays between two calls; with other providers it goes through the CPU's memory."""

_PAST, _PRESENT = "past_key_values.", "present."
_REQUIRED = ("inputs_embeds", "attention_mask")
_OPTIONAL = ("per_layer_inputs", "position_ids", "num_logits_to_keep")

Arrays = Mapping[Any, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Cache:
    """One past input: `heads` and `head_dim` are fixed, the positions between them are not."""

    past: str
    present: str
    dtype: type[np.generic]
    heads: int
    head_dim: int


class PublishedDecoder(SlotDecoder):
    """A `Decoder` for published graphs. Blocks while it computes; one thread uses it at a time.

    A slot's KV is never written in place: each call makes the next KV and drops the last, so that
    snapshots cost nothing until then.

    Attributes:
        info: What `model.json` says.
        provider: What computes: one of `providers.PROVIDERS`. Embeddings are always looked up on
            the CPU: their tables are as large as the rest, and only a few rows are read.
        provider_notice: Which providers did not load, for people; empty when the wanted one did.
    """

    def __init__(self, model_dir: Path, options: DecoderOptions = ONE_SLOT) -> None:
        """Load the model in `model_dir`.

        Raises ModelError when the directory is damaged or holds no published graphs, or when a
        graph has inputs that are not known here.
        """
        self.info: ModelInfo = load_model_info(model_dir)
        if self.info.published is None:
            raise ModelError(f"{model_dir} holds no published graphs")
        super().__init__(
            vocab_size=self.info.dims.vocab,
            num_slots=options.num_slots,
            max_context=min(options.max_context, self.info.dims.context),
        )
        embed_path = model_file(model_dir, self.info.published.embed_tokens)
        decoder_path = model_file(model_dir, self.info.published.decoder)
        settings = session_options(options.num_threads, options.is_spinning)
        self._embed = open_session(embed_path, settings, provider=CPU).session
        opened = open_session(decoder_path, settings, provider=options.provider)
        self.provider, self.provider_notice = opened.provider, opened.notice
        self._session = opened.session
        self._kv_device = _KV_DEVICES.get(self.provider, "cpu")
        self._inputs = {
            node.name: _dtype(node, decoder_path) for node in self._session.get_inputs()
        }
        self._caches = _caches(self._session, decoder_path)
        self._check_graph(decoder_path)
        self._kv: list[tuple[ort.OrtValue, ...]] = [self._empty_kv() for _ in range(self.num_slots)]
        self._decode_logits = np.zeros((self.num_slots, self.vocab_size), np.float32)

    def prefill(
        self,
        slot: int,
        token_ids: Sequence[int],
        *,
        all_logits: bool = False,
        embeddings: Mapping[int, Logits] | None = None,
    ) -> Logits:
        """See `Decoder.prefill`."""
        self._check_prefill(slot, token_ids)
        soft = soft_rows(embeddings or {}, len(token_ids), self.info.dims.hidden)
        parts = []
        for start in range(0, len(token_ids), PREFILL_CHUNK):
            chunk = token_ids[start : start + PREFILL_CHUNK]
            own = {i - start: row for i, row in soft.items() if 0 <= i - start < len(chunk)}
            parts.append(self._run(slot, chunk, own, is_last_only=not all_logits))
        return np.concatenate(parts) if all_logits else parts[-1]

    def decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> Logits:
        """See `Decoder.decode`; the slots run one after the other."""
        self._check_decode(slots, token_ids)
        logits = self._decode_logits[: len(slots)]
        for row, (slot, token_id) in enumerate(zip(slots, token_ids, strict=True)):
            logits[row] = self._run(slot, [token_id], {}, is_last_only=True)[0]
        return logits

    def snapshot(self, slot: int, length: int) -> KVSnapshot:
        """See `Decoder.snapshot`."""
        self._check_held(slot, length, self._lengths[slot])
        kv = self._cut(self._kv[slot], length)
        return KVSnapshot(length, sum(self._num_bytes(length, c) for c in self._caches), kv)

    def restore(self, slot: int, snapshot: KVSnapshot, length: int) -> None:
        """See `Decoder.restore`."""
        self._check_held(slot, length, min(snapshot.num_tokens, self.max_context))
        self._kv[slot] = self._cut(snapshot.data, length)
        self._lengths[slot] = length

    def close(self) -> None:
        """Free the sessions and the KV; the decoder cannot be used afterwards."""
        self._kv.clear()
        del self._session, self._embed

    def _run(
        self, slot: int, token_ids: Sequence[int], soft: Arrays, *, is_last_only: bool
    ) -> Logits:
        """Append `token_ids` to `slot`: float32[1 or len(token_ids), vocab].

        `soft` holds embeddings by the index of the token in whose place they stand.
        """
        past, width = self._lengths[slot], len(token_ids)
        kv = self._cut(self._kv[slot], past)
        try:
            feeds = self._embedded(token_ids, soft) | {
                "attention_mask": np.ones((1, past + width), np.int64),
                "position_ids": np.arange(past, past + width)[None],
                "num_logits_to_keep": np.array(1 if is_last_only else 0),
            }
            logits, self._kv[slot] = self._forward(feeds, kv)
        except Exception as error:  # the runtime's errors have no common base but Exception
            raise InferenceError(f"the model runtime failed: {error}") from error
        self._lengths[slot] += width
        return logits[-1:] if is_last_only else logits

    def _embedded(self, token_ids: Sequence[int], soft: Arrays) -> dict[str, npt.NDArray[Any]]:
        """What the decoder takes in place of `token_ids`, by input name.

        `inputs_embeds` float32[1, token, hidden] and, where the model has per-layer embeddings,
        `per_layer_inputs` float32[1, token, layer, width], which for soft tokens are padding's.
        """
        ids = np.asarray([token_ids], np.int64)
        ids[0, list(soft)] = self.info.pad_id
        names = [node.name for node in self._embed.get_outputs()]
        rows = dict(zip(names, self._embed.run(names, {"input_ids": ids}), strict=True))
        for index, row in soft.items():
            rows["inputs_embeds"][0, index] = row
        return rows

    def _forward(
        self, feeds: Arrays, kv: Sequence[ort.OrtValue]
    ) -> tuple[Logits, tuple[ort.OrtValue, ...]]:
        """Logits float32[tokens, vocab] of one row, and its KV afterwards."""
        binding = self._session.io_binding()
        for name, values in feeds.items():
            if name in self._inputs:
                binding.bind_cpu_input(name, np.asarray(values, self._inputs[name]))
        for cache, value in zip(self._caches, kv, strict=True):
            binding.bind_ortvalue_input(cache.past, value)
        binding.bind_output("logits", "cpu")
        for cache in self._caches:
            binding.bind_output(cache.present, self._kv_device)
        self._session.run_with_iobinding(binding)
        logits, *presents = binding.get_outputs()
        return np.asarray(logits.numpy()[0], np.float32), tuple(presents)

    def _cut(self, kv: tuple[ort.OrtValue, ...], length: int) -> tuple[ort.OrtValue, ...]:
        """The first `length` positions of `kv`; the same object when it holds no more."""
        if not kv or kv[0].shape()[2] == length:
            return kv
        return tuple(self._value(value.numpy()[:, :, :length]) for value in kv)

    def _empty_kv(self) -> tuple[ort.OrtValue, ...]:
        return tuple(
            self._value(np.zeros((1, cache.heads, 0, cache.head_dim), cache.dtype))
            for cache in self._caches
        )

    def _value(self, array: npt.NDArray[Any]) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self._kv_device, 0)

    def _num_bytes(self, length: int, cache: _Cache) -> int:
        return length * cache.heads * cache.head_dim * np.dtype(cache.dtype).itemsize

    def _check_graph(self, path: Path) -> None:
        """Refuse a graph that would not compute what this class thinks it does."""
        known = {*_REQUIRED, *_OPTIONAL, *(cache.past for cache in self._caches)}
        unknown = sorted(set(self._inputs) - known)
        missing = [name for name in _REQUIRED if name not in self._inputs]
        outputs = {node.name for node in self._session.get_outputs()}
        missing += [n for n in ("logits", *(c.present for c in self._caches)) if n not in outputs]
        embedded = {node.name for node in self._embed.get_outputs()}
        needed = {"inputs_embeds", "per_layer_inputs"} & set(self._inputs)
        missing += sorted(needed - embedded)
        if unknown or missing or not self._caches:
            raise ModelError(
                f"{path} cannot be run: inputs not known: {unknown}, missing: {missing}",
                hint="wanted an export in the layout of onnx-community's decoder_model_merged",
            )


def _caches(session: ort.InferenceSession, path: Path) -> tuple[_Cache, ...]:
    """The past inputs, in the graph's order. Dimensions other than heads and head_dim are free."""
    found = []
    for node in session.get_inputs():
        if not node.name.startswith(_PAST):
            continue
        shape = list(node.shape)
        if len(shape) != 4 or not all(isinstance(shape[axis], int) for axis in (1, 3)):
            raise ModelError(f"{path}: {node.name} has shape {shape}, wanted [?, heads, ?, size]")
        present = node.name.replace(_PAST, _PRESENT, 1)
        found.append(_Cache(node.name, present, _dtype(node, path), shape[1], shape[3]))
    return tuple(found)


def _dtype(node: Any, path: Path) -> type[np.generic]:
    if node.type not in _DTYPES:
        raise ModelError(f"{path}: {node.name} is a {node.type}, wanted one of {list(_DTYPES)}")
    return _DTYPES[node.type]
