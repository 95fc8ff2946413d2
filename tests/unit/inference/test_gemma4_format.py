from typing import Any

import numpy as np
import pytest

from npc_brain.errors import InferenceError, ModelError
from npc_brain.inference.chat import (
    CallEvent,
    ChatEvent,
    FunctionCall,
    FunctionSchema,
    LineRule,
    Message,
    TextDelta,
)
from npc_brain.inference.formats import chat_format
from npc_brain.inference.formats.base import ChatFormat
from npc_brain.inference.formats.gemma4 import Gemma4Format
from npc_brain.inference.formats.gemma4_syntax import Markers
from npc_brain.inference.grammar import GrammarCompiler
from npc_brain.schema.check import first_fault
from tests.inference_doubles import GEMMA4_CONTROLS, gemma4_tokenizer, sentencepiece_tokenizer

TOKENIZER = gemma4_tokenizer()
MARKERS = Markers.of(TOKENIZER)
FORM = chat_format("gemma4", TOKENIZER)
THINKING = chat_format("gemma4", TOKENIZER, thinking_tokens=40)
COMPILER = GrammarCompiler(TOKENIZER, sorted(FORM.stop_ids), TOKENIZER.vocab_size, FORM.closing_ids)
GIVE = FunctionSchema(
    "give_item",
    "Hand an item over",
    {
        "type": "object",
        "properties": {
            "item": {"type": "string", "description": "item id", "enum": ["bread", "key"]},
            "count": {"type": "integer", "description": "how many"},
        },
        "required": ["item"],
    },
)
SYSTEM = Message("system", " You are Mira, a smith.\n")
ASKED = Message("user", "Is the gate open? ")
CALLED = Message("assistant", calls=(FunctionCall("give_item", {"item": "bread", "count": 2}),))
RESULT = Message("tool", "done", name="give_item")
SAID = Message("assistant", "Here you are.")


def written(*messages: Message, form: ChatFormat = FORM, functions: Any = ()) -> str:
    return TOKENIZER.describe(form.render(messages, functions).token_ids)


def a_function(**properties: Any) -> FunctionSchema:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return FunctionSchema("act", "Acts", schema)


def tokens(text: str) -> list[int]:
    """`text` with markers spelled out, as tokens."""
    for control in GEMMA4_CONTROLS:
        if control in text:
            before, _, after = text.partition(control)
            return [*tokens(before), TOKENIZER.control_id(control), *tokens(after)]
    return TOKENIZER.encode(text)


def events_of(text: str, form: ChatFormat = FORM) -> list[ChatEvent]:
    parser = form.parser(LineRule())
    return [event for token in tokens(text) for event in parser.feed(token)]


def line_of(text: str, form: ChatFormat = FORM) -> str:
    return "".join(e.text for e in events_of(text, form) if isinstance(e, TextDelta))


def is_allowed(text: str, *functions: FunctionSchema, form: ChatFormat = FORM) -> bool:
    """Whether the grammar lets exactly `text` through."""
    line = LineRule(is_allowed=form is THINKING)
    constraint = COMPILER.constrain(form.grammar(functions, line), 400)
    for token in tokens(text):
        mask = constraint.mask()
        if constraint.is_complete or not mask[token >> 3] >> (token & 7) & 1:
            return False
        assert constraint.accept(token) == token
    mask = constraint.mask()
    stop = MARKERS.turn_end
    return constraint.is_complete or bool(mask[stop >> 3] >> (stop & 7) & 1)


# Rendering


def test_turns() -> None:
    assert written(SYSTEM, ASKED) == (
        "<bos><|turn>system\nYou are Mira, a smith.<turn|>\n"
        "<|turn>user\nIs the gate open?<turn|>\n"
        "<|turn>model\n"
    )


