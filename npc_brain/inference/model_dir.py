"""A model directory: `model.json` beside the files that it lists.

The one shape in which a model is kept, whatever it was imported from. This module reads, verifies
and creates such directories; it does not know what a graph or a tokenizer looks like inside.
"""

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from npc_brain import files
from npc_brain.errors import ErrorCode, ModelError
from npc_brain.inference.profile import ModelProfile

INFO_FILE = "model.json"
GRAPH_FILE = "model.onnx"
WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what); the unit is the caller's, total is 0 when not known."""

MAX_VOCAB = 2**21
"""Most tokens of a vocabulary; the largest known have a quarter million."""
MAX_SIZE = 2**24
"""Largest size of any part of a model: widths, heads, positions."""
MAX_LAYERS = 1024
MIN_NUMBER, MAX_NUMBER = 1e-30, 1e30
"""Of numbers that a model computes with in float32."""
MAX_TOKENIZER_BYTES = 64 * files.MB
"""Of a `tokenizer.json`; Gemma 4's has 33 MB."""
MAX_TOKEN_VALUES = 4_000_000
"""Of the JSON values in it; Gemma 4's has 2 million."""
MAX_CONFIG_BYTES = 4 * files.MB
"""Of a `config.json` and its like."""
_MAX_INFO_BYTES = files.MB

_STALE_AFTER_S = 24 * 3600.0
_DAMAGED_HINT = "the directory was made by another version or edited; import the model again"

TokenId = Annotated[int, Field(ge=0, lt=MAX_VOCAB)]
Size = Annotated[int, Field(ge=1, le=MAX_SIZE)]


def no_progress(done: int, total: int, what: str) -> None:
    """A `Progress` that shows nothing."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelFile(_Frozen):
    """One file of a model directory; `path` is relative and uses forward slashes."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelDims(_Frozen):
    """Sizes of a transformer.

    `context` is the number of positions that the graph supports. `kv_heads`, `head_dim` and
    `sliding_window` (positions, counting the current one) belong to decoders; `per_layer_width` is
    what one layer takes of each of the `per_layer_vocab` rows of the per-layer table.
    """

    layers: int = Field(ge=1, le=MAX_LAYERS)
    hidden: Size
    heads: Size
    vocab: int = Field(ge=1, le=MAX_VOCAB)
    context: Size
    kv_heads: Size | None = None
    head_dim: Size | None = None
    sliding_window: Size | None = None
    per_layer_width: int | None = Field(None, ge=0, le=MAX_SIZE)
    per_layer_vocab: int | None = Field(None, ge=0, le=MAX_VOCAB)


class EmbeddingLayout(_Frozen):
    """Where a table of rows by token lies.

    Attributes:
        path: The file; a tied output matrix of the graph may share it.
        codes_offset: Byte offset of the codes, uint8[vocab, width * bits / 8]: a code c stands for
            (c - 2 ** (bits - 1)) * scale, and of two 4-bit codes in a byte the low one is first.
            With 32 bits the values themselves lie there, float32[vocab, width].
        scales_offset: Byte offset of `scale_type`[vocab, width / block_size].
        block_size: Consecutive values of a row that share a scale.
        bits: Of a code.
        scale_type: Of a scale.
        multiplier: What the model multiplies its embeddings with.
    """

    path: str
    codes_offset: int = Field(ge=0, le=2**62)
    scales_offset: int = Field(ge=0, le=2**62)
    block_size: Size
    bits: Literal[4, 8, 32] = 8
    scale_type: Literal["float16", "float32"] = "float32"
    multiplier: float = 1.0


class PublishedGraphs(_Frozen):
    """The graphs of a model that is used as published: a file name for each part.

    Attributes:
        embed_tokens: Token ids to embeddings.
        decoder: Embeddings and past KV to logits and present KV.
        vision_encoder: Pixels to soft tokens; None when it was not taken along.
        audio_encoder: Sound features to soft tokens; None when it was not taken along.
    """

    embed_tokens: str
    decoder: str
    vision_encoder: str | None = None
    audio_encoder: str | None = None


class ModelInfo(_Frozen):
    """Content of `model.json`.

    Attributes:
        kind: `decoder` (tokens to logits) or `sentence_encoder` (text to a vector).
        name: Catalogue name, or the directory's.
        architecture: For example `llama`, `gemma3`, `bert`.
        profile: What the model is good for; None (directories of earlier versions, encoders) leaves
            it to the architecture.
        chat_format: Name of a format in `inference.formats`; None when the model has no known one.
        bos_id: Token that every prompt starts with; None when there is none.
        stop_ids: Tokens that end a completion.
        embedding: Token table of a decoder whose graph takes embeddings instead of ids.
        per_layer_embedding: Second table, of the rows that each layer adds for a token (Gemma 4).
        pad_id: The token whose per-layer row stands in for an image's or a sound's.
        published: The graphs, when they are not ours but those that somebody published.
        files: Every other file of the directory.
        licence: SPDX id or name of the weights' licence.
        source: What the directory was made from, for people.
    """

    format: Literal[1] = 1
    kind: Literal["decoder", "sentence_encoder"]
    name: str
    architecture: str
    dims: ModelDims
    profile: ModelProfile | None = None
    chat_format: str | None = None
    bos_id: TokenId | None = None
    stop_ids: tuple[TokenId, ...] = Field((), max_length=1000)
    embedding: EmbeddingLayout | None = None
    per_layer_embedding: EmbeddingLayout | None = None
    pad_id: TokenId = 0
    published: PublishedGraphs | None = None
    files: tuple[ModelFile, ...] = ()
    licence: str = ""
    source: str = ""


