"""Parsers of completions take time in proportion to the text, whatever a model writes."""

import gc
import logging
import time
from collections.abc import Callable, Iterator
from statistics import median

import pytest

from npc_brain.inference.chat import ChatRequest, FunctionSchema, Message
from npc_brain.inference.formats import gemma4, gemma4_syntax
from npc_brain.servers.answer import AnswerReader
from npc_brain.servers.gemma4_tolerant import read_answer
from npc_brain.servers.pieces import JsonAnswer, TextSplitter

pytestmark = pytest.mark.no_cover  # tracing changes how long things take

PROPERTIES = {"item": {"type": "string"}, "n": {"type": "integer"}}
GIVE = FunctionSchema("give", "", {"type": "object", "properties": PROPERTIES})
QUOTE = '<|"|>'
HEADS = (
    "",
    "<|tool_call>call:give{item:",
    '<|tool_call>call:give{item:"',
    f"<|tool_call>call:give{{item:{QUOTE}",
    '<|tool_call>call:give{item:["',
    "<|tool_call>call:give{item:[",
    "<|tool_call>call:give{",
    '{item:"',
    "<|tool_call>",
    "<tool_call>",
    '{"say": "',
    '{"call": "give", "arguments": ',
)
SEEDS = (
    "<|channel>", "<channel|>", "<|tool_response>", "<|tool_call>", "<tool_call|>", "<tool_call>",
    "</tool_call>", "<|tool_call>call:give{", "call:give{\n", "give{\n", "give(", "give{item:{",
    "give{item:[", 'give{item:"', "(", "[", "{", "{}", '"', '",', "'", "`", QUOTE, f"{QUOTE},",
    f"{QUOTE} ", f" {QUOTE}", "item:", ",item:", '",item:', "item:'a',", "a", "a.", "é", ":", ",",
    "\\", '\\"', "\\u0041", "\\ud800", " ", "\n", "9", "<", "<|", "*", "call ", "call :", "'*(",
    "a call:give{", 'give{"a","', "<think>", "\u0301",
)  # fmt: skip


def read_in_pieces(size: int, *, is_json: bool) -> Callable[[str], object]:
    def read(text: str) -> object:
        request = ChatRequest((Message("user", "Hello!"),), functions=(GIVE,))
        reader = AnswerReader(request, is_json=is_json)
        reader.begin()
        for start in range(0, len(text), size):
            reader.feed({"choices": [{"delta": {"content": text[start : start + size]}}]})
            if reader.needs_no_more:
                break
        return reader.finish()

    return read


def split(text: str) -> object:
    splitter = TextSplitter()
    pieces = [piece for char in text for piece in splitter.push(char)]
    return [*pieces, *splitter.end()]


def read_json_line(text: str) -> object:
    answer = JsonAnswer()
    for char in text:
        answer.push(char)
    try:
        return answer.calls()
    except ValueError:
        return None


READERS: dict[str, Callable[[str], object]] = {
    "tolerant": lambda text: read_answer(text, (GIVE,)),
    "answer in pieces": read_in_pieces(64, is_json=False),
    "JSON answer in pieces": read_in_pieces(64, is_json=True),
    "splitter": split,
    "JSON line": read_json_line,
    "thoughts": lambda text: gemma4._THOUGHT.sub("", text),
    "structure of a call": lambda text: gemma4_syntax._STRING_OR_KEY.sub("", text),
}
LENGTH = 8_000
BY_LETTERS = 3_000
"""For what comes letter by letter, which costs more."""
MAX_RATIO = 3.0
"""Of the times that a text and one of half the length take; 4 if they grow with the square."""
FLOOR_S = 0.02
"""Less than this is not worth measuring, and nobody notices it."""


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    logging.disable()
    gc.disable()
    yield
    gc.enable()
    logging.disable(logging.NOTSET)


def took_s(read: Callable[[str], object], text: str) -> float:
    start_s = time.thread_time()
    read(text)
    return time.thread_time() - start_s


def ratio(name: str, head: str, seed: str) -> float:
    """How much longer the double takes; 0 when neither takes long."""
    read = READERS[name]
    length = BY_LETTERS if name in ("splitter", "JSON line") else LENGTH
    texts = [(head + seed * num)[:num] for num in (length, 2 * length)]
    if took_s(read, texts[1]) < FLOOR_S:
        return 0.0
    pairs = [[took_s(read, text) for text in texts] for _ in range(3)]
    once, twice = (median(times) for times in zip(*pairs, strict=True))
    return float(twice / max(once, 1e-4))


@pytest.mark.parametrize("name", READERS)
def test_double_the_text_takes_double_the_time(name: str) -> None:
    slow = {
        (head, seed): found
        for head in HEADS
        for seed in SEEDS
        if (found := ratio(name, head, seed)) > MAX_RATIO
    }
    # once more, for what else the machine does also takes time from what is measured
    slow = {key: found for key in slow if (found := ratio(name, *key)) > MAX_RATIO}
    assert not slow
