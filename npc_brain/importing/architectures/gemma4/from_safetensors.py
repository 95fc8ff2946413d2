"""Makes a model directory from a Hugging Face checkpoint of Gemma 4 (E2B, E4B).

Reads safetensors in bfloat16, float16 or float32, and compressed-tensors' packed 4-bit weights, one
part of a tensor at a time: a checkpoint of 16 GB needs some hundred MB of memory.

Source: the tensor names of transformers 5.23's Gemma4ForConditionalGeneration; the "pack-quantized"
format of the compressed-tensors package.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npc_brain.errors import ModelError, UsageError
from npc_brain.importing.architectures.gemma4.fill import (
    ACCURACY_LEVEL,
    PART_VALUES,
    PER_LAYER_TABLE,
    Gemma4Texts,
    Precision,
    fill_gemma4,
)
from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec, spec_from_config
from npc_brain.importing.architectures.gemma4.tower_builder import MatrixBits
from npc_brain.importing.architectures.gemma4.towers import CheckpointTensors, write_towers
from npc_brain.importing.checkpoint import (
    CONFIG_FILE,
    bos_id,
    checkpoint_file,
    read_object,
    read_stop_ids,
)
from npc_brain.importing.graph_builder import MatrixFormat
from npc_brain.importing.quantize import (
    DEFAULT_BLOCK_SIZE,
    Floats,
    QuantizedMatrix,
    round_to_4_bits,
)
from npc_brain.importing.safetensors_dir import SafetensorsDir, finite
from npc_brain.inference.model_dir import (
    TOKENIZER_FILE,
    Progress,
    no_progress,
    resumable_directory,
)

TEMPLATE_FILE = "chat_template.jinja"
GENERATION_FILE = "generation_config.json"

_DEFAULT_STOP_IDS = (1, 106, 50)
"""`<eos>`, `<turn|>` and `<|tool_response>`, which the model writes after its calls."""

_GLOBAL_NAMES = {
    "output": "embed_tokens.weight",
    PER_LAYER_TABLE: "embed_tokens_per_layer.weight",
    "per_layer_model_proj": "per_layer_model_projection.weight",
    "per_layer_proj_norm": "per_layer_projection_norm.weight",
    "output_norm": "norm.weight",
}
_LAYER_NAMES = {
    "attn_norm": "input_layernorm.weight",
    "attn_q": "self_attn.q_proj.weight",
    "attn_k": "self_attn.k_proj.weight",
    "attn_v": "self_attn.v_proj.weight",
    "attn_q_norm": "self_attn.q_norm.weight",
    "attn_k_norm": "self_attn.k_norm.weight",
    "attn_output": "self_attn.o_proj.weight",
    "post_attention_norm": "post_attention_layernorm.weight",
    "ffn_norm": "pre_feedforward_layernorm.weight",
    "ffn_gate": "mlp.gate_proj.weight",
    "ffn_up": "mlp.up_proj.weight",
    "ffn_down": "mlp.down_proj.weight",
    "post_ffw_norm": "post_feedforward_layernorm.weight",
    "inp_gate": "per_layer_input_gate.weight",
    "proj": "per_layer_projection.weight",
    "post_norm": "post_per_layer_input_norm.weight",
    "layer_output_scale": "layer_scalar",
}


def import_safetensors(
    source: Path,
    model_dir: Path,
    progress: Progress = no_progress,
    *,
    precision: Precision = "4bit",
) -> None:
    """Make `model_dir` from the checkpoint directory `source`, all at once or not at all.

    What an interrupted call has written is kept beside `model_dir` and used by the next one.

    Args:
        source: Holds config.json, tokenizer.json and the safetensors files.
        model_dir: Must not be there yet.
        progress: See `Progress`.
        precision: `4bit`, or `f32` for comparisons: eight times as large and slow.

    Raises ModelError when `source` is damaged or not understood, UsageError when `model_dir` is
    there already.
    """
    if model_dir.exists():
        raise UsageError(
            f"{model_dir} exists already", hint="choose a directory that does not exist yet"
        )
    config = read_object(source, CONFIG_FILE)
    spec = spec_from_config(config, str(source / CONFIG_FILE))
    weights = SafetensorsWeights(source, config, spec, precision)
    weights.check()
    texts = Gemma4Texts(
        name=model_dir.name,
        stop_ids=read_stop_ids(source, GENERATION_FILE, _DEFAULT_STOP_IDS),
        bos_id=bos_id(config, source / CONFIG_FILE),
        source=source.name,
    )
    if not (source / TOKENIZER_FILE).is_file():
        raise ModelError(f"{source} has no {TOKENIZER_FILE}", hint="download the whole checkpoint")
    names = (TOKENIZER_FILE, TEMPLATE_FILE, GENERATION_FILE)
    to_copy = [path for name in names if (path := checkpoint_file(source, name)).is_file()]
    with resumable_directory(model_dir) as staging:
        for path in to_copy:
            shutil.copyfile(path, staging / path.name)
        tensors = CheckpointTensors(SafetensorsDir(source))
        bits: MatrixBits = 32 if precision == "f32" else 8
        write_towers(staging, config, tensors, progress, bits=bits)
        fill_gemma4(spec, weights, staging, texts, progress)


class SafetensorsWeights:
    """A `WeightSource`: the text model's tensors of a checkpoint."""

    def __init__(
        self, source: Path, config: Mapping[str, Any], spec: Gemma4Spec, precision: Precision
    ) -> None:
        """Find the tensors. Raises ModelError when there is no Gemma 4 text model."""
        self._dir = SafetensorsDir(source)
        self._spec = spec
        self._precision = precision
        self._prefix = _prefix(self._dir)
        self._group_size = _group_size(config, source)
        self.fingerprint = json.dumps(
            [precision, [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in self._dir.paths]]
        )
        kind = self._dir.dtype(self._name("output"))
        self.embedding_multiplier = _rounded(spec.hidden**0.5, kind)

    def format(self, name: str, rows: int, columns: int) -> MatrixFormat:
        """See `WeightSource.format`."""
        if self._precision == "f32":
            return MatrixFormat(bits=32, block_size=1)
        block_size = DEFAULT_BLOCK_SIZE
        if self._is_packed(name) and self._group_size in (64, 128, 256):
            block_size = self._group_size
        return MatrixFormat(4, block_size, accuracy_level=ACCURACY_LEVEL)

    def parts(self, name: str, rows: int, columns: int) -> Iterator[QuantizedMatrix | Floats]:
        """See `WeightSource.parts`."""
        step = max(1, PART_VALUES // columns)
        form = self.format(name, rows, columns)
        for first in range(0, rows, step):
            last = min(first + step, rows)
            if self._is_packed(name):
                part = self._packed(name, first, last, form.block_size)
                yield part if form.bits == 4 else _unpacked(part)
                continue
            tensor = self._name(name)
            weights = finite(self._dir.rows(tensor, first, last), tensor)
            yield weights if form.bits == 32 else round_to_4_bits(weights, form.block_size)

    def vector(self, name: str, size: int) -> Floats:
        """See `WeightSource.vector`."""
        return self._dir.floats(self._name(name), size)

    def check(self) -> None:
        """Raises ModelError unless all tensors are there with the right shapes, and no others."""
        rows = self._spec.per_layer_vocab
        columns = self._spec.num_layers * self._spec.per_layer_width
        for name, shape in (self._spec.matrices() | {PER_LAYER_TABLE: (rows, columns)}).items():
            if self._is_packed(name):
                self._dir.check(self._packed_name(name, "packed"), shape[0], shape[1] // 8)
                num_groups = shape[1] // (self._group_size or shape[1])
                self._dir.check(self._packed_name(name, "scale"), shape[0], num_groups)
            else:
                self._dir.check(self._name(name), *shape)
        for name, size in self._spec.vectors().items():
            self._dir.check(self._name(name), size)
        if unknown := sorted(self._dir.names() - self._known()):
            raise ModelError(
                f"{self._dir.directory} has tensors that this importer does not understand: "
                f"{', '.join(unknown[:5])}",
                hint="the model is a variant of its architecture that is not supported",
            )

    def _known(self) -> set[str]:
        """Tensors that are used, and those that we may leave out."""
        used = [*self._spec.matrices(), *self._spec.vectors(), PER_LAYER_TABLE]
        known = {self._name(name) for name in used}
        known |= {self._packed_name(n, p) for n in used for p in ("packed", "scale", "shape")}
        for layer in range(self._spec.num_own, self._spec.num_layers):
            attention = f"{self._prefix}layers.{layer}.self_attn."
            known |= {
                name
                for name in self._dir.names()
                if name.startswith(tuple(f"{attention}{part}_" for part in "kv"))
            }
        return known | {n for n in self._dir.names() if not n.startswith(self._prefix)}

    def _name(self, name: str) -> str:
        return self._prefix + checkpoint_name(name)

    def _packed_name(self, name: str, part: str) -> str:
        return f"{self._name(name)}_{part}"

    def _is_packed(self, name: str) -> bool:
        return self._packed_name(name, "packed") in self._dir.names()

    def _packed(self, name: str, first: int, last: int, block_size: int) -> QuantizedMatrix:
        """Packed rows hold codes as MatMulNBits does: low ones first, 8 standing for 0."""
        packed = self._dir.rows(self._packed_name(name, "packed"), first, last)
        scales = self._dir.rows(self._packed_name(name, "scale"), first, last)
        codes = packed.view(np.uint8).reshape(last - first, -1, block_size // 2)
        per_scale = codes.shape[1] // scales.shape[1]
        scales = np.repeat(finite(scales, name), per_scale, axis=1)
        return QuantizedMatrix(4, block_size, codes, np.ascontiguousarray(scales))


def checkpoint_name(name: str) -> str:
    """What a checkpoint calls a weight of `Gemma4Spec`, below the text model's prefix."""
    if name in _GLOBAL_NAMES:
        return _GLOBAL_NAMES[name]
    _, layer, part = name.split(".")
    return f"layers.{layer}.{_LAYER_NAMES[part]}"


def _prefix(tensors: SafetensorsDir) -> str:
    """What the names of the text model begin with."""
    for prefix in ("model.language_model.", "language_model.model.", "model."):
        if f"{prefix}embed_tokens.weight" in tensors.names():
            return prefix
    raise ModelError(
        f"{tensors.directory} has no tensor model.language_model.embed_tokens.weight",
        hint="only checkpoints of Gemma 4 E2B and E4B can be imported from safetensors",
    )


def _group_size(config: Mapping[str, Any], source: Path) -> int | None:
    """Values that share a scale in packed weights; None when a row does, or nothing is packed."""
    settings = config.get("quantization_config")
    if settings is None:
        return None
    try:
        if settings["format"] != "pack-quantized":
            raise ValueError(f"format {settings['format']!r}")
        (group,) = settings["config_groups"].values()
        weights = group["weights"]
        kind = (weights["num_bits"], weights["symmetric"], weights.get("actorder"))
        if kind not in ((4, True, None), (4, True, "weight")) or weights["type"] != "int":
            raise ValueError(f"weights {weights}")
        size = weights["group_size"] if weights["strategy"] == "group" else None
        if size is not None and size % DEFAULT_BLOCK_SIZE:
            raise ValueError(f"groups of {size}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{source / 'config.json'}: quantised in a way that cannot be imported: {error}",
            hint="use the checkpoint in bfloat16, or one in w4a16",
        ) from error
    return None if size is None else int(size)


def _unpacked(part: QuantizedMatrix) -> Floats:
    codes = np.stack([part.codes & 15, part.codes >> 4], axis=-1)
    codes = codes.reshape(*part.codes.shape[:2], -1)
    weights = (codes.astype(np.float32) - 8) * part.scales[..., None]
    return weights.reshape(len(weights), -1)


def _rounded(value: float, kind: str) -> float:
    """`value` as the model computes with it: rounded to the type of its embeddings."""
    if kind == "F16":
        return float(np.float16(value))
    bits = int(np.float32(value).view(np.uint32))
    if kind == "BF16":
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return float(np.uint32(bits).view(np.float32))
