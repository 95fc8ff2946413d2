"""A decoder in plain numpy, float32, straight from a GGUF file: slow, short and independent.

Written from the papers' formulas and the GGUF names, shares no code with the importer.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class FloatDecoder:
    """Architectures made of the parts of `llama` and `gemma3`; whole sequences, no KV cache."""

    def __init__(self, path: Path) -> None:
        self._reader = gguf.GGUFReader(path)
        self._arch = self._meta("general.architecture")
        self._weights = {
            tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            for tensor in self._reader.tensors
        }
        self._hidden = self._own("embedding_length")
        self._heads = self._own("attention.head_count")
        self._kv_heads = self._own("attention.head_count_kv")
        self._head_dim = self._own("attention.key_length", self._hidden // self._heads)
        self._epsilon = self._own("attention.layer_norm_rms_epsilon")
        self._theta = self._own("rope.freq_base")
        self._is_gemma = self._arch == "gemma3"

    def logits(self, token_ids: list[int], *, first: int = 0) -> Floats:
        """float32[len(token_ids) - first, vocab]: the logits of positions from `first` on."""
        x = self._weights["token_embd.weight"][token_ids].astype(np.float32)
        if self._is_gemma:
            x *= np.float32(self._hidden**0.5)
        for index in range(self._own("block_count")):
            x = x + self._post(
                self._attention(self._norm(x, f"blk.{index}.attn_norm"), index),
                f"blk.{index}.post_attention_norm",
            )
            x = x + self._post(
                self._mlp(self._norm(x, f"blk.{index}.ffn_norm"), index),
                f"blk.{index}.post_ffw_norm",
            )
        head = self._weights.get("output.weight", self._weights["token_embd.weight"])
        return self._norm(x[first:], "output_norm") @ head.T

    def _attention(self, h: Floats, index: int) -> Floats:
        length = len(h)
        q = self._heads_of(h, index, "q", self._heads)
        k = self._heads_of(h, index, "k", self._kv_heads)
        v = (h @ self._weights[f"blk.{index}.attn_v.weight"].T).reshape(
            length, self._kv_heads, self._head_dim
        )
        group = self._heads // self._kv_heads
        k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.float32(self._head_dim**0.5)
        distance = np.arange(length)[:, None] - np.arange(length)[None, :]
        is_visible = distance >= 0
        if self._is_local(index):
            is_visible &= distance < self._own("attention.sliding_window")
        scores = np.where(is_visible, scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        attended = np.einsum("hqk,khd->qhd", weights, v).reshape(length, -1)
        return attended @ self._weights[f"blk.{index}.attn_output.weight"].T

    def _heads_of(self, h: Floats, index: int, part: str, heads: int) -> Floats:
        x = (h @ self._weights[f"blk.{index}.attn_{part}.weight"].T).reshape(len(h), heads, -1)
        if f"blk.{index}.attn_{part}_norm.weight" in self._weights:
            x = self._norm(x, f"blk.{index}.attn_{part}_norm")
        return self._rotate(x, 10000.0 if self._is_local(index) else self._theta)

    def _rotate(self, x: Floats, theta: float) -> Floats:
        half = self._head_dim // 2
        angles = np.outer(np.arange(len(x)), theta ** (-np.arange(half) / half))[:, None, :]
        # Complex numbers: neighbours are a pair in llama's GGUF, halves are elsewhere.
        is_llama = self._arch == "llama"
        if not is_llama:
            pairs = x[..., :half] + 1j * x[..., half:]
        else:
            pairs = x[..., 0::2] + 1j * x[..., 1::2]
        turned = pairs * np.exp(1j * angles)
        if not is_llama:
            return np.concatenate([turned.real, turned.imag], axis=-1).astype(np.float32)
        return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape).astype(np.float32)

    def _mlp(self, h: Floats, index: int) -> Floats:
        gate = h @ self._weights[f"blk.{index}.ffn_gate.weight"].T
        up = h @ self._weights[f"blk.{index}.ffn_up.weight"].T
        if self._is_gemma:
            cubic = gate + np.float32(0.044715) * gate**3
            gate = gate * 0.5 * (1 + np.tanh(np.float32((2 / np.pi) ** 0.5) * cubic))
        else:
            gate = gate / (1 + np.exp(-gate))
        return (gate * up) @ self._weights[f"blk.{index}.ffn_down.weight"].T

    def _post(self, x: Floats, name: str) -> Floats:
        return self._norm(x, name) if self._is_gemma else x

    def _norm(self, x: Floats, name: str) -> Floats:
        scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(self._epsilon))
        return x * scale * self._weights[f"{name}.weight"]

    def _is_local(self, index: int) -> bool:
        return self._is_gemma and (index + 1) % 6 != 0

    def _own(self, key: str, default: Any = None) -> Any:
        return self._meta(f"{self._arch}.{key}", default)

    def _meta(self, key: str, default: Any = None) -> Any:
        field = self._reader.fields.get(key)
        return default if field is None else field.contents()
