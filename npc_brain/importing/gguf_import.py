"""GGUF to model directory, for architectures whose graph a `DecoderSpec` describes."""

from pathlib import Path

from npc_brain.errors import ModelError, UsageError
from npc_brain.importing.architecture import Architecture
from npc_brain.importing.architectures import ARCHITECTURES, names
from npc_brain.importing.decoder_graph import build_decoder
from npc_brain.importing.decoder_spec import DecoderSpec, layer_matrices, layer_norms
from npc_brain.importing.gguf_file import GgufFile
from npc_brain.importing.gguf_tokenizer import bos_id, build_tokenizer, stop_ids
from npc_brain.importing.graph_builder import GraphBuilder
from npc_brain.importing.quantize import DEFAULT_BLOCK_SIZE
from npc_brain.inference.model_dir import (
    GRAPH_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    EmbeddingLayout,
    ModelDims,
    Progress,
    new_directory,
    no_progress,
    write_model_info,
)


def import_gguf(source: Path, model_dir: Path, progress: Progress = no_progress) -> None:
    """Make `model_dir` from the GGUF file `source`, all at once or not at all.

    Raises ModelError when `source` is damaged or not understood, UsageError when `model_dir` is
    there already.
    """
    if model_dir.exists():
        raise UsageError(
            f"{model_dir} exists already", hint="choose a directory that does not exist yet"
        )
    file = GgufFile(source)
    if (import_alone := _architecture(file).import_gguf) is not None:
        import_alone(file, model_dir, progress)
        return
    with new_directory(model_dir) as staging:
        _fill(file, staging, progress, model_dir.name)


def fill_from_gguf(source: Path, model_dir: Path, progress: Progress, *, name: str) -> None:
    """Write model `name` into the empty directory `model_dir`."""
    _fill(GgufFile(source), model_dir, progress, name)


def _fill(file: GgufFile, model_dir: Path, progress: Progress, name: str) -> None:
    architecture, spec = _architecture(file), _spec(file)
    progress(0, 0, "building the tokenizer")
    build_tokenizer(file, architecture).save(str(model_dir / TOKENIZER_FILE), pretty=False)
    with GraphBuilder(model_dir / WEIGHTS_FILE) as builder:
        embedding = _write_weights(file, spec, builder, progress)
        build_decoder(builder, spec)
        builder.save(model_dir / GRAPH_FILE, name)
    if left_over := file.unread_tensors():
        raise ModelError(
            f"{file.path} has tensors that this importer does not understand: "
            f"{', '.join(left_over[:5])}",
            hint="the model is a variant of its architecture that is not supported",
        )
    progress(0, 0, "computing checksums")
    tokens = file.value("tokenizer.ggml.tokens", list)
    write_model_info(
        model_dir,
        kind="decoder",
        name=name,
        architecture=file.architecture,
        dims=ModelDims(
            layers=len(spec.layers),
            hidden=spec.hidden,
            heads=spec.heads,
            vocab=spec.vocab,
            context=spec.context,
            kv_heads=spec.kv_heads,
            head_dim=spec.head_dim,
            sliding_window=next((s.window for s in spec.layers if s.window is not None), None),
        ),
        profile=architecture.profile,
        chat_format=architecture.chat_format(tokens),
        bos_id=bos_id(file),
        stop_ids=stop_ids(file, architecture),
        embedding=embedding,
        licence=file.value("general.license", str, ""),
        source=file.path.name,
    )


def _write_weights(
    file: GgufFile, spec: DecoderSpec, builder: GraphBuilder, progress: Progress
) -> EmbeddingLayout:
    """Quantise and write every weight."""
    num_layers = len(spec.layers)
    total = num_layers + 1
    progress(0, total, "quantising")
    embedding = _write_token_table(file, spec, builder)
    builder.weight("output_norm", file.tensor("output_norm.weight", spec.hidden))
    for index in range(num_layers):
        progress(index + 1, total, "quantising")
        for name, (_, columns) in layer_matrices(spec).items():
            matrix = file.matrix(_parts(spec, index, name), columns)
            builder.quantized_weight(f"layer.{index}.{name}", matrix)
        for name, size in layer_norms(spec).items():
            builder.weight(f"layer.{index}.{name}", file.tensor(f"blk.{index}.{name}.weight", size))
    progress(total, total, "quantising")
    return embedding


def _write_token_table(file: GgufFile, spec: DecoderSpec, builder: GraphBuilder) -> EmbeddingLayout:
    """Write the token table and the output matrix, which is the same when they are tied."""
    table = file.matrix({"token_embd.weight": spec.vocab}, spec.hidden, bits=8)
    is_tied = not file.has_tensor("output.weight")
    codes_offset, scales_offset = builder.quantized_weight(
        "output" if is_tied else "token_embd", table
    )
    if not is_tied:
        head = file.matrix({"output.weight": spec.vocab}, spec.hidden)
        builder.quantized_weight("output", head)
    return EmbeddingLayout(
        path=WEIGHTS_FILE,
        codes_offset=codes_offset,
        scales_offset=scales_offset,
        block_size=table.block_size,
        multiplier=spec.embedding_multiplier,
    )


def _parts(spec: DecoderSpec, index: int, matrix: str) -> dict[str, int]:
    """The tensors that make up `matrix` of a layer, from top to bottom: name to rows."""
    if matrix != "qkv":
        return {f"blk.{index}.{matrix}.weight": layer_matrices(spec)[matrix][0]}
    q_size, kv_size = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    sizes = {"q": q_size, "k": kv_size, "v": kv_size}
    return {f"blk.{index}.attn_{name}.weight": size for name, size in sizes.items()}


def _spec(file: GgufFile) -> DecoderSpec:
    make = _architecture(file).spec
    assert make is not None, "an architecture without a spec imports GGUF files itself"
    spec = make(file)
    if spec.hidden % DEFAULT_BLOCK_SIZE or spec.intermediate % DEFAULT_BLOCK_SIZE:
        raise ModelError(
            f"{file.path}: widths {spec.hidden} and {spec.intermediate} must be multiples of "
            f"{DEFAULT_BLOCK_SIZE}"
        )
    return spec


def _architecture(file: GgufFile) -> Architecture:
    found = ARCHITECTURES.get(file.architecture)
    if found is None or not _reads_gguf(found):
        raise ModelError(
            f"{file.path} has architecture {file.architecture!r}, wanted one of "
            f"{names(_reads_gguf)}",
            hint="only models of these architectures can be imported from GGUF",
        )
    return found


def _reads_gguf(architecture: Architecture) -> bool:
    return bool(architecture.spec or architecture.import_gguf)
