"""One test a fault that was reported of Gemma 4's calls; see the docstrings for where."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.inference.chat import FunctionCall, FunctionSchema
from npc_brain.servers.arguments import fit_call
from npc_brain.servers.gemma4_tolerant import Answer, read_answer, read_call


def function(name: str, required: list[str], **properties: Any) -> FunctionSchema:
    schema = {"type": "object", "properties": properties, "required": required}
    return FunctionSchema(name, "Does it.", schema)


TEXT = {"type": "string"}
GIVE = function(
    "give_item",
    ["item"],
    item={"type": "string", "enum": ["bread", "iron_sword"]},
    count={"type": "integer", "minimum": 1, "maximum": 9},
    note={"type": "string", "maxLength": 1000},
)
ROUTE = function(
    "plan_route",
    ["stops"],
    stops={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 4},
    how={"type": "object", "properties": {"quietly": {"type": "boolean"}, "reason": TEXT}},
)
SAVE = function("remember", ["memory"], memory=TEXT)
OFFERED = (GIVE, ROUTE, SAVE)


def calls(text: str, **kwargs: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in read_answer(text, OFFERED, **kwargs).calls]


def give(**arguments: Any) -> list[tuple[str, dict[str, Any]]]:
    return [("give_item", arguments)]


def marked(body: str) -> str:
    return f"<|tool_call>call:{body}<tool_call|>"


def test_a_call_without_fault() -> None:
    text = marked('give_item{count:2,item:<|"|>bread<|"|>,note:<|"|>a {b}, "c": [d]<|"|>}')
    assert calls(text) == give(count=2, item="bread", note='a {b}, "c": [d]')


def test_nested_values() -> None:
    text = marked('plan_route{how:{quietly:true},stops:[<|"|>mill<|"|>,<|"|>inn, old<|"|>]}')
    assert calls(text) == [
        ("plan_route", {"how": {"quietly": True}, "stops": ["mill", "inn, old"]})
    ]


@pytest.mark.parametrize(
    "body",
    [
        'plan_route{"stops": ["mill", "inn"], "how": {"quietly": true}}',
        "plan_route{'stops': ['mill', 'inn'], 'how': {'quietly': True}}",
        'plan_route{stops=["mill","inn"],how={quietly=true}}',
    ],
)
def test_json_and_python_values(body: str) -> None:
    """Reported as vLLM 51284, 51307: JSON's and Python's quotes in values, `=` for `:`."""
    expected = {"stops": ["mill", "inn"], "how": {"quietly": True}}
    assert calls(marked(body)) == [("plan_route", expected)]


@pytest.mark.parametrize("note", ['he said "aye" and left', 'a "b", c', "it's mine, isn't it"])
def test_inner_quotes_do_not_cut(note: str) -> None:
    """Reported as vLLM 39069, 39070: the value was cut at the first quote within it."""
    assert calls(marked(f'give_item{{item:"bread",note:"{note}"}}')) == give(
        item="bread", note=note
    )
    assert calls(marked(f'give_item{{item:<|"|>bread<|"|>,note:<|"|>{note}<|"|>}}')) == give(
        item="bread", note=note
    )


def test_escaped_quotes() -> None:
    r"""Reported as vLLM 39468: JSON's `\"` within a value."""
    assert calls(marked(r'give_item{item:"bread",note:"say \"aye\", he said"}')) == give(
        item="bread", note='say "aye", he said'
    )


def test_quote_tokens_within_a_string() -> None:
    """Reported as vLLM 44715, 48678: the quote token is used for quotes within the text."""
    text = marked('give_item{item:<|"|>bread<|"|>,note:<|"|>call me <|"|>Bo<|"|> now<|"|>}')
    assert calls(text) == give(item="bread", note='call me "Bo" now')


@pytest.mark.parametrize("count", ['<|"|>3<|"|>', '"3"', "3", "3.0"])
def test_values_become_what_the_schema_wants(count: str) -> None:
    """Reported as vLLM 47906: bare values come back as strings."""
    found = calls(marked(f"give_item{{count:{count},item:bread}}"))
    assert found == give(count=3, item="bread")
    assert isinstance(found[0][1]["count"], int)


@pytest.mark.parametrize(
    "item", ['<|"|>"bread"<|"|>', '"bread<|"|>"', '"bread"<|"|>', '<|"|>bread<|"|><|"|>']
)
def test_leaked_quote_tokens(item: str) -> None:
    """Reported as vLLM 44522: quote tokens were left in the values."""
    assert calls(marked(f"give_item{{item:{item},count:1}}")) == give(item="bread", count=1)


@pytest.mark.parametrize(
    "text",
    [
        '<|tool_call>:give_item{item:<|"|>bread<|"|>}<tool_call|>',
        '<|tool_call>give_item{item:<|"|>bread<|"|>}<tool_call|>',
        '<|tool_call>call:give_item(item:<|"|>bread<|"|>)<tool_call|>',
        '<|tool_call>call: give_item(item="bread")<tool_call|>',
        ':give_item{item:<|"|>bread<|"|>}',
        'call:give_item{item:<|"|>bread<|"|>}',
    ],
)
def test_missing_call_and_round_brackets(text: str) -> None:
    """Reported as vLLM 53431, 53642: no `call`, no marker, or round brackets."""
    assert read_answer(text, OFFERED) == Answer("", (FunctionCall("give_item", {"item": "bread"}),))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('give_item{item:bread<|"|>}', ("give_item", {"item": "bread"})),
        (
            'give_item{item:bread<|"|>,note:well, well<|"|>,count:2}',
            ("give_item", {"item": "bread", "note": "well, well", "count": 2}),
        ),
        (
            'plan_route{stops:[mill<|"|>,<|"|>inn<|"|>]}',
            ("plan_route", {"stops": ["mill", "inn"]}),
        ),
    ],
)
def test_a_missing_opening_quote(body: str, expected: tuple[str, Any]) -> None:
    """SGLang 39240: the opening quote token is missing; a parser hung on arrays."""
    assert calls(marked(body)) == [expected]


