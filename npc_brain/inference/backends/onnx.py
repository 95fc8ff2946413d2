"""The default backend: a model directory run by ONNX Runtime."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from npc_brain.clock import Clock
from npc_brain.errors import InferenceError
from npc_brain.inference.backends.decoder import DecoderBackend
from npc_brain.inference.formats import chat_format
from npc_brain.inference.media.encoder import MediaEncoder
from npc_brain.inference.model_dir import load_model_info
from npc_brain.inference.open_decoder import OpenedDecoder, open_decoder
from npc_brain.inference.profile import ModelProfile
from npc_brain.inference.providers import AUTO, CPU
from npc_brain.inference.tokenizer import Tokenizer

_log = logging.getLogger(__name__)


class OnnxBackend(DecoderBackend):
    """A `Backend` on a model directory. Loading blocks for up to some seconds.

    Attributes:
        notice: Why the model does not run where it was wanted to; empty when it does.
    """

    def __init__(
        self,
        model_dir: Path,
        profile: ModelProfile,
        *,
        num_slots: int = 2,
        max_context: int = 2048,
        num_threads: int = 0,
        is_spinning: bool = False,
        provider: str = AUTO,
        clock: Clock | None = None,
        max_queued: int = 64,
        thinking_tokens: int = 0,
    ) -> None:
        """Load the model and start the inference thread.

        Args:
            model_dir: A model directory of kind `decoder` with a chat format.
            profile: What may be asked of the model.
            num_slots: Completions that run together; each has its own KV cache of `max_context`.
            max_context: Prompt and completion together, in tokens.
            num_threads: See `OnnxDecoder`.
            is_spinning: See `OnnxDecoder`.
            provider: See `OnnxDecoder`; `auto` takes the best that runs the model.
            clock: What deadlines are measured by; the machine's monotonic clock by default.
            max_queued: Requests that may wait.
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
        open_on = partial(
            open_decoder,
            model_dir,
            num_slots=num_slots,
            max_context=max_context,
            num_threads=num_threads,
            is_spinning=is_spinning,
        )
        decoder, self.notice = _working_decoder(open_on, provider)
        super().__init__(
            decoder,
            form,
            model_name=info.name,
            profile=profile,
            clock=clock,
            max_queued=max_queued,
            media_encoder=MediaEncoder(model_dir, num_threads=num_threads, provider=provider),
        )


def _working_decoder(
    open_on: Callable[..., OpenedDecoder], provider: str
) -> tuple[OpenedDecoder, str]:
    """A decoder that has computed a token, and a notice if that took another provider."""
    decoder = open_on(provider=provider)
    if decoder.provider == CPU:
        return decoder, decoder.provider_notice
    try:
        decoder.prefill(0, [0])
        decoder.truncate(0, 0)
    except InferenceError as error:
        notice = f"running on {CPU}: {decoder.provider} loads the model but fails ({error})"
        _log.warning("%s", notice)
        decoder.close()
        return open_on(provider=CPU), notice
    return decoder, decoder.provider_notice
