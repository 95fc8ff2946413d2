"""The decode loop: admit, prefill, decode one batch step, emit.

One inference thread owns the decoder. Other threads only put requests into a bounded queue and set
their cancel flags. Each round of `Engine.step` does one piece of every kind of work: it admits what
fits, runs one chunk of the most urgent prompt, and takes one token further every completion that is
under way, so that a long prompt delays the others by one chunk and no more.

No failure ends the thread, also none that is no `Exception`: native code panics with others.

Tokens that are decided without the model (forced by the grammar) go through the model together with
the token before them, in one call.
"""

import logging
from collections.abc import Sequence
from threading import Condition, Thread

from npc_brain.clock import Clock
from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.inference.chat import MAX_QUEUED, BackendStats, FinishReason
from npc_brain.inference.decoder import PREFILL_CHUNK, Decoder, Logits
from npc_brain.inference.media.soft_tokens import decoder_input
from npc_brain.inference.prefix_cache import PrefixCache
from npc_brain.inference.request import GenerationRequest
from npc_brain.inference.slots import Slot, SlotTable

_log = logging.getLogger(__name__)

_MIN_PREFILL_CHUNK = 16
_CHUNK_TARGET_S = 0.25
"""How long a chunk may take; a slow model's chunks become smaller."""


class Engine:
    """Runs generation requests on a decoder.

    Call `start` for a thread of its own; tests call `step` themselves.
    """

    def __init__(
        self,
        decoder: Decoder,
        clock: Clock,
        *,
        max_queued: int = MAX_QUEUED,
        prefix_cache_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self.stats = BackendStats()
        self._decoder = decoder
        self._clock = clock
        self._max_queued = max_queued
        self._slots = SlotTable(decoder, PrefixCache(prefix_cache_bytes))
        self._waiting: list[GenerationRequest] = []
        self._chunk = PREFILL_CHUNK
        self._is_closing = False
        self._wake = Condition()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the inference thread."""
        self._thread = Thread(target=self._run, name="npc-brain-inference", daemon=True)
        self._thread.start()

    def submit(self, request: GenerationRequest) -> None:
        """Queue `request`; returns at once, from any thread.

        Raises InferenceError when the queue is full (`too_many_queued`), the engine is closed, or
        the request does not fit the decoder's context.
        """
        num_needed = len(request.prompt_ids) + request.max_tokens
        if not request.prompt_ids or num_needed > self._decoder.max_context:
            raise InferenceError(
                f"a prompt of {len(request.prompt_ids)} tokens and a completion of up to "
                f"{request.max_tokens} do not fit a context of {self._decoder.max_context}",
                hint="shorten the conversation or max_tokens",
            )
        request.submitted_s = self._clock.now_s()
        with self._wake:
            if self._is_closing:
                raise InferenceError("the inference engine is closed")
            if len(self._waiting) >= self._max_queued:
                raise InferenceError(
                    f"{self._max_queued} generations are waiting already",
                    code=ErrorCode.TOO_MANY_QUEUED,
                    retryable=True,
                )
            self._waiting.append(request)
            self._wake.notify()

    def close(self) -> None:
        """Cancel everything, end the thread and close the decoder; blocks until that is done."""
        with self._wake:
            if self._is_closing:
                return
            self._is_closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        else:
            self._shut_down()

    def step(self) -> bool:
        """Do one round of work; returns whether more is left."""
        self._drop_ended()
        self._admit()
        self._prefill()
        self._decode()
        return bool(self._waiting) or any(self._slots.active())

    def _run(self) -> None:
        while not self._is_closing:
            try:
                has_more = self.step()
            except BaseException as error:
                self._fail(list(self._slots.active()), error)
                continue
            if not has_more:
                with self._wake:
                    self._wake.wait_for(lambda: self._waiting or self._is_closing)
        self._shut_down()

    def _shut_down(self) -> None:
        for slot, request in self._slots.active():
            self._end(slot, request, "cancelled")
        for request in self._waiting:
            self._finish(request, "cancelled")
        self._waiting.clear()
        self._decoder.close()

    def _drop_ended(self) -> None:
        with self._wake:
            ended = [(r, reason) for r in self._waiting if (reason := self._ended_by(r))]
            for request, _ in ended:
                self._waiting.remove(request)
        for request, reason in ended:
            self._finish(request, reason)
        for slot, request in self._slots.active():
            if reason := self._ended_by(request):
                self._end(slot, request, reason)

    def _ended_by(self, request: GenerationRequest) -> FinishReason | None:
        if request.is_cancelled:
            return "cancelled"
        if request.deadline_s is not None and self._clock.now_s() >= request.deadline_s:
            return "deadline"
        return None

    def _admit(self) -> None:
        self._push_back_prewarming()
        while self._slots.has_idle:
            with self._wake:
                if not self._waiting:
                    return
                request = max(self._waiting, key=lambda r: r.priority)  # the first of equals
                self._waiting.remove(request)
            request.admitted_s = self._clock.now_s()
            try:
                slot = self._slots.claim(request)
            except BaseException as error:
                _log.exception("a slot could not be prepared")
                self._finish(request, "error", str(error))
            else:
                self._begin(slot, request)

    def _push_back_prewarming(self) -> None:
        """Free a slot for a real request; what the slot still holds later is not computed again."""
        with self._wake:
            if self._slots.has_idle or all(r.max_tokens == 0 for r in self._waiting):
                return
            for slot, request in self._slots.active():
                if request.max_tokens == 0:
                    self._slots.release(slot)
                    self._waiting.append(request)
                    return

    def _begin(self, slot: Slot, request: GenerationRequest) -> None:
        """Take the tokens that the grammar forces at the start; they need no logits."""
        try:
            forced = request.constraint.accept_forced() if request.constraint else []
            slot.todo += forced
            if forced and (reason := request.take(forced)):
                self._end(slot, request, reason)
        except BaseException as error:
            self._fail([(slot, request)], error)

    def _prefill(self) -> None:
        """One chunk of the most urgent prompt, and forced tokens of all completions."""
        prompts = [(s, r) for s, r in self._slots.active() if r.prefilled_s is None]
        if prompts:
            slot, request = max(prompts, key=lambda pair: pair[1].priority)
            begun_s = self._clock.now_s()
            token_ids = slot.todo[: self._chunk]
            self._append(slot, request, token_ids)
            self._adapt_chunk(len(token_ids), self._clock.now_s() - begun_s)
        for slot, request in self._slots.active():
            if request.prefilled_s is not None and len(slot.todo) > 1:
                self._append(slot, request, slot.todo[:PREFILL_CHUNK])

    def _adapt_chunk(self, num_tokens: int, took_s: float) -> None:
        if num_tokens >= _MIN_PREFILL_CHUNK and took_s > 0:
            fitting = int(num_tokens * _CHUNK_TARGET_S / took_s)
            self._chunk = min(PREFILL_CHUNK, max(_MIN_PREFILL_CHUNK, fitting))

    def _append(self, slot: Slot, request: GenerationRequest, token_ids: list[int]) -> None:
        try:
            start = len(slot.token_ids)
            ids, rows = decoder_input(token_ids, start, request.soft_rows)
            logits = self._decoder.prefill(slot.index, ids, embeddings=rows)
            slot.token_ids += token_ids
            del slot.todo[: len(token_ids)]
            if request.prefilled_s is None and len(slot.token_ids) >= request.num_stable:
                self._slots.keep_stable_prefix(slot, request)
            if slot.todo:
                return
            if request.prefilled_s is None:
                request.prefilled_s = self._clock.now_s()
            self._advance(slot, request, logits[:1])
        except BaseException as error:
            self._fail([(slot, request)], error)

    def _decode(self) -> None:
        """One batch step of all completions whose next token is decided."""
        rows = [
            (slot, request)
            for slot, request in self._slots.active()
            if request.prefilled_s is not None and len(slot.todo) == 1
        ]
        if not rows:
            return
        try:
            logits = self._decoder.decode([s.index for s, _ in rows], [s.todo[0] for s, _ in rows])
        except BaseException as error:
            self._fail(rows, error)
            return
        for index, (slot, request) in enumerate(rows):
            slot.token_ids += slot.todo
            slot.todo = []
            try:
                self._advance(slot, request, logits[index : index + 1])
            except BaseException as error:
                self._fail([(slot, request)], error)

    def _advance(self, slot: Slot, request: GenerationRequest, logits: Logits) -> None:
        """Choose what comes after the tokens in the KV cache: tokens, or the end."""
        if reason := self._ended_by(request):
            self._end(slot, request, reason)
        elif request.max_tokens == 0:
            self._end(slot, request, "stop")
        elif token_ids := request.choose(logits[0]):
            slot.todo = list(token_ids)
            if reason := request.take(token_ids):
                self._end(slot, request, reason)
        else:
            self._end(slot, request, request.end_reason)

    def _end(self, slot: Slot, request: GenerationRequest, reason: FinishReason) -> None:
        self._slots.release(slot)
        self._finish(request, reason)

    def _fail(self, rows: Sequence[tuple[Slot, GenerationRequest]], error: BaseException) -> None:
        """End `rows` with `error`: the loop lives on, whatever the runtime or a format did."""
        _log.error("inference failed", exc_info=error)
        for slot, request in rows:
            try:
                self._slots.discard(slot)
            except BaseException:
                _log.exception("slot %d could not be emptied", slot.index)
            if not request.is_finished:
                self._finish(request, "error", str(error))

    def _finish(self, request: GenerationRequest, reason: FinishReason, error: str = "") -> None:
        finished = request.finish(reason, self._clock.now_s(), error)
        stats = self.stats
        stats.num_requests += 1
        stats.num_prompt_tokens += finished.num_prompt_tokens
        stats.num_cached_tokens += finished.num_cached_tokens
        stats.num_completion_tokens += finished.num_completion_tokens
        stats.prefill_ms += finished.prefill_ms
        stats.decode_ms += finished.decode_ms
        stats.num_by_reason[finished.reason] = stats.num_by_reason.get(finished.reason, 0) + 1
