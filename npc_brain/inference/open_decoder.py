"""Opens whichever decoder runs a model directory."""

from pathlib import Path

from npc_brain.inference.decoder import ONE_SLOT, DecoderOptions
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.onnx_decoder import OnnxDecoder
from npc_brain.inference.published_decoder import PublishedDecoder

OpenedDecoder = OnnxDecoder | PublishedDecoder


def open_decoder(model_dir: Path, options: DecoderOptions = ONE_SLOT) -> OpenedDecoder:
    """The decoder of `model_dir`: of our graph, or of one that is used as it was published.

    Raises ModelError when the directory is damaged or not a decoder.
    """
    is_published = load_model_info(model_dir).published is not None
    return (PublishedDecoder if is_published else OnnxDecoder)(model_dir, options)
