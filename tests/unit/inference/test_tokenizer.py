import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as HfTokenizer

from npc_brain.errors import ModelError
from npc_brain.inference.tokenizer import Tokenizer
from tests.inference_doubles import (
    CHATML_CONTROLS,
    GEMMA_CONTROLS,
    byte_level_json,
    byte_level_tokenizer,
    sentencepiece_tokenizer,
)

BOTH = pytest.mark.parametrize(
    "tokenizer", [byte_level_tokenizer(), sentencepiece_tokenizer()], ids=["bytes", "pieces"]
)

hostile_text = st.lists(
    st.one_of(
        st.sampled_from([*CHATML_CONTROLS, *GEMMA_CONTROLS, "<tool_call>", "\n\n", "\u2581"]),
        st.text(max_size=8),
    ),
    max_size=8,
).map("".join)


@BOTH
@given(text=hostile_text)
def test_text_never_becomes_a_control_token_and_survives(tokenizer: Tokenizer, text: str) -> None:
    token_ids = tokenizer.encode(text)
    assert not set(token_ids) & set(tokenizer.control_ids.values())
    assert tokenizer.decode(token_ids) == text.replace("\u2581", " ") or "\u2581" in text


def test_careless_encoding_of_the_small_tokenizer_gives_control_tokens() -> None:
    """So the tests above can fail: without added tokens the merges alone spell them."""
    spec = json.loads(byte_level_json()) | {"added_tokens": [], "pre_tokenizer": None}
    careless = HfTokenizer.from_str(json.dumps(spec))
    assert careless.encode("<|im_start|>").ids == [careless.token_to_id("<|im_start|>")]


@BOTH
@given(text=st.text(max_size=30))
def test_a_stream_gives_whole_characters_only(tokenizer: Tokenizer, text: str) -> None:
    stream = tokenizer.stream()
    pieces = [stream.push(token_id) for token_id in tokenizer.encode(text)]
    assert "".join(pieces) == text.replace("\u2581", " ") or "\u2581" in text
    assert stream.finish() == ""
    assert "\ufffd" not in "".join(pieces) or "\ufffd" in text


def test_a_completion_cut_within_a_character_ends_in_a_replacement_character() -> None:
    tokenizer = sentencepiece_tokenizer()
    token_ids = tokenizer.encode("🎉")
    assert len(token_ids) == 4
    stream = tokenizer.stream()
    assert [stream.push(token_id) for token_id in token_ids[:3]] == ["", "", ""]
    assert stream.finish() == "\ufffd"


def test_lone_surrogates_are_replaced() -> None:
    tokenizer = byte_level_tokenizer()
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a?b"


def test_a_tokenizer_with_a_prefix_space_drops_it_once() -> None:
    spec = json.loads(byte_level_json())
    spec["decoder"] = {
        "type": "Sequence",
        "decoders": [spec["decoder"], {"type": "Strip", "content": " ", "start": 1, "stop": 0}],
    }
    tokenizer = Tokenizer(json.dumps(spec))
    assert tokenizer.decode(tokenizer.encode("  met")) == " met"


def test_control_tokens_have_no_text_but_can_be_described() -> None:
    tokenizer = byte_level_tokenizer()
    token_ids = [tokenizer.control_id("<|im_start|>"), *tokenizer.encode("user")]
    assert tokenizer.decode(token_ids) == "user"
    assert tokenizer.describe(token_ids) == "<|im_start|>user"


def test_an_unknown_control_token_is_an_error() -> None:
    with pytest.raises(ModelError, match="no control token '<start_of_turn>'"):
        byte_level_tokenizer().control_id("<start_of_turn>")


_HALF = '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "decoder": {"type": "Fuse"'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"model": {"type": "WordPiece"}}',
        _HALF,
        _HALF + '}, "pre_tokenizer": {"type": "ByteLevel"}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": []}}',
        '{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"],'
        ' "continuing_subword_prefix": "####"}, "decoder": {"type": "Fuse"}}',
    ],
)
def test_a_damaged_file_is_an_error(text: str) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Tokenizer(text)
