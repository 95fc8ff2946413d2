"""KV buffers against a plain list of positions, with windows small enough to drop some."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.errors import InferenceError
from npc_brain.inference import kv_cache
from npc_brain.inference.kv_cache import KVCache, KVShape
from tests.counts import count

CAPACITY, WINDOW, NUM_SLOTS, MOST_AT_ONCE = 64, 4, 2, 5


def small_cache(monkeypatch: pytest.MonkeyPatch) -> KVCache:
    monkeypatch.setattr(kv_cache, "_KEPT_BEYOND_WINDOW", 3)
    monkeypatch.setattr(kv_cache, "_ROOM", 6)
    return KVCache(
        {"full": KVShape(1, 2), "sliding": KVShape(2, 1, is_windowed=True)},
        num_slots=NUM_SLOTS,
        capacity=CAPACITY,
        window=WINDOW,
        most_at_once=MOST_AT_ONCE,
    )


def append(cache: KVCache, slot: int, values: list[int]) -> None:
    """What a graph does: writes at the end of what each buffer holds."""
    cache.make_room(slot, len(values))
    for name, buffer in cache.buffers.items():
        held = cache.length_in_window(slot) if name == "sliding" else cache.lengths[slot]
        buffer[slot, :, held : held + len(values)] = np.array(values)[None, :, None]
    cache.append(slot, len(values))


def check(cache: KVCache, slot: int, wanted: list[int]) -> None:
    assert cache.lengths[slot] == len(wanted)
    assert cache.buffers["full"][slot, 0, : len(wanted), 0].tolist() == wanted
    held = cache.length_in_window(slot)
    assert held >= min(len(wanted), WINDOW - 1), "the next token's window must be there"
    assert cache.buffers["sliding"][slot, 1, :held, 0].tolist() == wanted[len(wanted) - held :]


operations = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "append", "truncate", "snapshot", "restore"]),
        st.integers(0, NUM_SLOTS - 1),
        st.integers(1, MOST_AT_ONCE),
    ),
    max_size=40,
)


@settings(max_examples=count(2000, 200), deadline=None)
@given(steps=operations)
def test_equals_a_list(steps: list[tuple[str, int, int]]) -> None:
    """Cuts are refused exactly where positions that the next token sees are gone."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        cache = small_cache(monkeypatch)
        held: list[list[int]] = [[] for _ in range(NUM_SLOTS)]
        snapshot, kept = cache.snapshot(0, 0), list[int]()
        for number, (kind, slot, size) in enumerate(steps):
            wanted = max(len(held[slot]) - size, 0)
            if kind == "append" and len(held[slot]) + size <= CAPACITY:
                values = [100 * number + i for i in range(size)]
                append(cache, slot, values)
                held[slot] += values
            elif kind == "truncate" and (wanted == 0 or wanted >= cache.shortest(slot)):
                cache.truncate(slot, wanted)
                del held[slot][wanted:]
            elif kind == "snapshot" and held[slot]:
                snapshot, kept = cache.snapshot(slot, len(held[slot])), list(held[slot])
            elif kind == "restore":
                length = max(len(kept) - size, 0)
                if length == 0 or length >= snapshot.shortest:
                    cache.restore(slot, snapshot, length)
                    held[slot] = kept[:length]
            check(cache, slot, held[slot])


def test_what_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = small_cache(monkeypatch)
    for first in range(0, 30, 5):
        append(cache, 0, list(range(first, first + 5)))
    shortest = cache.shortest(0)
    assert 1 < shortest < 30
    for refused in (1, shortest - 1, 31, -1):
        with pytest.raises(InferenceError):
            cache.truncate(0, refused)
        with pytest.raises(InferenceError):
            cache.snapshot(0, refused)
    snapshot = cache.snapshot(0, shortest)
    cache.truncate(0, shortest)
    check(cache, 0, list(range(shortest)))
    with pytest.raises(InferenceError):
        cache.restore(1, snapshot, shortest - 1)
    cache.truncate(0, 0)
    assert cache.shortest(0) == 1


def test_sliding_layers_take_less_memory() -> None:
    shape = KVShape(2, 8)
    full = KVCache({"a": shape}, num_slots=1, capacity=8192, window=512, most_at_once=128)
    sliding = KVCache(
        {"a": KVShape(2, 8, is_windowed=True)},
        num_slots=1, capacity=8192, window=512, most_at_once=128,
    )  # fmt: skip
    assert sliding.num_bytes < full.num_bytes / 9
