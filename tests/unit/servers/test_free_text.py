"""Lines made of free text: what is dropped, where they end, and that nothing is taken back."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.inference.chat import ChatEvent, LineRule, TextDelta
from npc_brain.inference.grammar import clean_line
from npc_brain.servers.free_text import FreeLine
from tests.counts import count


def text_of(events: list[ChatEvent]) -> str:
    assert all(isinstance(event, TextDelta) and event.text for event in events)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def said(pieces: list[str], rule: LineRule = LineRule(), begun: str = "") -> str:  # noqa: B008
    line = FreeLine(rule, begun)
    parts = [text_of(line.begun), *(text_of(line.push(piece)) for piece in pieces)]
    return "".join([*parts, text_of(line.end())])


@pytest.mark.parametrize(
    ("free", "spoken"),
    [
        ("Well met, stranger!", "Well met, stranger!"),
        ("  Well   met\tfriend ", "Well met friend"),
        ("*smiles* Well met.", "Well met."),
        ("Well met. *looks away* What now?", "Well met. What now?"),
        ("That is *very* dear.", "That is very dear."),
        ("**Hello** there", "Hello there"),
        ("(whispers) Come closer.", "Come closer."),
        ("A sword [iron] here , sir", "A sword here, sir"),
        ('"Well met," he says', "Well met, he says"),
        ("<b>Well</b> met<br/>, friend", "Well met, friend"),
        ("3 < 4 and more", "3 4 and more"),
        ("# Hello\n\n- one\n- two", "Hello"),
        ("\n\n*nods*\nWell met.\nPlayer: Bye!", "Well met."),
        ("Hi \U0001f600 there\ud83d", "Hi there"),
        ("a --- b ---- c", "a -- b -- c"),
        ("…'Tis cold", "'Tis cold"),
        ("*smiles and never stops", ""),
        ("Hello (and never closes", "Hello and never closes"),
        ("\u202eHello\x1b[31m\x00", "Hello31m"),
        ("", ""),
    ],
)
def test_what_is_dropped(free: str, spoken: str) -> None:
    assert said([free]) == spoken
    assert said(list(free)) == spoken


@pytest.mark.parametrize(
    ("limit", "free", "spoken"),
    [
        (1, "One. Two. Three.", "One."),
        (2, "One! Two? Three.", "One! Two?"),
        (1, "Mr. Smith costs 3.5 gold. Two.", "Mr. Smith costs 3.5 gold."),
        (1, "Wait... what? Two.", "Wait..."),
        (1, "一。二。", "一。"),
        (0, "One. Two. Three.", "One. Two. Three."),
    ],
)
def test_sentences_are_counted(limit: int, free: str, spoken: str) -> None:
    rule = LineRule(max_sentences=limit)
    assert said([free], rule) == spoken
    assert said(list(free), rule) == spoken


def test_a_line_that_is_full_needs_no_more() -> None:
    line = FreeLine(LineRule(max_sentences=1))
    assert text_of(line.push("One. Tw")) == "One."
    assert line.has_ended
    assert not line.is_full
    assert line.push("o.") == line.end() == []
    line = FreeLine(LineRule(max_chars=10))
    assert text_of(line.push("Twelve characters")) == "Twelve"
    assert line.has_ended
    assert line.is_full


OPENERS = ("It costs 5", "It costs 5 gold.", 'She said "no".')


@pytest.mark.parametrize(
    ("free", "spoken"),
    [
        ("It costs 5 gold. Want it?", "It costs 5 gold. Want it?"),
        ("It costs 5 coins.", "It costs 5 coins."),
        ("It costs 50 gold, friend.", "It costs 5 gold, friend."),
        ("It costs 5, friend.", "It costs 5, friend."),
        ("She said no. Well.", 'She said "no". Well.'),
        ("A fine blade!", "It costs 5 A fine blade!"),
        ("It co", "It costs 5 It co"),
        ("", "It costs 5"),
        ("*shrugs*", "It costs 5"),
    ],
)
def test_a_line_begins_with_an_opener(free: str, spoken: str) -> None:
    rule = LineRule(openers=OPENERS)
    assert said([free], rule) == spoken
    assert said(list(free), rule) == spoken


@pytest.mark.parametrize("repeated", ["", "Welcome back.", "Welcome back. "])
def test_an_opener_that_was_said_is_not_said_twice(repeated: str) -> None:
    rule = LineRule(openers=("Welcome back.",), max_sentences=1)
    text = f"{repeated} What is it? More."
    assert said(list(text), rule, begun="Welcome back.") == "Welcome back. What is it?"
    line = FreeLine(rule, "Welcome back.")
    assert text_of(line.begun) == "Welcome back."


def test_an_opener_is_never_cut() -> None:
    rule = LineRule(openers=("Eleven more characters.",), max_chars=5)
    assert said(["Eleven more characters. And"], rule) == "Eleven more characters."
    assert said(["And"], rule, begun="Eleven more characters.") == "Eleven more characters."


free_texts = st.text(
    st.sampled_from(list("ab. !?*<>()[]\n\"'-_é日。3\u0301\U0001f600")), max_size=40
)
rules = st.builds(
    LineRule,
    max_chars=st.just(400),
    openers=st.lists(st.sampled_from(["a", "ab.", "a b", '"a" b!']), max_size=2).map(tuple),
    max_sentences=st.integers(0, 2),
)


@settings(max_examples=count(20_000, 1500), deadline=None)
@given(free_texts, st.lists(st.integers(0, 40), max_size=5), rules, st.booleans())
def test_pieces_do_not_matter(free: str, cuts: list[int], rule: LineRule, is_begun: bool) -> None:
    begun = rule.openers[0] if rule.openers and is_begun else ""
    places = sorted({0, len(free), *(cut for cut in cuts if cut < len(free))})
    pieces = [free[a:b] for a, b in pairwise(places)]
    line = said(pieces, rule, begun)
    assert line == said([free], rule, begun) == said(list(free), rule, begun)
    assert line == clean_line(line)
    if rule.openers:
        assert line.startswith(rule.openers)
        short = said(pieces, replace(rule, max_chars=6), begun)
        assert len(short) <= max(6, *map(len, rule.openers))
        assert line.startswith(short)
