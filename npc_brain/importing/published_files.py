"""What files make up a model in the layout of the onnx-community exports, and who takes them.

Source: the repositories onnx-community/gemma-4-E2B-it-ONNX and -E4B-it-ONNX.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from npc_brain.errors import ErrorCode, ModelError, UsageError
from npc_brain.importing.architectures import of_checkpoint
from npc_brain.importing.checkpoint import CONFIG_FILE
from npc_brain.inference.model_dir import TOKENIZER_FILE, Progress, new_directory

CPU_VARIANTS = ("q4", "quantized", "fp32", "q4f16", "fp16")
GPU_VARIANTS = ("q4f16", "q4", "fp16", "quantized", "fp32")
"""Variants of the weights, best first. A CPU computes float16 by way of float32."""

CHAT_TEMPLATE_FILE = "chat_template.jinja"

GENERATION_FILE = "generation_config.json"
_PARTS = {
    "embed_tokens": "embed_tokens",
    "decoder": "decoder_model_merged",
    "vision_encoder": "vision_encoder",
    "audio_encoder": "audio_encoder",
}
"""Fields of `PublishedGraphs`, and the file names that they have where they are published."""
_NEEDED = ("embed_tokens", "decoder")
_PLAIN_FILES = (CONFIG_FILE, GENERATION_FILE, TOKENIZER_FILE, CHAT_TEMPLATE_FILE)


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """What of a published directory makes up a model.

    Attributes:
        root: Where `config.json` and `tokenizer.json` are.
        variant: Of the decoder; one of `CPU_VARIANTS`.
        graphs: By field of `PublishedGraphs`.
    """

    root: Path
    variant: str
    graphs: Mapping[str, Path]


def graph_file(part: str, variant: str) -> str:
    """The name of a published graph: `part` is a field of `PublishedGraphs`."""
    suffix = "" if variant == "fp32" else f"_{variant}"
    return f"{_PARTS[part]}{suffix}.onnx"


def check_variant(variant: str | None) -> None:
    """Raise UsageError when `variant` is not known; None is."""
    if variant is not None and variant not in CPU_VARIANTS:
        raise UsageError(
            f"there is no variant {variant!r}", hint=f"variants are {', '.join(CPU_VARIANTS)}"
        )


def belongs_to(path: str, variant: str) -> bool:
    """Whether a file of a published repository is needed for `variant`.

    Graphs have their weights beside them as `GRAPH_data`, `GRAPH_data_1` and so on.
    """
    graphs = {f"onnx/{graph_file(part, variant)}" for part in _PARTS}
    return path in _PLAIN_FILES or path in graphs or path.rpartition("_data")[0] in graphs


def is_published(directory: Path) -> bool:
    """Whether `directory` looks like a published one."""
    return any(True for _ in _variants(directory, CPU_VARIANTS))


def find_published(
    directory: Path, *, variant: str | None = None, order: Sequence[str] = CPU_VARIANTS
) -> PublishedFiles:
    """The files of `variant`, or of the first variant in `order` that is there.

    The towers may be of another variant than the text model, which nothing depends on.
    Raises ModelError when there are none.
    """
    check_variant(variant)
    found = list(_variants(directory, order))
    if variant is not None:
        found = [pair for pair in found if pair[0] == variant]
    if not found:
        wanted = " or ".join(
            graph_file("decoder", name) for name in ([variant] if variant else order)
        )
        raise ModelError(
            f"{directory} holds no published model: no {wanted} with its embed_tokens",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="wanted the files of an onnx-community repository, in it or below onnx/",
        )
    chosen, graphs_dir = found[0]
    graphs = {part: graphs_dir / graph_file(part, chosen) for part in _NEEDED}
    for part in ("vision_encoder", "audio_encoder"):
        candidates = (graphs_dir / graph_file(part, name) for name in (chosen, *order))
        if (path := next((path for path in candidates if path.is_file()), None)) is not None:
            graphs[part] = path
    return PublishedFiles(directory, chosen, graphs)


def make_from_published(
    files: PublishedFiles, model_dir: Path, progress: Progress, *, name: str, source: str = ""
) -> None:
    """Make the directory of model `name`, all at once or not at all; `source` is told to people.

    Raises ModelError when the files are damaged or not understood.
    """
    fill = of_checkpoint(files.root).fill_from_published
    if fill is None:
        raise ModelError(f"{files.root}: published ONNX files of this architecture cannot be used")
    with new_directory(model_dir) as staging:
        fill(files, staging, progress, name=name, source=source)


def _variants(directory: Path, order: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The variants that are there and the directories of their graphs, in `order`."""
    for variant in order:
        for graphs_dir in (directory / "onnx", directory):
            if all((graphs_dir / graph_file(part, variant)).is_file() for part in _NEEDED):
                yield variant, graphs_dir
                break
