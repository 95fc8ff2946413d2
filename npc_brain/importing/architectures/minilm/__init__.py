"""BERT as a sentence encoder: all-MiniLM-L6-v2."""

from pathlib import Path

from npc_brain.importing.architecture import Architecture
from npc_brain.inference.model_dir import Progress, new_directory


def _import_checkpoint(source: Path, model_dir: Path, progress: Progress) -> None:
    from npc_brain.importing.architectures.minilm.graph import fill_from_bert

    with new_directory(model_dir) as staging:
        fill_from_bert(source, staging, progress, name=model_dir.name)


ARCHITECTURE = Architecture(
    name="bert", model_types=("bert",), import_checkpoint=_import_checkpoint
)