def test_duplicate_calls_and_repeated_thoughts() -> None:
    """llama.cpp 21882: the same call twice, and one block of thought after the other."""
    thought = "<|channel>thought\nBread?<channel|>"
    call = marked('give_item{item:<|"|>bread<|"|>}')
    text = f"{thought}{thought}{call}{call}{thought}Here you are."
    answer = read_answer(text, OFFERED)
    assert answer == Answer("Here you are.", (FunctionCall("give_item", {"item": "bread"}),))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<|channel>thought\nI must", ""),
        ("thought\nI must give<channel|>Here.", "Here."),
        ("<|channel>thought\n<channel|>Aye.", "Aye."),
    ],
)
def test_thoughts_are_never_spoken(text: str, line: str) -> None:
    """llama.cpp 21882, and larger models' empty blocks: cut, half open and empty thoughts."""
    assert read_answer(text, OFFERED) == Answer(line, ())


def test_a_marker_in_a_line_does_not_cut_it() -> None:
    """llama.cpp 22371: the content ended where the marker was spelled."""
    assert read_answer("Write <|tool_call> to do it. Really.", OFFERED) == Answer(
        "Write to do it. Really.", ()
    )


@pytest.mark.parametrize(
    "text",
    [
        marked("remember{memory: \"Bo likes ale, 'dark' ale\"}"),
        "memory: \"Bo likes ale, 'dark' ale\"",
        "{memory: \"Bo likes ale, 'dark' ale\"}",
    ],
)
def test_memory_with_ordinary_quotes(text: str) -> None:
    """llama.cpp 22786: E4B writes `memory: "..."`, which was shown to the user."""
    call = FunctionCall("remember", {"memory": "Bo likes ale, 'dark' ale"})
    assert read_answer(text, OFFERED) == Answer("", (call,))


@pytest.mark.parametrize("quote", ["`", "'"])
def test_other_quotes(quote: str) -> None:
    """Ollama 15315: E4B uses back-ticks or single quotes."""
    body = f"give_item{{item:{quote}iron_sword{quote},note:{quote}for you{quote}}}"
    assert calls(marked(body)) == give(item="iron_sword", note="for you")


def test_long_strings() -> None:
    """llama.cpp 25986: long strings with anything in them."""
    note = ("a, b: {c} [d] (e)\n\"f\" 'g' " * 37).strip()
    text = marked(f'give_item{{item:<|"|>bread<|"|>,note:<|"|>{note}<|"|>}}')
    assert calls(text) == give(item="bread", note=note)


@pytest.mark.parametrize(
    "end", ["", "}", 'count:2,item:<|"|>bre', 'item:<|"|>bread<|"|>', "item:[[[["]
)
def test_an_unfinished_block_is_dropped_at_the_length_limit(end: str) -> None:
    """Reported as opencode 20995, and completions cut by their limit."""
    text = f"Wait. <|tool_call>call:give_item{{{end}"
    assert read_answer(text, OFFERED, is_cut=True) == Answer("Wait.", ())


def test_a_call_that_only_lacks_its_end_is_taken() -> None:
    assert calls('<|tool_call>call:give_item{item:<|"|>bread<|"|>') == give(item="bread")


@pytest.mark.parametrize(
    "body", ["steal{}", "give_item{}", "give_item{item:gold}", "give_item{item:bread,count:99}"]
)
def test_what_does_not_fit_is_neither_called_nor_spoken(body: str) -> None:
    assert read_answer(f"No. {marked(body)}", OFFERED) == Answer("No.", ())
    assert read_call(f"call:{body}", OFFERED) is None


def test_invented_results_are_dropped() -> None:
    """Ollama 15539: the model went on with a result of its own."""
    text = marked("give_item{item:bread}") + "<|tool_response>response:give_item{ok:true}"
    assert read_answer(text, OFFERED).line == ""


def test_speech_is_no_call() -> None:
    text = "Listen: bread (fresh!) costs 3. Call: me later {really}."
    assert read_answer(text, OFFERED).calls == ()


def test_the_body_of_one_call() -> None:
    call = read_call('call:give_item{item:<|"|>bread<|"|>}', OFFERED)
    assert call == FunctionCall("give_item", {"item": "bread"})


parts = st.lists(
    st.one_of(
        st.sampled_from(
            ["<|tool_call>", "<tool_call|>", "call:", "give_item", "plan_route", "{", "}", "("]
        ),
        st.sampled_from([")", "[", "]", ",", ":", "=", '<|"|>', '"', "'", "`", "\\", "item", "\n"]),
        st.sampled_from(["bread", "stops", "memory: ", "<|channel>", "<channel|>", "<|turn>", " "]),
        st.sampled_from(["<|tool_response>", "true", "null", "3", "1e999", "<|", "|>", "thought"]),
        st.text(max_size=4),
    ),
    max_size=40,
).map("".join)


@given(text=parts, is_cut=st.booleans())
def test_any_text_gives_a_clean_line_and_calls_that_fit(text: str, is_cut: bool) -> None:
    answer = read_answer(text, OFFERED, is_cut=is_cut)
    assert not set(answer.line) & set("<>{}[]|`*#_\\~^=&@\n")
    for call in answer.calls:
        assert fit_call(call.name, call.arguments, OFFERED) == call
    read_call(text, OFFERED, is_cut=is_cut)


def test_deep_nesting_ends() -> None:
    assert calls(marked("plan_route{stops:" + "[" * 5000)) == []