def test_a_declaration_stands_in_the_system_turn() -> None:
    assert written(SYSTEM, functions=[GIVE]) == (
        "<bos><|turn>system\nYou are Mira, a smith."
        '<|tool>declaration:give_item{description:<|"|>Hand an item over<|"|>,parameters:{'
        'properties:{count:{description:<|"|>how many<|"|>,type:<|"|>INTEGER<|"|>},'
        'item:{description:<|"|>item id<|"|>,enum:[<|"|>bread<|"|>,<|"|>key<|"|>],'
        'type:<|"|>STRING<|"|>}},required:[<|"|>item<|"|>],type:<|"|>OBJECT<|"|>}}<tool|>'
        "<turn|>\n<|turn>model\n"
    )


def test_a_system_turn_is_written_only_for_a_reason() -> None:
    assert written(ASKED).startswith("<bos><|turn>user\n")
    assert written(ASKED, functions=[GIVE]).startswith("<bos><|turn>system\n<|tool>")
    assert written(ASKED, form=THINKING).startswith("<bos><|turn>system\n<|think|>\n<turn|>")


def test_a_call_its_result_and_the_line_share_a_turn() -> None:
    so_far = (
        "<bos><|turn>user\nIs the gate open?<turn|>\n<|turn>model\n"
        '<|tool_call>call:give_item{count:2,item:<|"|>bread<|"|>}<tool_call|>'
        '<|tool_response>response:give_item{value:<|"|>done<|"|>}<tool_response|>'
    )
    assert written(ASKED, CALLED, RESULT) == so_far
    assert written(ASKED, CALLED, RESULT, SAID) == f"{so_far}Here you are.<turn|>\n<|turn>model\n"


def test_a_line_beside_a_call_comes_after_the_result() -> None:
    """In the template a message's text follows the results of its calls."""
    both = Message("assistant", "Here you are.", calls=CALLED.calls)
    assert written(ASKED, both, RESULT) == written(ASKED, CALLED, RESULT, SAID)


def test_a_turn_without_a_line_is_closed_before_the_player_speaks() -> None:
    """The template leaves the model's turn open there, and two turns at once mean nothing."""
    text = written(ASKED, CALLED, RESULT, ASKED)
    assert "<tool_response|><turn|>\n<|turn>user\n" in text
    assert text.count("<|turn>") == text.count("<turn|>") + 1


def test_two_lines_in_a_row_are_two_turns() -> None:
    assert written(SAID, SAID).count("<|turn>model\nHere you are.<turn|>\n") == 2


def test_all_system_texts_make_one_turn() -> None:
    """The template puts only the first one there; the model knows no other place for them."""
    text = written(SYSTEM, Message("system", "It rains."), ASKED)
    assert "<|turn>system\nYou are Mira, a smith.\n\nIt rains.<turn|>" in text


def test_thoughts_are_stripped_from_what_the_model_said() -> None:
    said = Message("assistant", "<|channel>thought\nHm<channel|>Aye.<|channel>thought\nno end")
    assert "<|turn>model\nAye.<turn|>" in written(said)


def test_thinking_off_adds_nothing() -> None:
    """Reported as ollama 15536: an empty block of thought spoils E2B and E4B."""
    assert MARKERS.channel not in FORM.render([SYSTEM, ASKED]).token_ids


def test_null_is_spelled_as_in_calls() -> None:
    """Jinja would spell Python's None."""
    call = FunctionCall("act", {"b": None, "A": True, "c": [1, 0.5, {"x": "y"}]})
    assert 'call:act{A:true,b:null,c:[1,0.5,{x:<|"|>y<|"|>}]}<tool_call|>' in written(
        Message("assistant", calls=(call,))
    )


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": ["a", "b"]}, '{enum:[<|"|>a<|"|>,<|"|>b<|"|>],type:<|"|>STRING<|"|>}'),
        (
            {"type": "string", "description": "who"},
            '{description:<|"|>who<|"|>,type:<|"|>STRING<|"|>}',
        ),
        (
            {"type": "array", "items": {"enum": ["mill"]}, "minItems": 1},
            '{items:{enum:[<|"|>mill<|"|>],type:<|"|>STRING<|"|>},type:<|"|>ARRAY<|"|>}',
        ),
        (
            {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]},
            '{properties:{b:{type:<|"|>BOOLEAN<|"|>}},required:[<|"|>b<|"|>],'
            'type:<|"|>OBJECT<|"|>}',
        ),
    ],
)
def test_declared_properties(schema: dict[str, Any], expected: str) -> None:
    """The template writes an empty type for enums without a type."""
    function = a_function(x=schema)
    assert f"properties:{{x:{expected}}}," in written(SYSTEM, functions=[function])


