"""The shape of a Gemma 4 text model (E2B, E4B) and the weights that it needs.

Read from a Hugging Face `config.json`; knows no files and no graph.

Source: config.json of google/gemma-4-E4B-it and E2B-it; Gemma4TextConfig of transformers 5.23.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from npc_brain.errors import ModelError
from npc_brain.importing.quantize import DEFAULT_BLOCK_SIZE
from npc_brain.inference.model_dir import MAX_LAYERS, MAX_NUMBER, MAX_SIZE, MAX_VOCAB, MIN_NUMBER

MAX_GEMMA4_CONTEXT = 32768
"""Positions that the rotary tables of an imported graph cover. They cost 3 kB of file a position,
and no memory until a position is used."""

LayerKind = Literal["sliding_attention", "full_attention"]


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary embedding of a kind of layer: the first `fraction` of the frequencies turn."""

    theta: float
    fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class Gemma4Spec:
    """Sizes of a Gemma 4 text model.

    Attributes:
        layer_kinds: Of each layer; layers from `num_own` on own no KV.
        num_own: Layers with keys and values of their own; each of the others uses those of the last
            such layer of its kind.
        head_dims: By kind of layer.
        ropes: By kind of layer.
        intermediate: MLP width of a layer that owns KV.
        shared_intermediate: MLP width of a layer that does not.
        window: Positions that a sliding layer sees, counting the current one.
        per_layer_width: What each layer takes of a token's row in the per-layer table.
        per_layer_vocab: Rows of the per-layer table.
        logit_cap: Logits are capped smoothly to this; None caps nothing.
    """

    layer_kinds: tuple[LayerKind, ...]
    num_own: int
    hidden: int
    heads: int
    kv_heads: int
    head_dims: Mapping[LayerKind, int]
    ropes: Mapping[LayerKind, Rope]
    intermediate: int
    shared_intermediate: int
    window: int
    vocab: int
    per_layer_width: int
    per_layer_vocab: int
    context: int
    norm_epsilon: float
    logit_cap: float | None
    pad_id: int = 0

    @property
    def num_layers(self) -> int:
        """All layers."""
        return len(self.layer_kinds)

    def owner(self, layer: int) -> int:
        """The layer whose keys and values `layer` attends to: itself where it has its own."""
        if layer < self.num_own:
            return layer
        kind = self.layer_kinds[layer]
        return max(i for i in range(self.num_own) if self.layer_kinds[i] == kind)

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Every matrix that the graph multiplies with: name to (rows, columns).

        `output` is the token table, which is tied to the output.
        """
        found = {"output": (self.vocab, self.hidden)}
        found["per_layer_model_proj"] = (self.num_layers * self.per_layer_width, self.hidden)
        for index, kind in enumerate(self.layer_kinds):
            q_size = self.heads * self.head_dims[kind]
            kv_size = self.kv_heads * self.head_dims[kind]
            is_own = index < self.num_own
            width = self.intermediate if is_own else self.shared_intermediate
            layer = {"attn_q": (q_size, self.hidden)}
            if is_own:
                layer |= {"attn_k": (kv_size, self.hidden), "attn_v": (kv_size, self.hidden)}
            layer |= {
                "attn_output": (self.hidden, q_size),
                "ffn_gate": (width, self.hidden),
                "ffn_up": (width, self.hidden),
                "ffn_down": (self.hidden, width),
                "inp_gate": (self.per_layer_width, self.hidden),
                "proj": (self.hidden, self.per_layer_width),
            }
            found |= {f"layer.{index}.{name}": shape for name, shape in layer.items()}
        return found

    def vectors(self) -> dict[str, int]:
        """Norm weights and layer scalars: name to size."""
        found = {"output_norm": self.hidden, "per_layer_proj_norm": self.per_layer_width}
        for index, kind in enumerate(self.layer_kinds):
            layer = dict.fromkeys(
                (
                    "attn_norm",
                    "post_attention_norm",
                    "ffn_norm",
                    "post_ffw_norm",
                    "post_norm",
                ),
                self.hidden,
            )
            layer |= {"layer_output_scale": 1, "attn_q_norm": self.head_dims[kind]}
            if index < self.num_own:
                layer["attn_k_norm"] = self.head_dims[kind]
            found |= {f"layer.{index}.{name}": size for name, size in layer.items()}
        return found


def spec_from_config(config: Mapping[str, Any], where: str = "config.json") -> Gemma4Spec:
    """The spec that a `config.json` (of the whole model or of its text part) describes.

    Raises ModelError when something is missing, or belongs to a variant that is not supported.
    """
    try:
        text = config.get("text_config", config)
        _refuse_variants(text, where)
        spec = _spec(text)
        _check_sizes(spec)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelError(
            f"{where} does not describe a Gemma 4 text model: {type(error).__name__}: {error}",
            hint="download the model's config.json again",
        ) from error
    _check(spec, where)
    return spec


def _spec(text: Mapping[str, Any]) -> Gemma4Spec:
    kinds: tuple[LayerKind, ...] = tuple(text["layer_types"])
    num_own = int(text["num_hidden_layers"]) - int(text.get("num_kv_shared_layers") or 0)
    intermediate = int(text["intermediate_size"])
    is_double = bool(text.get("use_double_wide_mlp"))
    if len(kinds) != int(text["num_hidden_layers"]):
        raise ValueError(f"{len(kinds)} layer types for {text['num_hidden_layers']} layers")
    kinds = (*kinds[:-1], "full_attention")  # whatever is written there, as in transformers
    return Gemma4Spec(
        layer_kinds=kinds,
        num_own=num_own,
        hidden=int(text["hidden_size"]),
        heads=int(text["num_attention_heads"]),
        kv_heads=int(text["num_key_value_heads"]),
        head_dims={
            "sliding_attention": int(text["head_dim"]),
            "full_attention": int(text.get("global_head_dim") or text["head_dim"]),
        },
        ropes={kind: _rope(text["rope_parameters"][kind]) for kind in sorted(set(kinds))},
        intermediate=intermediate,
        shared_intermediate=intermediate * 2 if is_double else intermediate,
        window=int(text["sliding_window"]),
        vocab=int(text["vocab_size"]),
        per_layer_width=int(text["hidden_size_per_layer_input"]),
        per_layer_vocab=int(text.get("vocab_size_per_layer_input") or text["vocab_size"]),
        context=min(int(text["max_position_embeddings"]), MAX_GEMMA4_CONTEXT),
        norm_epsilon=float(text["rms_norm_eps"]),
        logit_cap=text.get("final_logit_softcapping"),
        pad_id=int(text.get("pad_token_id") or 0),
    )


def _check_sizes(spec: Gemma4Spec) -> None:
    """Raise ValueError unless all numbers are of a size that a model can have."""
    sizes = {
        "layers": (spec.num_layers, MAX_LAYERS),
        "vocab_size": (spec.vocab, MAX_VOCAB),
        "vocab_size_per_layer_input": (spec.per_layer_vocab, MAX_VOCAB),
        "pad_token_id + 1": (spec.pad_id + 1, spec.vocab),
    }
    others = (
        spec.hidden, spec.heads, spec.kv_heads, *spec.head_dims.values(), spec.intermediate,
        spec.window, spec.per_layer_width, spec.context,
    )  # fmt: skip
    sizes |= {f"size {number}": (size, MAX_SIZE) for number, size in enumerate(others, 1)}
    for name, (size, most) in sizes.items():
        if not 1 <= size <= most:
            raise ValueError(f"{name} is {size}, wanted 1 to {most}")
    numbers = [spec.norm_epsilon, *(rope.theta for rope in spec.ropes.values())]
    numbers += [rope.fraction for rope in spec.ropes.values()]
    numbers += [] if spec.logit_cap is None else [float(spec.logit_cap)]
    for number in numbers:
        if not MIN_NUMBER <= number <= MAX_NUMBER:
            raise ValueError(
                f"a number is {number}, wanted {MIN_NUMBER} or more, at most {MAX_NUMBER}"
            )


def _rope(parameters: Mapping[str, Any]) -> Rope:
    kind = parameters.get("rope_type", "default")
    if kind not in ("default", "proportional"):
        raise ValueError(f"rope_type {kind!r}")
    fraction = parameters.get("partial_rotary_factor") or 1.0
    if kind == "default" and fraction != 1.0:
        raise ValueError(f"rope_type 'default' with partial_rotary_factor {fraction}")
    if parameters.get("factor") not in (None, 1.0):
        raise ValueError(f"a rope factor of {parameters['factor']}")
    return Rope(float(parameters["rope_theta"]), float(fraction))


_UNSUPPORTED = {
    "enable_moe_block": "mixture of experts",
    "attention_k_eq_v": "values that are the keys",
    "attention_bias": "biases in attention",
    "use_bidirectional_attention": "attention in both directions",
}


def _refuse_variants(text: Mapping[str, Any], where: str) -> None:
    found = [what for key, what in _UNSUPPORTED.items() if text.get(key)]
    if text.get("hidden_activation", "gelu_pytorch_tanh") != "gelu_pytorch_tanh":
        found.append(f"activation {text['hidden_activation']!r}")
    if not text.get("hidden_size_per_layer_input"):
        found.append("no per-layer embeddings")
    if text.get("tie_word_embeddings", True) is False:
        found.append("an output matrix of its own")
    if found:
        raise ModelError(
            f"{where} describes a variant of Gemma 4 that cannot be imported: {', '.join(found)}",
            hint="Gemma 4 E2B and E4B are supported; run larger ones on a server (openai:URL)",
        )


def _check(spec: Gemma4Spec, where: str) -> None:
    known = set(spec.layer_kinds) <= {"sliding_attention", "full_attention"}
    owned = set(spec.layer_kinds[: max(spec.num_own, 0)])
    if not known or owned != set(spec.layer_kinds):
        raise ModelError(
            f"{where}: layers of kinds {sorted(set(spec.layer_kinds))}, of which only "
            f"{sorted(owned)} have keys and values of their own"
        )
    odd = {
        name: shape[1] for name, shape in spec.matrices().items() if shape[1] % DEFAULT_BLOCK_SIZE
    }
    if odd:
        name, columns = next(iter(odd.items()))
        raise ModelError(
            f"{where}: {name} has {columns} columns, wanted a multiple of {DEFAULT_BLOCK_SIZE}"
        )
