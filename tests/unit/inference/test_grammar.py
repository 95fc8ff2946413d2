import json
from typing import Any

import numpy as np
import pytest

from npc_brain.errors import InferenceError
from npc_brain.inference import grammar
from npc_brain.inference.chat import FunctionSchema, LineRule
from npc_brain.inference.formats.json_calls import json_schema
from npc_brain.inference.grammar import Constraint, GrammarCompiler, clean_line, line_terminal
from tests.inference_doubles import byte_level_tokenizer

TOKENIZER = byte_level_tokenizer()
END = TOKENIZER.control_id("<|im_end|>")
COMPILER = GrammarCompiler(TOKENIZER, [END], TOKENIZER.vocab_size)


def constrain(line: LineRule, max_tokens: int = 200) -> Constraint:
    return COMPILER.constrain(f"start: LINE\nLINE: {line_terminal(line)}", max_tokens)


def allows(constraint: Constraint, token_id: int) -> bool:
    return bool(constraint.mask()[token_id >> 3] >> (token_id & 7) & 1)


def is_line(text: str, line: LineRule) -> bool:
    """Whether the grammar lets exactly `text` through, token by token."""
    constraint = constrain(line)
    for token_id in TOKENIZER.encode(text):
        if constraint.is_complete or not allows(constraint, token_id):
            return False
        assert constraint.accept(token_id) == token_id
    return constraint.is_complete or allows(constraint, END)


@pytest.mark.parametrize(
    "text",
    [
        "Well met, stranger!",
        "No",
        "Mr. Smith has 3.5 coins.",
        "Well... maybe?! Come back soon, at 5%.",
        "'Tis done, said the smith. Aye, said I; go: now - or never.",
        "¿Qué quieres? Über mañana, señor.",
        "日本語です。はい。",
        "İstanbul naïve e\u0301t",
    ],
)
def test_speech_is_a_line(text: str) -> None:
    assert is_line(text, LineRule())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " leading",
        "...",
        "!?",
        '"Quoted"',
        "(smiles) Hi",
        "Hi (smiles)",
        'So "he" said',
        "The old one....?...?",
        "Well,, then",
        "two  spaces",
        "a\nb",
        "a\tb",
        "**bold**",
        "_it_",
        "# head",
        "`code`",
        "<b>",
        "[b]x[/b]",
        "{x}",
        "a|b",
        "a\\b",
        "a ---",
        "~x~",
        "a=b",
        "&amp;",
        "nul\x00",
        "esc\x1b",
        "rtl\u202e",
        "zwj\u200d",
        "\ufeffbom",
        "emoji 🎉",
        "line\u2028sep",
        "one.two",
    ],
)
def test_markup_and_controls_are_no_line(text: str) -> None:
    assert not is_line(text, LineRule())


@pytest.mark.parametrize(
    ("limit", "text", "expected"),
    [
        (1, "One. Two", False),
        (1, "One.", True),
        (1, "One! ", False),
        (2, "One! ", True),
        (2, "One! Two! ", False),
        (0, "One! Two! ", True),
        (1, "Mr. Two came", True),
        (1, "It is 3.5 gold.", True),
        (2, "One. Two!", True),
        (2, "One. Two", True),
        (2, "One. Two. Three", False),
        (0, "One. Two. Three. Four.", True),
    ],
)
def test_a_line_ends_after_its_sentences(limit: int, text: str, expected: bool) -> None:
    assert is_line(text, LineRule(max_sentences=limit)) is expected


def test_after_the_last_sentence_only_the_end_is_left() -> None:
    constraint = constrain(LineRule(max_sentences=1))
    for token_id in TOKENIZER.encode("One?!?"):
        constraint.accept(token_id)
    assert constraint.is_complete


OPENERS = ("It costs 5", "I cannot do that.")


@pytest.mark.parametrize(
    ("limit", "text", "expected"),
    [
        (0, "It costs 5", True),
        (0, "It costs 5 gold, my friend. Pay!", True),
        (0, "It costs 5, no less.", True),
        (0, "It costs 5. Pay!", True),
        (0, "It costs 5 ", True),
        (0, "It costs 50", False),
        (0, "It costs 5gold", False),
        (0, "It costs", False),
        (0, "You pay", False),
        (0, "I cannot do that.", True),
        (0, "I cannot do that. Sorry", True),
        (0, "I cannot do that.Sorry", False),
        (1, "I cannot do that. Sorry!", True),
        (1, "I cannot do that. Sorry! Bye", False),
        (1, "It costs 5.", True),
        (1, "It costs 5. Pay", False),
        (1, "It costs 5 gold. Pay", False),
        (2, "It costs 5 gold. Pay!", True),
        (2, "It costs 5. Pay! Now", False),
    ],
)
def test_a_line_begins_with_an_opener(limit: int, text: str, expected: bool) -> None:
    assert is_line(text, LineRule(openers=OPENERS, max_sentences=limit)) is expected


