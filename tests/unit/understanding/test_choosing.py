"""The chooser's rules, with the lexical encoder; how well it chooses is in tests/understanding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npc_brain.language.language import JUST_TALK, language
from npc_brain.tools.registry import STAND_INS
from npc_brain.understanding.choosing import ToolChooser
from npc_brain.understanding.lexical import LexicalEncoder
from npc_brain.understanding.linking import EntityLinker, Named

LINKER = EntityLinker(
    [
        Named("mill", "place", ("mill",)),
        Named("chandlery", "place", ("chandlery",)),
        Named("ale", "item", ("ale",)),
    ]
)
EXAMPLES = language().examples
EVERY_TOOL = frozenset(EXAMPLES) - {JUST_TALK}
CHOOSER = ToolChooser(LexicalEncoder(), EXAMPLES, stand_ins=STAND_INS)


def choose(text: str, legal: frozenset[str] = EVERY_TOOL, chooser: ToolChooser = CHOOSER) -> str:
    return chooser.choose(text, LINKER.find(text), legal).label


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("Where is the mill?", "find_path"),
        ("Where is the chandlery?", "find_path"),
        ("How far is the mill?", "distance"),
        ("Give me an ale.", "inventory_give"),
        ("How many ales do you have?", "inventory_count"),
        ("Follow me.", "follow"),
        ("Hello.", JUST_TALK),
        ("Good morning! Nice weather today. Where is the mill?", "find_path"),
        ("wheres teh mill", "find_path"),
        ("folow me", "follow"),
    ],
)
def test_chooses(text: str, tool: str) -> None:
    assert choose(text) == tool


def test_names_are_masked() -> None:
    """What a place is called must not matter."""
    scores = {
        CHOOSER.choose(text, LINKER.find(text), EVERY_TOOL).score
        for text in ("Where is the mill?", "Where is the chandlery?")
    }
    assert len(scores) == 1


def test_tags_are_not_masked() -> None:
    """A world with the tag `food` must not turn "What food is there?" into a question of place."""
    tagged = EntityLinker([Named("food", "tag", ("food",))]).find("What food is there?")
    assert CHOOSER.choose("What food is there?", tagged, EVERY_TOOL) == (
        CHOOSER.choose("What food is there?", [], EVERY_TOOL)
    )


def test_a_tool_that_is_not_legal_is_not_replaced_by_another() -> None:
    assert choose("Follow me.", EVERY_TOOL - {"follow"}) == JUST_TALK


def test_a_tool_that_answers_the_same_question_stands_in() -> None:
    text = "How many ales do you have?"
    assert choose(text, EVERY_TOOL - {"inventory_count"}) == "inventory_find"
    assert choose(text, frozenset({"follow"})) == JUST_TALK


def test_the_match_tells_which_clause_asked() -> None:
    text = "Hello. Give me an ale. Thank you very much."
    match = CHOOSER.choose(text, LINKER.find(text), EVERY_TOOL)
    assert text[match.start : match.end].strip() == "Give me an ale."


def test_own_examples_teach_a_new_tool_and_are_masked() -> None:
    examples = {**EXAMPLES, "grind": ("Grind some ale for me at the mill", "Start grinding")}
    chooser = ToolChooser(LexicalEncoder(), examples, linker=LINKER)
    assert choose("start grinding", EVERY_TOOL | {"grind"}, chooser) == "grind"
    assert choose("Grind some ale at the chandlery", EVERY_TOOL | {"grind"}, chooser) == "grind"


@pytest.mark.parametrize("text", ["", "   ", "?!?", "\n"])
def test_wordless_text_is_just_talk(text: str) -> None:
    assert choose(text) == JUST_TALK


def test_without_examples_all_is_just_talk() -> None:
    assert choose("Where is the mill?", chooser=ToolChooser(LexicalEncoder(), {})) == JUST_TALK


@settings(deadline=None)
@given(st.text(max_size=400), st.frozensets(st.sampled_from(sorted(EVERY_TOOL)), max_size=4))
def test_only_legal_tools_are_chosen(text: str, legal: frozenset[str]) -> None:
    match = CHOOSER.choose(text, LINKER.find(text), legal)
    assert match.label in legal | {JUST_TALK}
    assert 0 <= match.start <= match.end <= len(text)
    assert match.margin >= 0
