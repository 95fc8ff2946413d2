"""Runs a model's vision and audio towers: pictures and sounds in, soft tokens out.

A soft token is a row that takes the place of a token's embedding. The graphs are our own or
published ones; inputs and outputs are found by what they are called in both.
"""

from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from npc_brain.errors import ErrorCode, InferenceError, MediaError, ModelError
from npc_brain.inference.media.audio import audio_features, decode_audio, num_audio_tokens
from npc_brain.inference.media.image import image_features, num_image_tokens
from npc_brain.inference.model_dir import load_model_info, model_file
from npc_brain.inference.providers import CPU, open_session, session_options
from npc_brain.inference.runtime import onnxruntime as ort
from npc_brain.media import Media, Picture, Sense

VISION_GRAPH = "vision_encoder.onnx"
AUDIO_GRAPH = "audio_encoder.onnx"

IMAGE_BUDGET = 70
"""Soft tokens of a picture. The model's usual 280 are four times as much work: on two CPU cores
that alone takes about 10 s in the tower and 30 s in E4B's prefill."""

Rows = npt.NDArray[np.float32]
"""float32[soft_token, hidden]."""

_Arrays = dict[str, npt.NDArray[Any]]


class MediaEncoder:
    """The towers of the model in a directory; each is loaded when it is needed first.

    May be called from several threads, which wait for each other.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        image_budget: int = IMAGE_BUDGET,
        num_threads: int = 0,
        provider: str = CPU,
    ) -> None:
        """Look for towers; loads none yet.

        Args:
            model_dir: A model directory of kind `decoder`.
            image_budget: Most soft tokens of a picture, one of `image.SOFT_TOKEN_BUDGETS`.
            num_threads: Threads of the runtime; 0 takes one per physical core.
            provider: See `providers.open_session`.

        Raises ModelError when the directory is missing or damaged.
        """
        info = load_model_info(model_dir)
        listed = {file.path for file in info.files}
        names: dict[Sense, str | None] = {"see": VISION_GRAPH, "hear": AUDIO_GRAPH}
        if info.published is not None:
            names = {"see": info.published.vision_encoder, "hear": info.published.audio_encoder}
        self._paths = {
            sense: model_file(model_dir, name) for sense, name in names.items() if name in listed
        }
        self._hidden = info.dims.hidden
        self._budget = image_budget
        self._num_threads = num_threads
        self._provider = provider
        self._sessions: dict[Sense, ort.InferenceSession] = {}
        self._lock = Lock()

    @property
    def senses(self) -> frozenset[Sense]:
        """Which towers the model has."""
        return frozenset(self._paths)

    def measured(self, media: Media) -> Media:
        """`media` with its number of soft tokens filled in; cheap: no tower runs.

        Raises MediaError when it cannot be understood or has no tower.
        """
        self._require(media)
        if isinstance(media, Picture):
            return replace(media, num_soft_tokens=num_image_tokens(media.data, budget=self._budget))
        count = num_audio_tokens(media.data, media.encoding, media.sample_rate_hz)
        return replace(media, num_soft_tokens=count)

    def encode(self, media: Media) -> Rows:
        """The soft tokens of a picture or a sound. Blocks: seconds, on a CPU.

        Raises:
            MediaError: It cannot be understood or has no tower.
            ModelError: The tower cannot be loaded, or is of another shape than the model.
            InferenceError: The runtime failed.
        """
        sense = self._require(media)
        if isinstance(media, Picture):
            image = image_features(media.data, budget=self._budget)
            feeds: _Arrays = {
                "pixel_values": image.pixel_values,
                "pixel_position_ids": image.position_ids,
            }
            return self._run(sense, feeds, image.num_soft_tokens)
        sound = audio_features(decode_audio(media.data, media.encoding, media.sample_rate_hz))
        feeds = {"input_features": sound.input_features, "input_features_mask": sound.mask}
        return self._run(sense, feeds, sound.num_soft_tokens)

    def close(self) -> None:
        """Free the towers."""
        with self._lock:
            self._sessions.clear()

    def _require(self, media: Media) -> Sense:
        sense: Sense = "see" if isinstance(media, Picture) else "hear"
        if sense not in self._paths:
            raise MediaError(
                f"the model has no tower to {sense} with",
                code=ErrorCode.CANNOT_SEE if sense == "see" else ErrorCode.CANNOT_HEAR,
                hint="`gemma-4-e2b` and `gemma-4-e4b` have one, if it was imported with them",
            )
        return sense

    def _run(self, sense: Sense, feeds: _Arrays, num_rows: int) -> Rows:
        with self._lock:
            session = self._session(sense, set(feeds))
            try:
                batch = {name: array[None] for name, array in feeds.items()}
                output = np.asarray(session.run(None, batch)[0])
            except Exception as error:  # the runtime's errors have no common base but Exception
                raise InferenceError(f"{self._paths[sense].name} failed: {error}") from error
        # Published graphs may have a batch axis, and rows of padding after the real ones.
        rows = output.reshape(-1, output.shape[-1])[:num_rows].astype(np.float32, copy=False)
        if rows.shape != (num_rows, self._hidden):
            raise ModelError(
                f"{self._paths[sense]} gave {list(output.shape)}, "
                f"wanted {num_rows} rows of {self._hidden}",
                hint="the files belong to different models; import the model again",
            )
        return rows

    def _session(self, sense: Sense, names: set[str]) -> ort.InferenceSession:
        if sense not in self._sessions:
            path = self._paths[sense]
            options = session_options(self._num_threads, is_spinning=False)
            session = open_session(path, options, provider=self._provider).session
            found = {node.name for node in session.get_inputs()}
            if found != names:
                raise ModelError(f"{path} has the inputs {sorted(found)}, wanted {sorted(names)}")
            self._sessions[sense] = session
        return self._sessions[sense]
