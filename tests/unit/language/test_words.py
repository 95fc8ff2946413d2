import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.language.en.words import (
    Speller,
    find_count,
    in_plain_spelling,
    split_clauses,
    split_words,
    stem,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("two loaves", 2),
        ("a dozen eggs", 12),
        ("half a dozen", 6),
        ("three dozen", 36),
        ("a couple of ales", 2),
        ("a pair of boots", 2),
        ("twenty five coins", 25),
        ("twenty-five coins", 25),
        ("two hundred and you", 200),
        ("a hundred arrows", 100),
        ("one thousand two hundred", 1200),
        ("17 coins", 17),
        ("0 coins", 0),
        ("3 coins for 2 ales", 3),
        ("an ale", None),
        ("some bread", None),
        ("", None),
        ("99999999999999999999 coins", None),
        ("five coins 4 the map", 5),
        ("is it 4 the king", None),
    ],
)
def test_find_count(text: str, count: int | None) -> None:
    assert find_count(text) == count


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("wheres thy ale", "where is your ale"),
        ("u got bread?", "you got bread?"),
        ("Prithee, hast thou rope", "please, have you rope"),
        ("5 coins 4 the map", "5 coins for the map"),
        ("give me 4 coins", "give me 4 coins"),
        ("Where is it?", "Where is it?"),
    ],
)
def test_plain_text(text: str, plain: str) -> None:
    assert in_plain_spelling(text) == plain


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("loaf", "loaves"),
        ("knife", "knives"),
        ("sword", "swords"),
        ("berry", "berries"),
        ("torch", "torches"),
        ("horseshoe", "horseshoes"),
        ("glass", "glasses"),
        ("smith", "smith's"),
        ("pie", "pies"),
    ],
)
def test_stem_joins_singular_and_plural(singular: str, plural: str) -> None:
    assert stem(singular) == stem(plural)


def test_clauses_end_at_stops_and_dashes_but_not_at_hyphens() -> None:
    text = "Morning! Well-met... I'm parched - an ale, please\n  ?!"
    parts = [text[start:end].strip() for start, end in split_clauses(text)]
    assert parts == ["Morning!", "Well-met...", "I'm parched -", "an ale, please"]


@given(st.text(max_size=200))
def test_words_and_clauses_cover_the_text_in_order(text: str) -> None:
    """Whatever is typed: spans are in order, do not overlap, and every word is in one clause."""
    words, clauses = split_words(text), split_clauses(text)
    for spans in ([(word.start, word.end) for word in words], clauses):
        assert all(a < b for a, b in spans)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    for word in words:
        assert sum(start <= word.start < end for start, end in clauses) == 1
    in_plain_spelling(text)
    find_count(text)


class TestSpeller:
    speller = Speller({"smithy", "hammer", "innkeeper", "cave", "bread", "ale"})

    @pytest.mark.parametrize(
        ("slip", "meant"),
        [
            ("smtihy", "smithy"),
            ("hammr", "hammer"),
            ("innkeper", "innkeeper"),
            ("inkeeper", "innkeeper"),
            ("inkeepr", "innkeeper"),
            ("bred", "bread"),
        ],
    )
    def test_forgives_slips(self, slip: str, meant: str) -> None:
        found = self.speller.meant(slip)
        assert found is not None
        assert found[0] == meant
        assert 0.5 < found[1] < 1

    @pytest.mark.parametrize(
        "word", ["have", "gave", "save", "break", "read", "all", "ali", "hummed", "we'll", "qqqq"]
    )
    def test_leaves_other_words_alone(self, word: str) -> None:
        assert self.speller.meant(word) is None

    def test_exact_words_win(self) -> None:
        assert self.speller.meant("ale") == ("ale", 1.0)
