import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.clock import FakeClock, MonotonicClock
from npc_brain.errors import ErrorCode, InferenceError
from npc_brain.inference.chat import ChatEvent, Finished, TextDelta
from npc_brain.inference.decoder import PREFILL_CHUNK
from npc_brain.inference.engine import Engine
from npc_brain.inference.formats.base import CompletionParser
from npc_brain.inference.profile import Sampling
from npc_brain.inference.request import GenerationRequest
from npc_brain.inference.sampler import Sampler
from tests.inference_doubles import FakeDecoder
from tests.pace import PATIENCE_S

VOCAB = 50
STOP = 0


class IdParser(CompletionParser):
    """Shows every token as its number."""

    def feed(self, token_id: int) -> list[ChatEvent]:
        return [TextDelta(f"{token_id} ")]


class Rig:
    """An engine that is stepped by hand, and what its requests emitted."""

    def __init__(self, *, prefix_cache_bytes: int = 1 << 20, **decoder_options: Any) -> None:
        self.decoder = FakeDecoder(VOCAB, **decoder_options)
        self.clock = FakeClock()
        self.engine = Engine(
            self.decoder, self.clock, max_queued=8, prefix_cache_bytes=prefix_cache_bytes
        )
        self.events: dict[str, list[ChatEvent]] = {}

    def submit(
        self, name: str, prompt: Sequence[int], *, max_tokens: int = 5, **options: Any
    ) -> GenerationRequest:
        events = self.events.setdefault(name, [])
        request = GenerationRequest(
            prompt_ids=tuple(prompt),
            emit=options.pop("emit", events.append),
            parser=IdParser(),
            sampler=Sampler(options.pop("sampling", Sampling(temperature=0))),
            stop_ids=options.pop("stop_ids", frozenset()),
            max_tokens=max_tokens,
            **options,
        )
        self.engine.submit(request)
        return request

    def run(self) -> None:
        for _ in range(10_000):
            if not self.engine.step():
                return
        raise AssertionError("the engine does not come to an end")

    def finished(self, name: str) -> Finished:
        *others, last = self.events[name]
        assert isinstance(last, Finished)
        assert not any(isinstance(event, Finished) for event in others)
        return last

    def num_texts(self, name: str) -> int:
        return sum(isinstance(event, TextDelta) for event in self.events[name])


def test_a_generation_streams_and_finishes_once() -> None:
    rig = Rig()
    request = rig.submit("a", [1, 2, 3])
    rig.run()
    assert rig.finished("a") == Finished("length", num_prompt_tokens=3, num_completion_tokens=5)
    assert [event.text for event in rig.events["a"][:-1] if isinstance(event, TextDelta)] == [
        f"{token_id} " for token_id in request.completion_ids
    ]


def test_the_last_token_is_not_run_through_the_model() -> None:
    rig = Rig()
    rig.submit("a", [1, 2, 3], max_tokens=3)
    rig.run()
    assert rig.decoder.calls == [("prefill", (0, 3)), ("decode", (0,)), ("decode", (0,))]


def test_a_stop_token_ends_and_is_not_shown() -> None:
    rig = Rig()
    full = rig.submit("a", [1, 2, 3])
    rig.run()
    stop = full.completion_ids[3]
    rig.submit("b", [1, 2, 3], stop_ids=frozenset([stop]))
    rig.run()
    assert rig.finished("b").reason == "stop"
    assert rig.num_texts("b") == full.completion_ids.index(stop)


def test_completions_share_batch_steps_and_do_not_influence_each_other() -> None:
    alone = Rig(num_slots=1)
    prompts = {"a": [1, 2, 3], "b": [4, 5], "c": [6]}
    expected = {}
    for name, prompt in prompts.items():
        request = alone.submit(name, prompt)
        alone.run()
        expected[name] = request.completion_ids
    rig = Rig(num_slots=3)
    requests = {name: rig.submit(name, prompt) for name, prompt in prompts.items()}
    rig.run()
    assert {name: request.completion_ids for name, request in requests.items()} == expected
    assert ("decode", (0, 1, 2)) in rig.decoder.calls


