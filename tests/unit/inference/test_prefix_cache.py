import numpy as np
import pytest

from npc_brain.inference.decoder import KVSnapshot
from npc_brain.inference.prefix_cache import PrefixCache, common_prefix


def ids(text: str) -> list[int]:
    return [ord(char) for char in text]


def array(text: str) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(ids(text), np.int64)


def snapshot(text: str) -> KVSnapshot:
    return KVSnapshot(len(text), 10 * len(text), text)


def cache_of(*texts: str, max_bytes: int = 1000) -> PrefixCache:
    cache = PrefixCache(max_bytes)
    for text in texts:
        cache.add(ids(text), snapshot(text))
    return cache


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("", "", 0),
        ("ab", "", 0),
        ("ab", "ab", 2),
        ("ab", "abc", 2),
        ("abx", "aby", 2),
        ("x", "y", 0),
    ],
)
def test_common_prefix(left: str, right: str, expected: int) -> None:
    assert common_prefix(array(left), array(right)) == expected


def test_the_longest_shared_beginning_wins() -> None:
    cache = cache_of("mira: hello", "mira: bye", "joan")
    assert cache.longest(array("mira: bread")) == (7, snapshot("mira: bye"))
    assert cache.longest(array("x")) == (0, None)


def test_a_snapshot_replaces_its_own_beginnings() -> None:
    cache = cache_of("mir", "joan", "mira", "mir")
    assert cache.covers(ids("mira"))
    assert cache.num_bytes == 10 * len("joan" + "mira" + "mir")
    cache.add(ids("mirabel"), snapshot("mirabel"))
    assert cache.num_bytes == 10 * len("joan" + "mirabel")


def test_the_least_recently_used_goes_first() -> None:
    cache = cache_of("aaaa", "bbbb", max_bytes=100)
    cache.longest(array("aaaa"))
    cache.add(ids("cccc"), snapshot("cccc"))
    assert [cache.covers(ids(text)) for text in ("aaaa", "bbbb", "cccc")] == [True, False, True]


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = cache_of("aaaa", "b" * 20, max_bytes=100)
    assert cache.covers(ids("aaaa"))
    assert not cache.covers(ids("b" * 20))
