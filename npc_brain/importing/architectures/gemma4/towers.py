"""Writes the vision and audio towers of a Gemma 4 checkpoint into a model directory."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npc_brain.importing.architectures.gemma4.audio import build_audio_tower
from npc_brain.importing.architectures.gemma4.tower_builder import MatrixBits, Weights
from npc_brain.importing.architectures.gemma4.vision import build_vision_tower
from npc_brain.importing.graph_builder import GraphBuilder
from npc_brain.importing.quantize import Floats
from npc_brain.importing.safetensors_dir import SafetensorsDir
from npc_brain.inference.media.encoder import AUDIO_GRAPH, VISION_GRAPH
from npc_brain.inference.model_dir import Progress, no_progress

_Build = Callable[..., None]
_TOWERS: dict[str, tuple[str, str, _Build]] = {
    "vision_config": (VISION_GRAPH, "model.vision_tower.", build_vision_tower),
    "audio_config": (AUDIO_GRAPH, "model.audio_tower.", build_audio_tower),
}


class CheckpointTensors(Mapping[str, Floats]):
    """The tensors of a checkpoint, each read from its file when it is asked for."""

    def __init__(self, directory: SafetensorsDir) -> None:
        self._directory = directory

    def __getitem__(self, name: str) -> Floats:
        if name not in self._directory.names():
            raise KeyError(name)
        shape = self._directory.shape(name)
        if not shape:  # a clip bound, perhaps infinite
            return np.asarray(self._directory.rows(name, 0, 1)[0], np.float32)
        return self._directory.floats(name, *shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._directory.names())

    def __len__(self) -> int:
        return len(self._directory.names())


def write_towers(
    model_dir: Path,
    config: Mapping[str, Any],
    weights: Weights,
    progress: Progress = no_progress,
    *,
    bits: MatrixBits = 8,
) -> None:
    """Write the towers that a checkpoint has; one without tensors of a tower is text-only.

    Each becomes a graph and a file of weights beside it, to be listed in `model.json` afterwards.
    A tower that is there already is not written again.

    Args:
        model_dir: Where to.
        config: The checkpoint's `config.json`.
        weights: The checkpoint's tensors; one is in memory at a time.
        progress: Told when a tower is begun.
        bits: How matrices are stored. 8 takes 0.24 GB for E4B's eyes and 0.33 GB for its ears.

    Raises ModelError when a tower is of another kind, or lacks a tensor.
    """
    text_hidden = config.get("text_config", config)["hidden_size"]
    for key, (graph_name, prefix, build) in _TOWERS.items():
        path = model_dir / graph_name
        has_tower = config.get(key) and any(name.startswith(prefix) for name in weights)
        if not has_tower or path.is_file():
            continue
        progress(0, 0, f"writing {graph_name}")
        weights_path = path.with_suffix(".bin")
        weights_path.unlink(missing_ok=True)
        with GraphBuilder(weights_path) as graph:
            build(graph, config[key], text_hidden, weights, bits=bits)
            graph.save(path, graph_name)
