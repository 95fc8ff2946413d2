"""GGUF to model directory: `llama` and `gemma3` here, `gemma4` in `architectures.gemma4`."""

import math
from pathlib import Path

from npc_brain.errors import ModelError, UsageError
from npc_brain.importing.architectures.gemma4.from_gguf import import_gemma4
from npc_brain.importing.decoder_graph import (
    DecoderSpec,
    LayerSpec,
    build_decoder,
    layer_matrices,
    layer_norms,
)
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

MAX_CONTEXT = 8192
"""Positions that an imported graph covers, however long the model was trained for: rotary tables
cost head_dim * 4 bytes a position, and no NPC needs more."""

_GEMMA3_GLOBAL_EVERY = 6
"""Source: Gemma 3 technical report: five local layers for every global one."""

_GEMMA3_LAYERS_27B = 62


def import_gguf(source: Path, model_dir: Path, progress: Progress = no_progress) -> None:
    """Make `model_dir` from the GGUF file `source`, all at once or not at all.

    Raises ModelError when `source` is damaged or not understood, UsageError when `model_dir` is
    there already.
    """
    if model_dir.exists():
        raise UsageError(
            f"{model_dir} exists already", hint="name a directory that is not there yet"
        )
    file = GgufFile(source)
    if file.architecture == "gemma4":
        import_gemma4(file, model_dir, progress)
        return
    with new_directory(model_dir) as staging:
        _fill(file, staging, progress, model_dir.name)


def fill_from_gguf(source: Path, model_dir: Path, progress: Progress, *, name: str) -> None:
    """Write model `name` (llama or gemma3) into the empty directory `model_dir`."""
    _fill(GgufFile(source), model_dir, progress, name)


def _fill(file: GgufFile, model_dir: Path, progress: Progress, name: str) -> None:
    spec = _spec(file)
    progress(0, 0, "building the tokenizer")
    build_tokenizer(file).save(str(model_dir / TOKENIZER_FILE), pretty=False)
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
        chat_format=_chat_format(file.architecture, tokens),
        bos_id=bos_id(file),
        stop_ids=stop_ids(file),
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
        multiplier=math.sqrt(spec.hidden) if file.architecture == "gemma3" else 1.0,
    )


def _parts(spec: DecoderSpec, index: int, matrix: str) -> dict[str, int]:
    """The tensors that make up `matrix` of a layer, from top to bottom: name to rows."""
    if matrix != "qkv":
        return {f"blk.{index}.{matrix}.weight": layer_matrices(spec)[matrix][0]}
    q_size, kv_size = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim
    sizes = {"q": q_size, "k": kv_size, "v": kv_size}
    return {f"blk.{index}.attn_{name}.weight": size for name, size in sizes.items()}


def _spec(file: GgufFile) -> DecoderSpec:
    make = {"llama": _llama_spec, "gemma3": _gemma3_spec}.get(file.architecture)
    if make is None:
        raise ModelError(
            f"{file.path} has architecture {file.architecture!r}, wanted llama, gemma3 or gemma4",
            hint="only models of these architectures can be imported from GGUF",
        )
    spec = make(file)
    if spec.hidden % DEFAULT_BLOCK_SIZE or spec.intermediate % DEFAULT_BLOCK_SIZE:
        raise ModelError(
            f"{file.path}: widths {spec.hidden} and {spec.intermediate} must be multiples of "
            f"{DEFAULT_BLOCK_SIZE}"
        )
    return spec


def _llama_spec(file: GgufFile) -> DecoderSpec:
    heads, hidden = file.size("attention.head_count"), file.size("embedding_length")
    head_dim = file.size("rope.dimension_count", hidden // heads)
    scaling = file.setting("rope.scaling.type", str, "none")
    if head_dim * heads != hidden or scaling not in ("none", "linear"):
        raise ModelError(
            f"{file.path}: rotary dimensions {head_dim} of {hidden} / {heads}, "
            f"scaling {scaling!r}: not supported"
        )
    layer = LayerSpec(
        window=None,
        rope_theta=file.positive("rope.freq_base", 10000.0),
        rope_factor=file.positive("rope.scaling.factor", 1.0),
    )
    return DecoderSpec(
        layers=(layer,) * file.num_layers(),
        hidden=hidden,
        intermediate=file.size("feed_forward_length"),
        heads=heads,
        kv_heads=file.size("attention.head_count_kv", heads),
        head_dim=head_dim,
        vocab=len(file.value("tokenizer.ggml.tokens", list)),
        context=min(file.size("context_length"), MAX_CONTEXT),
        norm_epsilon=file.positive("attention.layer_norm_rms_epsilon"),
        attention_scale=head_dim**-0.5,
        # GGUF keeps llama's queries and keys permuted so that neighbours turn together.
        is_rope_interleaved=True,
        has_qk_norm=False,
        has_post_norms=False,
        activation="silu",
    )


def _gemma3_spec(file: GgufFile) -> DecoderSpec:
    num_layers, heads = file.num_layers(), file.size("attention.head_count")
    hidden, head_dim = file.size("embedding_length"), file.size("attention.key_length")
    if file.size("attention.value_length") != head_dim:
        raise ModelError(f"{file.path}: keys and values differ in length: not supported")
    sees_all = LayerSpec(
        window=None,
        rope_theta=file.positive("rope.freq_base", 1e6),
        rope_factor=file.positive("rope.scaling.factor", 1.0),
    )
    sees_window = LayerSpec(
        window=file.size("attention.sliding_window"),
        rope_theta=file.positive("rope.local.freq_base", 10000.0),
    )
    is_global = [(index + 1) % _GEMMA3_GLOBAL_EVERY == 0 for index in range(num_layers)]
    return DecoderSpec(
        layers=tuple(sees_all if sees else sees_window for sees in is_global),
        hidden=hidden,
        intermediate=file.size("feed_forward_length"),
        heads=heads,
        kv_heads=file.size("attention.head_count_kv"),
        head_dim=head_dim,
        vocab=len(file.value("tokenizer.ggml.tokens", list)),
        context=min(file.size("context_length"), MAX_CONTEXT),
        norm_epsilon=file.positive("attention.layer_norm_rms_epsilon"),
        attention_scale=(hidden / heads if num_layers == _GEMMA3_LAYERS_27B else head_dim) ** -0.5,
        is_rope_interleaved=False,
        has_qk_norm=True,
        has_post_norms=True,
        activation="gelu_tanh",
    )


def _chat_format(architecture: str, tokens: list[str]) -> str | None:
    if architecture == "gemma3":
        return "gemma3"
    return "chatml" if {"<|im_start|>", "<|im_end|>"} <= set(tokens) else None
