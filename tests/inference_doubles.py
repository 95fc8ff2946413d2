"""Stand-ins for a model: decoders without weights, and small tokenizers made on the spot."""

import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from npc_brain.errors import InferenceError
from npc_brain.inference.decoder import KVSnapshot, Logits
from npc_brain.inference.tokenizer import Tokenizer

CHATML_CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
GEMMA4_CONTROLS = [
    *("<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>", "<|think|>", '<|"|>'),
    *("<|channel>", "<channel|>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>"),
    *("<|tool_response>", "<tool_response|>"),
]
GEMMA_CONTROLS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", '<|"|>']

_CORPUS = [
    "Well met, stranger! The market is 12 steps east along the road. What do you want?",
    'tool_call {"name": "inventory_give", "arguments": {"item": "iron_sword", "count": 3}}',
    "Ü mañana über 日本語 über mañana. I can't give you that, Mr. Smith... it costs 3.5 gold!",
] * 3


@cache
def byte_level_tokenizer(vocab_size: int = 700) -> Tokenizer:
    """A GPT-2 style tokenizer with ChatML's control tokens."""
    return Tokenizer(byte_level_json(vocab_size))


@cache
def byte_level_json(vocab_size: int = 700) -> str:
    """Its tokenizer.json."""
    hf = HfTokenizer(models.BPE())
    hf.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    hf.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _train(hf, vocab_size, sorted(alphabet))
    return _with_controls(hf, CHATML_CONTROLS)


@cache
def sentencepiece_tokenizer(vocab_size: int = 700) -> Tokenizer:
    """A Gemma style tokenizer: byte fallback, no pre-tokenizer, Gemma 3's control tokens."""
    return Tokenizer(sentencepiece_json(vocab_size, tuple(GEMMA_CONTROLS)))


@cache
def gemma4_tokenizer(vocab_size: int = 700) -> Tokenizer:
    """The same with Gemma 4's control tokens (their ids differ from the real ones)."""
    return Tokenizer(sentencepiece_json(vocab_size, tuple(GEMMA4_CONTROLS)))


@cache
def sentencepiece_json(vocab_size: int, controls: tuple[str, ...]) -> str:
    """The tokenizer.json of a Gemma style tokenizer."""
    hf = HfTokenizer(models.BPE(byte_fallback=True, fuse_unk=True))
    hf.normalizer = normalizers.Replace(" ", "\u2581")
    hf.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    _train(hf, vocab_size, [])
    spec = json.loads(_with_controls(hf, list(controls)))
    vocab = spec["model"]["vocab"]
    for byte in range(256):
        vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    vocab["\n\n"] = len(vocab)
    spec["added_tokens"].append(
        {**spec["added_tokens"][0], "content": "\n\n", "id": vocab["\n\n"], "special": False}
    )
    return json.dumps(spec)


def _train(hf: HfTokenizer, vocab_size: int, alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False, min_frequency=1
    )
    hf.train_from_iterator(_CORPUS, trainer)


def _with_controls(hf: HfTokenizer, controls: list[str]) -> str:
    """The tokenizer's JSON with `controls` as special tokens.

    Merges that spell each of them come first, so that careless encoding of plain text gives them.
    """
    spec: dict[str, Any] = json.loads(hf.to_str())
    vocab, merges = spec["model"]["vocab"], []
    for control in controls:
        for char in control:
            vocab.setdefault(char, len(vocab))
        for end in range(1, len(control)):
            merges.append([control[:end], control[end]])
            vocab.setdefault(control[: end + 1], len(vocab))
    spec["model"]["merges"] = merges + spec["model"]["merges"]
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    spec["added_tokens"] = [
        {"id": vocab[control], "content": control, "special": True, **flags} for control in controls
    ]
    return json.dumps(spec)


class FakeDecoder:
    """A `Decoder` whose logits are a function of the tokens in the slot.

    It checks that it is used as the contract says. `fails_at` makes the call of that number raise.
    """

    def __init__(
        self, vocab_size: int, *, num_slots: int = 2, max_context: int = 512, seed: int = 0
    ) -> None:
        self.vocab_size = vocab_size
        self.num_slots = num_slots
        self.max_context = max_context
        self.slots: list[list[int]] = [[] for _ in range(num_slots)]
        self.calls: list[tuple[str, Any]] = []
        self.fails_at: set[int] = set()
        self.is_closed = False
        self._seed = seed

    def length(self, slot: int) -> int:
        return len(self.slots[slot])

    def shortest(self, slot: int) -> int:
        return 1

    def prefill(
        self,
        slot: int,
        token_ids: Sequence[int],
        *,
        all_logits: bool = False,
        embeddings: Mapping[int, Logits] | None = None,
    ) -> Logits:
        self._called("prefill", (slot, len(token_ids)))
        assert token_ids
        assert not all_logits
        self._append(slot, token_ids)
        return self.logits(slot)[None].copy()

    def decode(self, slots: Sequence[int], token_ids: Sequence[int]) -> Logits:
        self._called("decode", tuple(slots))
        assert len(set(slots)) == len(slots) == len(token_ids)
        for slot, token_id in zip(slots, token_ids, strict=True):
            self._append(slot, [token_id])
        return np.stack([self.logits(slot) for slot in slots])

    def truncate(self, slot: int, length: int) -> None:
        assert 0 <= length <= len(self.slots[slot])
        del self.slots[slot][length:]

    def snapshot(self, slot: int, length: int) -> KVSnapshot:
        assert 0 < length <= len(self.slots[slot])
        return KVSnapshot(length, 100 * length, tuple(self.slots[slot][:length]))

    def restore(self, slot: int, snapshot: KVSnapshot, length: int) -> None:
        assert 0 < length <= snapshot.num_tokens
        self.slots[slot] = list(snapshot.data[:length])

    def close(self) -> None:
        self.is_closed = True

    def logits(self, slot: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """float32[vocab] after what `slot` holds: the same for the same tokens."""
        state = zlib.crc32(np.array([self._seed, *self.slots[slot]], np.int64).tobytes())
        rng = np.random.default_rng(state)
        return (4 * rng.standard_normal(self.vocab_size)).astype(np.float32)

    def _append(self, slot: int, token_ids: Sequence[int]) -> None:
        assert all(0 <= token_id < self.vocab_size for token_id in token_ids)
        self.slots[slot] += token_ids
        assert len(self.slots[slot]) <= self.max_context

    def _called(self, name: str, what: Any) -> None:
        self.calls.append((name, what))
        if len(self.calls) in self.fails_at:
            raise InferenceError(f"call {len(self.calls)} fails")


class RandomDecoder(FakeDecoder):
    """Random logits in place of a model, new ones at each step and cheap for any vocabulary."""

    _POOL = 1 << 20

    def __init__(self, vocab_size: int, *, scale: float = 4.0, **kwargs: Any) -> None:
        super().__init__(vocab_size, **kwargs)
        self._rng = np.random.default_rng(kwargs.get("seed", 0))
        pool = scale * self._rng.standard_normal(max(self._POOL, 2 * vocab_size))
        self._pool = pool.astype(np.float32)

    def logits(self, slot: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        start = int(self._rng.integers(len(self._pool) - self.vocab_size))
        return self._pool[start : start + self.vocab_size]
