import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.understanding.linking import EntityLinker, Named

NAMED = [
    Named("smithy", "place", ("smithy", "forge")),
    Named("mill", "place", ("Old Mill",)),
    Named("cellar", "place", ("cellar",)),
    Named("cave", "place", ("cave",)),
    Named("well", "place", ("well",)),
    Named("heron", "place", ("The Drowsy Heron",)),
    Named("hammer", "item", ("hammer",)),
    Named("bread", "item", ("loaf of bread", "bread")),
    Named("iron_sword", "item", ("iron sword",)),
    Named("steel_sword", "item", ("steel sword",)),
    Named("cellar_key", "item", ("cellar key",)),
    Named("horseshoe", "item", ("horseshoe",)),
    Named("ale", "item", ("ale",)),
    Named("high_road", "place", ("the high road",)),
    Named("nails", "item", ("bag of nails",)),
    Named("barmaid", "person", ("barmaid",)),
    Named("pass", "item", ("pass",)),
    Named("marta", "person", ("Marta Hobb", "innkeeper")),
    Named("will", "person", ("Will",)),
    Named("well_tag", "tag", ("well",)),
]
LINKER = EntityLinker(NAMED)


def ids(text: str) -> list[str]:
    return [mention.id for mention in LINKER.find(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Where is the SMITHY?", ["smithy"]),
        ("the smtihy", ["smithy"]),
        ("a hammr, please", ["hammer"]),
        ("ask the innkeper", ["marta"]),
        ("ask Hobb", ["marta"]),
        ("two loaves of bread", ["bread"]),
        ("some bred", ["bread"]),
        ("four horse shoes", ["horseshoe"]),
        ("four horse-shoes", ["horseshoe"]),
        ("the key to the cellar", ["cellar_key"]),
        ("is the cellar key in the cellar?", ["cellar_key", "cellar"]),
        ("an iron sword", ["iron_sword"]),
        ("a sword", ["iron_sword", "steel_sword"]),
        ("ten nails", ["nails"]),
        ("on the high road", ["high_road"]),
        ("I have a pass", ["pass"]),
        ("the mill and the Drowsy Heron", ["mill", "heron"]),
        ("an ale from the smith's forge", ["ale", "smithy"]),
        ("the innkeeper's bread", ["marta", "bread"]),
    ],
)
def test_finds(text: str, wanted: list[str]) -> None:
    assert ids(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "I have what you gave me",
        "Well, that will do",
        "You did well",
        "We'll see",
        "all is said and done",
        "Will you come?",
        "a male voice",
        "take a break",
        "which road goes there",
        "what's in your bag?",
        "a bargain for you",
        "Pass me that thing",
        "",
        "!!! ???",
    ],
)
def test_no_false_hits_on_common_words(text: str) -> None:
    assert ids(text) == []


def test_a_word_with_two_meanings_is_a_name_after_an_article() -> None:
    assert ids("Well, where is the well?") == ["well", "well_tag"]
    assert ids("I spoke to Will") == ["will"]


def test_spans_and_scores() -> None:
    text = "Bring the hammr to Marta Hobb!"
    hammer, marta = LINKER.find(text)
    assert text[hammer.start : hammer.end] == "hammr"
    assert text[marta.start : marta.end] == "Marta Hobb"
    assert marta.score == 1.0
    assert 0.5 < hammer.score < 1
    assert LINKER.find("sword")[0].score == pytest.approx(0.9)


def test_words_of_a_name_do_not_join_across_punctuation() -> None:
    assert ids("the cellar, key in hand") == ["cellar", "cellar_key"]
    assert ids("the cellar. Key?") == ["cellar", "cellar_key"]


def test_nothing_named_finds_nothing() -> None:
    assert EntityLinker([]).find("the smithy") == []


PARTS = ["the", "well", "key", "cellar", "swords", "ale", ",", "é", "\U0001d4b6"]


@given(st.lists(st.sampled_from(PARTS)))
def test_mentions_are_in_order_and_share_spans_or_are_apart(parts: list[str]) -> None:
    text = " ".join(parts)
    mentions = LINKER.find(text)
    for one, other in itertools.pairwise(mentions):
        assert (one.start, one.end) == (other.start, other.end) or one.end <= other.start
    assert all(0 < mention.score <= 1 for mention in mentions)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for mention in LINKER.find(text):
        assert 0 <= mention.start < mention.end <= len(text)
