"""Writes a Gemma 4 model directory: graph, weights, per-layer table, `model.json`.

Where the weights come from is a `WeightSource`'s business: Hugging Face safetensors, GGUF and
random numbers each are one. A source names how it stores a matrix and gives its rows in parts, so
that no table is ever in memory as a whole. Names are those of `Gemma4Spec.matrices` and `.vectors`,
and `PER_LAYER_TABLE`. An import that was interrupted goes on where it was when it is started again
in the same directory with the same source.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from npc_brain.errors import ModelError
from npc_brain.importing.architectures.gemma4 import ARCHITECTURE
from npc_brain.importing.architectures.gemma4.graph import build_gemma4
from npc_brain.importing.architectures.gemma4.spec import Gemma4Spec
from npc_brain.importing.graph_builder import GraphBuilder, MatrixFormat
from npc_brain.importing.quantize import Floats, QuantizedMatrix
from npc_brain.inference.model_dir import (
    GRAPH_FILE,
    WEIGHTS_FILE,
    EmbeddingLayout,
    ModelDims,
    Progress,
    write_model_info,
)

PER_LAYER_TABLE = "per_layer_token_embd"
"""Name of the per-layer table, [per_layer_vocab, layers * per_layer_width]."""

PER_LAYER_FILE = "per_layer_embeddings.bin"
DONE_FILE = "import.done"
"""Which weights are written already; gone when the import is complete."""

ACCURACY_LEVEL = 4
"""MatMulNBits rounds activations to 8 bits in blocks: as llama.cpp does, and twice as fast."""
PART_VALUES = 1 << 23
"""Values that are converted at a time."""

Precision = Literal["4bit", "f32"]

_TOKEN_TABLE = "output"


class WeightSource(Protocol):
    """Where the weights of a model come from.

    Attributes:
        fingerprint: Changes whenever the weights or how they are stored do; what an interrupted
            import wrote is only kept when it is the same.
        embedding_multiplier: What token embeddings are multiplied with: sqrt(hidden), rounded as
            the model does.
    """

    fingerprint: str
    embedding_multiplier: float

    def format(self, name: str, rows: int, columns: int) -> MatrixFormat:
        """How matrix (or table) `name` is to be stored. Tables cannot have offsets."""
        ...

    def parts(self, name: str, rows: int, columns: int) -> Iterator[QuantizedMatrix | Floats]:
        """Its rows in order, in parts of bounded size, stored as `format` says.

        A matrix whose format has offsets comes in one part.
        """
        ...

    def vector(self, name: str, size: int) -> Floats:
        """The norm weight or scalar `name`, float32[size]."""
        ...


@dataclass(frozen=True, slots=True)
class Gemma4Texts:
    """What `model.json` says besides the shape."""

    name: str
    stop_ids: tuple[int, ...]
    bos_id: int | None = 2
    licence: str = "Apache-2.0"
    source: str = ""


def fill_gemma4(
    spec: Gemma4Spec, source: WeightSource, model_dir: Path, texts: Gemma4Texts, progress: Progress
) -> None:
    """Write the model into `model_dir`, where the tokenizer's files lie already.

    Raises ModelError when the source is damaged or the disk is too small.
    """
    with (
        GraphBuilder(model_dir / WEIGHTS_FILE) as builder,
        closing(_RowTable(spec, source, model_dir / PER_LAYER_FILE)) as table,
    ):
        for name, (rows, columns) in spec.matrices().items():
            builder.reserve_matrix(name, rows, columns, source.format(name, rows, columns))
        for name, size in spec.vectors().items():
            builder.reserve(name, np.float32, [size])
        build_gemma4(builder, spec)
        journal = _Journal(model_dir / DONE_FILE, _fingerprint(spec, source))
        _check_space(model_dir, builder.num_bytes + table.num_bytes)
        _fill(spec, source, builder, table, journal, progress)
        builder.save(model_dir / GRAPH_FILE, texts.name)
        embedding = _embedding(builder, source, spec)
    journal.remove()
    progress(0, 0, "computing checksums")
    write_model_info(
        model_dir,
        kind="decoder",
        name=texts.name,
        architecture=ARCHITECTURE.name,
        profile=ARCHITECTURE.profile,
        dims=_dims(spec),
        chat_format="gemma4",
        bos_id=texts.bos_id,
        stop_ids=texts.stop_ids,
        embedding=embedding,
        per_layer_embedding=table.layout,
        pad_id=spec.pad_id,
        licence=texts.licence,
        source=texts.source,
    )


def _fill(
    spec: Gemma4Spec,
    source: WeightSource,
    builder: GraphBuilder,
    table: "_RowTable",
    journal: "_Journal",
    progress: Progress,
) -> None:
    """Write every weight that the journal does not have, the largest first."""
    matrices = spec.matrices() | {PER_LAYER_TABLE: table.shape}
    total = sum(rows * columns for rows, columns in matrices.values())
    done = 0
    for name, size in spec.vectors().items():
        if not journal.has(name):
            builder.fill(name, source.vector(name, size))
    for name, (rows, columns) in sorted(matrices.items(), key=lambda m: -m[1][0] * m[1][1]):
        if journal.has(name):
            done += rows * columns
            continue
        fill: Callable[..., None] = builder.fill_matrix
        if name == PER_LAYER_TABLE:
            fill = table.fill
        first_row = 0
        for part in source.parts(name, rows, columns):
            progress(done // _PROGRESS_UNIT, total // _PROGRESS_UNIT, f"importing {name}")
            fill(name, part, first_row=first_row)
            num_rows = len(part.codes if isinstance(part, QuantizedMatrix) else part)
            first_row += num_rows
            done += num_rows * columns
        if first_row != rows:
            raise ModelError(f"{name} has {first_row} rows, wanted {rows}")
        builder.sync()
        table.sync()
        journal.add(name)
    progress(total // _PROGRESS_UNIT, total // _PROGRESS_UNIT, "imported")


_PROGRESS_UNIT = 1_000_000


class _RowTable:
    """The file of the per-layer table: codes of all rows, then their scales as float16.

    Scales need no more: half a thousandth of a 4-bit step is nothing.
    """

    def __init__(self, spec: Gemma4Spec, source: WeightSource, path: Path) -> None:
        rows, columns = self.shape = (spec.per_layer_vocab, spec.num_layers * spec.per_layer_width)
        form = source.format(PER_LAYER_TABLE, rows, columns)
        self._row_bytes = columns * form.bits // 8
        self._scale_bytes = 0 if form.bits == 32 else columns // form.block_size * 2
        self.layout = EmbeddingLayout(
            path=path.name,
            codes_offset=0,
            scales_offset=rows * self._row_bytes,
            block_size=form.block_size,
            bits=form.bits,
            scale_type="float16",
            multiplier=spec.per_layer_width**0.5,
        )
        self.num_bytes = rows * (self._row_bytes + self._scale_bytes)
        self._file = path.open("r+b" if path.exists() else "w+b")

    def fill(self, name: str, part: QuantizedMatrix | Floats, *, first_row: int) -> None:
        """Write rows from `first_row` on."""
        self._file.seek(first_row * self._row_bytes)
        if not isinstance(part, QuantizedMatrix):
            self._file.write(np.ascontiguousarray(part).data)
            return
        self._file.write(np.ascontiguousarray(part.codes).data)
        self._file.seek(self.layout.scales_offset + first_row * self._scale_bytes)
        self._file.write(part.scales.astype(np.float16).data)

    def sync(self) -> None:
        """Hand everything that was written so far to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Journal:
    """Names of the weights that are written, one a line; starts over for another source."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._done = set(lines[1:]) if lines[:1] == [fingerprint] else set()
        if not self._done:
            path.write_text(fingerprint + "\n", encoding="utf-8")

    def has(self, name: str) -> bool:
        return name in self._done

    def add(self, name: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(name + "\n")

    def remove(self) -> None:
        self._path.unlink()


def _fingerprint(spec: Gemma4Spec, source: WeightSource) -> str:
    return json.dumps([source.fingerprint, asdict(spec)], sort_keys=True, default=dict)


def _check_space(model_dir: Path, num_bytes: int) -> None:
    """Refuse before the work begins, not at its end."""
    present = sum(
        path.stat().st_blocks * 512 if hasattr(path.stat(), "st_blocks") else path.stat().st_size
        for path in model_dir.iterdir()
    )
    free = shutil.disk_usage(model_dir).free
    if num_bytes - present > free:
        raise ModelError(
            f"the model needs {num_bytes / 1e9:.1f} GB at {model_dir.parent}, where "
            f"{free / 1e9:.1f} GB are free",
            hint="free some space, or import to another disk",
        )


def _dims(spec: Gemma4Spec) -> ModelDims:
    return ModelDims(
        layers=spec.num_layers,
        hidden=spec.hidden,
        heads=spec.heads,
        vocab=spec.vocab,
        context=spec.context,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dims["sliding_attention"],
        sliding_window=spec.window,
        per_layer_width=spec.per_layer_width,
        per_layer_vocab=spec.per_layer_vocab,
    )


def _embedding(builder: GraphBuilder, source: WeightSource, spec: Gemma4Spec) -> EmbeddingLayout:
    """The token table is the output matrix: its rows are looked up where the graph has them."""
    form = source.format(_TOKEN_TABLE, spec.vocab, spec.hidden)
    is_plain = form.bits == 32
    return EmbeddingLayout(
        path=WEIGHTS_FILE,
        codes_offset=builder.offset(_TOKEN_TABLE if is_plain else f"{_TOKEN_TABLE}.codes"),
        scales_offset=0 if is_plain else builder.offset(f"{_TOKEN_TABLE}.scales"),
        block_size=form.block_size,
        bits=form.bits,
        multiplier=source.embedding_multiplier,
    )
