import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.understanding.matching import MAX_CLAUSES, MeaningMatcher, spans_to_read

MATCHER = MeaningMatcher(
    LexicalEncoder(),
    {
        "market": ["Where is the market?", "Which way to the market?"],
        "greeting": ["Good morning", "Hello there"],
        "silent": [],
    },
)


def test_best_names_the_label_and_the_clause() -> None:
    text = "Hm, what a day. Tell me, where is the market? I am late."
    match = MATCHER.best(text)
    assert match is not None
    assert match.label == "market"
    assert "where is the market" in text[match.start : match.end]
    assert match.score > 0.5
    assert match.margin > 0.3


def test_an_example_itself_scores_one() -> None:
    match = MATCHER.best("which way to the market")
    assert match is not None
    assert match.score == pytest.approx(1, abs=1e-4)


def test_a_preamble_does_not_drown_the_request() -> None:
    plain = MATCHER.scores("Where is the market?")["market"]
    assert MATCHER.scores("Hello there! What a day. Where is the market?")["market"] == (
        pytest.approx(plain, abs=1e-4)
    )


def test_scores_has_every_label_with_examples() -> None:
    assert set(MATCHER.scores("anything")) == {"market", "greeting"}


@pytest.mark.parametrize("text", ["", "  ", "?!", "\n"])
def test_wordless_text_matches_nothing(text: str) -> None:
    assert MATCHER.best(text) is None
    assert MATCHER.scores(text) == {}


def test_without_examples_nothing_matches() -> None:
    assert MeaningMatcher(LexicalEncoder(), {}).best("hello") is None


def test_a_single_label_has_its_score_as_margin() -> None:
    match = MeaningMatcher(LexicalEncoder(), {"a": ["hello"]}).best("hello")
    assert match is not None
    assert match.margin == match.score


@given(st.text(max_size=3000))
def test_work_is_bounded_whatever_is_typed(text: str) -> None:
    spans = spans_to_read(text)
    assert len(spans) <= 2 * MAX_CLAUSES + 1
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_of_many_clauses_the_last_are_read() -> None:
    text = "Blah. " * 100 + "Where is the market?"
    match = MATCHER.best(text)
    assert match is not None
    assert match.label == "market"
    assert match.score > 0.9
