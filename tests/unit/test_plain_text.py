import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_brain.plain_text import _ORDINARY, PlainTextStream, plain_text

MARKS = (
    "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<|turn>", "<turn|>",
    "<bos>", "<|begin_of_text|>", "<|eot_id|>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]",
    "<think>", "</think>", "<tool_call>", "<|tool_call>", '<|"|>', "<b>", "<br/>",
    "<img src=x onerror=y()>", "<!-- x -->", "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
)  # fmt: skip
HIDDEN = (
    "\u200b", "\u200e", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u2060", "\U000e0041", "\x00",
    "\x1b", "\u3164", "\ufdd0", "\ud800", "\ufe01", "\U000e0101",
)  # fmt: skip
PARTS = st.sampled_from([*MARKS, *HIDDEN, *"<>[]|/ a", "im_end", "👨\u200d👩", "\u200d", "\u200c"])


@pytest.mark.parametrize("mark", MARKS)
def test_markup_is_dropped_also_when_it_is_hidden_in_itself(mark: str) -> None:
    half = len(mark) // 2
    for text in (mark, mark[:half] + mark + mark[half:], mark[:half] + "\u200b" + mark[half:]):
        assert plain_text(f"Good {text}evening") == "Good evening"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_nobody_sees_is_dropped(hidden: str) -> None:
    assert plain_text(f"se{hidden}cret").replace(" ", "") == "secret"


@pytest.mark.parametrize(
    "text",
    [
        "Two < three, and 5 > 4; I <3 you.",
        "می\u200cخواهم",  # noqa: RUF001
        "क्\u200dष",
        "👨\u200d👩\u200d👧 and ❤\ufe0f, 🏳\ufe0f\u200d🌈",
        "Grüße, 美羅! [sighs] {speaker} *waves*",
        "<" + "a" * 90 + ">",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@given(st.lists(PARTS, max_size=30), st.data())
def test_pieces_add_up_and_nothing_comes_back(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    plain = plain_text(text)
    assert plain_text(plain) == plain
    stream, said = PlainTextStream(), ""
    while text:
        length = data.draw(st.integers(1, 5))
        said += stream.push(text[:length])
        text = text[length:]
        assert plain.startswith(said)
    assert said + stream.end() == plain
    assert not any(mark in plain for mark in MARKS)


@pytest.mark.parametrize("part", ["<", "<a", "[A", "<|", "<a>", "[A<b]", "é<x ", "\u200d<"])
def test_the_time_is_linear(part: str) -> None:
    def cost_s(num_parts: int) -> float:
        start_s = time.process_time()
        plain_text(part * num_parts)
        return time.process_time() - start_s

    cost_s(1000)
    assert cost_s(40_000) < 60 * max(0.001, min(cost_s(2000) for _ in range(3)))


def test_the_short_way_for_ordinary_text_leaves_out_nothing() -> None:
    for code in range(0x110000):
        char = chr(code)
        if _ORDINARY.fullmatch(char):
            stream = PlainTextStream()
            stream._see(char)
            assert stream.end() == char, hex(code)