def test_priority_then_arrival() -> None:
    rig = Rig(num_slots=1)
    ends: list[str] = []
    for name, priority in [("low", 0), ("first", 5), ("second", 5), ("high", 9)]:

        def emit(event: ChatEvent, name: str = name) -> None:
            if isinstance(event, Finished):
                ends.append(name)

        rig.submit(name, [1, 2], priority=priority, emit=emit)
    rig.run()
    assert ends == ["high", "first", "second", "low"]


def test_a_long_prompt_does_not_stop_the_others() -> None:
    rig = Rig(max_context=2000)
    rig.submit("short", [1], max_tokens=20)
    rig.engine.step()
    rig.submit("long", [2] * (5 * PREFILL_CHUNK))
    rig.decoder.calls.clear()
    for _ in range(5):
        rig.engine.step()
    assert rig.decoder.calls[:4] == [
        ("prefill", (1, PREFILL_CHUNK)),
        ("decode", (0,)),
        ("prefill", (1, PREFILL_CHUNK)),
        ("decode", (0,)),
    ]


def test_cancel_between_two_tokens() -> None:
    rig = Rig()
    request = rig.submit("a", [1, 2], max_tokens=50)
    for _ in range(3):
        rig.engine.step()
    request.cancel()
    num_before = len(rig.events["a"])
    rig.run()
    assert rig.events["a"][num_before:] == [rig.finished("a")]
    assert rig.finished("a").reason == "cancelled"


def test_cancel_from_within_emit() -> None:
    rig = Rig()
    events: list[ChatEvent] = []

    def emit(event: ChatEvent) -> None:
        events.append(event)
        request.cancel()

    request = rig.submit("a", [1, 2], emit=emit)
    rig.run()
    assert [type(event) for event in events] == [TextDelta, Finished]


def test_cancel_in_the_middle_of_a_prompt_and_in_the_queue() -> None:
    rig = Rig(num_slots=1, max_context=2000)
    long = rig.submit("long", [1] * (3 * PREFILL_CHUNK))
    queued = rig.submit("queued", [2])
    rig.engine.step()
    long.cancel()
    queued.cancel()
    rig.run()
    assert rig.finished("long").reason == rig.finished("queued").reason == "cancelled"
    assert rig.decoder.calls == [("prefill", (0, PREFILL_CHUNK))]
    long.cancel()
    assert len(rig.events["long"]) == 1


def test_deadlines_end_queued_and_running_generations() -> None:
    rig = Rig(num_slots=1)
    rig.submit("running", [1, 2], max_tokens=400, deadline_s=2.0)
    rig.submit("queued", [1, 2], deadline_s=1.0)
    rig.engine.step()
    rig.clock.advance(1.0)
    rig.engine.step()
    assert rig.finished("queued").reason == "deadline"
    assert rig.finished("queued").queued_ms == 1000.0
    rig.clock.advance(1.0)
    rig.run()
    assert rig.finished("running").reason == "deadline"
    assert rig.num_texts("running") > 0


def test_no_token_comes_after_the_deadline() -> None:
    """The step that was under way when the deadline passed emits nothing."""
    rig = Rig()
    rig.submit("a", [1, 2], max_tokens=400, deadline_s=1.0)
    rig.engine.step()
    decode = rig.decoder.decode

    def slow_decode(slots: Sequence[int], token_ids: Sequence[int]) -> Any:
        rig.clock.advance(1.5)
        return decode(slots, token_ids)

    rig.decoder.decode = slow_decode  # type: ignore[method-assign]
    num_before = rig.num_texts("a")
    rig.run()
    assert rig.num_texts("a") == num_before
    assert rig.finished("a").reason == "deadline"


def test_a_full_queue_refuses() -> None:
    rig = Rig()
    for index in range(8):
        rig.submit(str(index), [1])
    with pytest.raises(InferenceError) as caught:
        rig.submit("more", [1])
    assert caught.value.code is ErrorCode.TOO_MANY_QUEUED
    assert caught.value.retryable


@pytest.mark.parametrize(("num_prompt", "max_tokens"), [(0, 5), (510, 5), (600, 1)])
def test_what_does_not_fit_the_context_is_refused(num_prompt: int, max_tokens: int) -> None:
    with pytest.raises(InferenceError, match="do not fit a context of 512"):
        Rig().submit("a", [1] * num_prompt, max_tokens=max_tokens)


