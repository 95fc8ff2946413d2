"""The default backend: a model directory run by ONNX Runtime."""

import logging
from dataclasses import replace
from pathlib import Path

from npc_brain.clock import Clock
from npc_brain.errors import InferenceError
from npc_brain.inference.backends.decoder import DecoderBackend
from npc_brain.inference.decoder import DecoderOptions
from npc_brain.inference.formats import chat_format
from npc_brain.inference.media.encoder import MediaEncoder
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.open_decoder import OpenedDecoder, open_decoder
from npc_brain.inference.profile import ModelProfile
from npc_brain.inference.providers import AUTO, CPU
from npc_brain.inference.tokenizer import Tokenizer

_log = logging.getLogger(__name__)


DEFAULT_OPTIONS = DecoderOptions(num_slots=2, provider=AUTO)


class OnnxBackend(DecoderBackend):
    """A `Backend` on a model directory. Loading blocks for up to some seconds.

    Attributes:
        notice: Why the model does not run where it was wanted to; empty when it does.
    """

    def __init__(
        self,
        model_dir: Path,
        profile: ModelProfile,
        options: DecoderOptions = DEFAULT_OPTIONS,
        *,
        clock: Clock | None = None,
        thinking_tokens: int = 0,
    ) -> None:
        """Load the model and start the inference thread.

        Args:
            model_dir: A model directory of kind `decoder` with a chat format.
            profile: What may be asked of the model.
            options: How it is run; the provider `auto` takes the best that runs the model.
            clock: What deadlines are measured by; the machine's monotonic clock by default.
            thinking_tokens: See `ChatFormat`; above 0 only for models that can think.

        Raises ModelError when the directory is damaged, its chat format is not known, or the model
        cannot think and shall.
        """
        info = load_model_info(model_dir)
        tokenizer = Tokenizer.load(model_dir)
        form = chat_format(
            info.chat_format,
            tokenizer,
            bos_id=info.bos_id,
            stop_ids=info.stop_ids,
            thinking_tokens=thinking_tokens,
        )
        decoder, self.notice = _working_decoder(model_dir, options)
        super().__init__(
            decoder,
            form,
            model_name=info.name,
            profile=profile,
            clock=clock,
            media_encoder=MediaEncoder(
                model_dir, num_threads=options.num_threads, provider=options.provider
            ),
        )


def _working_decoder(model_dir: Path, options: DecoderOptions) -> tuple[OpenedDecoder, str]:
    """A decoder that has computed a token, and a notice if that took another provider."""
    decoder = open_decoder(model_dir, options)
    if decoder.provider == CPU:
        return decoder, decoder.provider_notice
    try:
        decoder.prefill(0, [0])
        decoder.truncate(0, 0)
    except InferenceError as error:
        notice = f"running on {CPU}: {decoder.provider} loads the model but fails ({error})"
        _log.warning("%s", notice)
        decoder.close()
        return open_decoder(model_dir, replace(options, provider=CPU)), notice
    return decoder, decoder.provider_notice
