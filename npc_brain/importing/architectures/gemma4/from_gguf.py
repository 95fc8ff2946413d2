"""GGUF to model directory: architecture `gemma4` (E2B, E4B).

Weights are read a few rows at a time, so that importing needs some hundred MB of memory. Quantised
ones keep the values that the file gives them where MatMulNBits can hold these (Q4_0, Q4_1, Q4_K,
Q5_0, Q6_K, Q8_0), others become 8-bit codes; 16 and 32-bit floats are rounded to 4 bits.

Source: names of metadata and tensors as in the `gguf` package 0.19 and llama.cpp's
src/models/gemma4.cpp. Ollama's files hold the towers too (`v.`, `a.`, `mm.`), which are left out.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.gemma4 import ARCHITECTURE
from npc_brain.importing.architectures.gemma4.fill import (
    ACCURACY_LEVEL,
    PART_VALUES,
    PER_LAYER_TABLE,
    Gemma4Texts,
    Precision,
    fill_gemma4,
)
from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec, spec_from_config
from npc_brain.importing.gguf_file import GgufFile
from npc_brain.importing.gguf_tokenizer import bos_id, build_tokenizer, stop_ids
from npc_brain.importing.graph_builder import MatrixFormat
from npc_brain.importing.quantize import (
    DEFAULT_BLOCK_SIZE,
    Floats,
    QuantizedMatrix,
    quantize,
    round_to_4_bits,
)
from npc_brain.inference.model_dir import (
    TOKENIZER_FILE,
    Progress,
    no_progress,
    resumable_directory,
)

_Type = gguf.GGMLQuantizationType
_FLOAT_TYPES = (_Type.F32, _Type.F16, _Type.BF16)
_OFFSET_TYPES = (_Type.Q4_1, _Type.Q4_K)

_TOKEN_TABLE = "output"
_TABLES = (_TOKEN_TABLE, PER_LAYER_TABLE)
_LAYER_SCALE = "layer_output_scale"
_ROPE_FACTORS = "rope_freqs.weight"
_STILL = 1e20
"""A frequency that is divided by so much does not turn."""

_TOWER_PREFIXES = ("v.", "a.", "mm.")


def import_gemma4(
    file: GgufFile,
    model_dir: Path,
    progress: Progress = no_progress,
    *,
    precision: Precision = "4bit",
) -> None:
    """Make `model_dir`, which is not there yet, from `file`, all at once or not at all.

    What an interrupted call has written is kept beside `model_dir` and used by the next one.

    Args:
        file: Of architecture `gemma4`.
        model_dir: The directory to make.
        progress: See `Progress`.
        precision: `4bit` as told above, or `f32` for comparisons: eight times as large and slow.

    Raises ModelError when `file` is damaged or holds a variant that is not supported.
    """
    spec = _spec(file)
    weights = GgufWeights(file, spec, precision)
    weights.check()
    texts = Gemma4Texts(
        name=model_dir.name,
        stop_ids=stop_ids(file, ARCHITECTURE),
        bos_id=bos_id(file),
        licence=file.value("general.license", str, "Apache-2.0"),
        source=file.path.name,
    )
    with resumable_directory(model_dir) as staging:
        progress(0, 0, "building the tokenizer")
        build_tokenizer(file, ARCHITECTURE).save(str(staging / TOKENIZER_FILE), pretty=False)
        fill_gemma4(spec, weights, staging, texts, progress)


class GgufWeights:
    """A `WeightSource`: the tensors of a GGUF file."""

    def __init__(self, file: GgufFile, spec: Gemma4Spec, precision: Precision = "4bit") -> None:
        self._file = file
        self._spec = spec
        self._precision = precision
        stat = file.path.stat()
        self.fingerprint = json.dumps([precision, stat.st_size, stat.st_mtime_ns])
        self.embedding_multiplier = float(np.float32(spec.hidden**0.5))

    def format(self, name: str, rows: int, columns: int) -> MatrixFormat:
        """See `WeightSource.format`."""
        if self._precision == "f32":
            return MatrixFormat(bits=32, block_size=1)
        kind = self._file.kind(tensor_name(name))
        if kind in _FLOAT_TYPES or kind == _Type.Q4_0:
            return MatrixFormat(4, DEFAULT_BLOCK_SIZE, accuracy_level=ACCURACY_LEVEL)
        if kind in _OFFSET_TYPES and name not in _TABLES:
            return MatrixFormat(4, DEFAULT_BLOCK_SIZE, True, ACCURACY_LEVEL)
        return MatrixFormat(8, 16 if kind == _Type.Q6_K else DEFAULT_BLOCK_SIZE)

    def parts(self, name: str, rows: int, columns: int) -> Iterator[QuantizedMatrix | Floats]:
        """See `WeightSource.parts`."""
        form = self.format(name, rows, columns)
        step = rows if form.has_offsets else max(1, PART_VALUES // columns)
        for first in range(0, rows, step):
            weights, grid = self._file.rows(tensor_name(name), first, min(first + step, rows))
            if form.bits == 32:
                yield weights
            elif self._file.kind(tensor_name(name)) in _FLOAT_TYPES:
                yield round_to_4_bits(weights)
            else:
                yield quantize(weights, [] if grid is None else [grid], bits=form.bits)

    def vector(self, name: str, size: int) -> Floats:
        """See `WeightSource.vector`."""
        if name.endswith(_LAYER_SCALE) and not self._file.has_tensor(tensor_name(name)):
            return np.ones(size, np.float32)
        return self._file.tensor(tensor_name(name), size)

    def check(self) -> None:
        """Raise ModelError unless all tensors are there with the right shapes, and no others."""
        spec, file = self._spec, self._file
        table = (spec.per_layer_vocab, spec.num_layers * spec.per_layer_width)
        shapes: dict[str, tuple[int, ...]] = {**spec.matrices(), PER_LAYER_TABLE: table}
        shapes |= {name: (size,) for name, size in spec.vectors().items()}
        for name, shape in shapes.items():
            if file.has_tensor(tensor_name(name)) or not name.endswith(_LAYER_SCALE):
                file.check(tensor_name(name), *shape)
        unknown = sorted(file.tensor_names() - {tensor_name(name) for name in shapes})
        unknown = [name for name in unknown if not self._is_left_out(name)]
        if unknown:
            raise ModelError(
                f"{file.path} has tensors that this importer does not understand: "
                f"{', '.join(unknown[:5])}",
                hint="the model is a variant of its architecture that is not supported",
            )

    def _is_left_out(self, name: str) -> bool:
        """Towers, what the spec was read from, and keys and values that nobody reads."""
        if name.startswith(_TOWER_PREFIXES) or name == _ROPE_FACTORS:
            return True
        parts = name.split(".")
        if len(parts) != 4 or parts[0] != "blk" or not parts[1].isdigit():
            return False
        return int(parts[1]) >= self._spec.num_own and parts[2].startswith(("attn_k", "attn_v"))


def tensor_name(name: str) -> str:
    """What GGUF calls a weight of `Gemma4Spec`."""
    if name == _TOKEN_TABLE:
        return "token_embd.weight"
    if name.startswith("layer."):
        return f"blk.{name.removeprefix('layer.')}.weight"
    return f"{name}.weight"


def _spec(file: GgufFile) -> Gemma4Spec:
    """The spec, by way of the `config.json` that the metadata amounts to."""
    num_layers = file.num_layers()
    is_sliding = _by_layer(file, "attention.sliding_window_pattern", num_layers)
    num_own = num_layers - file.setting("attention.shared_kv_layers", int, 0)
    widths = _by_layer(file, "feed_forward_length", num_layers)
    kv_heads = _by_layer(file, "attention.head_count_kv", num_layers)
    own_width, shared_width = _one(file, widths[:num_own]), _one(file, widths[num_own:])
    if shared_width not in (None, own_width, 2 * (own_width or 0)):
        raise ModelError(f"{file.path}: MLP widths {own_width} and {shared_width}: not supported")
    of_kind = {
        kind: _one(
            file, [n for n, sliding in zip(kv_heads, is_sliding, strict=True) if sliding == kind]
        )
        for kind in (True, False)
    }
    if file.setting("expert_count", int, 0):
        raise ModelError(
            f"{file.path} is a mixture of experts: not supported",
            hint="Gemma 4 E2B and E4B can be imported; run larger ones on a server",
        )
    text: dict[str, Any] = {
        "num_hidden_layers": num_layers,
        "num_kv_shared_layers": num_layers - num_own,
        "layer_types": ["sliding_attention" if s else "full_attention" for s in is_sliding],
        "hidden_size": file.size("embedding_length"),
        "intermediate_size": own_width,
        "use_double_wide_mlp": shared_width is not None and shared_width != own_width,
        "num_attention_heads": _one(file, _by_layer(file, "attention.head_count", num_layers)),
        "num_key_value_heads": of_kind[True] or of_kind[False],
        "num_global_key_value_heads": of_kind[False],
        "head_dim": file.size("attention.key_length_swa"),
        "global_head_dim": file.size("attention.key_length"),
        "sliding_window": file.size("attention.sliding_window"),
        "hidden_size_per_layer_input": file.setting("embedding_length_per_layer_input", int, 0),
        "vocab_size": len(file.value("tokenizer.ggml.tokens", list)),
        "max_position_embeddings": file.size("context_length"),
        "rms_norm_eps": file.positive("attention.layer_norm_rms_epsilon"),
        "final_logit_softcapping": file.setting("final_logit_softcapping", float, None),
        "pad_token_id": file.token_id("tokenizer.ggml.padding_token_id", 0),
        "tie_word_embeddings": not file.has_tensor("output.weight"),
        "rope_parameters": {
            "sliding_attention": {"rope_theta": file.positive("rope.freq_base_swa", 10000.0)},
            "full_attention": {
                "rope_type": "proportional",
                "rope_theta": file.positive("rope.freq_base"),
                "partial_rotary_factor": _turning_share(file),
            },
        },
    }
    return spec_from_config(text, str(file.path))


def _by_layer(file: GgufFile, key: str, num_layers: int) -> list[Any]:
    """A setting that is one value for all layers, or a list of one for each."""
    value = file.setting(key, object)
    values = value if isinstance(value, list) else [value] * num_layers
    if len(values) != num_layers or not all(isinstance(v, int) for v in values):
        raise ModelError(
            f"{file.path}: {file.architecture}.{key} is {str(value)[:80]}, wanted {num_layers} "
            "whole numbers"
        )
    return values


def _one(file: GgufFile, values: list[int]) -> int | None:
    """What `values` all are; None when there are none."""
    if len(set(values)) > 1:
        raise ModelError(f"{file.path}: layers that differ in {sorted(set(values))}: not supported")
    return values[0] if values else None


def _turning_share(file: GgufFile) -> float:
    """How many of the frequencies of full attention turn; the others are divided by a huge number.

    Raises ModelError when the factors are not 1 first and huge from there on.
    """
    size = file.size("attention.key_length") // 2
    factors = file.tensor(_ROPE_FACTORS, size)
    turning = int((factors == 1).sum())
    if not (factors[:turning] == 1).all() or not (factors[turning:] > _STILL).all():
        raise ModelError(f"{file.path}: {_ROPE_FACTORS} scales frequencies: not supported")
    return turning / size
