import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from npc_brain.errors import NpcBrainError
from npc_brain.memory.store import MAX_TEXT_CHARS, MemoryStore

FACTS = (
    "The player is called Bo",
    "Bo has a daughter named Ann",
    "A wolf was seen at the mill",
    "Bo owes two coins",
)


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    made = MemoryStore()
    yield made
    made.close()


def fill(store: MemoryStore) -> None:
    for fact in FACTS:
        store.remember("mira", fact, "player")


def test_recall_finds_by_words_and_their_forms(store: MemoryStore) -> None:
    fill(store)
    assert store.recall("mira", "Who is my daughter?") == [FACTS[1]]
    assert store.recall("mira", "wolves? a coin owed?") == [FACTS[3]]
    assert store.recall("mira", "the wolf at the mill, Bo?", limit=1) == [FACTS[2]]
    assert store.recall("mira", "dragons") == []


def test_a_query_without_content_gives_the_newest(store: MemoryStore) -> None:
    fill(store)
    assert store.recall("mira", "What did I tell you?", limit=2) == [FACTS[3], FACTS[2]]
    assert store.recall("mira", "?!", limit=1) == [FACTS[3]]


def test_npcs_do_not_share_memories(store: MemoryStore) -> None:
    fill(store)
    store.of("borin").remember("Bo bought a sword")
    assert store.of("borin").recall("Bo") == ["Bo bought a sword"]
    assert "Bo bought a sword" not in store.recall("mira", "sword Bo")
    store.forget("borin")
    assert store.recall("borin", "Bo") == []
    assert len(store.to_json("mira")) == 4


def test_the_least_recalled_and_then_the_oldest_goes() -> None:
    store = MemoryStore(max_memories=3)
    for word in ("apple", "pear", "plum"):
        store.remember("n", f"likes {word}")
    store.recall("n", "apple")
    store.remember("n", "likes fig")
    assert [row["text"] for row in store.to_json("n")] == ["likes apple", "likes plum", "likes fig"]
    store.close()


def test_the_same_text_again_gains_weight(store: MemoryStore) -> None:
    store.remember("n", "likes  figs\n")
    store.remember("n", "likes figs")
    assert store.to_json("n") == [{"text": "likes figs", "subject_id": "", "num_recalls": 1}]


def test_texts_are_bounded_and_blank_ones_left_out(store: MemoryStore) -> None:
    store.remember("n", "x" * 9000)
    store.remember("n", " \n\x00 ")
    assert [len(row["text"]) for row in store.to_json("n")] == [MAX_TEXT_CHARS]


def restore(store: MemoryStore, saved: Any) -> None:
    store.drop(store.replace_sets({"mira": store.add_set(saved)}))


def test_a_save_gives_the_same_memories(store: MemoryStore) -> None:
    fill(store)
    store.recall("mira", "daughter")
    saved = json.loads(json.dumps(store.to_json("mira")))
    other = MemoryStore()
    other.remember("mira", "something else")
    restore(other, saved)
    assert other.to_json("mira") == saved
    assert other.recall("mira", "daughter") == [FACTS[1]]
    other.close()


@pytest.mark.parametrize(
    "saved", [3, [3], [{}], [{"text": "a", "subject_id": "", "num_recalls": "x"}]]
)
def test_a_damaged_save_is_an_error_and_changes_nothing(store: MemoryStore, saved: object) -> None:
    fill(store)
    with pytest.raises(NpcBrainError, match="damaged"):
        restore(store, saved)
    assert len(store.to_json("mira")) == 4


@given(st.text(max_size=60))
def test_any_text_is_safe_to_remember_and_to_ask(text: str) -> None:
    store = MemoryStore()
    text = text.encode("utf-8", "replace").decode()
    store.remember("n", text)
    assert len(store.recall("n", text)) <= 1
    store.close()


@pytest.mark.parametrize(
    "query", ['" OR *', "NEAR(coin, 2)", "text:coin", "coin*", "'; DROP TABLE"]
)
def test_the_query_language_is_out_of_reach(store: MemoryStore, query: str) -> None:
    fill(store)
    assert set(store.recall("mira", query, limit=9)) <= set(FACTS)


class ByMeaning:
    """Knows that a child is a daughter."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        is_family = [any(word in text for word in ("child", "daughter")) for text in texts]
        return np.array([[1.0, 0.0] if family else [0.0, 1.0] for family in is_family], np.float32)


def test_an_encoder_finds_what_is_meant() -> None:
    encoder = ByMeaning()
    store = MemoryStore(lambda: encoder)
    fill(store)
    assert store.recall("mira", "Do you recall my child?") == [FACTS[1]]
    saved = store.to_json("mira")
    restore(store, saved)
    assert store.recall("mira", "my child") == [FACTS[1]]
    store.close()


def test_threads_take_turns(store: MemoryStore) -> None:
    def work(npc_id: str) -> None:
        for number in range(100):
            store.remember(npc_id, f"fact {number}")
            store.recall(npc_id, f"fact {number}")

    threads = [threading.Thread(target=work, args=(f"n{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store.to_json(f"n{index}")) for index in range(4)] == [100] * 4


def test_a_secret_is_not_recalled_and_hides_nothing_else() -> None:
    store = MemoryStore(lambda: None)
    memory = store.of("borin", lambda text: "crown" in text)
    memory.remember("Bo stole the crown.")
    memory.remember("Bo bought a sword.")
    assert memory.recall("Bo") == ["Bo bought a sword."]