def test_a_single_opener_needs_no_model() -> None:
    constraint = constrain(LineRule(openers=("The market is 12 steps east",)))
    forced = TOKENIZER.decode(constraint.accept_forced())
    assert "The market is 12 steps east".startswith(forced)
    assert len(forced) > 20


def test_openers_with_markup_are_cleaned() -> None:
    line = LineRule(openers=("A *fine*  <|im_end|> day\n[x]",))
    assert is_line("A fine imend day x", line)


def test_clean_line_keeps_what_can_be_said() -> None:
    assert clean_line("  He said:\n“Mañana, *amigo*!”\x00 🎉 ") == "He said: “Mañana, amigo!”"
    assert clean_line("a ----- b") == "a -- b"


def test_the_budget_cuts_a_line_between_characters() -> None:
    constraint = constrain(LineRule(), max_tokens=3)
    word = TOKENIZER.encode("W")[0]
    assert [constraint.accept(word) for _ in range(4)] == [word, word, word, None]
    assert constraint.is_cut


def test_a_budget_that_ends_within_a_character_is_refused_before_it() -> None:
    constraint = constrain(LineRule(), max_tokens=1)
    taken = constraint.accept(TOKENIZER.encode("本")[0])
    assert taken is not None
    assert "\ufffd" not in TOKENIZER.decode([taken])


SCHEMA = {
    "type": "object",
    "properties": {
        "item": {"enum": ["bread", "iron_sword", "iron_shield"]},
        "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "integer", "minimum": 10, "maximum": 99}},
    },
    "required": ["item", "note", "tags"],
}


def json_constraint(schema: dict[str, Any], max_tokens: int) -> Constraint:
    guided = json_schema(FunctionSchema("act", "Acts.", schema))
    return COMPILER.constrain(f"start: %json {json.dumps(guided)}", max_tokens)


@pytest.mark.parametrize("text", ["a\nb", "nul\x00", "esc\x1b", 'q"\\', "ü", "\u2028"])
def test_any_text_can_be_an_id(text: str) -> None:
    """With few escapes allowed llguidance silently drops characters of an enum's text."""
    constraint = json_constraint({"type": "object", "properties": {"a": {"enum": [text]}}}, 60)
    token_ids = constraint.accept_forced()
    while not constraint.is_complete:
        mask = np.unpackbits(constraint.mask(), bitorder="little")
        token_ids += [int(mask.argmax())]
        constraint.accept(token_ids[-1])
        token_ids += constraint.accept_forced()
    assert json.loads(TOKENIZER.decode(token_ids)) in ({"a": text}, {})


@pytest.mark.parametrize("max_tokens", [40, 50, 60, 80])
def test_a_value_is_always_complete_within_its_budget(max_tokens: int) -> None:
    rng = np.random.default_rng(max_tokens)
    for _ in range(40):
        constraint = json_constraint(SCHEMA, max_tokens)
        token_ids = constraint.accept_forced()
        while not constraint.is_complete:
            mask = np.unpackbits(constraint.mask(), bitorder="little")
            token_id = constraint.accept(int(rng.choice(np.flatnonzero(mask))))
            assert token_id is not None
            token_ids += [token_id, *constraint.accept_forced()]
        assert len(token_ids) == constraint.num_tokens <= max_tokens
        value = json.loads(TOKENIZER.decode(token_ids))
        assert value.keys() == {"item", "note", "tags"}
        assert not any(char < " " or char == "\x7f" for char in value["note"])


def test_a_budget_below_the_shortest_completion_is_an_error() -> None:
    with pytest.raises(InferenceError, match="max_tokens is 5, which is too few"):
        json_constraint(SCHEMA, 5)


def test_a_token_that_is_not_allowed_is_an_error() -> None:
    with pytest.raises(InferenceError, match="not allowed"):
        constrain(LineRule()).accept(TOKENIZER.encode("<")[0])


def test_masks_that_are_computed_ahead_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "_LARGE_VOCABULARY", 0)
    ahead = GrammarCompiler(TOKENIZER, [END], TOKENIZER.vocab_size)
    text = f"start: LINE\nLINE: {line_terminal(LineRule(openers=OPENERS))}"
    rng = np.random.default_rng(0)
    for _ in range(5):
        left, right = ahead.constrain(text, 40), COMPILER.constrain(text, 40)
        while True:
            assert left.accept_forced() == right.accept_forced()
            mask = left.mask()
            np.testing.assert_array_equal(mask, right.mask())
            np.testing.assert_array_equal(mask, left.mask())  # not ahead the second time
            allowed = np.flatnonzero(np.unpackbits(mask, bitorder="little"))
            token_id = int(rng.choice(allowed))
            if left.is_complete or token_id == END:
                break
            taken = left.accept(token_id)
            assert taken == right.accept(token_id)
            if taken is None:
                break


def test_a_wrong_grammar_is_an_error() -> None:
    with pytest.raises(InferenceError, match="grammar"):
        COMPILER.constrain("start: nothing", 10)