def test_the_format_needs_its_control_tokens() -> None:
    with pytest.raises(ModelError, match=r"<\|turn>"):
        chat_format("gemma4", sentencepiece_tokenizer())


def test_other_formats_cannot_think() -> None:
    with pytest.raises(ModelError, match="cannot think"):
        chat_format("gemma3", sentencepiece_tokenizer(), thinking_tokens=10)


def test_stop_tokens() -> None:
    form = chat_format("gemma4", TOKENIZER, stop_ids=[TOKENIZER.control_id("<eos>")])
    stops = {TOKENIZER.control_id(text) for text in ("<eos>", "<turn|>", "<|tool_response>")}
    assert form.stop_ids == stops


# Parsing


def test_calls_are_parsed_by_token_id() -> None:
    parser = FORM.parser(LineRule())
    inner = 'a <|"|> b, {c}: <tool_call|>'
    ids = [
        *tokens('<|tool_call>call:act{n:[1,-2.5,true,null],s:<|"|>'),
        *TOKENIZER.encode(inner),
        *tokens('<|"|>,t:<|"|><|"|>}<tool_call|>'),
    ]
    assert [event for token in ids for event in parser.feed(token)] == [
        CallEvent(FunctionCall("act", {"n": [1, -2.5, True, None], "s": inner, "t": ""}))
    ]


def test_calls_come_one_after_the_other() -> None:
    text = "<|tool_call>call:a{}<tool_call|><|tool_call>call:b{x:{y:{}}}<tool_call|>"
    calls = [CallEvent(FunctionCall("a", {})), CallEvent(FunctionCall("b", {"x": {"y": {}}}))]
    assert events_of(text) == calls
    assert events_of(text[: -len("<tool_call|>")]) == calls[:1]


def test_thoughts_never_reach_the_player() -> None:
    thought = "<|channel>thought\nHe <|tool_call>call:a{}<tool_call|> wants.<channel|>"
    assert line_of(f"{thought}Aye.{thought} So.") == "Aye. So."
    assert line_of("Aye.<|channel>thought\ncut") == "Aye."


def test_a_call_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(InferenceError, match="cannot be read"):
        events_of("<|tool_call>call:act{x:}<tool_call|>")


# Grammar


ACT = a_function(
    b={"enum": ["x", "y z"]},
    a={"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 9}, "maxItems": 2},
    c={"type": "string", "minLength": 2, "maxLength": 3},
)
MAYBE = FunctionSchema(
    "maybe",
    "Perhaps",
    {
        "type": "object",
        "properties": {key: {"type": "integer", "maximum": 5} for key in "zbma"},
        "required": ["m"],
    },
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('a:[1,2],b:<|"|>x<|"|>,c:<|"|>abc<|"|>', True),
        ('a:[],b:<|"|>y z<|"|>,c:<|"|>ab<|"|>', True),
        ('a:[],b:<|"|><|"|>,c:<|"|>ab<|"|>', False),
        ('a:[],b:<|"|>x<|"|>,c:<|"|>a<|"|>', False),
        ('a:[],b:<|"|>x<|"|>,c:true', False),
        ('a:[],b:<|"|>z<|"|>,c:<|"|>ab<|"|>', False),
        ('a:[1,2,3],b:<|"|>x<|"|>,c:<|"|>ab<|"|>', False),
        ('a:[0],b:<|"|>x<|"|>,c:<|"|>ab<|"|>', False),
        ('a:[],b:<|"|>x<|"|>,c:<|"|>abcd<|"|>', False),
        ('a:[],b:"x",c:<|"|>ab<|"|>', False),
        ('a: [],b:<|"|>x<|"|>,c:<|"|>ab<|"|>', False),
        ('b:<|"|>x<|"|>,a:[],c:<|"|>ab<|"|>', False),
        ('a:[],b:<|"|>x<|"|>', False),
        ('a:[],b:<|"|>x<|"|>,c:<|"|>ab<|"|>,d:1', False),
    ],
)
def test_arguments_in_the_native_notation(arguments: str, expected: bool) -> None:
    assert is_allowed(f"<|tool_call>call:act{{{arguments}}}<tool_call|>", ACT) is expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("m:1", True),
        ("a:1,m:1", True),
        ("b:1,m:1,z:1", True),
        ("a:1,b:2,m:3,z:4", True),
        ("", False),
        ("a:1,b:1,z:1", False),
        ("m:1,", False),
        (",m:1", False),
        ("m:1,a:1", False),
        ("m:6", False),
    ],
)
def test_optional_arguments(arguments: str, expected: bool) -> None:
    assert is_allowed(f"<|tool_call>call:maybe{{{arguments}}}<tool_call|>", MAYBE) is expected