def load_model_info(model_dir: Path) -> ModelInfo:
    """Read `model.json` and check that the files it lists are there with the right sizes.

    Raises ModelError when the directory is missing (`model_not_found`) or damaged (`bad_model`).
    """
    path = model_dir / INFO_FILE
    if not path.is_file():
        raise ModelError(
            f"{model_dir} is no model directory: it has no {INFO_FILE}",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="make one with `npc-brain model import SRC DIR` or `npc-brain model pull NAME`",
        )
    try:
        info = ModelInfo.model_validate(
            files.read_json(path, _MAX_INFO_BYTES, ModelError, _DAMAGED_HINT)
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise ModelError(
            f"{path}: {where}: {first['msg']}",
            hint=_DAMAGED_HINT,
        ) from error
    for file in info.files:
        _check_size(model_dir, file)
    for name in _named_files(info):
        model_file(model_dir, name)
    return info


def model_file(model_dir: Path, name: str) -> Path:
    """The path of a file that `model.json` names. Raises ModelError when it is outside."""
    return files.inside(model_dir, name, model_dir / INFO_FILE, ModelError)


def _named_files(info: ModelInfo) -> Iterator[str]:
    for layout in (info.embedding, info.per_layer_embedding):
        if layout is not None:
            yield layout.path
    if info.published is not None:
        yield from (name for name in info.published.model_dump().values() if name is not None)


def verify(model_dir: Path, progress: Progress = no_progress) -> ModelInfo:
    """Check the sha256 of every file that `model.json` lists.

    Raises ModelError naming the first file that differs.
    """
    info = load_model_info(model_dir)
    total = sum(file.bytes for file in info.files)
    done = 0
    for file in info.files:
        progress(done, total, f"checking {file.path}")
        got = sha256_of(model_dir / file.path)
        if got != file.sha256:
            raise ModelError(
                f"{model_dir / file.path} is damaged: sha256 is {got}, wanted {file.sha256}",
                hint="delete the directory and pull or import the model again",
            )
        done += file.bytes
    progress(total, total, "checked")
    return info


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex. Raises ModelError when it cannot be read."""
    try:
        with files.open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def write_model_info(model_dir: Path, **fields: Any) -> ModelInfo:
    """Write `model.json` with `fields` of `ModelInfo` and a list of the files that are there."""
    paths = sorted(p for p in model_dir.rglob("*") if p.is_file() and p.name != INFO_FILE)
    listed = tuple(
        ModelFile(
            path=path.relative_to(model_dir).as_posix(),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for path in paths
    )
    info = ModelInfo(files=listed, **fields)
    (model_dir / INFO_FILE).write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return info


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Create directory `target` all at once: yields a staging directory that becomes it.

    When the body fails or is interrupted nothing is left behind. Of several processes that create
    the same `target` at the same time the first to finish wins, and the others use its result.

    Raises ModelError when the disk is full or cannot be written to.
    """
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name}."
        _remove_stale(target.parent, prefix)
        staging = Path(tempfile.mkdtemp(prefix=prefix, suffix=".partial", dir=target.parent))
        yield staging
        staging.chmod(0o755)
        try:
            staging.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    except OSError as error:
        raise ModelError(
            f"cannot make {target}: {error}", hint="check the free space and the permissions"
        ) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def resumable_directory(target: Path) -> Iterator[Path]:
    """Create directory `target` all at once, in as many attempts as it takes.

    Yields a hidden directory beside `target`, which becomes it. When the body fails or is
    interrupted it stays, and the next attempt gets it as it was left.

    Raises ModelError when another process is at it, or the disk is full or cannot be written to.
    """
    staging = target.parent / f".{target.name}.importing"
    lock = staging.with_suffix(".lock")
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with _locked(lock, f"another process is making {target}"):
            yield staging
            staging.rename(target)
        lock.unlink()
    except OSError as error:
        raise ModelError(
            f"cannot make {target}: {error}",
            hint="check the free space and the permissions; the next attempt continues from here",
        ) from error


@contextmanager
def _locked(path: Path, refusal: str) -> Iterator[None]:
    """Hold a lock that ends with this process."""
    with path.open("wb") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ModelError(refusal, hint="wait until it has finished, or stop it") from error
        yield


def _remove_stale(parent: Path, prefix: str) -> None:
    """Remove what a killed process left of an earlier attempt."""
    for path in parent.glob(f"{prefix}*.partial"):
        try:
            is_stale = time.time() - path.stat().st_mtime > _STALE_AFTER_S
        except FileNotFoundError:
            continue
        if is_stale:
            shutil.rmtree(path, ignore_errors=True)


def _check_size(model_dir: Path, file: ModelFile) -> None:
    path = model_file(model_dir, file.path)
    got = path.stat().st_size if path.is_file() else None
    if got != file.bytes:
        state = "missing" if got is None else f"{got} bytes long, wanted {file.bytes}"
        raise ModelError(
            f"{path} is {state}", hint="delete the directory and pull or import the model again"
        )
