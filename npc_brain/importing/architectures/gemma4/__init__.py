"""Gemma 4 (E2B and E4B): its graph, its towers, and the three kinds of files it comes in."""

from pathlib import Path
from typing import TYPE_CHECKING

from npc_brain.importing.architecture import COMMON_END_TOKENS, Architecture
from npc_brain.inference.model_dir import Progress
from npc_brain.inference.profile import ABLE

if TYPE_CHECKING:
    from npc_brain.importing.gguf_file import GgufFile
    from npc_brain.importing.published_files import PublishedFiles


def _import_gguf(file: "GgufFile", model_dir: Path, progress: Progress) -> None:
    from npc_brain.importing.architectures.gemma4.from_gguf import import_gemma4

    import_gemma4(file, model_dir, progress)


def _import_checkpoint(source: Path, model_dir: Path, progress: Progress) -> None:
    from npc_brain.importing.architectures.gemma4.from_safetensors import import_safetensors

    import_safetensors(source, model_dir, progress)


def _fill_from_published(
    files: "PublishedFiles", model_dir: Path, progress: Progress, *, name: str, source: str = ""
) -> None:
    from npc_brain.importing.architectures.gemma4.published import fill_from_published

    fill_from_published(files, model_dir, progress, name=name, source=source)


ARCHITECTURE = Architecture(
    name="gemma4",
    profile=ABLE,
    chat_format=lambda tokens: "gemma4",
    end_tokens=(*COMMON_END_TOKENS, "<turn|>", "<|tool_response>"),
    has_space_prefix=False,
    import_gguf=_import_gguf,
    model_types=("gemma4", "gemma4_text"),
    import_checkpoint=_import_checkpoint,
    fill_from_published=_fill_from_published,
)