def test_the_whole_context_can_be_used() -> None:
    rig = Rig()
    rig.submit("a", [1] * 500, max_tokens=12)
    rig.run()
    assert rig.finished("a").num_completion_tokens == 12


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_failure_ends_the_generations_it_hits_and_the_loop_lives_on(fails_at: int) -> None:
    rig = Rig(num_slots=2)
    rig.decoder.fails_at = {fails_at}
    rig.submit("a", [1, 2])
    rig.submit("b", [3, 4])
    rig.run()
    failed = [name for name in "ab" if rig.finished(name).reason == "error"]
    assert failed
    assert f"call {fails_at} fails" in rig.finished(failed[0]).error
    again = rig.submit("c", [1, 2])
    rig.run()
    assert rig.finished("c").reason == "length"
    fresh = Rig()
    expected = fresh.submit("c", [1, 2])
    fresh.run()
    assert again.completion_ids == expected.completion_ids


def test_a_receiver_that_raises_only_loses_its_own_generation() -> None:
    rig = Rig()

    def emit(event: ChatEvent) -> None:
        raise RuntimeError("boom")

    rig.submit("bad", [1, 2], emit=emit)
    rig.submit("good", [3, 4])
    rig.run()
    assert rig.finished("good").reason == "length"
    assert rig.engine.stats.num_by_reason == {"length": 1, "cancelled": 1}


def test_close_cancels_everything_and_refuses_more() -> None:
    rig = Rig(num_slots=1)
    rig.submit("running", [1, 2], max_tokens=100)
    rig.submit("queued", [1])
    rig.engine.step()
    rig.engine.close()
    rig.engine.close()
    assert rig.finished("running").reason == rig.finished("queued").reason == "cancelled"
    assert rig.decoder.is_closed
    with pytest.raises(InferenceError, match="closed"):
        rig.submit("late", [1])


def test_the_next_turn_of_a_conversation_computes_only_what_is_new() -> None:
    rig = Rig()
    first = rig.submit("first", range(1, 31))
    rig.run()
    prompt = [*range(1, 31), *first.completion_ids, 40, 41]
    rig.submit("next", prompt)
    rig.run()
    # All but the completion's last token, which never went through the model.
    assert rig.finished("next").num_cached_tokens == 34


def test_a_persona_outlives_its_slot() -> None:
    rig = Rig(num_slots=1)
    persona = list(range(1, 31))
    rig.submit("mira", [*persona, 40], num_stable=30)
    rig.run()
    rig.submit("other", [45] * 20)
    rig.run()
    rig.submit("mira again", [*persona, 41], num_stable=30)
    rig.run()
    assert rig.finished("other").num_cached_tokens == 0
    assert rig.finished("mira again").num_cached_tokens == 30


def test_a_conversation_is_copied_rather_than_destroyed() -> None:
    """Another NPC with the same beginning takes it from the slot, which keeps its own history."""
    rig = Rig(num_slots=2)
    shared = list(range(1, 31))
    mira = [*shared, *[40] * 100]
    rig.submit("mira", mira)
    rig.run()
    rig.submit("joan", [*shared, *[41] * 10])
    rig.run()
    assert rig.finished("joan").num_cached_tokens == 30
    rig.submit("mira again", [*mira, 42])
    rig.run()
    assert rig.finished("mira again").num_cached_tokens == 130


def test_prewarming_only_fills_the_cache() -> None:
    rig = Rig()
    rig.submit("warm", range(1, 31), max_tokens=0, num_stable=30)
    rig.run()
    assert rig.events["warm"] == [Finished("stop", num_prompt_tokens=30)]
    rig.submit("a", [*range(1, 31), 40])
    rig.run()
    assert rig.finished("a").num_cached_tokens == 30


def test_prewarming_gives_way_to_a_real_request() -> None:
    rig = Rig(num_slots=1, max_context=2000)
    rig.submit("warm", [7] * (6 * PREFILL_CHUNK), max_tokens=0, priority=-1)
    rig.engine.step()
    rig.engine.step()
    rig.submit("a", [1, 2], max_tokens=2)
    rig.engine.step()
    assert rig.num_texts("a") > 0
    rig.run()
    assert rig.finished("warm").reason == "stop"
    assert rig.finished("a").reason == "length"


