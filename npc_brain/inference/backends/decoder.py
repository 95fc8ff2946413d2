"""A backend made of a decoder, a tokenizer and a chat format."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from npc_brain.clock import Clock, MonotonicClock
from npc_brain.inference.backends.media_queue import Encoder, MediaQueue
from npc_brain.inference.chat import (
    MAX_QUEUED,
    BackendStats,
    ChatEvent,
    ChatRequest,
    FunctionSchema,
    LineRule,
    Message,
)
from npc_brain.inference.decoder import Decoder
from npc_brain.inference.engine import Engine
from npc_brain.inference.formats.base import ChatFormat, Prompt
from npc_brain.inference.grammar import GrammarCompiler, clean_line
from npc_brain.inference.media.soft_tokens import with_content_ids
from npc_brain.inference.profile import SMALL, ModelProfile, Sampling
from npc_brain.inference.request import GenerationRequest
from npc_brain.inference.sampler import Sampler
from npc_brain.media import Sense

_OPENER_SLACK = 4
"""The grammar may force an opener in a few tokens more than the tokenizer would use."""


class DecoderBackend:
    """Answers chat requests with a local model. See `chat.Backend` for the contract.

    Attributes:
        model_name: What `welcome.model` tells.
        profile: What may be asked of the model.
        engine: The decode loop, with its statistics.
    """

    def __init__(
        self,
        decoder: Decoder,
        chat_format: ChatFormat,
        *,
        model_name: str,
        profile: ModelProfile = SMALL,
        clock: Clock | None = None,
        max_queued: int = MAX_QUEUED,
        prefix_cache_bytes: int = 256 * 1024 * 1024,
        starts_thread: bool = True,
        media_encoder: Encoder | None = None,
    ) -> None:
        """Take over `decoder` and `media_encoder`.

        Without `starts_thread` the caller runs `engine.step` itself.
        """
        self.model_name = model_name
        self.profile = profile
        self._format = chat_format
        self._max_context = decoder.max_context
        self._compiler = GrammarCompiler(
            chat_format.tokenizer,
            sorted(chat_format.stop_ids),
            decoder.vocab_size,
            chat_format.closing_ids,
        )
        self.engine = Engine(
            decoder,
            clock or MonotonicClock(),
            max_queued=max_queued,
            prefix_cache_bytes=prefix_cache_bytes,
        )
        self._media: MediaQueue | None = None
        if media_encoder is not None and media_encoder.senses:
            self._media = MediaQueue(media_encoder, self.engine, clock or MonotonicClock())
        if starts_thread:
            self.engine.start()

    @property
    def senses(self) -> frozenset[Sense]:
        """See `chat.Backend.senses`."""
        return self._media.senses if self._media else frozenset()

    @property
    def stats(self) -> BackendStats:
        """Counters since the start."""
        return self.engine.stats

    def submit(self, request: ChatRequest, emit: Callable[[ChatEvent], None]) -> GenerationRequest:
        """See `chat.Backend.submit`; renders the prompt and the grammar in the caller's thread.

        When the conversation does not fit the model's context, the oldest messages are left out.
        Raises InferenceError (`too_many_queued`, `bad_tool`), also when max_tokens is too few for
        any completion or the system text alone does not fit; MediaError for a damaged picture or
        sound.
        """
        messages = self._media.measured(request.messages) if self._media else _text(request)
        request = replace(request, messages=messages)
        max_tokens = self._budget(request)
        prompt = self._fitting_prompt(request, max_tokens)
        grammar = self._format.grammar(request.functions, request.line)
        generation = GenerationRequest(
            prompt_ids=with_content_ids(prompt.token_ids, prompt.media),
            emit=emit,
            parser=self._format.parser(request.line),
            sampler=Sampler(request.sampling),
            stop_ids=self._format.stop_ids,
            max_tokens=max_tokens,
            constraint=self._compiler.constrain(grammar, max_tokens),
            num_stable=prompt.num_stable,
            priority=request.priority,
            deadline_s=request.deadline_s,
        )
        if self._media and prompt.media:
            self._media.submit(generation, prompt.media)
        else:
            self.engine.submit(generation)
        return generation

    def prewarm(
        self, messages: Sequence[Message], functions: Sequence[FunctionSchema] = ()
    ) -> GenerationRequest:
        """Compute the stable beginning of a conversation (its persona) ahead of the first turn.

        Returns at once; runs when nothing else does. The result stays in the prefix cache.
        """
        prompt = self._format.render(messages, functions)
        generation = GenerationRequest(
            prompt_ids=prompt.token_ids[: max(1, prompt.num_stable)],
            emit=lambda event: None,
            parser=self._format.parser(LineRule()),
            sampler=Sampler(Sampling()),
            stop_ids=self._format.stop_ids,
            max_tokens=0,
            num_stable=prompt.num_stable,
            priority=-1000,
        )
        self.engine.submit(generation)
        return generation

    def close(self) -> None:
        """See `chat.Backend.close`."""
        self.engine.close()
        if self._media:
            self._media.close()

    def _budget(self, request: ChatRequest) -> int:
        """The completion's limit; an opener is never cut, even if it alone is longer."""
        encode = self._format.tokenizer.encode
        lengths = [len(encode(clean_line(opener))) for opener in request.line.openers]
        answer = max([request.max_tokens, *(length + _OPENER_SLACK for length in lengths)])
        return answer + self._format.thinking_tokens

    def _fitting_prompt(self, request: ChatRequest, max_tokens: int) -> Prompt:
        """The prompt without as many of the oldest exchanges as it takes to fit."""
        messages = list(request.messages)
        while True:
            prompt = self._format.render(messages, request.functions)
            is_fitting = len(prompt.token_ids) + max_tokens <= self._max_context
            if is_fitting or not _drop_oldest(messages):
                return prompt  # if it is still too long, the engine refuses it and says why


def _text(request: ChatRequest) -> tuple[Message, ...]:
    """The messages without what can only be seen or heard."""
    return tuple(replace(message, media=()) for message in request.messages)


def _drop_oldest(messages: list[Message]) -> bool:
    """Remove the oldest exchange; False when only the last one is left."""
    spoken = [index for index, message in enumerate(messages) if message.role != "system"]
    turns = [index for index in spoken[1:] if messages[index].role == "user"]
    if not turns:
        return False
    messages[:] = [
        message
        for index, message in enumerate(messages)
        if message.role == "system" or index >= turns[0]
    ]
    return True