def test_several_calls_of_several_functions() -> None:
    call = "<|tool_call>call:maybe{m:1}<tool_call|>"
    other = '<|tool_call>call:act{a:[],b:<|"|>x<|"|>,c:<|"|>ab<|"|>}<tool_call|>'
    assert is_allowed(call + other + call + call, ACT, MAYBE)
    assert not is_allowed(call * 5, ACT, MAYBE)
    assert not is_allowed(call, ACT)


def test_a_string_may_spell_markers() -> None:
    function = a_function(s={"type": "string"})
    ids = [
        *tokens('<|tool_call>call:act{s:<|"|>'),
        *TOKENIZER.encode('<|"|><turn|>{"\''),
        *tokens('<|"|>}<tool_call|>'),
    ]
    constraint = COMPILER.constrain(FORM.grammar([function], LineRule(is_allowed=False)), 300)
    assert [constraint.accept(token) for token in ids] == ids
    assert constraint.mask()[MARKERS.turn_end >> 3] >> (MARKERS.turn_end & 7) & 1


def test_property_names_that_bare_keys_cannot_spell_are_refused() -> None:
    with pytest.raises(InferenceError, match="the name 'a:b'"):
        FORM.grammar([a_function(**{"a:b": {"type": "string"}})], LineRule())


def test_a_thought_comes_first_and_ends() -> None:
    assert is_allowed("<|channel>thought\nHe wants *bread*.<channel|>Aye.", form=THINKING)
    assert is_allowed("Aye.", form=THINKING)
    assert not is_allowed("Aye.<|channel>thought\n<channel|>", form=THINKING)
    assert not is_allowed("<|channel>thought\n" + "a b " * 40 + "<channel|>Aye.", form=THINKING)


@pytest.mark.parametrize("max_tokens", [30, 40, 60])
def test_a_call_is_complete_within_its_budget(max_tokens: int) -> None:
    function = a_function(s={"type": "string", "minLength": 2}, t={"enum": ["a", "b"]})
    grammar = FORM.grammar([function], LineRule(is_allowed=False))
    rng = np.random.default_rng(max_tokens)
    for _ in range(20):
        constraint = COMPILER.constrain(grammar, max_tokens)
        ids = constraint.accept_forced()
        while not constraint.is_complete:
            allowed = np.flatnonzero(np.unpackbits(constraint.mask(), bitorder="little"))
            token = int(rng.choice(allowed))
            if token in FORM.stop_ids or (taken := constraint.accept(token)) is None:
                break
            ids += [taken, *constraint.accept_forced()]
        parser = FORM.parser(LineRule())
        calls = [event for token in ids for event in parser.feed(token)]
        assert calls
        for event in calls:
            assert isinstance(event, CallEvent)
            assert first_fault(function.parameters, event.call.arguments) is None
        assert len(ids) <= max_tokens


def test_the_class_is_registered() -> None:
    assert isinstance(FORM, Gemma4Format)
