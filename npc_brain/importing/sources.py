"""Makes a model directory from whatever a user has: finds out what it is and who imports it."""

from pathlib import Path

from npc_brain.errors import ErrorCode, ModelError, UsageError
from npc_brain.importing.architectures import of_checkpoint
from npc_brain.importing.gguf_import import import_gguf
from npc_brain.importing.local_names import find_local, is_local_name
from npc_brain.importing.published_files import find_published, is_published, make_from_published
from npc_brain.inference.model_dir import INFO_FILE, Progress, no_progress


def import_model(
    source: str, model_dir: Path, progress: Progress = no_progress, *, variant: str | None = None
) -> None:
    """Make `model_dir`, which must not be there yet, from `source`.

    Args:
        source: A .gguf file, a directory with a Hugging Face checkpoint, a directory with published
            ONNX files, or a local name of Ollama or LM Studio.
        model_dir: The directory to make.
        progress: See `Progress`.
        variant: Of published ONNX files; None takes what suits the CPU best.

    Raises ModelError when the source is damaged or not understood, UsageError when it is not there,
    `model_dir` is there already or `variant` is given for something else.
    """
    path = find_local(source) if is_local_name(source) else Path(source)
    if not path.exists():
        raise UsageError(
            f"{source} is not there",
            hint="SRC is a .gguf file, a directory, or a name like ollama:gemma4:e4b",
        )
    if path.is_dir() and is_published(path):
        import_published(path, model_dir, progress, variant=variant)
        return
    if variant is not None:
        raise UsageError(f"{source} has no variants", hint="only published ONNX files do")
    if path.is_file():
        import_gguf(path, model_dir, progress)
    elif any(path.glob("*.safetensors")):
        import_checkpoint(path, model_dir, progress)
    elif (path / INFO_FILE).is_file():
        raise UsageError(
            f"{path} is a model directory already", hint="it needs no import: use --model DIR"
        )
    else:
        raise ModelError(
            f"{path} holds neither safetensors nor published ONNX files",
            code=ErrorCode.MODEL_NOT_FOUND,
            hint="name the directory that has the model's config.json, or a .gguf file",
        )


def import_published(
    source: Path, model_dir: Path, progress: Progress = no_progress, *, variant: str | None = None
) -> None:
    """Make `model_dir` from the published ONNX files at `source`, all at once or not at all.

    Raises ModelError when `source` is damaged or not understood, UsageError when `model_dir` is
    there already.
    """
    _check_absent(model_dir)
    files = find_published(source, variant=variant)
    make_from_published(files, model_dir, progress, name=model_dir.name)


def import_checkpoint(source: Path, model_dir: Path, progress: Progress = no_progress) -> None:
    """Make `model_dir` from a Hugging Face checkpoint; raises as `import_published`."""
    _check_absent(model_dir)
    make = of_checkpoint(source).import_checkpoint
    if make is None:
        raise ModelError(f"{source}: checkpoints of this architecture cannot be imported")
    make(source, model_dir, progress)


def _check_absent(model_dir: Path) -> None:
    if model_dir.exists():
        raise UsageError(
            f"{model_dir} exists already", hint="choose a directory that does not exist yet"
        )