def test_chunks_of_a_slow_model_are_smaller() -> None:
    rig = Rig(max_context=2000)
    prefill = rig.decoder.prefill

    def slow_prefill(slot: int, token_ids: Sequence[int], **kwargs: Any) -> Any:
        rig.clock.advance(0.01 * len(token_ids))
        return prefill(slot, token_ids, **kwargs)

    rig.decoder.prefill = slow_prefill  # type: ignore[method-assign]
    rig.submit("a", [1] * 300)
    rig.run()
    sizes = [what[1] for name, what in rig.decoder.calls if name == "prefill"]
    assert sizes[:3] == [PREFILL_CHUNK, 25, 25]


prompts = st.lists(
    st.tuples(
        st.integers(0, 2),  # persona
        st.lists(st.integers(1, 4), min_size=1, max_size=6),  # the player's words
        st.integers(0, 3),  # steps before the next one comes
        st.booleans(),  # whether it is cancelled then
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=60)
@given(prompts=prompts, num_slots=st.integers(1, 3), cache=st.sampled_from([0, 5000, 1 << 20]))
def test_reuse_changes_no_token(prompts: list[Any], num_slots: int, cache: int) -> None:
    """The same completions with every way of reusing KV as from a fresh decoder each time."""
    rig = Rig(num_slots=num_slots, prefix_cache_bytes=cache)
    history: dict[int, list[int]] = {p: [10 + p] * 12 + list(range(20, 28)) for p in range(3)}
    submitted = []
    for index, (persona, words, num_steps, is_cancelled) in enumerate(prompts):
        prompt = [*history[persona], *words]
        request = rig.submit(str(index), prompt, num_stable=20)
        for _ in range(num_steps):
            rig.engine.step()
        if is_cancelled:
            request.cancel()
        history[persona] = [*prompt, *request.completion_ids]
        submitted.append((prompt, request))
    rig.run()
    for prompt, request in submitted:
        fresh = Rig(num_slots=1, prefix_cache_bytes=0)
        expected = fresh.submit("x", prompt)
        fresh.run()
        num_done = len(request.completion_ids)
        assert request.completion_ids == expected.completion_ids[:num_done]
        assert request.is_cancelled or num_done == 5


def test_cancel_from_another_thread_is_exact() -> None:
    """After `cancel` returns nothing but `Finished` comes, on a running thread."""
    engine = Engine(FakeDecoder(VOCAB, max_context=5000), MonotonicClock())
    engine.start()
    for _ in range(50):
        events: list[ChatEvent] = []
        has_begun, has_ended = threading.Event(), threading.Event()

        def emit(
            event: ChatEvent,
            events: list[ChatEvent] = events,
            has_begun: threading.Event = has_begun,
            has_ended: threading.Event = has_ended,
        ) -> None:
            events.append(event)
            has_begun.set()
            if isinstance(event, Finished):
                has_ended.set()

        request = GenerationRequest(
            prompt_ids=(1, 2),
            emit=emit,
            parser=IdParser(),
            sampler=Sampler(Sampling(temperature=0)),
            stop_ids=frozenset(),
            max_tokens=4000,
        )
        engine.submit(request)
        assert has_begun.wait(PATIENCE_S)
        request.cancel()
        num_before = len(events)
        assert has_ended.wait(PATIENCE_S)
        assert [type(event) for event in events[num_before:]] == [Finished]
    engine.close()


def test_a_failed_copy_leaves_no_wrong_kv_behind() -> None:
    rig = Rig(num_slots=1)
    persona = list(range(1, 31))
    rig.submit("mira", [*persona, 40], num_stable=30)
    rig.submit("other", [45] * 20)
    rig.run()
    restore = rig.decoder.restore

    def broken_restore(slot: int, snapshot: Any, length: int) -> None:
        restore(slot, snapshot, length - 5)
        raise RuntimeError("the copy broke off")

    rig.decoder.restore = broken_restore  # type: ignore[method-assign]
    rig.submit("mira again", [*persona, 41])
    rig.run()
    assert "broke off" in rig.finished("mira again").error
    rig.submit("other again", [45] * 21)
    rig.run()
    assert rig.finished("other again").num_cached_tokens == 0
    assert rig.finished("other again").reason == "length"
